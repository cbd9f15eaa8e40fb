"""The list of suspect labels as files: to read, to look at, and to correct in an annotation tool."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerseg.__version__ import __version__
from kerseg.core.files import whole, write_text
from kerseg.data.formats.outlines import outlines
from kerseg.data.formats.polygons import Annotated, Coco
from kerseg.report.gallery import Gallery
from kerseg.report.page import Subject
from kerseg.report.disagreement import Region
from kerseg.report.suspects import SuspectImage, all_regions
from kerseg.visualize import RGBImage, contact_sheet

ROWS = 12
"""Regions on the contact sheet."""
POLYGONS = 500
"""Regions that are written as polygons."""


def write(
    target: Path, images: Sequence[SuspectImage], subject: Subject, names: Sequence[str], gallery: Gallery
) -> list[Path]:
    """Write the list, the contact sheet and the polygons beside an evaluation's JSON.

    Args:
        target: The evaluation's JSON file: ``val.json`` gives ``val.suspects.json``, ``.png`` and ``.coco.json``.
        images: The ranking.
        subject: Palette of the classes.
        names: Of the classes.
        gallery: Copies of the images, in the order of the split.

    Returns:
        The files.
    """
    regions = all_regions(images, most=POLYGONS)
    listed, sheet, polygons = (
        target.with_suffix(f".suspects.{kind}") for kind in ("json", "png", "coco.json")
    )
    text = json.dumps(_json(images, regions, names), indent=1, ensure_ascii=False)
    write_text(listed, text + "\n")
    write_polygons(polygons, images, regions, names)
    files = [listed, polygons]
    if regions:
        drawn = contact_sheet(
            [_row(region, images, names, gallery) for region in regions[:ROWS]], _key(regions, subject, names)
        )
        with whole(sheet) as temporary:
            drawn.save(temporary)
        files.append(sheet)
    return files


def write_polygons(
    path: Path, images: Sequence[SuspectImage], regions: Sequence[Region], names: Sequence[str]
) -> None:
    """Write suspect regions in COCO's format, each as the class that the model gives it: a proposal to correct."""
    by_image: dict[int, list[Region]] = {}
    for region in regions:
        by_image.setdefault(region.image, []).append(region)
    with Coco(path, names, program=f"kerseg {__version__}, suspect labels") as writer:
        for image in images:
            if image.image not in by_image:
                continue
            found = []
            for region in by_image[image.image]:
                corner = np.array([region.left - 1, region.top - 1])
                proposed = np.where(np.pad(region.mask, 1), region.predicted, len(names))
                found += [
                    dataclasses.replace(
                        outline,
                        points=outline.points + corner,
                        holes=tuple(hole + corner for hole in outline.holes),
                    )
                    for outline in outlines(proposed, omit={len(names)})
                    if outline.value == region.predicted
                ]
            found.sort(key=lambda outline: -outline.filled_area)
            writer.add(Annotated(Path(image.name), image.name, image.height, image.width, found), path)


def _json(images: Sequence[SuspectImage], regions: Sequence[Region], names: Sequence[str]) -> dict[str, Any]:
    by_number = {image.image: image.name for image in images}
    return {
        "images": [
            {
                "name": image.name,
                "score": image.score,
                "self_confidence": image.self_confidence,
                "regions": len(image.regions),
            }
            for image in images
        ],
        "regions": [
            {
                "image": by_number[region.image],
                "labelled": names[region.labelled],
                "predicted": names[region.predicted],
                "area": region.area,
                "confidence": region.confidence,
                "score": region.score,
                "left": region.left,
                "top": region.top,
                "width": region.shape[1],
                "height": region.shape[0],
            }
            for region in regions
        ],
    }


def _row(
    region: Region, images: Sequence[SuspectImage], names: Sequence[str], gallery: Gallery
) -> list[tuple[str, RGBImage]]:
    """Return image, label and prediction of a region, the rest darkened."""
    image = next(one for one in images if one.image == region.image)
    shown, truth, prediction = gallery.colours(region.image)
    mask = region.placed((image.height, image.width), (shown.shape[1], shown.shape[0]))
    edge = mask & ~_shrunk(mask)
    white = np.uint8(255)
    marked = [np.where(edge[..., None], white, part) for part in (shown, truth, prediction)]
    captions = (
        image.name,
        f"labelled {names[region.labelled]}",
        f"predicted {names[region.predicted]}, {region.area} px, {100 * region.confidence:.0f} %",
    )
    return list(zip(captions, marked, strict=True))


def _shrunk(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1)
    inner: np.ndarray = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:] & mask
    return inner


def _key(regions: Sequence[Region], subject: Subject, names: Sequence[str]) -> list[Any]:
    classes = sorted({index for region in regions[:ROWS] for index in (region.labelled, region.predicted)})
    return [(names[index], subject.palette[index]) for index in classes]
