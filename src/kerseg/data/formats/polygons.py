"""Outlines as the files of annotation tools: COCO, LabelMe, CVAT 1.1 and GeoJSON.

Sources: https://cocodataset.org/#format-data, https://github.com/wkentaro/labelme,
https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/, RFC 7946 (https://www.rfc-editor.org/rfc/rfc7946).

The tools know no holes (GeoJSON does), so that outlines come largest first, and what lies inside another is drawn
upon it: by its size in COCO's format, by its place in the file in LabelMe's, by ``z_order`` in CVAT's. Each file
says near its beginning which program wrote it.
"""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self
from xml.sax.saxutils import quoteattr

from kerseg.core.files import whole
from kerseg.core.info import Colour
from kerseg.data.formats.outlines import Outline
from kerseg.data.formats.shapes import Points


@dataclass(frozen=True)
class Annotated:
    """An image with its outlines."""

    image: Path
    """The image file."""
    name: str
    """What it is called in a file of many images: its path below their common folder."""
    height: int
    """Pixels."""
    width: int
    outlines: Sequence[Outline]
    """Largest first, as `kerseg.data.formats.outlines.outlines` gives them."""


class PolygonWriter(AbstractContextManager["PolygonWriter"], Protocol):
    """Writes a file for each image, or one for all, which is whole when the block ends well, or not there."""

    def add(self, annotated: Annotated, path: Path) -> None:
        """Write the outlines of one image.

        Args:
            annotated: The image.
            path: Its own file, where each has one.
        """


class _Each(AbstractContextManager["_Each"]):
    """Writes a JSON for each image.

    Args:
        document: From an image and the path of its file to what the file holds.
    """

    def __init__(self, document: Callable[[Annotated, Path], dict[str, Any]]):
        self._document = document

    def add(self, annotated: Annotated, path: Path) -> None:
        """Write the file of one image, whole or not at all."""
        with whole(path, durable=False) as temporary:
            temporary.write_text(
                json.dumps(self._document(annotated, path), ensure_ascii=False), encoding="utf-8"
            )

    def __exit__(self, *_: object) -> None:
        """Do nothing: each file is finished when it is written."""


def labelme(names: Sequence[str], *, program: str) -> "PolygonWriter":
    """Return a writer of LabelMe's JSON files, one an image.

    Args:
        names: Of the classes.
        program: Under ``"software"``.
    """

    def document(annotated: Annotated, path: Path) -> dict[str, Any]:
        shapes = [
            {
                "label": names[outline.value],
                "points": outline.points.tolist(),
                "group_id": None,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
                "mask": None,
            }
            for outline in annotated.outlines
        ]
        image = os.path.relpath(annotated.image.absolute(), path.parent.absolute())
        return {
            "software": program,
            "version": "5.5.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": Path(image).as_posix(),
            "imageData": None,
            "imageHeight": annotated.height,
            "imageWidth": annotated.width,
        }

    return _Each(document)


def geojson(
    names: Sequence[str],
    *,
    program: str,
    coordinates: Callable[[Points], Points] = lambda points: points,
    crs: str = "",
) -> "PolygonWriter":
    """Return a writer of GeoJSON, one file an image, with holes.

    Args:
        names: Of the classes.
        program: Under ``"software"``.
        coordinates: From x and y in pixels to those that are written.
        crs: Name of their coordinate system, where it is another than the standard's WGS 84.
    """

    def ring(points: Points) -> list[list[float]]:
        # Anticlockwise outside, clockwise inside, and closed, as the standard has it.
        turned: list[list[float]] = coordinates(points[::-1]).tolist()
        return [*turned, turned[0]]

    def document(annotated: Annotated, path: Path) -> dict[str, Any]:
        features = [
            {
                "type": "Feature",
                "properties": {"class": names[outline.value], "value": outline.value},
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [ring(points) for points in (outline.points, *outline.holes)],
                },
            }
            for outline in annotated.outlines
        ]
        named = {"crs": {"type": "name", "properties": {"name": crs}}} if crs else {}
        return {"type": "FeatureCollection", "software": program, **named, "features": features}

    return _Each(document)


class _One:
    """Writes one file of all images, as they come."""

    _file: IO[str]

    def __init__(self, path: Path):
        self._path, self._stack = path, ExitStack()
        self.images = 0

    def __enter__(self) -> Self:
        temporary = self._stack.enter_context(whole(self._path))
        self._file = self._stack.enter_context(temporary.open("w", encoding="utf-8"))
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._end()
        self._stack.__exit__(kind, error, trace)

    def _begin(self) -> None:
        raise NotImplementedError

    def _end(self) -> None:
        raise NotImplementedError


class Coco(_One):
    """Writes one JSON in COCO's format: an annotation for each connected area; ids count from 1.

    Args:
        path: The file.
        names: Of the classes: the categories 1, 2, ...
        program: Under ``"info"``.
    """

    def __init__(self, path: Path, names: Sequence[str], *, program: str):
        super().__init__(path)
        self._names, self._program = names, program
        self._entries: list[str] = []
        self._count = 0

    def _begin(self) -> None:
        categories = [
            {"id": i, "name": name, "supercategory": ""} for i, name in enumerate(self._names, start=1)
        ]
        info = json.dumps({"software": self._program})
        self._file.write(f'{{"info": {info},\n"categories": {json.dumps(categories, ensure_ascii=False)},\n')
        self._file.write('"annotations": [')

    def add(self, annotated: Annotated, path: Path) -> None:
        """Write the annotations of one image; ``path`` is not used."""
        self.images += 1
        entry = {"id": self.images, "file_name": annotated.name}
        entry |= {"height": annotated.height, "width": annotated.width}
        self._entries.append(json.dumps(entry, ensure_ascii=False))
        for outline in annotated.outlines:
            self._count += 1
            (left, top), (right, bottom) = (
                outline.points.min(axis=0).tolist(),
                outline.points.max(axis=0).tolist(),
            )
            annotation = {
                "id": self._count,
                "image_id": self.images,
                "category_id": outline.value + 1,
                "segmentation": [outline.points.ravel().tolist()],
                "bbox": [left, top, right - left, bottom - top],
                "area": outline.filled_area,
                "iscrowd": 0,
            }
            self._file.write(("," if self._count > 1 else "") + "\n" + json.dumps(annotation))

    def _end(self) -> None:
        images = ",\n".join(self._entries)
        self._file.write(f'\n],\n"images": [\n{images}\n]}}\n')


class Cvat(_One):
    """Writes one XML as CVAT's "CVAT for images 1.1".

    Args:
        path: The file.
        names: Of the classes.
        palette: One colour a class.
        program: Under ``<meta>``.
    """

    def __init__(self, path: Path, names: Sequence[str], palette: Sequence[Colour], *, program: str):
        super().__init__(path)
        self._names, self._palette, self._program = names, palette, program

    def _begin(self) -> None:
        labels = "".join(
            f"<label><name>{_text(name)}</name><color>#{bytes(colour).hex()}</color></label>\n"
            for name, colour in zip(self._names, self._palette, strict=True)
        )
        self._file.write(
            f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n<meta>'
            f"<software>{_text(self._program)}</software><task><labels>\n{labels}</labels></task></meta>\n"
        )

    def add(self, annotated: Annotated, path: Path) -> None:
        """Write the polygons of one image; ``path`` is not used."""
        self._file.write(
            f'<image id="{self.images}" name={quoteattr(annotated.name)} width="{annotated.width}" '
            f'height="{annotated.height}">\n'
        )
        self.images += 1
        for outline in annotated.outlines:
            points = ";".join(f"{x:.1f},{y:.1f}" for x, y in outline.points.tolist())
            self._file.write(
                f'<polygon label={quoteattr(self._names[outline.value])} source="auto" occluded="0" '
                f'points="{points}" z_order="{outline.depth}"/>\n'
            )
        self._file.write("</image>\n")

    def _end(self) -> None:
        self._file.write("</annotations>\n")


def _text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
