"""Prediction end to end: what is written for what, and what does not stop it."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from kerseg import modelfile
from kerseg.errors import ConfigError, DataError, WeightsError
from kerseg.inference.prediction import predict
from kerseg.modelfile import ModelCard

KINDS = ("index", "colour", "overlay")
PALETTE = ((0, 0, 0), (200, 0, 0), (0, 0, 200))
CARD = ModelCard(architecture="enet", class_names=("nothing", "box", "ball"), palette=PALETTE)
LABEL = np.random.default_rng(0).integers(0, 3, (20, 30)).astype(np.uint8)


def image(label: np.ndarray = LABEL) -> Image.Image:
    return Image.fromarray(np.array(PALETTE, np.uint8)[label])


def nearest_colour(size: tuple[int | None, int | None] = (None, None)) -> keras.Model:
    """Return a model whose class is the nearest colour of the palette: logit c = 2 x c - c c."""
    colours = np.asarray(PALETTE, np.float32)
    image = keras.Input((*size, 3))
    conv = keras.layers.Conv2D(len(colours), 1)
    model = keras.Model(image, conv(image))
    conv.set_weights([2 * colours.T[None, None], -(colours**2).sum(axis=1)])
    return model


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    modelfile.save(nearest_colour(), folder / "best.keras", CARD)
    return folder


@pytest.fixture
def pics(tmp_path: Path) -> Path:
    """Three good images, in two folders, and one that is none."""
    (tmp_path / "pics" / "city").mkdir(parents=True)
    image().save(tmp_path / "pics" / "a.png")
    image(LABEL[:, ::-1]).save(tmp_path / "pics" / "city" / "b.bmp")
    image(LABEL[:15]).save(tmp_path / "pics" / "city" / "c.tif")
    (tmp_path / "pics" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    return tmp_path / "pics"


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("batch_size", [1, 4])
def test_results_of_a_folder(run: Path, pics: Path, tmp_path: Path, batch_size: int, capsys: Any):
    out = tmp_path / "out"
    report = predict(run, str(pics), output=out, batch_size=batch_size)
    for name, label in {"a": LABEL, "city/b": LABEL[:, ::-1], "city/c": LABEL[:15]}.items():
        index = Image.open(out / "index" / f"{name}.png")
        assert index.mode == "L"
        assert (np.asarray(index) == label).all()
        assert (pixels(out / "colour" / f"{name}.png") == np.array(PALETTE)[label]).all()
        # 30 pixels are too narrow for a legend: enlarged 11 times.
        overlay = pixels(out / "overlay" / f"{name}.png")
        assert overlay.shape[1] == 330
        assert overlay.shape[0] > 11 * label.shape[0]
        assert (overlay[: 11 * label.shape[0] : 11, ::11] == np.array(PALETTE)[label]).all()
    assert [written.image.name for written in report.written] == ["a.png", "b.bmp", "c.tif"]
    assert report.written[1].overlay == out / "overlay" / "city" / "b.png"
    assert set(contents(out)) == {
        f"{kind}/{name}.png" for kind in KINDS for name in ("a", "city/b", "city/c")
    }
    [failure] = report.failed
    assert failure.path == pics / "broken.jpg"
    lines = capsys.readouterr().err.splitlines()
    assert f"3 predicted: {out / 'index'}, {out / 'colour'}, {out / 'overlay'}" in lines
    assert lines[-2:] == ["1 failed:", f"  {pics / 'broken.jpg'}: {failure.reason}"]


def test_all_well(run: Path, pics: Path, tmp_path: Path, capsys: Any):
    report = predict(run, [pics / "a.png", pics / "city"], output=tmp_path / "out")
    assert len(report.written) == 3
    assert report.failed == ()
    assert "failed" not in capsys.readouterr().err


def test_a_second_prediction_into_the_images_own_folder(run: Path, pics: Path):
    """The images stay as they are, and the results of the first are no images of the second."""
    before = contents(pics)
    first = predict(run, pics, output=pics)
    results = contents(pics)
    assert {name: results[name] for name in before} == before
    second = predict(run, pics, output=pics)
    assert [written.image for written in second.written] == [written.image for written in first.written]
    assert contents(pics) == results
    third = predict(run, pics, output=pics / "elsewhere")
    assert len(third.written) == 3


def test_a_file_that_is_no_result_is_not_overwritten(run: Path, pics: Path, tmp_path: Path):
    mine = tmp_path / "out" / "colour" / "a.png"
    mine.parent.mkdir(parents=True)
    image().save(mine)
    before = mine.read_bytes()
    report = predict(run, pics / "a.png", output=tmp_path / "out")
    assert report.written == ()
    assert [failure.reason for failure in report.failed] == [
        f"{mine} exists and is not a result of kerseg predict. Give another --output."
    ]
    assert contents(tmp_path / "out") == {"colour/a.png": before}


def test_an_image_lying_where_a_result_would_go(run: Path, tmp_path: Path):
    """The folder given has a sub-folder called index, and is the output too."""
    (tmp_path / "index").mkdir()
    image().save(tmp_path / "a.png")
    image(LABEL[::-1]).save(tmp_path / "index" / "a.png")
    before = contents(tmp_path)
    report = predict(run, tmp_path, output=tmp_path)
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    assert [failure.path for failure in report.failed] == [tmp_path / "a.png"]
    assert (pixels(tmp_path / "index" / "index" / "a.png") == LABEL[::-1]).all()


def test_two_images_of_one_name(run: Path, tmp_path: Path):
    image().save(tmp_path / "x.png")
    image(LABEL[::-1]).save(tmp_path / "x.bmp")
    predict(run, [tmp_path / "x.png", tmp_path / "x.bmp"], output=tmp_path / "out")
    assert (pixels(tmp_path / "out" / "index" / "x.png.png") == LABEL).all()
    assert (pixels(tmp_path / "out" / "index" / "x.bmp.png") == LABEL[::-1]).all()


def test_a_turned_image_gives_upright_results(run: Path, tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored a quarter turn to the left
    image(np.rot90(LABEL)).save(tmp_path / "a.png", exif=exif)
    report = predict(run, tmp_path / "a.png", output=tmp_path / "out")
    assert (pixels(report.written[0].index) == LABEL).all()
    assert pixels(report.written[0].overlay).shape[1] == 330


def test_strength_of_the_colours(tmp_path: Path):
    """The model sees red everywhere in a grey image; black classes would leave it as it is."""
    model = nearest_colour()
    Image.new("RGB", (400, 30), (150, 60, 60)).save(tmp_path / "a.png")
    for alpha, expected in {0: (150, 60, 60), 0.5: (139, 30, 30), 1: (128, 0, 0)}.items():
        report = predict(model, tmp_path / "a.png", output=tmp_path / str(alpha), alpha=alpha)
        assert (pixels(report.written[0].overlay)[:30] == expected).all()


def test_model_of_one_size_takes_the_images_that_fit(pics: Path, tmp_path: Path):
    report = predict(nearest_colour((20, 30)), pics / "**" / "*.[pbt]*", output=tmp_path / "out")
    assert [written.image.name for written in report.written] == ["a.png", "b.bmp"]
    assert [(failure.path.name, failure.reason) for failure in report.failed] == [
        ("c.tif", "This model takes images of 20x30 pixels only (height x width). Received: 15x30.")
    ]


def test_refuses(run: Path, pics: Path, tmp_path: Path):
    out = tmp_path / "out"
    with pytest.raises(
        DataError, match=r"There is no image to predict\. Received:\n.*nowhere: does not exist"
    ):
        predict(run, tmp_path / "nowhere", output=out)
    with pytest.raises(WeightsError, match=r"nowhere: does not exist"):
        predict(tmp_path / "nowhere", pics, output=out)
    with pytest.raises(ConfigError, match=r"`alpha` must be at least 0 and at most 1\. Received: 1\.5\."):
        predict(run, pics, output=out, alpha=1.5)
    with pytest.raises(ConfigError, match=r"`batch_size` must be at least 1\. Received: 0\."):
        predict(run, pics, output=out, batch_size=0)
    assert not out.exists()
