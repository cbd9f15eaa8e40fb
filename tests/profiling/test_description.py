"""`kerseg describe`: what is counted, what is measured, and of what."""

import io
from pathlib import Path

import keras
import numpy as np
import pytest
from rich.console import Console

import kerseg
from kerseg import modelfile, models
from kerseg.cli.tables import description_table, starts_text
from kerseg.errors import ConfigError, WeightsError
from kerseg.modelfile import ModelCard
from kerseg.profiling import figures, measurement
from kerseg.profiling.description import describe
from kerseg.profiling.footprint import Footprint

NARROW = {"width": 4, "backbone": "resnet50"}
CARD = ModelCard(
    architecture="pspnet",
    options=NARROW,
    class_names=("road", "[sky]"),
    palette=((0, 0, 0), (9, 9, 9)),
    dataset="tiny",
    scores={"mean_iou": 0.5125},
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    modelfile.save(models.build("pspnet", num_classes=2, **NARROW), folder / "best.keras", CARD)
    return folder


def printed(result: measurement.Description) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(description_table(result))
    return console.file.getvalue()


def test_the_figures_are_those_of_the_table():
    result = describe("ENet", measure=False)
    known = figures.read()["enet"]
    assert (result.name, result.num_classes, result.size) == ("enet", 21, (512, 512))
    assert (result.parameters, result.multiply_adds) == (known.parameters, known.multiply_adds)
    assert (result.output_stride, result.starts) == (8, {})
    assert result.losses == {"logits": 1.0}
    assert result.paper.arxiv == "1606.02147"
    assert result.forward is None and result.training is None and result.card is None
    assert kerseg.describe is describe


def test_training_heads_are_named_and_not_counted():
    result = describe("pspnet", num_classes=2, model_options=NARROW, measure=False)
    assert result.losses == {"logits": 1.0, "auxiliary": 0.4}
    plain = models.build("pspnet", num_classes=2, **NARROW)
    assert result.parameters + result.other_parameters == plain.count_params()
    assert result.layers == sum(layer.count_params() > 0 for layer in plain.layers)
    assert "logits + 0.4 auxiliary" in printed(result)


def test_one_number_is_height_and_width():
    square = describe("enet", size=64, measure=False)
    wide = describe("enet", size=(64, 128), measure=False)
    assert square.size == (64, 64)
    assert wide.multiply_adds == 2 * square.multiply_adds
    assert "0.03 G for one 64x64 image" in printed(square)


def test_a_layer_of_a_network_within_is_counted_once():
    options = {"width": 2, "backbone": "vgg16"}
    one = describe("deeplab_v2", model_options=options, measure=False)
    three = describe("deeplab_v2", model_options={**options, "multi_scale": True}, measure=False)
    assert three.layers == one.layers == 13 + 4 * 3
    assert three.parameters == one.parameters
    assert three.multiply_adds > 1.5 * one.multiply_adds


def test_other_options_start_from_what_fits_them():
    assert describe("fcn_8s", model_options={"width": 2}, measure=False).starts == {}
    options = {"backbone": "resnet50_v2"}
    assert describe("deeplab_v3", model_options=options, measure=False).starts == {
        "imagenet": {},
        "resnet_v2_50": {},
    }


@pytest.mark.parametrize("suffix", ["", "best.keras"])
def test_a_run_shows_its_card(run: Path, suffix: str):
    result = describe(str(run / suffix), size=96, measure=False)
    assert (result.name, result.num_classes, result.options) == ("pspnet", 2, NARROW)
    assert result.losses == {"logits": 1.0, "auxiliary": 0.4}
    assert result.card == CARD
    text = printed(result)
    assert "pspnet, 2 classes, width 4, backbone resnet50" in text
    assert "road, [sky]" in text
    assert f"tiny, kerseg {kerseg.__version__}" in text
    assert "51.25 % in the validation that chose these weights" in text


def test_a_model_of_anyone_s_is_described_as_far_as_it_goes(tmp_path: Path):
    image = keras.Input((32, 48, 3))
    model = keras.Model(image, keras.layers.Conv2D(5, 3, padding="same")(image), name="own")
    result = describe(model, size=(32, 48), measure=False)
    assert (result.name, result.paper, result.output_stride, result.starts) == ("own", None, None, {})
    assert (result.parameters, result.layers) == (27 * 5 + 5, 1)
    assert result.multiply_adds == 32 * 48 * 27 * 5
    with pytest.raises(ConfigError, match=r"images of 32x48 pixels only .* Received: 512x512"):
        describe(model, measure=False)
    modelfile.save(model, tmp_path / "own.keras", modelfile.blank_card(5))
    result = describe(tmp_path / "own.keras", size=(32, 48), measure=False)
    assert (result.name, result.num_classes) == ("own", 5)
    assert "kerseg" not in printed(result)


def test_time_and_memory_are_measured_with_the_model_s_own_options(run: Path, monkeypatch):
    tasks, calls = [], []
    monkeypatch.setattr(
        measurement, "measure", lambda task: tasks.append(task) or Footprint(3 * 2**20, "resident")
    )

    class Predictor:
        def __init__(self, network):
            self.network = network

        def __call__(self, images):
            calls.append(images)

    monkeypatch.setattr(measurement, "Predictor", Predictor)
    monkeypatch.setattr(measurement, "SECONDS", 0.0)
    result = describe(run, size=(24, 40), batch_size=2)
    (task,) = tasks
    assert (task.architecture, task.options, task.num_classes) == ("pspnet", NARROW, 2)
    assert (task.size, task.batch_size, task.backend) == ((24, 40), 2, keras.backend.backend())
    # The first call compiles, and is not timed.
    assert len(calls) == 1 + result.forward.runs == 1 + measurement.RUNS[0]
    assert calls[0].shape == (2, 24, 40, 3) and calls[0].dtype == np.uint8
    text = printed(result)
    assert f"ms for 2x24x40, images to labels (median of 5; {result.backend}, " in text
    assert "3 MiB for 2x24x40, with Adam: weights, gradients, optimizer and activations (resident; " in text


def test_a_real_measurement():
    result = describe("enet", size=(24, 32), num_classes=3, model_options={"width": 8})
    assert 0 < result.forward.seconds < 10 and 5 <= result.forward.runs <= 50
    assert result.training.bytes > 1e6
    assert f"{keras.backend.backend()}, {result.device}" in printed(result)


def test_an_unsaved_model_s_training_is_not_measured():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(5, 1)(image), name="own")
    result = describe(model, size=8)
    assert result.training == Footprint(
        None, "not measured: save the model to a .keras file, and describe that"
    )
    assert result.training.what in printed(result)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("enett", {}, "`model`: There is no model 'enett'. Did you mean 'enet'?"),
        ("enet", {"size": 0}, "`size` takes 1 or more pixels. Received: 0 0."),
        ("enet", {"batch_size": 0}, "`batch_size` must be at least 1. Received: 0."),
        ("enet", {"num_classes": 0}, "num_classes is 0; a model needs an integer of at least 1."),
        (
            "enet",
            {"model_options": {"widht": 8}},
            "`model_options.widht`: model 'enet' has no such option. Did you mean 'width'?",
        ),
        (
            "enet",
            {"model_options": {"auxiliary": True}},
            "`model_options.auxiliary`: model 'enet' has no such option.",
        ),
        (Path("x.keras"), {"num_classes": 3}, "`num_classes` and `model_options` are for the name"),
    ],
)
def test_mistakes_are_refused(model, options, message):
    with pytest.raises(ConfigError) as error:
        describe(model, **options)
    assert str(error.value).startswith(message)


def test_a_missing_file_is_named_first():
    with pytest.raises(WeightsError, match=r"^runs/nothing: does not exist\."):
        describe("runs/nothing")


def test_starts_as_text():
    assert starts_text({}) == "-"
    starts = {"imagenet": {"stem": "7x7"}, "vgg_16": {}, "resnet_v2_50": {"backbone": "resnet_v2_50"}}
    assert starts_text(starts) == "imagenet with stem 7x7, vgg_16, resnet_v2_50*"
