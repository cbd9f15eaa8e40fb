"""The list of suspect labels as files: to read, to look at, to join, and to correct in an annotation tool."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerseg.__version__ import __version__
from kerseg.core.files import whole, write_text
from kerseg.core.info import Colour
from kerseg.core.schema import decode_json
from kerseg.data.formats.outlines import outlines
from kerseg.data.formats.polygons import Annotated, Coco
from kerseg.errors import DataError
from kerseg.report.alignment import Offset
from kerseg.report.disagreement import SuspectRegion
from kerseg.report.suspects import SuspectImage, all_regions
from kerseg.visualize import RGBImage, contact_sheet

ROWS = 12
"""Regions on the contact sheet."""
POLYGONS = 500
"""Regions that are listed, and written as polygons."""
_LARGEST = 2**30
"""Bytes of a list; one of a million images has 2e8."""

Shown = Callable[[SuspectRegion], tuple[RGBImage, RGBImage, RGBImage] | None]
"""Gives image, label and prediction of the image that a region is of, as colours of one size."""


@dataclass(frozen=True)
class Origin:
    """Where an image and its prediction came from."""

    model: str
    dataset: str
    data_dir: str
    split: str


@dataclass(frozen=True)
class Listing:
    """Images by how suspect their labels are."""

    class_names: tuple[str, ...]
    palette: tuple[Colour, ...]
    images: tuple[SuspectImage, ...]
    """Most suspect first."""
    origins: tuple[Origin, ...]
    origin_of: tuple[int, ...]
    """For each image, in the order of the list, its place in `origins`."""


@dataclass(frozen=True)
class _Image:
    """An image in the file."""

    name: str
    origin: int
    score: float
    self_confidence: float
    height: int
    width: int
    regions: int
    offset: Offset | None = None


@dataclass(frozen=True)
class _Region:
    """A region in the file; `mask` is `SuspectRegion.packed`, base64."""

    image: int
    """Place in the list."""
    name: str
    labelled: str
    predicted: str
    area: int
    confidence: float
    margin: float
    score: float
    left: int
    top: int
    width: int
    height: int
    mask: bytes


@dataclass(frozen=True)
class _File:
    """``val.suspects.json``."""

    class_names: tuple[str, ...]
    palette: tuple[Colour, ...]
    origins: tuple[Origin, ...]
    images: tuple[_Image, ...]
    regions: tuple[_Region, ...]


def write(stem: Path, listing: Listing, shown: Shown) -> list[Path]:
    """Write the list, the contact sheet and the polygons.

    Args:
        stem: ``val.suspects`` gives ``val.suspects.json``, ``.png`` and ``.coco.json``.
        listing: The ranking.
        shown: Gives the images to draw, where there are any.

    Returns:
        The files.
    """
    regions = all_regions(listing.images, most=POLYGONS)
    listed, sheet, polygons = (stem.with_name(f"{stem.name}.{kind}") for kind in ("json", "png", "coco.json"))
    text = json.dumps(_json(listing, regions), indent=1, ensure_ascii=False)
    write_text(listed, text + "\n")
    _write_polygons(polygons, listing, regions)
    files = [listed, polygons]
    rows = [row for region in regions[:ROWS] if (row := _row(region, listing, shown))]
    if rows:
        with whole(sheet) as temporary:
            contact_sheet(rows, _key(regions, listing)).save(temporary)
        files.append(sheet)
    return files


def read(path: Path) -> Listing:
    """Read what `write` wrote.

    Raises:
        DataError: The file is missing, or something else.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise DataError(f"{path}: {path.stat().st_size:,} bytes are no list of suspect labels.")
        file = decode_json(path.read_bytes(), _File, where=path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from error
    number = {name: index for index, name in enumerate(file.class_names)}
    regions: list[list[SuspectRegion]] = [[] for _ in file.images]
    try:
        for region in file.regions:
            regions[region.image].append(_region(region, number))
        origins = [file.origins[image.origin] for image in file.images]
    except (KeyError, IndexError) as error:
        raise DataError(f"{path}: its parts do not fit together ({error}). Evaluate again.") from error
    images = [
        SuspectImage(
            place,
            image.name,
            image.score,
            image.self_confidence,
            image.offset,
            image.height,
            image.width,
            tuple(own),
        )
        for place, (image, own) in enumerate(zip(file.images, regions, strict=True))
    ]
    return Listing(
        file.class_names,
        file.palette,
        tuple(images),
        file.origins,
        tuple(file.origins.index(origin) for origin in origins),
    )


def _region(region: _Region, number: dict[str, int]) -> SuspectRegion:
    return SuspectRegion(
        number[region.labelled],
        number[region.predicted],
        region.area,
        region.confidence,
        region.margin,
        region.top,
        region.left,
        (region.height, region.width),
        region.mask,
        region.image,
        region.score,
    )


def _json(listing: Listing, regions: Sequence[SuspectRegion]) -> dict[str, Any]:
    names, places = listing.class_names, _places(listing)
    return {
        "class_names": names,
        "palette": listing.palette,
        "origins": [dataclasses.asdict(origin) for origin in listing.origins],
        "images": [
            {
                "name": image.name,
                "origin": origin,
                "score": image.score,
                "self_confidence": image.self_confidence,
                "height": image.height,
                "width": image.width,
                "regions": len(image.regions),
                "offset": image.offset and list(image.offset),
            }
            for image, origin in zip(listing.images, listing.origin_of, strict=True)
        ],
        "regions": [
            {
                "image": places[region.image],
                "name": listing.images[places[region.image]].name,
                "labelled": names[region.labelled],
                "predicted": names[region.predicted],
                "area": region.area,
                "confidence": region.confidence,
                "margin": region.margin,
                "score": region.score,
                "left": region.left,
                "top": region.top,
                "width": region.shape[1],
                "height": region.shape[0],
                "mask": region.text,
            }
            for region in regions
        ],
    }


def _places(listing: Listing) -> dict[int, int]:
    """Return number of an image -> its place in the list."""
    return {image.image: place for place, image in enumerate(listing.images)}


def _write_polygons(path: Path, listing: Listing, regions: Sequence[SuspectRegion]) -> None:
    """Write suspect regions in COCO's format, each as the class that the model gives it: a proposal to correct."""
    names = listing.class_names
    by_image: dict[int, list[SuspectRegion]] = {}
    for region in regions:
        by_image.setdefault(region.image, []).append(region)
    with Coco(path, names, program=f"kerseg {__version__}, suspect labels") as writer:
        for image in listing.images:
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


def _row(region: SuspectRegion, listing: Listing, shown: Shown) -> list[tuple[str, RGBImage]]:
    """Return image, label and prediction with the region's edge; nothing where they are not at hand."""
    drawn = shown(region)
    if drawn is None:
        return []
    image = listing.images[_places(listing)[region.image]]
    mask = region.placed((image.height, image.width), (drawn[0].shape[1], drawn[0].shape[0]))
    edge = mask & ~_shrunk(mask)
    white = np.uint8(255)
    marked = [np.where(edge[..., None], white, part) for part in drawn]
    captions = (
        image.name,
        f"labelled {listing.class_names[region.labelled]}",
        f"predicted {listing.class_names[region.predicted]}, {region.area} px, {100 * region.confidence:.0f} %",
    )
    return list(zip(captions, marked, strict=True))


def _shrunk(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1)
    inner: np.ndarray = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:] & mask
    return inner


def _key(regions: Sequence[SuspectRegion], listing: Listing) -> list[Any]:
    classes = sorted({index for region in regions[:ROWS] for index in (region.labelled, region.predicted)})
    return [(listing.class_names[index], listing.palette[index]) for index in classes]
