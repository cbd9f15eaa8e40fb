"""JSON, XML and YAML that annotation tools write, read so that what is wrong is said with its place.

What such a file must hold is asked for with `member`: a missing or mistyped field is a `BadFileError` in the
file's own words, not a ``KeyError`` from the middle of a source.
"""

import json
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree

import numpy as np
import yaml

from kerseg.data.formats.files import BadFileError, Place, read_bytes, read_regular
from kerseg.data.formats.shapes import Points

T = TypeVar("T")

_NAMES = {dict: "an object", list: "a list", str: "a text", int: "a whole number", float: "a number"}


def read_json(path: Path) -> object:
    """Return the content of a JSON file.

    Raises:
        BadFileError: It cannot be read, or is not JSON; line and column are given.
    """
    data = read_bytes(path, is_image=False)
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        raise BadFileError(
            path, f"broken JSON: line {error.lineno}, column {error.colno}: {error.msg}."
        ) from None
    except UnicodeDecodeError as error:
        raise BadFileError(path, f"broken JSON: {_not_text(error)}") from None
    except RecursionError:
        raise BadFileError(path, "broken JSON: nested too deeply.") from None
    except ValueError as error:  # a number of thousands of digits, which Python reads as none
        raise BadFileError(path, f"broken JSON: {str(error).partition(';')[0]}.") from None


def read_object(path: Path) -> dict[str, object]:
    """Return the content of a JSON file that is an object.

    Raises:
        BadFileError: It cannot be read, is not JSON, or is something else.
    """
    document = read_json(path)
    if not isinstance(document, dict):
        raise BadFileError(path, f"wrong type: the document is {_shown(document)}, not an object.")
    return document


def read_xml(path: Path) -> ElementTree.Element:
    """Return the root of an XML file.

    Raises:
        BadFileError: It cannot be read, or is not XML; line and column are given.
    """
    try:
        return ElementTree.fromstring(read_bytes(path, is_image=False))
    except ElementTree.ParseError as error:
        line, column = error.position
        reason = str(error).partition(": line")[0]
        raise BadFileError(path, f"broken XML: line {line}, column {column + 1}: {reason}.") from None


class _Plain(yaml.SafeLoader):
    """Plain values: no tags, and no aliases, a dozen lines of which stand for more than any memory holds."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        mark: Any = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="an alias: write the value out", problem_mark=mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(problem="a tag: leave it out", problem_mark=mark)
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> object:
    """Return the content of a YAML file.

    Raises:
        BadFileError: It cannot be read, or is not YAML; line and column are given where they are known.
    """
    try:
        return yaml.load(read_bytes(path, is_image=False), _Plain)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise BadFileError(path, f"broken YAML: {where}{error.problem}.") from None
    except RecursionError:
        raise BadFileError(path, "broken YAML: nested too deeply.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise BadFileError(path, f"broken YAML: {error}.") from None


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file, with none left out, so that their numbers are those of an editor.

    Raises:
        BadFileError: It cannot be read, or is not text in UTF-8. An empty file has no lines.
    """
    try:
        return read_regular(path).decode("utf-8-sig").splitlines()
    except OSError as error:
        raise BadFileError(path, f"unreadable: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadFileError(path, f"not text: {_not_text(error)}") from None


def member(place: Place, values: object, key: str, kind: type[T], owner: str) -> T:
    """Return ``values[key]``, which must be of the type ``kind``; an integer does for ``float``.

    Args:
        place: For messages.
        values: An object of a JSON document.
        key: Name of the field.
        kind: ``dict``, ``list``, ``str``, ``int`` or ``float``.
        owner: What the object is, for messages: ``"annotation 17"``.

    Raises:
        BadFileError: There is no such field, or it is of another type.

    Example:
        >>> member(Path("a.json"), {"width": 640}, "width", int, "image 3")
        640
    """
    if not isinstance(values, dict):
        raise BadFileError(place, f"wrong type: {owner} is {_shown(values)}, not an object.")
    if key not in values:
        raise BadFileError(place, f"incomplete: {owner} has no {key!r}.")
    value = values[key]
    # In Python, True is an int; in these files it is a mistake.
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
        raise BadFileError(place, f"wrong type: {key!r} of {owner} is {_shown(value)}, not {_NAMES[kind]}.")
    return value  # type: ignore[return-value]


def corners(place: Place, numbers: object, owner: str, *, least: int = 3) -> Points:
    """Return the points ``(n, 2)`` of a shape, from pairs or from ``x y x y ...`` in one list.

    Args:
        place: For messages.
        numbers: Lists of numbers.
        owner: What they belong to, for messages.
        least: Number of points that there must be.

    Raises:
        BadFileError: They are not that many points, or not finite numbers.
    """
    try:
        points = np.array(numbers, np.float64)
    except (TypeError, ValueError):
        raise BadFileError(place, f"wrong type: the points of {owner} are not all numbers.") from None
    if points.size % 2 or (points.ndim == 2 and points.shape[1] != 2) or points.ndim not in (1, 2):
        raise BadFileError(place, f"odd points: those of {owner} are not pairs of x and y.")
    points = points.reshape(-1, 2)
    if len(points) < least:
        raise BadFileError(place, f"too few points: {owner} has {len(points)}; its shape needs {least}.")
    if not np.isfinite(points).all():
        raise BadFileError(place, f"wrong type: the points of {owner} are not all finite numbers.")
    return points


def size(place: Place, height: int, width: int) -> tuple[int, int]:
    """Return height and width of an image, as its annotations give them.

    Raises:
        BadFileError: No image has that size.
    """
    # A hundred thousand squared would fill the memory before anyone could compare it with the image.
    if not (0 < height <= _LARGEST and 0 < width <= _LARGEST and height * width <= _MOST_PIXELS):
        raise BadFileError(place, f"impossible size: {width} x {height} (width x height).")
    return height, width


_LARGEST = 2**16
_MOST_PIXELS = 2**28


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _not_text(error: UnicodeDecodeError) -> str:
    return f"byte {error.start} is {error.object[error.start]:#04x}, which is not UTF-8."
