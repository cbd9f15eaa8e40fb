"""What a source is, and the parts that several sources share.

A new data set is one file like ``loveda.py`` and one line in ``SOURCES``. Its dataclass says where the files
are (`splits`), what the classes are (`classes`) and how to read one label (`read_label`): an image of
indices, a colour image, polygons, a ``.mat`` file. Checking, counting and writing are `convert`'s.
"""

from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from kerseg.core.info import Channels
from kerseg.data.formats.images import Place
from kerseg.data.formats.labels import Classes, Label


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and its label, either of which may be missing: that is reported, not raised."""

    name: str
    """Unique within the split; with ``/`` where the files lie in sub-folders."""
    image: Place | None
    """A path, or a `Part` whose ``read_bytes`` gives the encoded image."""
    label: Place | None
    """A path, or whatever else the source's ``read_label`` understands, such as a `Part`."""


class Source(Protocol):
    """A raw data set: a frozen dataclass whose fields are its options, with a line of help under each.

    A published one also says what belongs into the folders that its fields name, ``releases`` (see
    `kerseg.download.release`), and may say how many images each split was published with, ``counts``. One whose
    images are not 8-bit RGB has a further member ``channels``; see `channels_of`.
    Instances are pickled, once for each worker process.
    """

    @property
    def name(self) -> str:
        """Default name of the converted data set; ``""`` if only its user can name it."""

    @property
    def classes(self) -> Classes:
        """Names and colours of the classes."""

    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs of each split, in the order in which they are written.

        Raises:
            DataError: The files are not where they must be.
        """

    def read_label(self, path: Any, /) -> Label:
        """Return the class index of each pixel, 255 where it is to be ignored.

        Args:
            path: The label of a pair that `splits` returned; its type is the source's affair.

        Raises:
            DataError: The label cannot be used; the path comes first.
        """


def files_of(source: Source, pair: Pair) -> list[Path]:
    """Return the files that the record of a pair depends on.

    They are the paths that image and label are or hold (``Part.file``, ``ArrayPart.others``), and those that
    ``source.besides`` returns for a label, where a source has such a method because it reads more.

    Example:
        >>> [str(file) for file in files_of(source, Pair("a", Path("i/a.jpg"), Path("l/a.png")))]
        ['i/a.jpg', 'l/a.png']
    """
    found: list[Path] = []
    for place in (pair.image, pair.label):
        if is_dataclass(place):
            values = [getattr(place, field.name) for field in fields(place)]
            held = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
            found += [part for part in held if isinstance(part, Path)]
        elif place is not None:
            found.append(cast(Path, place))
    besides = getattr(source, "besides", None)
    return found + (list(besides(pair.label)) if besides and pair.label is not None else [])


def channels_of(source: Source) -> Channels | None:
    """Return what a source's images are made of, ``None`` for 8-bit RGB: its member ``channels``, if it has one.

    Where there are channels, the images of its pairs are each a `kerseg.data.formats.volumes.ArrayPart`.
    """
    found: Channels | None = getattr(source, "channels", None)
    return found
