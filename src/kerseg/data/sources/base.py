"""What a source is, and the parts that several sources share.

A new data set is one file like ``loveda.py`` and one line in ``SOURCES``. Its dataclass says where the files
are (`splits`), what the classes are (`classes`) and how to read one label (`read_label`): an image of
indices, a colour image, polygons, a ``.mat`` file. Checking, counting and writing are `convert`'s.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, cast

from kerseg.core.info import Channels
from kerseg.data.formats.files import Place
from kerseg.data.formats.labels import Classes, Label
from kerseg.download.release import Release


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and its label, either of which may be missing: that is reported, not raised."""

    name: str
    """Unique within the split; with ``/`` where the files lie in sub-folders."""
    image: Place | None
    """A path, or a `Part` whose ``read_bytes`` gives the encoded image."""
    label: Place | None
    """A path, or whatever else the source's ``read_label`` understands, such as a `Part`."""


class Source(ABC):
    """A raw data set: a frozen dataclass whose fields are its options, with a line of help under each.

    Derived classes say what `classes`, `splits` and `read_label` are; all else that a source may have is declared
    here, with what holds for most of them. Instances are pickled, once for each worker process.

    Example:
        >>> @dataclass(frozen=True, kw_only=True)
        ... class Mine(Source):
        ...     root: Path
        ...     classes: ClassVar[Classes] = Classes(("road", "rest"), ((128, 64, 128), (0, 0, 0)))
        ...
        ...     def splits(self) -> dict[str, list[Pair]]:
        ...         return {"train": pair_folders(self.root / "images", self.root / "labels")}
        ...
        ...     def read_label(self, path: Path) -> Label:
        ...         return map_values(path, label_values(path, read_label(path)), {0: 0, 1: 1})
    """

    name: ClassVar[str] = ""
    """Default name of the converted data set; ``""`` if only its user can name it."""
    releases: ClassVar[Mapping[str, Release]] = MappingProxyType({})
    """Of a published data set: name of a field that takes a folder -> what belongs there."""
    drawn: ClassVar[bool] = False
    """Whether labels are shapes that people drew, and what no shape covers is ignored."""

    @property
    @abstractmethod
    def classes(self) -> Classes:
        """Names and colours of the classes."""

    @property
    def channels(self) -> Channels | None:
        """What images are made of that are not 8-bit RGB; None for those that are.

        Where there are channels, the images of the pairs are each a `kerseg.data.formats.volumes.ArrayPart`.
        """
        return None

    @property
    def counts(self) -> Mapping[str, int]:
        """Of a published data set: split -> number of images that it was published with."""
        return {}

    @property
    def val_share(self) -> float:
        """Share of the training images that `splits` holds out for val."""
        return 0.0

    @abstractmethod
    def splits(self) -> dict[str, list[Pair]]:
        """Return the pairs of each split, in the order in which they are written.

        Raises:
            DataError: The files are not where they must be.
        """

    @abstractmethod
    def read_label(self, path: Any, /) -> Label:
        """Return the class index of each pixel, 255 where it is to be ignored.

        Args:
            path: The label of a pair that `splits` returned; its type is the source's affair.

        Raises:
            DataError: The label cannot be used; the path comes first.
        """

    def besides(self, label: Any, /) -> Sequence[Path]:
        """Return the files that `read_label` reads for a label of a pair, and that the pair does not hold."""
        return ()


def files_of(source: Source, pair: Pair) -> list[Path]:
    """Return the files that the record of a pair depends on.

    They are the paths that image and label are or hold (``Part.file``, ``ArrayPart.others``), and those that
    ``source.besides`` returns for the label.

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
    return found if pair.label is None else [*found, *source.besides(pair.label)]
