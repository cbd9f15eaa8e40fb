"""The dense CRF: kerseg's against pydensecrf2 on the same images, probabilities and weights.

    pip install 'kerseg[crf]' pydensecrf2
    python benchmarks/crf.py [--images DIR] [--size 375 500] [--classes 21] [--rounds 5] [--json results.json]

Both start from the image and the network's probabilities and end with marginals after ten iterations: building the
lattices counts. They take turns. The images are photographs (``--images``: CamVid's val as downloaded, with its
labels beside it), the probabilities are their labels blurred and disturbed, over as many classes as ``--classes``.
pydensecrf runs on one thread; kerseg is shown on one and on two. CPU is the processor time of all threads: that is
what a busy machine leaves to compare.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

import kept
from kerseg.inference.crf import DenseCrf
from kerseg.inference.crf_options import CrfOptions

SETTINGS = {
    "DeepLab-LargeFOV": CrfOptions(),
    "DeepLab-v2 ResNet-101": CrfOptions(appearance_sigma=67, colour_sigma=3, smoothness_sigma=1),
    "pydensecrf's example": CrfOptions(appearance_weight=10, appearance_sigma=80, colour_sigma=13),
}
Case = tuple[np.ndarray, np.ndarray]


def cases(images: Path, count: int, size: tuple[int, int], classes: int) -> list[Case]:
    """Return images (height, width, 3) and probabilities (height, width, classes)."""
    random, found = np.random.default_rng(0), []
    for path in sorted(images.glob("*.png"))[:: max(1, len(list(images.glob("*.png"))) // count)][:count]:
        label_path = images.with_name(f"{images.name}annot") / path.name
        image = Image.open(path).convert("RGB").resize(size[::-1], Image.Resampling.BICUBIC)
        label = np.asarray(Image.open(label_path).resize(size[::-1], Image.Resampling.NEAREST))
        logits = np.stack([blurred(label == c, 4) * 6 for c in range(classes)], axis=-1)
        logits += np.stack([blurred(random.random(size) > 0.5, 6) * 24 for _ in range(classes)], axis=-1)
        odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
        found.append((np.array(image), (odds / odds.sum(axis=-1, keepdims=True)).astype(np.float32)))
    return found


def blurred(mask: np.ndarray, radius: float) -> np.ndarray:
    image = Image.fromarray(np.uint8(255 * mask)).filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(image, np.float64) / 255


def by_pydensecrf(case: Case, options: CrfOptions) -> np.ndarray:
    from pydensecrf import densecrf
    from pydensecrf.utils import unary_from_softmax

    image, probabilities = case
    height, width, classes = probabilities.shape
    reference = densecrf.DenseCRF2D(width, height, classes)
    reference.setUnaryEnergy(np.ascontiguousarray(unary_from_softmax(probabilities.transpose(2, 0, 1))))
    reference.addPairwiseGaussian(sxy=options.smoothness_sigma, compat=options.smoothness_weight)
    reference.addPairwiseBilateral(
        sxy=options.appearance_sigma, srgb=options.colour_sigma, rgbim=image, compat=options.appearance_weight
    )
    return (
        np.array(reference.inference(options.iterations)).reshape(classes, height, width).transpose(1, 2, 0)
    )


def by_kerseg(case: Case, options: CrfOptions, *, threads: int) -> np.ndarray:
    return DenseCrf(case[0], options, threads=threads).marginals(case[1])


CONTENDERS: dict[str, Callable[[Case, CrfOptions], np.ndarray]] = {
    "pydensecrf2": by_pydensecrf,
    "kerseg, 1 thread": lambda case, options: by_kerseg(case, options, threads=1),
    "kerseg, 2 threads": lambda case, options: by_kerseg(case, options, threads=2),
}


def measured(setting: str, found: list[Case], rounds: int) -> list[dict[str, object]]:
    options, times = SETTINGS[setting], {name: [] for name in CONTENDERS}
    results: dict[str, list[np.ndarray]] = {name: [] for name in CONTENDERS}
    for turn in range(rounds + 1):
        for case in found:
            for name, run in CONTENDERS.items():
                wall, cpu = time.perf_counter(), time.process_time()
                result = run(case, options)
                if turn:  # the first compiles, and is compared
                    times[name].append((time.perf_counter() - wall, time.process_time() - cpu))
                else:
                    results[name].append(result)
    rows = []
    for name in CONTENDERS:
        pairs = list(zip(results[name], results["pydensecrf2"], strict=True))
        wall, cpu = (statistics.median(values) for values in zip(*times[name], strict=True))
        ratios = [b[0] / a[0] for a, b in zip(times[name], times["pydensecrf2"], strict=True)]
        rows.append(
            {
                "setting": setting,
                "contender": name,
                "seconds": wall,
                "cpu_seconds": cpu,
                "speed": statistics.median(ratios),
                "agreement": float(np.mean([(a.argmax(-1) == b.argmax(-1)).mean() for a, b in pairs])),
                "marginal_error": float(np.mean([np.abs(a - b).mean() for a, b in pairs])),
                "changed": float(
                    np.mean(
                        [
                            (a.argmax(-1) != case[1].argmax(-1)).mean()
                            for a, case in zip(results[name], found, strict=True)
                        ]
                    )
                ),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, default=Path("../shared/datasets/camvid/val"))
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--size", type=int, nargs=2, default=(375, 500))
    parser.add_argument("--classes", type=int, default=21)
    parser.add_argument("--rounds", type=int, default=5)
    kept.add_option(parser, "crf")
    options, began = parser.parse_args(), kept.environment()
    found = cases(options.images, options.count, tuple(options.size), options.classes)
    rows = [row for setting in SETTINGS for row in measured(setting, found, options.rounds)]
    kept.write(options, began, rows)
    print("| weights | what | s | CPU s | times as fast | same label | mean difference | changed labels |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        print(
            "| {setting} | {contender} | {seconds:.3f} | {cpu_seconds:.3f} | {speed:.2f} | {agreement:.3%} | "
            "{marginal_error:.1e} | {changed:.1%} |".format(**row)
        )


if __name__ == "__main__":
    main()
