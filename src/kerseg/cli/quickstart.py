"""The whole way in one command, with no data and no network: draw, convert, train, evaluate, predict.

Every step is the verb that a user would call, with its command line printed above what it says.
"""

import json
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

import kerseg
from kerseg import street
from kerseg.__version__ import __version__
from kerseg.augment.options import Augment
from kerseg.cli.tables import scores_table
from kerseg.core.files import clean, explained, write_text
from kerseg.core.info import FILE_NAME
from kerseg.core.options import refuse_nul
from kerseg.core.progress import Progress
from kerseg.core.ranges import check_batch, check_range
from kerseg.core.staging import whole_folder
from kerseg.data.sources.folder import Folder
from kerseg.errors import ConfigError
from kerseg.metrics import Scores

BATCH_SIZE = 8
"""Crops in one step of its training."""
_BEGUN = ".quickstart.json"
"""In the folder of a quickstart that has not come to its end: its options."""


@dataclass(frozen=True)
class Quickstart:
    """What a quickstart came to."""

    output: Path
    scores: Scores
    """On the validation split."""
    seconds: float


def quickstart(
    output: str | Path = Path("kerseg-quickstart"),
    *,
    train: int = 480,
    val: int = 80,
    size: tuple[int, int] = (96, 144),
    epochs: int = 20,
) -> Quickstart:
    """Draw a small data set of streets, convert it, train ENet on it, evaluate and predict.

    Called again after it was stopped, with the same options, it goes on from there.

        output/street/        the images and labels, as anyone's own would be
        output/data/          what `kerseg convert` makes of them
        output/run/           what `kerseg train` writes: model, history, curves, previews, report
        output/predictions/   what `kerseg predict` writes

    Args:
        output: Folder to make.
        train: Number of images to learn from.
        val: Number of images to score on.
        size: Height and width of the images, pixels.
        epochs: Passes over the training images.

    Returns:
        Where everything is, the scores, and the time it took.

    Raises:
        ConfigError: ``output`` exists, and is neither an empty folder nor a stopped quickstart of these options.
        KersegError: A file cannot be written.
        KeyboardInterrupt: Training was stopped.

    Example:
        >>> quickstart("first-steps").scores.mean_iou > 0.7  # doctest: +SKIP
        True
    """
    refuse_nul(locals())
    began, output = time.monotonic(), Path(output)
    check_range("train", train, least=BATCH_SIZE)
    for name, value in (("val", val), ("epochs", epochs)):
        check_range(name, value, least=1)
    check_batch("size", size, BATCH_SIZE)
    options = {"train": train, "val": val, "size": list(size), "epochs": epochs, "kerseg": __version__}
    with explained(output, "Then call it again: it goes on from there."):
        _begin(output, options)
        scores = _steps(output, train, val, size, epochs)
        (output / _BEGUN).unlink()
    result = Quickstart(output, scores, time.monotonic() - began)
    _end(Console(stderr=True, highlight=False, soft_wrap=True), result)
    return result


def _begin(output: Path, options: Mapping[str, object]) -> None:
    """Note that the folder is this quickstart's; refuse one that holds anything else."""
    text = json.dumps(options)
    if output.is_dir():
        clean(output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        begun = output / _BEGUN
        if begun.is_file() and begun.read_bytes() == text.encode():
            return
        raise ConfigError(
            f"{output}: already exists, and the quickstart overwrites nothing. Give another --output, or "
            f"remove it: rm -r {shlex.quote(str(output))}"
        )
    write_text(output / _BEGUN, text)


def _steps(output: Path, train: int, val: int, size: tuple[int, int], epochs: int) -> Scores:
    """Take the five steps, those that an earlier call finished left out; return the scores."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    raw, data, run, predictions = (output / name for name in ("street", "data", "run", "predictions"))
    if not raw.exists():
        console.print(f"[bold]Drawing {train} + {val} images of streets[/] into {raw}")
        with (
            whole_folder(raw, overwrite=False, ours=lambda name: False) as folder,
            Progress("draw", total=train + val, unit="images") as progress,
        ):
            street.draw(folder, train=train, val=val, size=size, progress=progress.advance)

    if not (data / FILE_NAME).exists():
        source = _source(raw)
        say(console, "convert folder", source | {"output": data})
        kerseg.convert(Folder(**source), output=data)

    has_begun = (run / "config.yaml").exists()
    options = {"resume": run} if has_begun else _options(data, run, size, epochs)
    say(console, "train", options)
    if not kerseg.train(**options).finished:
        # It has ended its step, saved, and said how to go on; the steps that follow need the whole run.
        raise KeyboardInterrupt

    say(console, "evaluate", {"data_dir": data}, run)
    scores = kerseg.evaluate(run, data)
    Console().print(scores_table(scores))

    images = raw / "val" / "images"
    say(console, "predict", {"output": predictions}, run, images)
    kerseg.predict(run, images, output=predictions)
    return scores


def say(console: Console, verb: str, options: dict[str, Any], *arguments: Path) -> None:
    """Print the command line that does what the next call does, a few options a line."""
    lines = [[f"$ kerseg {verb}", *(shlex.quote(str(argument)) for argument in arguments)]]
    for option in _flags(options):
        if len(" ".join([*lines[-1], option])) > min(console.width, 100) - 2:
            lines.append(["   "])
        lines[-1].append(option)
    console.print("\n" + " \\\n".join(" ".join(line) for line in lines), style="bold cyan", markup=False)


def _flags(options: dict[str, Any], prefix: str = "--") -> list[str]:
    """Return options as they are typed: ``{"crop_size": (96, 96)}`` -> ``["--crop-size 96 96"]``."""
    found = []
    for name, value in options.items():
        flag = prefix + name.replace("_", "-")
        if isinstance(value, Augment):
            default = vars(Augment())
            changed = {part: own for part, own in vars(value).items() if own != default[part]}
            found += _flags(changed, prefix=f"{flag}.")
        else:
            words = value if isinstance(value, tuple) else (value,)
            found.append(" ".join([flag, *(shlex.quote(str(word)) for word in words)]))
    return found


def _source(raw: Path) -> dict[str, Any]:
    return {
        "train_image_path": raw / "train" / "images",
        "train_label_path": raw / "train" / "labels",
        "val_image_path": raw / "val" / "images",
        "val_label_path": raw / "val" / "labels",
        "palette": (str(raw / street.CLASSES_FILE),),
    }


def _options(data: Path, run: Path, size: tuple[int, int], epochs: int) -> dict[str, Any]:
    """Return the options of `kerseg train`: found by trial for the best score within two minutes."""
    return {
        "data_dir": data,
        "model": "enet",
        "crop_size": size,
        "batch_size": BATCH_SIZE,
        "epochs": epochs,
        "learning_rate": 0.005,
        "class_weights": "enet",
        "augment": Augment(flip=0.5, brightness=0.1),
        "output": run,
    }


def _end(console: Console, result: Quickstart) -> None:
    minutes, seconds = divmod(round(result.seconds), 60)
    console.print(
        f"\n[bold]Mean IoU {100 * result.scores.mean_iou:.1f} % after {minutes} min {seconds} s.[/] Look at:"
    )
    for what, path in {
        "predictions over images": "predictions/overlay",
        "image, truth, prediction": "run/previews",
        "loss and scores by epoch": "run/report/curves.png",
        "the model": "run/best.keras",
    }.items():
        console.print(f"  {what:<27} {result.output / path}")
    console.print("Your own images take the same four commands.")
