"""What the sources of annotation tools share: shapes with the name of a class each, drawn into labels."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from kerseg.core.console import note
from kerseg.core.info import IGNORE_LABEL, Colour
from kerseg.data.formats.files import BadFileError, Place
from kerseg.data.formats.labels import Classes
from kerseg.data.formats.shapes import Points, outside
from kerseg.data.sources.base import Source
from kerseg.data.sources.class_mapping import ClassMapping, class_mapping
from kerseg.registry import nearest

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class AnnotatedSource(Source):
    """Base of such a source, with the options that all of them have.

    A derived class says what the classes are, with `_labels`, and keeps what all its files hold in
    ``_documents``.
    """

    val_share: float = 0.0
    """Share of the training images that becomes val, if val is not given; 0 to 1, chosen by name."""
    background: str = ""
    """Class of the pixels in no shape: one of the names, or a new one that comes first. Without it those
    pixels are ignored, and images without shapes left out."""
    ignore_classes: tuple[str, ...] = ()
    """Names of shapes whose pixels are to be ignored."""
    clip: bool = False
    """Cut off what of a shape lies outside its image, instead of reporting it."""
    image_root: Path | None = None
    """Folder that all images lie in. Without it, images that annotations name outside the folder that their names
    start from are refused."""

    name: ClassVar[str] = ""
    options_title: ClassVar[str] = "What shapes become"
    """Above these options in the help of the command line."""
    drawn = True

    def __getstate__(self) -> dict[str, Any]:
        # Workers get the shapes of an image with its pair, and not those of all images with the source.
        return {key: value for key, value in self.__dict__.items() if key != "_documents"}

    @property
    def classes(self) -> Classes:
        """The names of shapes that the files give, without those to ignore; a new background first.

        Raises:
            BadFileError: A file is broken, or the splits' names do not agree.
            ConfigError: An option names no class.
        """
        return self._mapping.classes

    def _labels(self) -> Mapping[str, Colour | None]:
        """Return the names of shapes in the order of the classes, with their colours where there are any."""
        raise NotImplementedError

    @cached_property
    def _mapping(self) -> ClassMapping:
        labels = self._labels()
        colours = {name: colour for name, colour in labels.items() if colour}
        return class_mapping(labels, background=self.background, ignored=self.ignore_classes, colours=colours)

    def _value(self, path: Place, label: str, owner: str, *, among: str, advice: str = "") -> int:
        """Return the value of the pixels of a shape that is called ``label``.

        Raises:
            BadFileError: No class is called so.
        """
        values = self._mapping.values
        if label not in values:
            raise BadFileError(
                path,
                f"unknown label: {owner} is none of {among}.{nearest(label, values)} Known: "
                f"{self._mapping.known()}. {advice}".rstrip(),
            )
        return values[label]

    def _refuse_outside(
        self,
        path: Place,
        points: Points,
        owner: str,
        size: tuple[int, int],
        advice: str = "Cut such off with `clip=True`.",
    ) -> None:
        """Refuse points outside an image of this height and width, unless what is there is cut off."""
        if not self.clip and (reach := outside(points, *size)):
            raise BadFileError(path, f"outside the image: {owner} has points at {reach}. {advice}")

    def _with_shapes(
        self, place: object, items: Sequence[T], drawn: Callable[[T], bool], *, what: str, of: str = ""
    ) -> list[T]:
        """Return the images that are part of the data: all, if the pixels in no shape have a class.

        Args:
            place: What the note begins with.
            items: One for each image.
            drawn: Whether an image has shapes.
            what: What a shape is called.
            of: Split, for the note.
        """
        if self._mapping.outside != IGNORE_LABEL:
            return list(items)
        kept = [item for item in items if drawn(item)]
        if len(kept) < len(items):
            note(
                f"{place}: {len(items) - len(kept)} of {len(items)} images{of} left out: no {what}. "
                "`background` keeps them."
            )
        return kept


def note_without_area(place: object, kinds_of: Iterable[tuple[object, Sequence[str]]]) -> None:
    """Tell the user which shapes are not drawn, such as points and lines.

    Args:
        place: What the note begins with.
        kinds_of: Each image with the kinds of its shapes that have no area.
    """
    pairs = [(image, kinds) for image, kinds in kinds_of if kinds]
    if pairs:
        left = Counter(kind for _, kinds in pairs for kind in kinds)
        kinds = ", ".join(f"{count} x {kind}" for kind, count in sorted(left.items()))
        note(f"{place}: shapes without area left out: {kinds}; the first in {pairs[0][0]}.")
