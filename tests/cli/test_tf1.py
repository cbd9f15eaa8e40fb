"""The commands of the TensorFlow 1 scripts: word for word, and run."""

import csv
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerseg.cli import main
from kerseg.cli.tf1 import translate
from kerseg.config import TrainConfig, load
from kerseg.core.info import DatasetInfo, default_palette
from kerseg.data.formats.tfrecord import example, frame
from kerseg.errors import ConfigError
from kerseg.models import MODELS

DEFAULTS = [
    *("--optimizer", "sgd", "--learning-rate", "0.001", "--momentum", "0.9", "--weight-decay", "0.0005"),
    *("--schedule", "poly", "--power", "0.9", "--steps", "100001", "--batch-size", "4"),
    *("--crop-size", "320", "320", "--augment.scale", "0.5", "2.0", "--augment.scale-step", "0.25"),
    *("--save-steps", "5000", "--previews", "2"),
]
DATA = ["--data-dir", "./dataset/tfrecord"]
VOC = ["--dataset", "pascal_voc2012"]
CONVERT = [
    "--train-image-path",
    "A",
    "--train-label-path",
    "B",
    "--val-image-path",
    "C",
    "--val-label-path",
    "D",
]


def without(words: list[str], *flags: str) -> list[str]:
    """Return ``words`` without some flags and their values."""
    kept, keep = [], True
    for word in words:
        keep = word not in flags if word.startswith("--") else keep
        kept += [word] * keep
    return kept


# --- the ten commands of the README


@pytest.mark.parametrize(
    ("alias", "pretrained", "model", "backbone"),
    [
        ("FCN8", "vgg_16", "fcn_8s", None),
        ("U_Net", None, "unet", None),
        ("Seg_Net", None, "segnet", None),
        ("Deeplab_v1", "vgg_16", "deeplab_v1", None),
        ("Deeplab_v2", "resnet_v2_101", "deeplab_v2", "resnet101_v2"),
        ("Deeplab_v3", "resnet_v2_101", "deeplab_v3", "resnet101_v2"),
        ("PSPNet", "resnet_v2_101", "pspnet", "resnet101_v2"),
        ("GCN", "resnet_v2_101", "gcn", "resnet101_v2"),
        ("ENet", None, "enet", None),
        ("ICNet", None, "icnet", None),
    ],
)
def test_the_documented_commands(
    alias: str, pretrained: str | None, model: str, backbone: str | None
) -> None:
    weights = [] if pretrained is None else ["--restore-from", f"./pretrained/{pretrained}.ckpt"]
    name = [] if pretrained is None else ["--pretrained-model", pretrained]
    words = ["train", *DATA, *weights, *VOC, *name, "--segmentation-model", alias]
    expected = ["train", *DATA]
    expected += [] if pretrained is None else ["--weights", f"./pretrained/{pretrained}.ckpt"]
    expected += [*VOC, "--model", model, *DEFAULTS]
    expected += [] if backbone is None else ["--model-options.backbone", backbone]
    assert translate(words) == expected


def test_the_models_of_the_script_are_the_aliases() -> None:
    assert set(MODELS.aliases) == {
        *(
            "FCN8",
            "U_Net",
            "Seg_Net",
            "Deeplab_v1",
            "Deeplab_v2",
            "Deeplab_v3",
            "PSPNet",
            "GCN",
            "ENet",
            "ICNet",
        )
    }


# --- every flag


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["--train-split", "trainval", "--val-split=test"],
            ["--train-split", "trainval", "--val-split", "test"],
        ),
        (["--snapshot-dir", "./logs/"], ["--output", "./logs/"]),
        (["--snapshot-dir=./a=b"], ["--output", "./a=b"]),
        (["--restore-from", "None", "--pretrained-model", "None"], []),
        (["--num-train-samples", "10582"], ["--train-samples", "10582"]),
        (["--num-val-samples", "1449"], ["--val-samples", "1449"]),
        (["--min-scale-factor", "0.75"], ["--augment.scale", "0.75", "2.0"]),
        (["--max-scale-factor", "1.5"], ["--augment.scale", "0.5", "1.5"]),
        (["--max-scale-factor", "1", "--min-scale-factor", "1"], ["--augment.scale", "1", "1"]),
        (["--scale-factor-step-size", "0"], ["--augment.scale-step", "0"]),
        (["--random-seed", "1234"], ["--seed", "1234"]),
        (["--input-size", "321,513"], ["--crop-size", "321", "513"]),
        (["--input-size=320, 320"], ["--crop-size", "320", "320"]),
        (["--batch-size", "10"], ["--batch-size", "10"]),
        (["--learning-rate", "1e-4"], ["--learning-rate", "1e-4"]),
        (["--momentum", "0.95", "--power", "1"], ["--momentum", "0.95", "--power", "1"]),
        (["--weight-decay", "1e-4"], ["--weight-decay", "1e-4"]),
        (["--num-steps", "20000"], ["--steps", "20000"]),
        (["--save-num-images", "4"], ["--previews", "4"]),
        (["--save-model-every", "1000"], ["--save-steps", "1000"]),
        (["--save-pred-every", "100", "--is-training", "--not-restore-last"], []),
        (["--ignore-label", "255"], []),
    ],
)
def test_each_flag_wins_over_the_scripts_default(words: list[str], expected: list[str]) -> None:
    given = ["train", "--segmentation-model", "ENet", *DATA, *VOC, *words]
    flags = [word for word in expected if word.startswith("--")]
    assert translate(given) == [
        "train",
        "--model",
        "enet",
        *DATA,
        *VOC,
        *expected,
        *without(DEFAULTS, *flags),
    ]


def test_kersegs_own_flags_win_too() -> None:
    own = ["--optimizer", "adam", "--epochs", "30", "--augment.scale=1 1", "--crop_size", "96", "96"]
    made = translate(["train", *DATA, *VOC, "--segmentation-model", "ENet", *own])
    kept = without(DEFAULTS, "--optimizer", "--steps", "--augment.scale", "--crop-size")
    own[4:5] = ["--augment.scale", "1 1"]
    assert made == ["train", *DATA, *VOC, "--model", "enet", *own, *kept]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["list", "models"],
        ["train"],
        ["train", "--resume", "runs/enet"],
        ["train", "recipe.yaml", "--crop-size", "96", "96", "--augment.scale=0.5"],
        ["train", "--data-dir", "d", "--model", "FCN8", "--dataset", "cityscapes", "--batch-size", "4"],
        ["train", "--segmentation-model", "FCN8", "--help"],
        ["evaluate", "run", "--restore-from", "x"],
        ["convert", "camvid", "--root", "x"],
        ["convert", "folder", *CONVERT, "--output", "data", "--label-tail", ""],
        ["convert", "folder", "--help"],
    ],
)
def test_kersegs_own_commands_stay_as_they_are(words: list[str]) -> None:
    said: list[str] = []
    assert translate(words, note=said.append) == words
    assert not said


def test_without_a_model_it_is_the_scripts_default() -> None:
    made = translate(["train", *DATA, *VOC, "--restore-from", "vgg_16.ckpt", "--pretrained-model", "vgg_16"])
    assert made == ["train", *DATA, *VOC, "--weights", "vgg_16.ckpt", "--model", "fcn_8s", *DEFAULTS]


@pytest.mark.parametrize(
    "words", [["--model", "enet"], ["recipe.yaml"], ["--epochs", "3", "mine/recipe.yml"]]
)
def test_the_defaults_are_not_those_of_a_model_or_recipe_of_kerseg(words: list[str]) -> None:
    assert translate(["train", *words, "--num-steps", "500"]) == ["train", *words, "--steps", "500"]


def test_a_recipe_after_a_flag_of_the_script_stays() -> None:
    assert translate(["train", "--is-training", "my.yaml", "--num-steps", "9", "other"]) == [
        *("train", "my.yaml", "--steps", "9", "other")
    ]


def test_the_data_folder_and_the_data_set_have_the_scripts_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = translate(["train", "--segmentation-model", "ENet"])
    assert made == ["train", "--model", "enet", "--data-dir", "dataset/tfrecord", *DEFAULTS, *VOC]
    (tmp_path / "dataset/tfrecord").mkdir(parents=True)
    (tmp_path / "dataset/tfrecord/dataset.json").write_text("{}")
    assert translate(["train", "--segmentation-model", "ENet"]) == made[:-2]


@pytest.mark.parametrize(
    ("model", "given", "expected"),
    [
        ("PSPNet", ["--pretrained-model", "resnet_v2_50"], ["--model-options.backbone", "resnet50_v2"]),
        ("GCN", ["--pretrained-model", "resnet_v2_152"], ["--model-options.backbone", "resnet152_v2"]),
        ("GCN", ["--pretrained-model", "resnet152"], []),
        ("Deeplab_v2", ["--pretrained-model", "vgg_16"], ["--model-options.backbone", "vgg16"]),
        ("ICNet", ["--pretrained-model", "resnet_v2_50"], []),
    ],
)
def test_the_backbone_is_named_where_it_is_not_the_default(
    model: str, given: list[str], expected: list[str]
) -> None:
    made = translate(["train", *DATA, *VOC, "--segmentation-model", model, *given])
    assert made == ["train", *DATA, *VOC, "--model", MODELS.resolve(model), *DEFAULTS, *expected]


def test_a_backbone_of_ones_own_stays_alone() -> None:
    own = ["--model-options.backbone", "resnet50"]
    words = [
        "train",
        *DATA,
        *VOC,
        "--segmentation-model",
        "PSPNet",
        *own,
        "--pretrained-model",
        "resnet_v2_101",
    ]
    assert translate(words) == ["train", *DATA, *VOC, "--model", "pspnet", *own, *DEFAULTS]


# --- build_TFRecord.py


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (CONVERT, [*CONVERT, "--output", "tfrecord", "--number-classes"]),
        ([*CONVERT, "--output-dir", "x"], [*CONVERT, "--output", "x", "--number-classes"]),
        (
            [*CONVERT, "--class-names", "a", "b"],
            [*CONVERT, "--class-names", "a", "b", "--output", "tfrecord"],
        ),
        ([], ["--output", "tfrecord", "--number-classes"]),
    ],
)
def test_conversion_without_output_is_the_scripts(
    words: list[str], expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert translate(["convert", "folder", *words]) == ["convert", "folder", *expected]


def test_conversion_looks_where_the_script_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("images/train", "profiles/train", "images/val"):
        (tmp_path / folder).mkdir(parents=True)
    assert translate(["convert", "folder", "--train-image-path", "mine"]) == [
        *("convert", "folder", "--train-image-path", "mine", "--train-label-path", "profiles/train"),
        *("--val-image-path", "images/val", "--output", "tfrecord", "--number-classes"),
    ]


# --- what is said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--segmentation-model", "FCN9"], r"There is no model 'FCN9'\. Did you mean 'FCN8'\?"),
        (["--segmentation-model"], r"--segmentation-model takes a value, and none follows it\."),
        (["--num-steps", "--batch-size", "4"], r"--num-steps takes a value, and none follows it\."),
        (["--save-pred-every"], r"--save-pred-every takes a value"),
        (
            ["--segmentation-model", "ENet", "--model", "enet"],
            r"--segmentation-model and --model say the same",
        ),
        (["--pretrained-model", "vgg_19"], r"There is no backbone 'vgg_19'\. Did you mean 'vgg_16'\?"),
        (
            ["--input-size", "320"],
            r"--input-size takes a height and a width, such as 320,320\. Received: '320'\.",
        ),
        (["--input-size", "a,b"], r"--input-size takes a height and a width"),
        (
            ["--ignore-label", "0"],
            r"--ignore-label is 255 in kerseg\. Received: 0\. Convert the raw data with `kerseg convert folder "
            r"--ignore-values 0`",
        ),
    ],
)
def test_mistakes(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        translate(["train", *DATA, *words])


def test_two_names_for_the_output_are_refused() -> None:
    with pytest.raises(ConfigError, match="--output-dir and --output say the same: give one"):
        translate(["convert", "folder", "--output", "a", "--output-dir", "b"])


def test_the_translation_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["train", "--data-dir", str(tmp_path / "my data"), "--model", "enet", "--num-steps", "9"]
    assert main([*words, "--is-training"]) == 1
    note = capsys.readouterr().err.splitlines()[0]
    assert note == (
        f"In kerseg's own options: kerseg train --data-dir '{tmp_path / 'my data'}' --model enet --steps 9 "
        "Without effect here: --is-training; docs/how-to/coming-from-tf1.md says why."
    )


def test_a_mistake_exits_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--segmentation-model", "FCN9"]) == 2
    assert capsys.readouterr().err.startswith("error: There is no model 'FCN9'. Did you mean 'FCN8'?")


# --- the commands, run


def encoded(image: Image.Image, form: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def label_file(label: np.ndarray, index: int) -> bytes:
    """Return a label as users have it: indexed, as VOC comes, or grey, as DeepLab's script makes it of that."""
    image = Image.fromarray(label, "P" if index % 2 else "L")
    if index % 2:
        image.putpalette(np.array(default_palette(256), np.uint8).tobytes())
    return encoded(image, "PNG")


def voc_like(index: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image of 56x64, or of 64x56, and its label with some of VOC's 21 values and an outline of 255."""
    random = np.random.default_rng(index)
    height, width = (56, 64) if index % 2 else (64, 56)
    label = np.zeros((height, width), np.uint8)
    label[8:40, 8:40] = 255
    label[10:38, 10:38] = 1 + 5 * (index % 4)
    image = random.integers(0, 256, (height, width, 3), np.uint8) // 4 + 8 * (label % 21)[..., None]
    return image, label


def deeplab(index: int) -> bytes:
    image, label = voc_like(index)
    return example(
        {
            "image/encoded": encoded(Image.fromarray(image), "JPEG"),
            "image/filename": f"./images/train/{index}.jpg".encode(),
            "image/format": b"jpg",
            "image/height": label.shape[0],
            "image/width": label.shape[1],
            "image/channels": 3,
            "image/segmentation/class/encoded": label_file(label, index),
            "image/segmentation/class/format": b"png",
        }
    )


def bare(index: int) -> bytes:
    image, label = voc_like(index)
    raw = {"image_raw": image.tobytes(), "mask_raw": label.tobytes()}
    return example({"height": label.shape[0], "width": label.shape[1], **raw})


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of four training and two validation pairs in four files, as the script left them, by format."""
    folders = {}
    for make in (deeplab, bare):
        folder = folders[make.__name__] = tmp_path_factory.mktemp(make.__name__)
        for number in range(4):
            for split, members in (("train", [number]), ("val", [4 + number][: number < 2])):
                data = b"".join(frame(make(index)) for index in members)
                (folder / f"{split}-{number:05d}-of-00004.tfrecord").write_bytes(data)
    return folders


SMALL = ["--input-size", "48,48", "--batch-size", "2", "--num-steps", "2", "--save-num-images", "1"]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    ("alias", "form"),
    [
        pytest.param(alias, form, marks=() if alias in ("FCN8", "ENet") else pytest.mark.heavy)
        for alias, form in zip(MODELS.aliases, ["deeplab", "bare"] * 5, strict=True)
    ],
)
def test_the_documented_commands_run(
    alias: str, form: str, records: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--data-dir", str(records[form]), *VOC, "--segmentation-model", alias, *SMALL]
    narrow = ["--snapshot-dir", str(tmp_path / "run"), "--model-options.width", "4"]
    if alias in ("Deeplab_v2", "Deeplab_v3", "PSPNet", "GCN"):  # on ResNet-101 or -152 otherwise
        narrow += ["--model-options.backbone", "resnet50"]
    assert main(["train", *given, *narrow]) == 0, capsys.readouterr().err
    rows = list(csv.DictReader((tmp_path / "run/history.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["2"]
    assert np.isfinite([float(row["loss"]) for row in rows]).all()
    config = load(TrainConfig, tmp_path / "run/config.yaml")
    assert (config.dataset, config.model, config.optimizer) == (
        *("pascal_voc2012", MODELS.resolve(alias), "sgd"),
    )
    assert (config.momentum, config.weight_decay, config.power, config.steps) == (0.9, 5e-4, 0.9, 2)
    assert (config.augment.scale, config.augment.scale_step, config.crop_size) == ((0.5, 2.0), 0.25, (48, 48))
    assert "pascal_voc2012: 4 images, 21 classes, 2 steps an epoch" in capsys.readouterr().err
    assert not (records[form] / "dataset.json").exists()


def test_a_run_on_such_records_goes_on_and_notices_other_data(
    records: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = shutil.copytree(records["bare"], tmp_path / "data")
    given = ["--data-dir", str(data), *VOC, "--segmentation-model", "U_Net", "--model-options.width", "2"]
    assert main(["train", *given, *SMALL, "--output", str(tmp_path / "run")]) == 0
    assert main(["train", "--resume", str(tmp_path / "run")]) == 0
    assert "Going on" not in capsys.readouterr().err, "it was at its end"
    (data / "train-00002-of-00004.tfrecord").write_bytes(frame(bare(9)))
    assert main(["train", "--resume", str(tmp_path / "run")]) == 1
    assert f"{data}: the data has changed since {tmp_path / 'run'} began" in capsys.readouterr().err


def test_a_conversion_and_a_run_as_the_readme_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for index in range(6):
        split = "train" if index < 4 else "val"
        image, label = voc_like(index)
        for kind, array in (("images", image), ("profiles", label)):
            (tmp_path / kind / split).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(tmp_path / kind / split / f"{index}.png")
    assert main(["convert", "folder"]) == 0
    assert "17 classes, 0 to 16, without names: --class-names gives them some; tfrecord/dataset.json" in (
        capsys.readouterr().out
    )
    assert DatasetInfo.load("tfrecord").class_names == tuple(map(str, range(17)))
    given = ["--data-dir", "tfrecord", *VOC, "--segmentation-model", "U_Net", "--model-options.width", "2"]
    assert main(["train", *given, *SMALL, "--class-weights", "enet"]) == 0
    assert main(["evaluate", "runs/unet", "--data-dir", "tfrecord", *VOC]) == 0
    printed = capsys.readouterr()
    assert "tfrecord: 4 images, 21 classes" in printed.err
    assert "aeroplane" in printed.out
    # Without names for its classes, the data no longer fits the model.
    assert main(["evaluate", "runs/unet", "--data-dir", "tfrecord"]) == 2
