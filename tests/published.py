"""Published data that may not be redistributed, beside the checkout; and images that kerseg draws in its place."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DATASETS = Path(__file__).parents[1] / "../shared/datasets"


def find(name: str, what: str) -> Path:
    """Return the folder of published data, or skip the test and say why."""
    if not (DATASETS / name).is_dir():
        pytest.skip(f"{what} is not in ../shared/datasets/{name}, and may not be redistributed")
    return DATASETS / name


def part(number: int, source: Path, folder: Path) -> Path:
    """Link the first of so many parts of each folder's files: all of them would take half a minute.

    Not every so many of them: frames of a film that are far apart would be neighbours then.
    """
    for place in sorted(path for path in source.iterdir() if path.is_dir()):
        (folder / place.name).mkdir()
        files = sorted(place.glob("*.png"))
        for path in files[: len(files) // number]:
            (folder / place.name / path.name).symlink_to(path.resolve())
    return folder


def draw_camvid(streets: Path, folder: Path) -> Path:
    """Write eight images of the streets as CamVid is prepared for SegNet, all of its classes in each."""
    places = np.random.default_rng(0)
    # sky, building, road, pavement, tree, car, person; what belongs to no class is 11 there.
    table = np.full(256, 11, np.uint8)
    table[:7] = 0, 1, 3, 4, 5, 8, 9
    for split, count in (("train", 6), ("val", 2)):
        for index in range(count):
            image = _pixels(streets / split / f"images/street_{index:04d}.jpg")
            label = table[_pixels(streets / split / f"labels/street_{index:04d}.png")]
            for absent in (2, 6, 7, 10):  # a pole, a sign, a fence, a bicyclist
                top, left = places.integers(0, 50), places.integers(0, 80)
                label[top : top + 12, left : left + 12] = absent
                image[top : top + 12, left : left + 12] = 20 * absent
            for kind, pixels in (("", image), ("annot", label)):
                _save(folder / f"{split}{kind}" / f"0001TP_{index:06d}.png", pixels)
    return folder


def draw_isbi(streets: Path, folder: Path) -> Path:
    """Write eight images of the streets in the form of ISBI 2012's: grey, labels of 0 and 255."""
    for index in range(8):
        image = Image.open(streets / f"train/images/street_{index:04d}.jpg").convert("L")
        label = _pixels(streets / f"train/labels/street_{index:04d}.png")
        _save(folder / f"images/{index}.png", np.asarray(image))
        _save(folder / f"labels/{index}.png", np.where(label > 2, 255, 0).astype(np.uint8))
    return folder


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
