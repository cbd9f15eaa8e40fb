"""The quickstart: what it prints is what it does, and it does all of it."""

import dataclasses
import shlex
from pathlib import Path

import pytest

import kerseg
from kerseg import cli, street
from kerseg.cli.quickstart import quickstart
from kerseg.config import Augment, TrainConfig, override
from kerseg.errors import ConfigError
from kerseg.metrics import ConfusionMatrix
from kerseg.training.trainer import TrainResult

VERBS = ("convert", "train", "evaluate", "predict")
TINY = {"train": 8, "val": 2, "size": (32, 48), "epochs": 1}


@pytest.fixture
def calls(monkeypatch):
    """The verbs, replaced by notes of what they were called with."""
    noted = {}
    run = TrainResult(Path("run"), best=0.5, finished=True)
    matrix = ConfusionMatrix(len(street.CLASS_NAMES))
    matrix.update([0, 1], [0, 1])
    scores = matrix.scores(street.CLASS_NAMES)

    def stand_in(verb):
        def call(*arguments, **options):
            noted[verb] = (arguments, options)
            return run if verb == "train" else scores

        return call

    for verb in VERBS:
        monkeypatch.setattr(kerseg, verb, stand_in(verb), raising=False)
    return noted


def printed_commands(text):
    """Return the command lines in what was printed, as lists of words without ``kerseg``."""
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(line)[2:] for line in lines if line.startswith("$ kerseg ")]


@pytest.mark.parametrize("columns", ["60", "200"])
def test_the_printed_commands_do_what_the_calls_do(columns, calls, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.chdir(tmp_path)
    quickstart("a folder", **TINY)
    bound = {}
    for words in printed_commands(capsys.readouterr().err):
        _, arguments, ignored = cli.app.parse_args(words, exit_on_error=False, print_error=False)
        # Parameters that the command line does not offer: drawn streets are not to be downloaded.
        assert set(ignored) == ({"download"} if words[0] == "convert" else set())
        bound[words[0]] = arguments.arguments
    assert tuple(bound) == VERBS

    (source,), options = calls["convert"]
    assert bound["convert"]["source"] == dataclasses.replace(source)
    assert bound["convert"]["options"].output == options["output"]
    assert bound["train"]["config"] == override(TrainConfig(), calls["train"][1])
    (model, data), options = calls["evaluate"]
    assert bound["evaluate"] == {"model": model, "data_dir": data} | options
    (model, inputs), options = calls["predict"]
    assert bound["predict"] == {"model": model, "inputs": [str(inputs)]} | options


def test_it_trains_on_whole_images_with_the_size_it_drew(calls, tmp_path):
    quickstart(tmp_path / "q", **TINY)
    options = calls["train"][1]
    assert options["crop_size"] == TINY["size"] and options["epochs"] == TINY["epochs"]
    assert isinstance(options["augment"], Augment)


def test_a_training_that_was_stopped_stops_the_rest(calls, tmp_path, monkeypatch):
    stopped = TrainResult(Path("run"), best=None, finished=False)
    monkeypatch.setattr(kerseg, "train", lambda **options: stopped)
    with pytest.raises(KeyboardInterrupt):
        quickstart(tmp_path / "q", **TINY)
    assert tuple(calls) == ("convert",)


def test_a_folder_that_holds_something_is_left_alone(calls, tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ConfigError, match=r"already exists, .* Give another --output, or remove it: rm -r"):
        quickstart(tmp_path, **TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"] and not calls


def test_a_file_in_its_place_is_refused(calls, tmp_path):
    (tmp_path / "q").write_text("x")
    with pytest.raises(ConfigError, match="already exists"):
        quickstart(tmp_path / "q", **TINY)


def test_an_empty_folder_will_do(calls, tmp_path):
    quickstart(tmp_path, **TINY)
    assert tuple(calls) == VERBS


def test_the_whole_way(tmp_path, capsys):
    result = quickstart(tmp_path / "q", **TINY)
    output = capsys.readouterr()
    assert 0 <= result.scores.mean_iou <= 1 and result.seconds > 0
    assert result.scores.class_names == street.CLASS_NAMES
    assert "mean IoU" in output.out, "the table of scores"
    for name in ("predictions/overlay", "run/previews", "run/report/curves.png", "run/best.keras"):
        path = result.output / name
        assert str(path) in output.err
        assert path.is_file() or any(path.iterdir())
    assert len(list((result.output / "predictions/index").iterdir())) == TINY["val"]
