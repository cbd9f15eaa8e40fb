"""Model files: the card comes along, Keras does not mind it, and every kind of damage has its own answer."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import kerseg
from kerseg import modelfile
from kerseg.cli import main
from kerseg.core.info import default_palette
from kerseg.errors import WeightsError
from kerseg.layers.preprocess import Normalize
from kerseg.modelfile import ModelCard
from kerseg.models.enet import enet

CARD = ModelCard(
    architecture="enet",
    options={"width": 4},
    class_names=("ground", "box", "ball"),
    palette=((1, 2, 3), (4, 5, 6), (7, 8, 9)),
    dataset="tiny",
    scores={"mean_iou": 0.5, "classes": [{"name": "ground", "iou": None}]},
)
IMAGE = np.random.default_rng(0).integers(0, 256, (1, 13, 19, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Small, and with a layer that Keras has to ask kerseg for."""
    image = keras.Input((None, None, 3))
    return keras.Model(image, keras.layers.Conv2D(3, 1)(Normalize(scale=1 / 255)(image)), name="small")


@pytest.fixture
def file(model: keras.Model, tmp_path: Path) -> Path:
    path = tmp_path / "enet.keras"
    modelfile.save(model, path, CARD)
    return path


def output(model: keras.Model) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(IMAGE, training=False))


def test_architecture_with_layers_of_its_own(tmp_path: Path):
    model = enet(num_classes=3, width=4)
    modelfile.save(model, tmp_path / "enet.keras", CARD)
    assert (output(modelfile.load(tmp_path / "enet.keras")[0]) == output(model)).all()


def test_in_a_process_that_has_imported_no_layer(model: keras.Model, file: Path):
    code = "import sys; from kerseg import modelfile; print(modelfile.load(sys.argv[1])[0].count_params())"
    command = [sys.executable, "-c", code, str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == model.count_params()


def conv_model(*shapes: tuple[int | None, ...], classes: int = 3) -> keras.Model:
    inputs = [keras.Input(shape) for shape in shapes or [(None, None, 3)]]
    return keras.Model(inputs, keras.layers.Conv2D(classes, 1)(inputs[0]))


def test_model_and_card_come_back(model: keras.Model, file: Path):
    loaded, card = modelfile.load(file)
    assert card == CARD
    assert card.num_classes == 3
    assert card.kerseg_version == kerseg.__version__
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", card.created)
    assert (output(loaded) == output(model)).all()


def test_the_card_is_read_without_the_model(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(modelfile, "load", None)
    assert modelfile.card(file) == CARD


def test_the_doctor_takes_a_model_s_number_of_classes_from_its_card(
    file: Path, clean_streets: Path, tmp_path: Path, inline: None, capsys: pytest.CaptureFixture[str]
):
    words = ["doctor", str(clean_streets), "--model", str(file), "--page", str(tmp_path / "page.html")]
    assert main(words) == 1
    assert f"{file}: 3 classes, the labels 7" in capsys.readouterr().out


def test_keras_reads_the_file_too(model: keras.Model, file: Path):
    assert (output(keras.saving.load_model(file)) == output(model)).all()
    card = json.loads(zipfile.ZipFile(file).read("kerseg.json"))
    assert card["class_names"] == ["ground", "box", "ball"]


def test_run_folder_stands_for_its_best_model(model: keras.Model, tmp_path: Path):
    modelfile.save(model, tmp_path / "run" / "best.keras", CARD)
    assert modelfile.locate(tmp_path / "run") == tmp_path / "run" / "best.keras"
    assert modelfile.load(str(tmp_path / "run"))[1] == CARD


def test_optimizer_stays_out(tmp_path: Path):
    model = conv_model()
    model.compile("adam", loss="mse")
    model.fit(np.zeros((1, 2, 2, 3)), np.zeros((1, 2, 2, 3)), verbose=0)
    modelfile.save(model, tmp_path / "a.keras", CARD)
    assert b"optimizer" not in zipfile.ZipFile(tmp_path / "a.keras").read("model.weights.h5")
    loaded, _ = modelfile.load(tmp_path / "a.keras")
    assert not loaded.compiled
    assert model.optimizer is not None


def test_saving_replaces_and_leaves_nothing_half_written(model: keras.Model, file: Path):
    modelfile.save(model, file, CARD)
    assert [path.name for path in file.parent.iterdir()] == ["enet.keras"]


def test_a_failed_save_keeps_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch):
    before = file.read_bytes()

    def fail(*arguments: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    with pytest.raises(OSError, match="No space left"):
        modelfile.save(conv_model(), file, CARD)
    assert file.read_bytes() == before
    assert len(list(file.parent.iterdir())) == 1


def test_file_without_a_card_gets_a_plain_one(tmp_path: Path):
    conv_model(classes=4).save(tmp_path / "foreign.keras")
    _, card = modelfile.load(tmp_path / "foreign.keras")
    assert card.class_names == ("class 0", "class 1", "class 2", "class 3")
    assert card.palette == default_palette(4)
    assert card.architecture == card.kerseg_version == ""


def rewrite(file: Path, name: str, content: bytes | None) -> None:
    """Replace or drop one member of a zip archive."""
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members.pop(name, None)
    if content is not None:
        members[name] = content
    with zipfile.ZipFile(file, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)


def test_card_of_a_later_version(file: Path):
    values = json.loads(zipfile.ZipFile(file).read("kerseg.json")) | {"mood": "sunny"}
    rewrite(file, "kerseg.json", json.dumps(values).encode())
    assert modelfile.load(file)[1] == CARD


@pytest.mark.parametrize(
    "content", [b"not json", b"[]", b"{}", b'{"architecture": "enet", "class_names": 3}']
)
def test_damaged_card(file: Path, content: bytes):
    rewrite(file, "kerseg.json", content)
    with pytest.raises(WeightsError, match=rf"^{re.escape(str(file))}: its kerseg\.json is damaged \("):
        modelfile.load(file)


def test_card_of_another_model(file: Path, tmp_path: Path):
    modelfile.save(conv_model(classes=4), tmp_path / "four.keras", CARD)
    with pytest.raises(
        WeightsError, match=r"four\.keras: the model gives 4 classes, and its kerseg\.json names 3\."
    ):
        modelfile.load(tmp_path / "four.keras")


def test_missing(tmp_path: Path):
    with pytest.raises(
        WeightsError, match=rf"^{tmp_path}/no: does not exist\. Give a run folder or a \.keras file\."
    ):
        modelfile.load(tmp_path / "no")


def test_run_without_a_model_yet(tmp_path: Path):
    (tmp_path / "config.yaml").touch()
    with pytest.raises(
        WeightsError, match=rf"this run has no best\.keras yet.*kerseg train --resume {tmp_path}$"
    ):
        modelfile.load(tmp_path)


def test_some_other_folder(tmp_path: Path):
    with pytest.raises(WeightsError, match=rf"^{tmp_path}: not a run folder: it has no best\.keras"):
        modelfile.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"hello"])
def test_not_a_zip_archive(tmp_path: Path, content: bytes):
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"model\.h5: not a \.keras file \(a zip archive\)\."):
        modelfile.load(path)


def test_cut_off(file: Path):
    file.write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(WeightsError, match=r"enet\.keras: the file is cut off: copy it again\."):
        modelfile.load(file)


def test_flipped_byte(file: Path):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=r"enet\.keras: Keras cannot read this model: .*Bad CRC-32"):
        modelfile.load(file)


def test_another_zip_archive(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    with pytest.raises(
        WeightsError, match=r"a\.zip: a zip archive, but not a Keras model: it holds no config\.json"
    ):
        modelfile.load(tmp_path / "a.zip")


def test_layer_that_is_unknown_here(file: Path):
    config = zipfile.ZipFile(file).read("config.json")
    assert b"kerseg>Normalize" in config
    rewrite(file, "config.json", config.replace(b"Normalize", b"Enormalize"))
    with pytest.raises(
        WeightsError, match=r"Keras cannot read this model: .*Enormalize.*written by Keras 3\."
    ):
        modelfile.load(file)


@pytest.mark.parametrize(
    "model",
    [
        keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)]),
        conv_model((4, 4, 3), (4, 4, 3)),
    ],
)
def test_not_a_segmentation_model(model: keras.Model, tmp_path: Path):
    model.save(tmp_path / "a.keras")
    with pytest.raises(
        WeightsError, match=r"a\.keras: not a segmentation model: that takes one \(batch, height, "
    ):
        modelfile.load(tmp_path / "a.keras")
