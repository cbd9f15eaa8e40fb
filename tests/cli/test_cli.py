"""The command line: quick refusals, exit codes, messages without tracebacks."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kerseg.cli import main


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kerseg", *arguments], capture_output=True, text=True, cwd=cwd, timeout=120
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--epohcs", "3"], "Unknown option: --epohcs. Did you mean --epochs?"),
        (["train", "--epochs", "many"], 'unable to convert "many" into int'),
        (["trian"], 'Did you mean "train"?'),
        (["convert", "camvit"], 'Did you mean "camvid"?'),
        (["evaluate", "runs/enet"], "--data-dir"),
    ],
)
def test_a_wrong_word_exits_2_and_names_the_nearest(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(words) == 2
    printed = capsys.readouterr()
    assert message in printed.out + printed.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["train", "--data-dir", "x", "--model", "enett"],
            "--model: There is no model 'enett'. Did you mean 'enet'?",
        ),
        (["describe", "enett"], "--model: There is no model 'enett'. Did you mean 'enet'?"),
        (["list", "model"], "There is no table 'model'. Did you mean 'models'?"),
        (["train", "--optimizer", "sdg"], "--optimizer: There is no optimizer 'sdg'. Did you mean 'sgd'?"),
        (["train", "--epochs", "0"], "--epochs must be at least 1. Received: 0."),
        (["train", "nowhere.yaml"], "nowhere.yaml: there is no such recipe."),
        (
            ["train", "--resume", "a", "--epochs", "3"],
            "--resume repeats the run's own options: give it alone.",
        ),
        (["train"], "--data-dir is missing: the folder that `kerseg convert` wrote."),
    ],
)
def test_a_wrong_option_exits_2(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_missing_data_exits_1_with_the_path_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data-dir", str(tmp_path), "--output", str(tmp_path / "run")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'dataset.json'}: the file does not exist.")


def test_rare_classes_are_several_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "--augment.rare-classes", "pole", "sign", "--data-dir", str(tmp_path)]
    assert main(words) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'dataset.json'}: the file does not exist.")


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="the file does not exist"):
        main(["train", "--data-dir", str(tmp_path), "--debug"])


def test_list_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for name in ("fcn_8s", "unet", "enet", "folder", "camvid", "cross_entropy", "adamw", "poly"):
        assert name in printed


def test_list_models_prints_the_figures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    assert main(["list", "models"]) == 0
    lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert lines["fcn_16s"][:6] == ["134.36", "M", "189.69", "G", "32", "1411.4038"]
    assert lines["fcn_16s"][6:] == ["imagenet,", "vgg_16,", "fcn_32s,", "fcn_8s"]
    assert lines["enet"] == ["0.36", "M", "1.97", "G", "8", "1606.02147", "-"]
    assert lines["*"] == ["with", "--model-options.backbone", "of", "that", "name"]


def test_describe_reads_one_size_or_two_and_the_architecture_s_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["describe", "enet", "--no-measure", "--num-classes", "3", "--model-options.width", "8"]
    assert main([*words, "--size", "64"]) == 0
    assert main([*words, "--size", "64", "128"]) == 0
    printed = capsys.readouterr()
    assert printed.out.count("enet, 3 classes, width 8") == 2
    assert "for one 64x64 image" in printed.out and "for one 64x128 image" in printed.out
    assert "training step" not in printed.out and printed.err == ""


def test_describe_of_a_missing_file_exits_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "runs/nothing"]) == 1
    assert "error: runs/nothing: does not exist." in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["train", "--help"],
        ["convert", "folder", "--help"],
        ["predict", "--help"],
        ["preview", "--help"],
        ["describe", "--help"],
    ],
)
def test_every_option_has_a_line_of_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main(words)
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith("│")]
    for row, following in zip(rows, [*rows[1:], ""], strict=True):
        name, _, text = row.strip("│ *").partition("  ")
        if name.startswith("--") and name not in ("--help (-h)", "--version"):
            assert text.strip() or following.strip("│ *").strip(), f"{name} has no help"


@pytest.mark.parametrize(
    "words",
    [["list"], ["--help"], ["train", "--epohcs", "3"], ["train", "--model", "x"], ["describe", "enett"]],
)
def test_answers_do_not_wait_for_keras(words: list[str]) -> None:
    code = (
        "import sys; from kerseg.cli import main; main(sys.argv[1:]); "
        "sys.exit(', '.join({'keras', 'tensorflow', 'jax', 'torch', 'matplotlib'} & set(sys.modules)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr[-300:]


def test_the_module_and_the_script_are_the_same(tmp_path: Path) -> None:
    from kerseg.__version__ import __version__

    begin = time.monotonic()
    result = run("--version")
    assert time.monotonic() - begin < 30
    assert result.stdout.strip() == __version__
    assert run("trian").returncode == 2


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function that runs a command which must be refused, in an empty folder, and gives what was said."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("text")

    def run(line: str, code: int) -> str:
        assert main(line.split()) == code
        return capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("train --data-dir file", 1, "file: is a file. Give the folder that `kerseg convert` wrote."),
        ("train --data-dir x --seed 4294967296", 2, "--seed must be at least 0 and at most 4.29497e+09."),
        ("preview x --seed 99999999999999999999", 2, "--seed must be at least 0 and at most"),
        ("train --data-dir x --learning-rate inf", 2, "--learning-rate must be above 0. Received: inf."),
        ("train --data-dir x --power nan", 2, "--power must be at least 0. Received: nan."),
        (
            "train --data-dir x --crop-size 1000000 1000000",
            2,
            "--crop-size 1000000 1000000: a batch of 8 such images takes 8.94e+04 GiB, and this machine has",
        ),
        ("preview x --crop-size 1000000 1000000", 2, "--crop-size 1000000 1000000: a batch of 8 such images"),
        ("describe enet --size 10000000", 2, "--size 10000000 10000000: a batch of 1 such images"),
        ("train file", 2, "file: a recipe is a table of `name: value` lines. Received: 'text'."),
        ("train .", 2, ".: is a folder; a recipe is a YAML file."),
        ("train file/x", 2, "file/x: Not a directory."),
        ("train --data-dir x --loss dyce", 2, "--loss dyce: there is no loss 'dyce'. Did you mean 'dice'?"),
        ("train --data-dir x --loss focal --loss-options.gama 2", 2, "--loss-options.gama: "),
        (
            "train --data-dir x --model-options.widht 4",
            2,
            "--model-options.widht: model 'enet' has no such option.",
        ),
        (
            "train --data-dir x --model-options.width wide",
            2,
            "--model-options.width: Expected `int`, got `str`.",
        ),
        ("evaluate x --data-dir y --runtime kersa", 2, "There is no runtime 'kersa'. Did you mean 'keras'?"),
        ("evaluate x --data-dir y --batch-size 0", 2, "--batch-size must be at least 1. Received: 0."),
        ("doctor . --num-classes -1", 2, "--num-classes must be at least 1. Received: -1."),
        ("quickstart q --train 0", 2, "--train must be at least 8. Received: 0."),
        ("quickstart q --val 0", 2, "--val must be at least 1. Received: 0."),
        ("quickstart q --size 1000000 1000000", 2, "--size 1000000 1000000: a batch of 8 such images"),
        ("list losses focall", 2, "There is no loss 'focall'. Did you mean 'focal'?"),
    ],
)
def test_hostile_values_are_refused_in_a_sentence(refused, line: str, code: int, message: str) -> None:
    said = refused(line, code)
    assert said.startswith("error: ") and message in said


def test_a_path_that_the_shell_left_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data-dir", ""]) == 2
    assert capsys.readouterr().err == "error: --data-dir is empty: give a path.\n"


@pytest.mark.parametrize("words", [["evaluate", "a", "--data-dir", "b"], ["train", "--resume", "a"]])
def test_a_backend_that_there_is_not(words: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "KERAS_BACKEND": "torhc"}
    command = [sys.executable, "-m", "kerseg", *words]
    result = subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=60
    )
    assert result.returncode == 2
    assert result.stderr.startswith(
        "error: KERAS_BACKEND is 'torhc'. Did you mean 'torch'? Known: tensorflow, jax, torch."
    )


def test_a_recipe_is_filled_in_by_flags_option_by_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("augment: {hue: 0.1, flip: 0.7}\nepochs: 9\nbatch_size: 0\n")
    # The recipe's mistake is found with its line; a flag mends it.
    assert main(["train", str(recipe)]) == 2
    assert (
        f"error: {recipe}, line 3: --batch-size must be at least 1. Received: 0." in capsys.readouterr().err
    )
