"""kerseg preview: what is on the sheet, that it is what training sees, and that nothing is overwritten."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kerseg
import kerseg.data
from kerseg import street, visualize
from kerseg.augment.options import Augment
from kerseg.cli import main
from kerseg.data.reading import sheet
from kerseg.data.sources.folder import Folder
from kerseg.errors import ConfigError, DataError
from kerseg.visualize import IGNORE_COLOUR


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted data set of twelve drawn streets of 48x72."""
    root = tmp_path_factory.mktemp("sheet")
    street.draw(root / "raw", train=12, val=2, size=(48, 72))
    source = Folder(
        train_image_path=root / "raw" / "train" / "images",
        train_label_path=root / "raw" / "train" / "labels",
        palette=(str(root / "raw" / street.CLASSES_FILE),),
    )
    kerseg.convert(source, output=root / "data", workers=1)
    return root / "data"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list:
    """What goes on the sheet, at its own size."""
    asked: list = []
    original = visualize.contact_sheet
    monkeypatch.setattr(sheet, "_resized", lambda image: image)
    monkeypatch.setattr(
        visualize,
        "contact_sheet",
        lambda rows, entries: asked.append((rows, entries)) or original(rows, entries),
    )
    return asked


def test_rows_are_images_and_the_crops_that_training_makes_of_them(folder, drawn, tmp_path):
    augment = Augment(scale=(0.5, 2.0), rotation=20.0, brightness=0.3)
    path = kerseg.preview(
        folder, output=tmp_path / "s.png", augment=augment, crop_size=(40, 56), count=3, draws=2, seed=4
    )
    ((rows, entries),) = drawn
    data = kerseg.data.load(folder)
    images = list(data.examples("train").as_numpy_iterator())
    assert [row[0][0] for row in rows] == [images[index]["name"].decode() for index in (0, 6, 11)]
    assert [caption for caption, _ in rows[0]][1:] == ["label", "epoch 0", "label", "epoch 1", "label"]
    options = {"crop_size": (40, 56), "batch_size": 12, "augment": augment, "seed": 4}
    for epoch in (0, 1):
        trained = {
            image.tobytes() for image in next(data.train(**options, epoch=epoch).as_numpy_iterator())[0]
        }
        assert all(row[2 + 2 * epoch][1].tobytes() in trained for row in rows)
    for row, index in zip(rows, (0, 6, 11), strict=True):
        image, label = images[index]["image"], images[index]["label"]
        assert (row[0][1] == image).all()
        expected = visualize.overlay(image, label, data.info.palette, alpha=0.6)
        expected[label == 255] = IGNORE_COLOUR
        assert (row[1][1] == expected).all()
    assert entries[-1] == ("ignored", IGNORE_COLOUR)
    assert {text for text, _ in entries[:-1]} <= set(data.info.class_names)
    with Image.open(path) as image:
        # Five gaps of six pixels; a caption of two lines' height over each row.
        assert image.width == 2 * 72 + 4 * 56 + 5 * 6


def test_mixed_crops_are_of_the_sheets_own_images(folder, drawn, tmp_path):
    kerseg.preview(
        folder,
        output=tmp_path / "s.png",
        augment=Augment(flip=0.0, cutmix=1.0),
        crop_size=(48, 72),
        count=3,
        draws=1,
    )
    ((rows, _),) = drawn
    images = np.array([row[0][1] for row in rows])
    for row in rows:
        assert (row[2][1] == images).all(-1).any(0).all()
    assert any((row[2][1] != row[0][1]).any() for row in rows)


def test_an_earlier_sheet_is_replaced_and_another_file_is_not(folder, tmp_path):
    path = tmp_path / "new" / "s.png"
    options = {"output": path, "crop_size": (16, 16), "count": 1, "draws": 1}
    assert kerseg.preview(folder, **options) == path
    first = path.read_bytes()
    kerseg.preview(folder, **options, seed=1)
    assert path.read_bytes() != first
    Image.new("RGB", (3, 3)).save(path)
    mine = path.read_bytes()
    with pytest.raises(
        ConfigError, match=rf"^{path}: exists and is not a sheet of kerseg preview\. Give another"
    ):
        kerseg.preview(folder, **options)
    assert path.read_bytes() == mine and [p.name for p in path.parent.iterdir()] == ["s.png"]


def test_more_than_there_is_shows_all(folder, drawn, tmp_path):
    kerseg.preview(folder, output=tmp_path / "s.png", count=99, draws=1, crop_size=(16, 16))
    assert len(drawn[0][0]) == 12


@pytest.mark.parametrize("name", ["count", "draws", "batch_size"])
def test_a_number_out_of_range_is_refused(folder, tmp_path, name):
    with pytest.raises(ConfigError, match=rf"`{name}` must be at least 1\. Received: 0"):
        kerseg.preview(folder, output=tmp_path / "s.png", **{name: 0})


def test_an_unknown_split(folder, tmp_path):
    with pytest.raises(DataError, match=r"has no split 'vall'\. It has: train\."):
        kerseg.preview(folder, output=tmp_path / "s.png", split="vall")


def test_the_command_takes_what_it_needs_of_a_recipe_and_flags_win(folder, drawn, tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "model: unet\nepochs: 3\noutput: runs/elsewhere\ncrop_size: [24, 32]\nseed: 7\n"
        "augment:\n  rotation: 30\n  flip: 0.0\n"
    )
    words = [
        "preview",
        str(folder),
        str(recipe),
        "--output",
        str(tmp_path / "s.png"),
        "--count",
        "2",
        "--draws",
        "1",
    ]
    assert main([*words, "--augment.elastic", "4"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 's.png'}\n"
    augment = Augment(rotation=30.0, flip=0.0, elastic=4.0)
    kerseg.preview(
        folder, output=tmp_path / "t.png", augment=augment, crop_size=(24, 32), seed=7, count=2, draws=1
    )
    (first, _), (second, _) = drawn
    for one, other in zip(first, second, strict=True):
        assert all((a[1] == b[1]).all() for a, b in zip(one, other, strict=True))
    assert main([*words, "--crop-size", "20", "20"]) == 0
    assert drawn[2][0][0][2][1].shape == (20, 20, 3)


def test_a_wrong_recipe_is_refused(folder, tmp_path, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("epohcs: 3\n")
    assert main(["preview", str(folder), str(recipe)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {recipe}, line 1: There is no option `epohcs`. Did you mean 'epochs'?")
    recipe.write_text("augment: {rotatoin: 3}\n")
    assert main(["preview", str(folder), str(recipe)]) == 2
    assert "rotatoin" in capsys.readouterr().err
