"""Images of other channels from raw files to predictions: convert, train, evaluate, predict."""

from pathlib import Path

import keras
import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

import kerseg
from kerseg import modelfile
from kerseg.core.info import Channels
from kerseg.data.conversion.convert import convert
from kerseg.data.sources.folder import Folder
from kerseg.errors import ConfigError
from kerseg.inference.evaluation import evaluate
from kerseg.inference.prediction import predict
from kerseg.metrics import ConfusionMatrix

NAMES = ("red", "green", "blue", "nir")


def scene(index: int, size: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Return an image (size, size, 4) uint16 and its label, which the fourth channel alone tells."""
    random = np.random.default_rng(index)
    top, left = random.integers(2, size // 2, 2)
    label = np.zeros((size, size), np.uint8)
    label[top : top + 14, left : left + 12] = 1
    image = random.integers(1800, 2200, (size, size, 4), dtype=np.uint16)
    image[..., 3] = np.where(label, 3600, 400) + random.integers(0, 200, label.shape)
    return image, label


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    for split, first, count in (("train", 0, 84), ("val", 100, 3)):
        for kind in "il":
            (folder / split / kind).mkdir(parents=True)
        for index in range(first, first + count):
            image, label = scene(index)
            tifffile.imwrite(
                folder / split / "i" / f"{index}.tif", image, photometric="rgb", compression="lzw"
            )
            Image.fromarray(label).save(folder / split / "l" / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def data(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "d"
    source = Folder(
        **{f"{s}_{k}_path": raw / s / k[0] for s in ("train", "val") for k in ("image", "label")},
        class_names=("land", "water"),
        channel_names=NAMES,
        value_range=(0, 4000),
    )
    convert(source, output=folder, workers=1)
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "r"
    kerseg.train(
        data_dir=data,
        model="segnet_basic",
        model_options={"width": 8},
        output=folder,
        epochs=4,
        batch_size=2,
        crop_size=(32, 32),
        learning_rate=0.01,
        previews=1,
    )
    return folder


def test_what_only_the_fourth_channel_tells_is_learnt(run, data):
    scores = evaluate(run, data)
    assert scores.mean_iou > 0.98
    model, card = modelfile.load(run)
    assert card.channels == Channels(NAMES, ((0.0, 4000.0),) * 4)
    assert model.inputs[0].shape == (None, None, None, 4)
    with Image.open(run / "previews/best-1.png") as preview:
        assert preview.mode == "RGB"


def test_predicting_the_raw_files_gives_what_evaluation_scores(run, raw, data, tmp_path):
    report = predict(run, raw / "val" / "i", output=tmp_path)
    assert [written.index.name for written in report.written] == ["100.png", "101.png", "102.png"]
    matrix = ConfusionMatrix(2)
    for written in report.written:
        label = np.asarray(Image.open(raw / "val" / "l" / written.index.name))
        matrix.update(label, np.asarray(Image.open(written.index)))
    expected = evaluate(run, data, output=tmp_path / "scores.json")
    mine, theirs = matrix.scores(("land", "water")).to_json(), expected.to_json()
    # What follows from the images, with its intervals, is measured where there are images.
    assert {**mine, "metrics": theirs["metrics"]} == theirs
    assert theirs["metrics"]["mean_iou"]["value"] == pytest.approx(mine["mean_iou"], abs=1e-12)
    # The overlay shows red, green and blue; where nothing is laid over it, as the range makes them.
    image, _ = scene(100)
    shown = np.asarray(Image.open(tmp_path / "overlay/100.png"))[: 32 * 10 : 10, ::10]
    black = np.asarray(Image.open(written.index.with_name("100.png"))) == 0
    expected_pixels = np.rint(image[..., :3].astype(np.float32) * np.float32(255 / 4000)).astype(np.uint8)
    np.testing.assert_array_equal(shown[black], expected_pixels[black])


def test_other_channels_are_refused_in_words(run, data, raw, tmp_path, capsys):
    tifffile.imwrite(tmp_path / "three.tif", scene(0)[0][..., :3], photometric="rgb")
    np.save(tmp_path / "nan.npy", np.full((8, 8, 4), np.nan))
    np.save(tmp_path / "good.npy", scene(0)[0])
    report = predict(run, tmp_path, output=tmp_path / "out")
    assert [written.image.name for written in report.written] == ["good.npy"]
    assert {failure.path.name: failure.reason.split(".")[0] for failure in report.failed} == {
        "nan.npy": "not finite: 256 values are NaN, 0 infinite",
        "three.tif": "channels differ: it has 3, the data set 4 (red, green, blue, nir)",
    }
    image = keras.Input((None, None, 3))
    rgb = keras.Model(image, keras.layers.Conv2D(2, 1)(image), name="rgb")
    with pytest.raises(
        ConfigError, match=r"rgb: the model takes images of 3 channels, and those .* have 4 \(red 0"
    ):
        evaluate(rgb, data)


def test_another_range_is_pointed_out(run, data, raw, tmp_path, capsys):
    source = Folder(
        val_image_path=raw / "val/i",
        val_label_path=raw / "val/l",
        class_names=("land", "water"),
        channel_names=NAMES,
        value_range=(0, 65535),
    )
    convert(source, output=tmp_path / "d", workers=1)
    capsys.readouterr()
    evaluate(run, tmp_path / "d", output=tmp_path / "s.json")
    said = capsys.readouterr().err
    assert (
        "Warning: the model was trained on other channels or values (model / data): red 0 to 4000, " in said
    )
    assert " / red 0 to 65535, " in said


def test_hue_is_refused_before_a_run_folder_is_made(data, tmp_path):
    with pytest.raises(ConfigError, match=r"`augment\.hue` needs images of 3 channels; these have 4\."):
        kerseg.train(data_dir=data, output=tmp_path / "r", augment=kerseg.config.Augment(hue=0.1))
    assert not (tmp_path / "r").exists()


def threshold(channel: int, channels: int, value: float) -> keras.Model:
    """Return a model that says 1 where a channel is above ``value`` of 255."""
    image = keras.Input((None, None, channels))
    conv = keras.layers.Conv2D(2, 1)
    model = keras.Model(image, conv(image))
    kernel = np.zeros((1, 1, channels, 2), np.float32)
    kernel[0, 0, channel, 1] = 1
    conv.set_weights([kernel, np.array([value, 0.0], np.float32)])
    return model


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_volumes_are_predicted_slice_by_slice(tmp_path, suffix):
    volume = np.random.default_rng(0).integers(-1000, 1000, (6, 8, 5)).astype(np.int16)
    (tmp_path / "scans").mkdir()
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])  # LPS, as DICOM has it
    nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / "scans" / f"p1{suffix}")
    channels = Channels(("ct",), ((-100.0, 300.0),))
    card = modelfile.ModelCard(
        architecture="", class_names=("soft", "bone"), palette=((0, 0, 0), (255, 0, 0)), channels=channels
    )
    modelfile.save(threshold(0, 1, 127.4), tmp_path / "m.keras", card)
    report = predict(tmp_path / "m.keras", tmp_path / "scans", output=tmp_path / "out", batch_size=3)
    names = [str(written.index.relative_to(tmp_path / "out/index")) for written in report.written]
    assert names == [f"p1/{i:03}.png" for i in range(5)]
    canonical = volume[::-1, ::-1]
    for i, written in enumerate(report.written):
        expected = np.rot90(canonical[:, :, i]) >= 100
        np.testing.assert_array_equal(np.asarray(Image.open(written.index)), expected.astype(np.uint8))


def test_files_of_channels_are_predicted_as_one_image(tmp_path):
    (tmp_path / "s").mkdir()
    channels = Channels(
        ("a", "b"), ((0.0, 255.0), (0.0, 510.0)), kerseg.core.info.Layout(tails=("_0000", "_0001"))
    )
    values = np.random.default_rng(0).integers(0, 510, (2, 6, 8)).astype(np.uint16)
    for index in range(2):
        np.save(tmp_path / "s" / f"p_000{index}.npy", values[index])
    np.save(tmp_path / "s" / "q_0000.npy", values[0])
    card = modelfile.ModelCard(
        architecture="", class_names=("n", "y"), palette=((0, 0, 0), (255, 0, 0)), channels=channels
    )
    modelfile.save(threshold(1, 2, 100.2), tmp_path / "m.keras", card)
    report = predict(tmp_path / "m.keras", tmp_path / "s", output=tmp_path / "out")
    assert [written.index.name for written in report.written] == ["p.png"]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out/index/p.png")), values[1] > 200.4)
    [failure] = report.failed
    assert "No such file or directory" in failure.reason
