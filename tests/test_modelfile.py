"""Model files: the card comes along, Keras does not mind it, and every kind of damage has its own answer."""

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

import kerseg
from kerseg import modelfile, models
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


def test_card_of_version_0_1_says_when_it_was_made(file: Path):
    values = json.loads(zipfile.ZipFile(file).read("kerseg.json"))
    rewrite(file, "kerseg.json", json.dumps(values | {"created": "2026-11-25T11:51:53+00:00"}).encode())
    assert modelfile.card(file).created == "2026-11-25T11:51:53+00:00"


# A change to the card -> what is said of it.
WRONG_CARDS: dict[str, tuple[Any, str]] = {
    "no JSON": (b"not json", "not JSON: JSON is malformed"),
    "a list": (b"[]", "Expected `object`, got `array`"),
    "nested": (b"[" * 100_000, "not JSON"),
    "empty": (b"{}", "Object missing required field `architecture`"),
    "NaN": ({"scores": {"mean_iou": float("nan")}}, "not JSON"),
    "a number for the names": ({"class_names": 3}, r"class_names: Expected `array`, got `int` \(it is 3\)"),
    "a number for a name": ({"class_names": [1, "a", "b"]}, r"class_names\[0\]: Expected `str`, got `int`"),
    "no class": ({"class_names": [], "palette": []}, "class_names is empty"),
    "an escape": ({"class_names": ["a\x1b[2J", "b", "c"]}, r"class_names holds 'a\\x1b\[2J': control"),
    "a short palette": ({"palette": [[1, 2, 3]]}, "palette has 1 colours, and class_names 3 names"),
    "a colour of two": ({"palette": [[1, 2]] * 3}, r"palette\[0\]: Expected `array` of length 3"),
    "a colour of 256": ({"palette": [[1, 2, 256]] * 3}, r"palette\[0\]\[2\]: Expected `int` <= 255"),
    "options that are text": ({"options": "width"}, "options: Expected `object`, got `str`"),
    "a range that is text": (
        {"channels": {"names": ["a"], "value_ranges": [["0", 1]]}},
        r"channels\.value_ranges\[0\]\[0\]: Expected `float`, got `str`",
    ),
}


@pytest.mark.parametrize("wrong", WRONG_CARDS)
def test_wrong_card(file: Path, wrong: str):
    change, said = WRONG_CARDS[wrong]
    content = change if isinstance(change, bytes) else json.dumps(json.loads(card_of(file)) | change).encode()
    rewrite(file, "kerseg.json", content)
    for read in modelfile.load, modelfile.card:
        with pytest.raises(WeightsError, match=rf"^{re.escape(str(file))}: its kerseg\.json: {said}"):
            read(file)


def card_of(file: Path) -> bytes:
    with zipfile.ZipFile(file) as archive:
        return archive.read("kerseg.json")


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
        WeightsError, match=rf"this run has no best\.keras yet.*`kerseg\.train\(resume='{tmp_path}'\)`$"
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


SAVE = """
import sys
from pathlib import Path
import keras
from kerseg import modelfile, models
keras.utils.set_random_seed(1)
model = models.build("segnet_basic", num_classes=3, width=4)
modelfile.save(model, Path(sys.argv[1]), modelfile.blank_card(3))
"""


def test_equal_models_make_equal_files(tmp_path: Path):
    other = tmp_path / "other.keras"
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", SAVE, str(other)], check=True, env=environment, capture_output=True)
    # Names of layers are counted through a process: those before must make no difference.
    enet(num_classes=2, width=4)
    keras.utils.set_random_seed(1)
    model = models.build("segnet_basic", num_classes=3, width=4)
    modelfile.save(model, tmp_path / "one.keras", modelfile.blank_card(3))
    assert (tmp_path / "one.keras").read_bytes() == other.read_bytes()


def test_shared_objects_stay_shared():
    one, other = {"shared_object_id": 139816668952720}, {"shared_object_id": 94}
    config = {"layers": [one, {"dtype": other}, one], "units": 139816668952720}
    expected = [{"shared_object_id": 0}, {"dtype": {"shared_object_id": 1}}, {"shared_object_id": 0}]
    assert modelfile._without_addresses(config) == {"layers": expected, "units": 139816668952720}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(model: keras.Model, tmp_path: Path, value: float):
    spoilt = keras.models.clone_model(model)
    spoilt.layers[-1].bias.assign([0.0, value, 0.0])
    modelfile.save(spoilt, tmp_path / "nan.keras", CARD)
    with pytest.raises(
        WeightsError, match=r"nan\.keras: the weight .*bias holds NaN or infinity: the training"
    ):
        modelfile.load(tmp_path / "nan.keras")


def with_weights(file: Path, change: Any) -> None:
    """Let ``change`` loose on the HDF5 in a model file."""
    content = io.BytesIO(zipfile.ZipFile(file).read("model.weights.h5"))
    with h5py.File(content, "a") as weights:
        change(weights)
    rewrite(file, "model.weights.h5", content.getvalue())


def test_a_member_that_unpacks_to_more_than_weights_ever_do(file: Path, monkeypatch: pytest.MonkeyPatch):
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("assets/a", bytes(2**27))
    monkeypatch.setattr(zipfile.ZipFile, "read", None)  # nothing is read before that is known
    with pytest.raises(
        WeightsError, match=r"enet\.keras: its [\d,]+ bytes unpack to 134,\d+,\d+, which trained"
    ):
        modelfile.load(file)


def test_json_larger_than_that_of_any_model(file: Path):
    rewrite(file, "config.json", b" " * (2**22 + 1))
    with pytest.raises(
        WeightsError, match=r"its config\.json has 4,194,305 bytes, where a model's has at most"
    ):
        modelfile.load(file)


def test_an_array_that_is_larger_than_its_file(file: Path):
    with_weights(file, lambda h5: h5.create_dataset("bomb", (2**30,), "f4", fillvalue=1.0))
    with pytest.raises(WeightsError, match=r"model\.weights\.h5: its [\d,]+ bytes unpack to 4,294,967,\d+"):
        modelfile.load(file)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda h5: h5.__setitem__("out", h5py.ExternalLink("/etc/passwd", "/")), "/out is a ExternalLink"),
        (lambda h5: h5.__setitem__("out", h5py.SoftLink("/layers")), "/out is a SoftLink"),
        (lambda h5: h5.__setitem__("out", h5["layers"]), "is there under a second name"),
        (
            lambda h5: h5.create_dataset("out", (9,), "u1", external=[("/etc/passwd", 0, 9)]),
            "/out keeps its values in other files",
        ),
    ],
    ids=["external link", "soft link", "circle", "external values"],
)
def test_hdf5_that_leads_out_of_the_file(file: Path, change: Any, said: str):
    with_weights(file, change)
    with pytest.raises(
        WeightsError, match=rf"^{re.escape(str(file))}: Keras cannot read this model: .*{said}"
    ):
        modelfile.load(file)


def test_a_layer_larger_than_the_weights(file: Path):
    config = zipfile.ZipFile(file).read("config.json")
    rewrite(file, "config.json", config.replace(b'"filters": 3', b'"filters": 3000000000'))
    real = keras.layers.Layer.add_weight
    with pytest.raises(
        WeightsError, match=r"needs a variable of shape \(1, 1, 3, 3000000000\), which is not in"
    ):
        modelfile.load(file)
    assert keras.layers.Layer.add_weight is real


def test_a_long_reason_is_said_whole(file: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*arguments: object, **options: object) -> None:
        raise ValueError("Not allowed:\n" + "a very long name " * 30 + "\nand its end")

    monkeypatch.setattr(keras.saving, "load_model", fail)
    with pytest.raises(WeightsError, match=r"Not allowed: a very long .* and its end\. \(The file was"):
        modelfile.load(file)
