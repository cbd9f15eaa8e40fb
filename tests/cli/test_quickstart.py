"""The quickstart: what it prints is what it does, and it does all of it."""

import errno
import functools
import shlex
from pathlib import Path

import cyclopts
import pytest

import kerseg
from kerseg import cli, street
from kerseg.cli.derive import command
from kerseg.cli.quickstart import quickstart
from kerseg.config import Augment, TrainConfig, override
from kerseg.data.sources.folder import Folder
from kerseg.errors import ConfigError, KersegError
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


def arguments(words):
    """Return what a verb would be called with from the command line."""
    given = {}
    verb = functools.wraps(kerseg.VERBS.load(words[0]))(lambda **options: given.update(options))
    source, rest = ({"source": Folder}, words[2:]) if words[0] == "convert" else (None, words[1:])
    run = command(verb, lambda result, arguments: 0, given=source)
    app = cyclopts.App(default_parameter=cli.app.default_parameter, result_action="return_value")
    app.default(run)
    assert app(rest, exit_on_error=False, print_error=False) == 0
    return given


@pytest.mark.parametrize("columns", ["60", "200"])
def test_the_printed_commands_do_what_the_calls_do(columns, calls, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.chdir(tmp_path)
    quickstart("a folder", **TINY)
    typed = {words[0]: arguments(words) for words in printed_commands(capsys.readouterr().err)}
    assert tuple(typed) == VERBS

    (source,), options = calls["convert"]
    assert typed["convert"] == {"source": source, "output": str(options["output"])}
    defaults = TrainConfig()
    assert override(defaults, typed["train"]) == override(defaults, calls["train"][1])
    (model, data), _ = calls["evaluate"]
    assert typed["evaluate"] == {"model": str(model), "data_dir": str(data)}
    (model, inputs), options = calls["predict"]
    assert typed["predict"] == {
        "model": str(model),
        "inputs": [str(inputs)],
        "output": str(options["output"]),
    }


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


def test_after_a_failure_it_goes_on_where_it_was(calls, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device", "scores.json")

    drawn, draw, evaluate = [], street.draw, kerseg.evaluate
    monkeypatch.setattr(
        street, "draw", lambda *arguments, **options: drawn.append(draw(*arguments, **options))
    )
    monkeypatch.setattr(kerseg, "evaluate", fail)
    with pytest.raises(KersegError, match=r"scores\.json: No space left .* Then call it again"):
        quickstart(tmp_path / "q", **TINY)
    with pytest.raises(ConfigError, match="already exists"):
        quickstart(tmp_path / "q", **TINY | {"epochs": 2})
    monkeypatch.setattr(kerseg, "evaluate", evaluate)
    (tmp_path / "q/run").mkdir()
    (tmp_path / "q/run/config.yaml").touch()
    quickstart(tmp_path / "q", **TINY)
    assert len(drawn) == 1
    assert calls["train"][1] == {"resume": tmp_path / "q/run"}
    with pytest.raises(ConfigError, match="already exists"):
        quickstart(tmp_path / "q", **TINY)


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
