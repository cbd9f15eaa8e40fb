"""The one reader of what kerseg and its users write down: JSON and YAML against typed dataclasses.

``dataset.json``, model cards, recipes and the files of a run are all described by dataclasses, whose field types
are the schema: types, ranges (``Annotated[int, msgspec.Meta(ge=1)]``), optional fields. msgspec checks them,
strictly: a number in quotes is no number, and neither is ``true``.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, TypeVar

import msgspec

from kerseg.errors import DataError, KersegError

T = TypeVar("T")
_LONGEST = 500
"""Characters of a file's that a message repeats."""


def decode_json(data: bytes, kind: type[T], *, where: object, error: type[KersegError] = DataError) -> T:
    """Read JSON.

    Args:
        data: UTF-8.
        kind: A dataclass, or any type that msgspec knows. Fields that it does not have are passed over: a later
            kerseg may say more.
        where: What is read, usually a path: the beginning of the message.
        error: What is raised.

    Raises:
        KersegError: It is not JSON, has a field twice, or does not fit; the message names the field, what it holds
            and what it takes.

    Example:
        >>> decode_json(b"[1, 2]", list[int], where="a.json")
        [1, 2]
    """
    try:
        values = msgspec.json.decode(data)
        json.loads(data, object_pairs_hook=_once)
    # Nesting of thousands exhausts the stack of the decoder before it exhausts anything else.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise error(f"{where}: not JSON: {cause}.") from cause
    except ValueError as cause:
        raise error(f"{where}: {cause}") from cause
    return convert(values, kind, where=where, error=error)


def convert(values: object, kind: type[T], *, where: object, error: type[KersegError] = DataError) -> T:
    """Turn mappings, lists and scalars into ``kind``; arguments and errors are those of `decode_json`.

    Example:
        >>> convert({"a": "x"}, dict[str, int], where="data/dataset.json")
        Traceback (most recent call last):
        kerseg.errors.DataError: data/dataset.json: ...Expected `int`, got `str`...
    """
    try:
        return msgspec.convert(values, kind, dec_hook=_path)
    except msgspec.ValidationError as cause:
        if isinstance(cause.__cause__, KersegError):  # of a dataclass's own check, which says it all
            raise error(f"{where}: {cause.__cause__}") from cause
        reason, _, place = str(cause).partition(" - at ")
        field = _named(values, kind, place.strip("`").removeprefix("$").removeprefix("."), reason)
        received = _received(values, field)
        # Keys are the file's own, and may be of any length.
        place = f"{field[:_LONGEST]}: " if field else ""
        raise error(f"{where}: {place}{reason.rstrip('.')[:_LONGEST]}{received}.") from cause
    except RecursionError as cause:
        raise error(f"{where}: nested too deeply.") from cause


def _path(kind: type, value: object) -> object:
    """Return a path from its text; msgspec knows none."""
    if kind is not Path or not isinstance(value, str | Path):
        raise TypeError(f"Expected `{kind.__name__}`, got `{type(value).__name__}`")
    return Path(value)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse a field that comes twice, of which JSON's readers silently take the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {twice[:_LONGEST]!r} comes twice.")
    return found


def _named(values: object, kind: type[T], field: str, reason: str) -> str:
    """Return ``field`` with the key where msgspec says but ``[...]``, as it does of mappings of any key."""
    before, gap, after = field.partition("[...]")
    path, levels = before.split(".") if before else [], [values]
    for name in path:
        levels.append(levels[-1].get(name) if isinstance(levels[-1], Mapping) else None)
    holder = levels.pop()
    if not gap or "[...]" in after or not isinstance(holder, Mapping):
        return field
    for key, value in holder.items():
        one: object = {key: value}
        for name, level in zip(reversed(path), reversed(levels), strict=True):
            one = {**level, name: one} if isinstance(level, Mapping) else one
        try:
            msgspec.convert(one, kind)
        except msgspec.ValidationError as cause:
            if str(cause).startswith(reason):
                return f"{before}.{key}{after}".removeprefix(".")
    return field


def _received(values: object, field: str) -> str:
    """Return what stands at ``field``, such as ``splits.val.shards[0]``, as ``" (it is 3)"``, if it is found."""
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", field):
        if isinstance(values, Mapping) and name in values:
            values = values[name]
        elif isinstance(values, list | tuple) and index and int(index) < len(values):
            values = values[int(index)]
        else:
            return ""
    shown = repr(values)
    return f" (it is {shown if len(shown) <= 60 else shown[:57] + '...'})" if field else ""


def to_builtins(value: Any) -> Any:
    """Return dataclasses and tuples as dictionaries and lists, paths as text, ready for JSON or YAML."""
    return msgspec.to_builtins(value, enc_hook=_as_text)


def _as_text(value: object) -> str:
    if isinstance(value, PurePath):
        return str(value)
    raise NotImplementedError(f"a {type(value).__name__} has no form in JSON")
