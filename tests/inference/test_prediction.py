"""Prediction end to end: what is written for what, and what does not stop it."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from kerseg import modelfile
from kerseg.errors import ConfigError, DataError, KersegError, WeightsError
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
        f"{mine} exists and is not a result of kerseg predict. Give another `output`."
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


def test_only_what_is_asked_for(run: Path, pics: Path, tmp_path: Path, capsys: Any):
    report = predict(run, pics / "a.png", output=tmp_path / "out", save=("probabilities", "index"))
    assert set(contents(tmp_path / "out")) == {"index/a.png", "probabilities/a.npz"}
    assert report.written[0].results == (
        tmp_path / "out" / "index" / "a.png",
        tmp_path / "out" / "probabilities" / "a.npz",
    )
    with np.load(tmp_path / "out" / "probabilities" / "a.npz") as saved:
        assert saved["probabilities"].dtype == np.float16
        assert (saved["probabilities"].argmax(-1) == LABEL).all()
        assert saved["class_names"].tolist() == list(CARD.class_names)
    folders = tmp_path / "out" / "index", tmp_path / "out" / "probabilities"
    assert f"1 predicted: {folders[0]}, {folders[1]}" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"There is no `save='indx'`\. Did you mean 'index'"):
        predict(run, pics, output=tmp_path, save=("indx",))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("form", "files"),
    [
        ("coco", {"annotations.json"}),
        ("cvat", {"annotations.xml"}),
        ("labelme", {"a.json", "city/b.json", "city/c.json"}),
        ("geojson", {"a.geojson", "city/b.geojson", "city/c.geojson"}),
    ],
)
def test_polygons_of_a_folder(run: Path, pics: Path, tmp_path: Path, form: Any, files: set[str]):
    out = tmp_path / "out"
    report = predict(run, pics, output=out, save=("polygons",), polygon_format=form)
    before = contents(out)
    assert set(before) == {f"polygons/{file}" for file in files}
    assert {str(written.polygons.relative_to(out / "polygons")) for written in report.written} == files
    # Results of an earlier prediction are replaced; a file that is none is not.
    predict(run, pics, output=out, save=("polygons",), polygon_format=form)
    assert contents(out) == before
    first = out / "polygons" / min(files)
    first.write_text("mine")
    if len(files) == 1:
        with pytest.raises(DataError, match="is not a result of kerseg predict"):
            predict(run, pics, output=out, save=("polygons",), polygon_format=form)
    else:
        failed = predict(run, pics, output=out, save=("polygons",), polygon_format=form).failed
        assert [failure.path.name for failure in failed] == ["a.png", "broken.jpg"]
    assert first.read_text() == "mine"


def test_corrected_and_converted_again(run: Path, pics: Path, tmp_path: Path):
    """What LabelMe would open and save is a data set of the labels that were predicted."""
    from kerseg.data.sources.labelme import Labelme

    (pics / "broken.jpg").unlink()
    predict(run, pics, output=tmp_path / "out", save=("polygons", "index"), polygon_format="labelme")
    source = Labelme(
        train_path=tmp_path / "out" / "polygons", class_names=CARD.class_names, image_root=tmp_path
    )
    pairs = source.splits()["train"]
    assert [pair.name for pair in pairs] == ["a", "city/b", "city/c"]
    for pair in pairs:
        index = pixels(tmp_path / "out" / "index" / f"{pair.name}.png")
        assert (source.read_label(pair.label) == index).mean() > 0.995
        assert pair.image.exists()


def test_windows_scales_and_a_crf(run: Path, pics: Path, tmp_path: Path):
    plain = predict(run, pics / "a.png", output=tmp_path / "plain", save=("index",)).written[0].index
    windows = predict(
        run,
        pics / "a.png",
        output=tmp_path / "windows",
        save=("index",),
        window=(8, 16),
        overlap=4,
        flip=True,
    )
    assert (pixels(windows.written[0].index) == pixels(plain)).all()
    pytest.importorskip("numba", reason="numba is not installed")
    smooth = predict(
        run,
        pics / "a.png",
        output=tmp_path / "smooth",
        save=("index",),
        crf_options={"smoothness_weight": 60, "appearance_weight": 0},
    )
    counts = [np.abs(np.diff(pixels(path).astype(int))).sum() for path in (plain, smooth.written[0].index)]
    assert counts[1] < counts[0] / 3  # LABEL is noise, which costs at every border
    with pytest.raises(ConfigError, match=r"There is no `crf_options\.smoothnes_weight`\. Did you mean"):
        predict(run, pics, output=tmp_path, crf_options={"smoothnes_weight": 3})


def test_a_result_that_cannot_be_written_ends_it(run: Path, pics: Path, tmp_path: Path, monkeypatch: Any):
    from kerseg.inference import outputs

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outputs, "save_signed", full)
    with pytest.raises(KersegError, match="No space left on device"):
        predict(run, pics, output=tmp_path / "out")
