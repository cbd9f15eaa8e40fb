"""What each augmentation costs: CPU time of a 512x512 crop, with each switched on alone.

    python benchmarks/augment.py

Draws the street-like 2048x1024 images of `benchmarks/pipeline.py` into a temporary folder, then lets recipes take
turns at making crops scaled by 0.5 to 2 and flipped: without anything else, and with one augmentation each. CPU is
the processor time of the process, decoding included; what another program does on the machine hardly changes it.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import kept
from pipeline import BATCH, CROP, SCALE, write

RECIPES: dict[str, dict[str, Any]] = {
    "scale, flip": {},
    "crop class_balanced": {"crop": "class_balanced"},
    "flip_vertical 0.5": {"flip_vertical": 0.5},
    "quarter_turns 0.75": {"quarter_turns": 0.75},
    "rotation 15": {"rotation": 15.0},
    "shear 15": {"shear": 15.0},
    "elastic 10": {"elastic": 10.0},
    "rotation, shear, elastic": {"rotation": 15.0, "shear": 15.0, "elastic": 10.0},
    "brightness to hue": {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.05},
    "gamma 0.5": {"gamma": 0.5},
    "blur 2": {"blur": 2.0},
    "noise 20": {"noise": 20.0},
    "jpeg 30": {"jpeg": 30},
    "cutout 0.5": {"cutout": 0.5},
    "copy_paste 1": {"copy_paste": 1.0, "rare_classes": ("class 3", "class 7")},
    "mosaic 1": {"mosaic": 1.0},
    "classmix 1": {"classmix": 1.0},
    "cutmix 1": {"cutmix": 1.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=48, help="images to draw (default: 48)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    kept.add_option(parser, "augment")
    options, began_in = parser.parse_args(), kept.environment()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from rich.console import Console
    from rich.table import Table

    import kerseg.data
    from kerseg.augment.options import Augment

    with tempfile.TemporaryDirectory() as name:
        write(Path(name), options.images, passes=2)
        data = kerseg.data.load(Path(name))
        passes = {
            recipe: data.train(
                crop_size=(CROP, CROP), batch_size=BATCH, augment=Augment(scale=SCALE, **changes)
            )
            for recipe, changes in RECIPES.items()
        }
        spent: dict[str, list[float]] = {recipe: [] for recipe in RECIPES}
        for number in range(options.rounds + 1):
            for recipe, batches in passes.items():
                began = time.process_time()
                count = sum(len(label) for _, label in batches)
                if number:  # Tracing is not what is measured.
                    spent[recipe].append(1000 * (time.process_time() - began) / count)
            print(f"round {number} of {options.rounds}, load {os.getloadavg()[0]:.1f}", flush=True)
    median = {recipe: statistics.median(times) for recipe, times in spent.items()}
    base = median["scale, flip"]
    table = Table("on", title=f"CPU time of a {CROP}x{CROP} crop")
    for heading in ("ms", "more, ms", "ratio"):
        table.add_column(heading, justify="right")
    for recipe, cost in median.items():
        table.add_row(recipe, f"{cost:.1f}", f"{cost - base:+.1f}", f"{cost / base:.2f}")
    Console().print(table)
    kept.write(options, began_in, [{"recipe": recipe, "cpu_ms": times} for recipe, times in spent.items()])


if __name__ == "__main__":
    main()
