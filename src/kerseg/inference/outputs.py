"""What `kerseg predict` writes for an image: indices, colours, an overlay, probabilities, polygons."""

import os
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from kerseg.core.files import whole
from kerseg.core.signed_png import save_signed
from kerseg.data.formats.outlines import outlines
from kerseg.data.formats.polygons import Annotated, Coco, Cvat, PolygonWriter, geojson, labelme
from kerseg.errors import DataError
from kerseg.inference.inputs import SOFTWARE, Input, is_result
from kerseg.inference.volumes import LabelVolumes, is_slice

if TYPE_CHECKING:
    from kerseg.modelfile import ModelCard

Kind = Literal["index", "colour", "overlay", "probabilities", "polygons"]
PolygonFormat = Literal["coco", "labelme", "cvat", "geojson"]

SUFFIXES: dict[Kind, str] = {
    "index": ".png",
    "colour": ".png",
    "overlay": ".png",
    "probabilities": ".npz",
    "polygons": ".json",
}
JOINT = {"coco": "annotations.json", "cvat": "annotations.xml"}
"""Files of the polygons of all images."""
_BACKGROUNDS = ("background", "_background_", "__background__")
"""Names of a class that annotation tools do not draw: it is what is in no shape."""


@dataclass(frozen=True)
class Written:
    """An image and its results; None for what was not asked for."""

    image: Path
    index: Path | None = None
    """8-bit grey PNG: the class index of each pixel; 16-bit above 256 classes."""
    colour: Path | None = None
    """RGB PNG: each pixel in the colour of its class."""
    overlay: Path | None = None
    """RGB PNG: the colours over the image, with a legend below it."""
    probabilities: Path | None = None
    """NPZ with ``probabilities``, float16 (height, width, classes), and ``class_names``."""
    polygons: Path | None = None
    """JSON or GeoJSON of this image; or the file of all, COCO's JSON or CVAT's XML."""
    video: Path | None = None
    """MP4 of the overlays, of a video."""

    @property
    def results(self) -> tuple[Path, ...]:
        """What was written."""
        paths = (self.index, self.colour, self.overlay, self.probabilities, self.polygons, self.video)
        return tuple(path for path in paths if path is not None)


class Outputs:
    """Writes the results of images below a folder; to be used as a context.

    Args:
        folder: Where to write.
        card: Names, colours and channels of the model.
        root: Folder from which files of polygons name the images.
        kinds: What to write of each.
        alpha: Strength of the colours in the overlay, 0 to 1.
        polygon_format: Format of the polygons.

    Raises:
        DataError: The file of all polygons exists, and is not a result of an earlier prediction.
    """

    def __init__(
        self,
        folder: Path,
        card: "ModelCard",
        root: Path,
        kinds: Collection[Kind],
        *,
        alpha: float = 0.5,
        polygon_format: PolygonFormat = "coco",
    ):
        self.folder, self.card, self.kinds = folder, card, tuple(kinds)
        self._alpha, self._format = alpha, polygon_format
        self._root = root
        self._polygons: AbstractContextManager[PolygonWriter | None] = nullcontext()
        self._omit = [i for i, name in enumerate(card.class_names) if name in _BACKGROUNDS]
        self._volumes = LabelVolumes()
        if "polygons" in self.kinds:
            self._polygons = self._polygon_writer()

    def __enter__(self) -> Self:
        self._writer = self._polygons.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._polygons.__exit__(kind, error, trace)

    def places(self, image: Input) -> Written:
        """Return where the results of an image go.

        Raises:
            DataError: A file lies there that is no result of an earlier prediction.
        """
        found: dict[str, Path] = {}
        for kind in self.kinds:
            suffix = ".geojson" if (kind, self._format) == ("polygons", "geojson") else SUFFIXES[kind]
            found[kind] = self.folder / kind / image.result.with_suffix(suffix)
        if "index" in found and is_slice(image.part):
            refuse_foreign(_volume(found["index"]))
        joint = self._joint if "polygons" in self.kinds else None
        for path in found.values():
            if joint is None or path != found["polygons"]:
                refuse_foreign(path)
        return Written(image.path, **found | ({"polygons": joint} if joint else {}))

    def write(
        self,
        image: Input,
        pixels: NDArray[Any],
        label: NDArray[Any],
        probabilities: NDArray[np.float32] | None,
        written: Written,
    ) -> None:
        """Write the results of one image.

        Args:
            image: What was predicted.
            pixels: Its pixels (height, width, channels), 0 to 255.
            label: Class indices (height, width).
            probabilities: (height, width, classes), where they are to be written.
            written: From `places`.
        """
        if written.index:
            save_signed(
                label if label.dtype == np.uint8 else label.astype(np.uint16), written.index, SOFTWARE
            )
            if image.part is not None and is_slice(image.part):
                self._volumes.add(image.part, label, _volume(written.index))
        if written.colour or written.overlay:
            self._write_colours(pixels, label, written)
        if written.probabilities and probabilities is not None:
            with whole(written.probabilities, durable=False) as temporary:
                # The first entry's name says, at the beginning of the file, who wrote it.
                entries: dict[str, Any] = {
                    SOFTWARE: 1,
                    "probabilities": probabilities.astype(np.float16),
                    "class_names": np.array(self.card.class_names),
                }
                np.savez(temporary, **entries)
        if written.polygons and self._writer is not None:
            name = Path(os.path.relpath(image.path.absolute(), self._root)).as_posix()
            name = name if image.part is None else image.result.as_posix()
            found = outlines(label, omit=self._omit)
            height, width = label.shape
            self._writer.add(Annotated(image.path, name, height, width, found), written.polygons)

    def _write_colours(self, pixels: NDArray[Any], label: NDArray[Any], written: Written) -> None:
        from kerseg import visualize

        card = self.card
        # A prediction has no ignored pixels: -1 is never predicted.
        if written.colour:
            save_signed(visualize.colourise(label, card.palette, ignore_label=-1), written.colour, SOFTWARE)
        if written.overlay:
            shown = visualize.as_rgb(pixels, card.channels.names if card.channels else ())
            mixed = visualize.overlay(shown, label, card.palette, alpha=self._alpha, ignore_label=-1)
            framed = visualize.with_legend(mixed, label, card.palette, card.class_names, ignore_label=-1)
            save_signed(framed, written.overlay, SOFTWARE)

    @property
    def _joint(self) -> Path | None:
        name = JOINT.get(self._format)
        return self.folder / "polygons" / name if name else None

    def _polygon_writer(self) -> PolygonWriter:
        names, path = self.card.class_names, self._joint
        if path is None:
            return (labelme if self._format == "labelme" else geojson)(names, program=SOFTWARE)
        refuse_foreign(path)
        if self._format == "coco":
            return Coco(path, names, program=SOFTWARE)
        return Cvat(path, names, self.card.palette, program=SOFTWARE)


def root_of(images: Sequence[Input]) -> Path:
    """Return the folder that all images are below."""
    parents = [str(image.path.parent.absolute()) for image in images]
    return Path(os.path.commonpath(parents)) if parents else Path()


def _volume(index: Path) -> Path:
    """Return where the volume of a slice goes: ``index/scan.nii.gz`` of ``index/scan/042.png``."""
    return index.parent.with_name(f"{index.parent.name}.nii.gz")


def refuse_foreign(path: Path) -> None:
    """Refuse to overwrite what `kerseg predict` has not written.

    Raises:
        DataError: It exists, and is no result of an earlier prediction.
    """
    if path.exists() and not is_result(path):
        raise DataError(f"{path} exists and is not a result of kerseg predict. Give another `output`.")
