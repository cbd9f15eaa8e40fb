"""What is written of suspect labels: the ranking, a sheet, polygons that draw the regions again."""

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from kerseg.errors import DataError
from kerseg.inference import suspect_files
from kerseg.inference.suspect_files import Listing, Origin
from kerseg.metrics.confusion import count
from kerseg.report.gallery import Gallery
from kerseg.report.suspects import Suspects, all_regions
from kerseg.report.watcher import Predicted

PALETTE = ((128, 128, 128), (192, 0, 0), (0, 128, 192))
NAMES = ("ground", "box", "ball")
SIDE = 48


def planted() -> tuple[Suspects, Gallery]:
    """Watch two images, the second of which calls its box a ball."""
    suspects, gallery = Suspects(3), Gallery(PALETTE)
    truth = np.zeros((SIDE, SIDE), np.uint8)
    truth[20:36, 20:40] = 1
    chances = (np.eye(3)[truth] * 0.8 + 0.2 / 3).astype(np.float32)
    for name, label in (("right", truth), ("wrong", truth * np.uint8(2))):
        image = np.zeros((SIDE, SIDE, 3), np.uint8)
        seen = Predicted(name, image, label, truth, chances, count(label, truth, 3))
        for watcher in (suspects, gallery):
            watcher.see(seen)
    return suspects, gallery


def listing(suspects: Suspects) -> Listing:
    ranked = suspects.ranked()
    origin = Origin("best.keras", "tiny", "data/tiny", "val")
    return Listing(NAMES, PALETTE, tuple(ranked), (origin,), (0,) * len(ranked))


def written(folder: Path, suspects: Suspects, gallery: Gallery) -> list[Path]:
    return suspect_files.write(
        folder / "val.suspects", listing(suspects), lambda region: gallery.colours(region.image)
    )


def test_the_files_hold_the_ranking_and_polygons_to_correct(tmp_path: Path):
    suspects, gallery = planted()
    ranked = suspects.ranked()
    files = written(tmp_path, suspects, gallery)
    assert {file.name for file in files} == {
        "val.suspects.json",
        "val.suspects.coco.json",
        "val.suspects.png",
    }
    listed = json.loads((tmp_path / "val.suspects.json").read_text())
    assert [image["name"] for image in listed["images"]] == ["wrong", "right"]
    (region,) = listed["regions"]
    assert (region["name"], region["labelled"], region["predicted"]) == ("wrong", "ball", "box")
    assert (region["left"], region["top"], region["width"], region["height"]) == (22, 22, 16, 12)
    coco = json.loads((tmp_path / "val.suspects.coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["wrong"]
    (annotation,) = coco["annotations"]
    assert coco["categories"][annotation["category_id"] - 1]["name"] == "box"
    drawn = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(annotation["segmentation"], SIDE, SIDE)))
    placed = all_regions(ranked, most=9)[0].placed((SIDE, SIDE), (SIDE, SIDE))
    assert placed.sum() == 16 * 12
    assert (drawn.astype(bool) == placed).mean() > 0.99


def test_without_suspects_there_is_no_sheet(tmp_path: Path):
    files = written(tmp_path, Suspects(3), Gallery(PALETTE))
    assert [file.name for file in files] == ["val.suspects.json", "val.suspects.coco.json"]
    listed = json.loads((tmp_path / "val.suspects.json").read_text())
    assert (listed["images"], listed["regions"]) == ([], [])


def test_what_is_read_is_what_was_written(tmp_path: Path):
    suspects, gallery = planted()
    written(tmp_path, suspects, gallery)
    found = suspect_files.read(tmp_path / "val.suspects.json")
    before = listing(suspects)
    assert (found.class_names, found.palette, found.origins) == (NAMES, PALETTE, before.origins)
    assert [image.name for image in found.images] == ["wrong", "right"]
    mine, theirs = found.images[0].regions[0], before.images[0].regions[0]
    assert (mine.mask == theirs.mask).all()
    assert (mine.labelled, mine.predicted, mine.score) == (2, 1, theirs.score)


def test_a_list_that_was_edited_is_refused(tmp_path: Path):
    written(tmp_path, *planted())
    path = tmp_path / "val.suspects.json"
    values = json.loads(path.read_text())
    values["regions"][0]["labelled"] = "cone"
    path.write_text(json.dumps(values))
    with pytest.raises(DataError, match=r"val.suspects.json: its parts do not fit together \('cone'\)"):
        suspect_files.read(path)
    values["regions"][0] |= {"labelled": "ball", "area": "many"}
    path.write_text(json.dumps(values))
    with pytest.raises(DataError, match=r"regions\[0\].area: Expected `int`, got `str`"):
        suspect_files.read(path)
