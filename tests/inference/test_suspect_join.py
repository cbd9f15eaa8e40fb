"""Suspect labels of several runs become one list, each image judged by one of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerseg.cli import main
from kerseg.errors import ConfigError, DataError
from kerseg.inference import suspect_files
from kerseg.inference.suspect_files import Listing, Origin
from kerseg.inference.suspects import suspects
from kerseg.metrics.confusion import count
from kerseg.report.suspects import Suspects
from kerseg.report.watcher import Predicted
from tiny import TINY_CLASSES, TINY_PALETTE, tiny_pair


def judged(
    run: Path, names: list[str], wrong: str, data: Path, *, classes: tuple[str, ...] = TINY_CLASSES
) -> Path:
    """Write what an evaluation would, of tiny images of which one is labelled as another class."""
    watcher = Suspects(3)
    for name in names:
        image, label = tiny_pair(int(name))
        chances = (np.eye(3)[np.where(label == 255, 0, label)] * 0.9 + 0.1 / 3).astype(np.float32)
        if name == wrong:
            label = np.where(label == 0, 2, label).astype(np.uint8)
        guess = chances.argmax(-1).astype(np.uint8)
        watcher.see(Predicted(name, image, label, guess, chances, count(label, guess, 3)))
    ranked = watcher.ranked()
    origin = Origin(str(run / "best.keras"), "tiny", str(data), "val")
    (run / "report").mkdir(parents=True)
    listing = Listing(classes, TINY_PALETTE, tuple(ranked), (origin,), (0,) * len(ranked))
    suspect_files.write(run / "report" / "val.suspects", listing, lambda region: None)
    return run


@pytest.fixture
def folds(tiny_data: Path, tmp_path: Path) -> list[Path]:
    first = judged(tmp_path / "fold0", ["100", "101", "104"], "101", tiny_data)
    return [first, judged(tmp_path / "fold1", ["102", "103", "105"], "102", tiny_data)]


def test_the_suspects_of_both_folds_come_first(folds: list[Path], tmp_path: Path):
    joined = suspects(folds, output=tmp_path / "joined")
    assert [image.name for image in joined.images[:2]] in (["101", "102"], ["102", "101"])
    assert {image.name for image in joined.images} == {"100", "101", "102", "103", "104", "105"}
    assert joined.images[0].score >= joined.images[1].score > joined.images[2].score == 0
    assert [file.name for file in joined.files] == ["suspects.json", "suspects.coco.json", "suspects.png"]
    listed = json.loads((tmp_path / "joined" / "suspects.json").read_text())
    by_name = {image["name"]: listed["origins"][image["origin"]]["model"] for image in listed["images"]}
    assert by_name == {
        "100": str(folds[0] / "best.keras"),
        "101": str(folds[0] / "best.keras"),
        "102": str(folds[1] / "best.keras"),
        "103": str(folds[1] / "best.keras"),
        "104": str(folds[0] / "best.keras"),
        "105": str(folds[1] / "best.keras"),
    }
    coco = json.loads((tmp_path / "joined" / "suspects.coco.json").read_text())
    assert {image["file_name"] for image in coco["images"]} == {"101", "102"}
    with Image.open(tmp_path / "joined" / "suspects.png") as sheet:
        assert sheet.width > 100
    # What was joined joins again with what is still to come.
    again = suspects([tmp_path / "joined" / "suspects.json"], output=tmp_path / "again")
    assert [image.name for image in again.images] == [image.name for image in joined.images]


def test_the_sheet_is_left_out_where_the_data_is_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = judged(tmp_path / "run", ["100", "101"], "101", tmp_path / "gone")
    joined = suspects([run], output=tmp_path / "joined")
    assert [file.name for file in joined.files] == ["suspects.json", "suspects.coco.json"]
    assert f"The contact sheet leaves out the images of {tmp_path / 'gone'}" in capsys.readouterr().err


def test_an_image_is_judged_by_one_run(folds: list[Path], tiny_data: Path, tmp_path: Path):
    other = judged(tmp_path / "other", ["100", "103"], "100", tiny_data)
    with pytest.raises(
        DataError,
        match=r"other.*: has 2 images that are in another list, too, such as '10[03]' in .*fold[01]",
    ):
        suspects([*folds, other], output=tmp_path / "joined")
    assert not (tmp_path / "joined").exists()


def test_other_classes_and_no_evaluation_are_refused(folds: list[Path], tiny_data: Path, tmp_path: Path):
    other = judged(tmp_path / "other", ["104"], "104", tiny_data, classes=("a", "b", "c"))
    with pytest.raises(DataError, match=r"other.*: has other classes \(a, b, c\) than .*fold0"):
        suspects([folds[0], other], output=tmp_path / "joined")
    with pytest.raises(DataError, match=r"test\.suspects\.json: does not exist. Evaluate first"):
        suspects(folds, split="test", output=tmp_path / "joined")
    with pytest.raises(ConfigError, match="`runs` are one or more"):
        suspects("fold0", output=tmp_path / "joined")


def test_the_command_line_shows_who_judged(
    folds: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["suspects", *map(str, folds), "--output", str(tmp_path / "joined")]) == 0
    shown = capsys.readouterr().out
    assert "6 images, the most suspect first" in shown
    assert "labelled ball, predicted ground" in shown
    assert str(folds[1] / "best.keras") in shown
    assert str(tmp_path / "joined" / "suspects.png") in shown
