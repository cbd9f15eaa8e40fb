"""How many planted label errors the ranking of suspect labels finds.

    python benchmarks/suspects.py MODEL --data-dir DIR [--split val] [--trials 5] [--first 0] [--output FILE.json]

In 30 images of the split a label is made wrong: an object of 1,000 pixels or more is dropped (its place takes the
class around it), two classes are swapped, or the whole mask is shifted by 8 pixels, in turns. Then all images are
ranked, with the model's predictions, and those of the 30 that are among the first 30 are counted. Each trial draws
anew; seeds 0 to 4 were looked at while the ranking was made, others were not.
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import ndimage

from kerseg.metrics.confusion import count
from kerseg.report.suspects import Suspects
from kerseg.report.watcher import Predicted

ERRORS, SHIFT, LEAST = 30, 8, 1000
KINDS = ("dropped", "swapped", "shifted")
IGNORED = 255


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="seed of the first trial")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    options = parser.parse_args()
    names, labels, chances = predictions(options.model, options.data_dir, options.split)
    seeds = range(options.first, options.first + options.trials)
    trials = [trial(names, labels, chances, seed) for seed in seeds]
    table = Table("seed", "found of 30", *(f"{kind} of 10" for kind in KINDS))
    for seed, found in zip(seeds, trials, strict=True):
        table.add_row(str(seed), str(sum(found.values())), *(str(found[kind]) for kind in KINDS))
    Console().print(table)
    share = sum(sum(found.values()) for found in trials) / (ERRORS * len(trials))
    print(f"{100 * share:.0f} % of the planted errors are among the first {ERRORS} of {len(names)} images")
    if options.output:
        rows = [
            {"seed": seed, **{kind: found[kind] for kind in KINDS}}
            for seed, found in zip(seeds, trials, strict=True)
        ]
        options.output.write_text(
            json.dumps({"model": options.model.stem, "share": share, "trials": rows}) + "\n"
        )


def predictions(model: Path, folder: Path, split: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return names, labels and probabilities (float16) of a split whose images have one size."""
    import kerseg.data
    from kerseg import modelfile
    from kerseg.inference.predictor import Predictor

    predictor = Predictor(modelfile.load(model)[0])
    names, labels, chances = [], [], []
    for example in kerseg.data.load(folder).examples(split).as_numpy_iterator():
        names.append(example["name"].decode())
        labels.append(example["label"])
        chances.append(predictor.probabilities(example["image"][None])[0].astype(np.float16))
    return names, np.stack(labels), np.stack(chances)


def trial(names: list[str], labels: np.ndarray, chances: np.ndarray, seed: int) -> Counter[str]:
    """Return how many planted errors of each kind are among the first 30."""
    random = np.random.default_rng(seed)
    classes, planted, changed = chances.shape[-1], {}, {}
    for index in random.permutation(len(labels)).tolist():
        kind = KINDS[len(planted) % len(KINDS)]
        wrong = plant(labels[index], kind, classes, random)
        if wrong is not None:
            planted[names[index]], changed[index] = kind, wrong
        if len(planted) == ERRORS:
            break
    suspects = Suspects(classes)
    for index, name in enumerate(names):
        label, sure = changed.get(index, labels[index]), chances[index].astype(np.float32)
        guess = sure.argmax(-1).astype(np.uint8)
        image = np.zeros((*label.shape, 3), np.uint8)
        suspects.see(Predicted(name, image, label, guess, sure, count(label, guess, classes)))
    first = {image.name for image in suspects.ranked()[:ERRORS]}
    return Counter(kind for name, kind in planted.items() if name in first)


def plant(label: np.ndarray, kind: str, classes: int, random: Any) -> np.ndarray | None:
    """Return a wrong label, or None where the image has nothing to make it of."""
    if kind == "dropped":
        return dropped(label, classes, random)
    if kind == "swapped":
        large = np.flatnonzero(np.bincount(label.ravel(), minlength=256)[:classes] >= LEAST)
        first, second = random.choice(large, 2, replace=False)
        table = np.arange(256, dtype=np.uint8)
        table[first], table[second] = second, first
        return table[label]
    shift = [(SHIFT, 0), (-SHIFT, 0), (0, SHIFT), (0, -SHIFT)][random.integers(4)]
    moved = np.roll(label, shift, axis=(0, 1))
    for axis, by in enumerate(shift):
        part = [slice(None)] * 2
        part[axis] = slice(None, by) if by > 0 else slice(by, None)
        if by:
            moved[tuple(part)] = IGNORED
    return moved


def dropped(label: np.ndarray, classes: int, random: Any) -> np.ndarray | None:
    """Return a label that lacks an object, of at most a quarter of the image."""
    objects = []
    for index in range(classes):
        regions, _ = ndimage.label(label == index)
        areas = np.bincount(regions.ravel())
        for number in np.flatnonzero((areas >= LEAST) & (areas <= label.size / 4)):
            if number:
                objects.append(regions == number)
    if not objects:
        return None
    chosen = objects[random.integers(len(objects))]
    around = ndimage.binary_dilation(chosen, iterations=3) & ~chosen & (label != IGNORED)
    if not around.any():
        return None
    wrong = label.copy()
    wrong[chosen] = np.bincount(label[around], minlength=classes).argmax()
    return wrong


if __name__ == "__main__":
    main()
