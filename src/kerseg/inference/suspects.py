"""Suspect labels of several evaluations as one list: each image by the model that was not trained on it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kerseg.core.console import note
from kerseg.core.files import explained
from kerseg.errors import ConfigError, DataError
from kerseg.inference import suspect_files
from kerseg.inference.suspect_files import ROWS, Listing, Origin
from kerseg.report.disagreement import SuspectRegion
from kerseg.report.suspects import SuspectImage, all_regions
from kerseg.visualize import RGBImage, as_rgb, colourise

_SIDE = 640
"""Longest side of images on the contact sheet, pixels."""
_MODEL_ENDS = (".keras", ".h5")


@dataclass(frozen=True)
class SuspectList:
    """What came of joining."""

    listing: Listing
    files: tuple[Path, ...]
    """The list, the polygons, and the contact sheet if the data was at hand."""

    @property
    def images(self) -> tuple[SuspectImage, ...]:
        """All images, the most suspect first."""
        return self.listing.images


def suspects(runs: Sequence[str | Path], *, split: str = "val", output: str | Path) -> SuspectList:
    """Join the suspect labels of several runs into one list: each image by the run that left it out.

    Reads what `evaluate` wrote of each run with `suspects=True`, ``report/<split>.suspects.json``; nothing is
    predicted. To look through a whole data set, cut it into folds; for each of them train a run on the others, and
    evaluate it on that one. Scores count what a model has seen above its own usual, so those of several compare.

    Args:
        runs: Run folders, model files, or ``.suspects.json`` files.
        split: Split that was evaluated: in each run's data the fold that it was not trained on.
        output: Folder to write to: ``suspects.json``, ``suspects.coco.json`` with polygons to correct, and a
            contact sheet ``suspects.png`` where the data is still at hand.

    Returns:
        The images, the most suspect first, and the files.

    Raises:
        ConfigError: There is no run.
        DataError: A run was not evaluated with `suspects=True`; or runs have other classes, or images in common.

    Example:
        >>> _ = kerseg.evaluate("runs/unet", "data/street", suspects=True)
        >>> len(suspects(["runs/unet"], output="suspects").images)
        2
    """
    if isinstance(runs, str | Path) or not runs:
        raise ConfigError(f"`runs` are one or more, in a list. Received: {runs}.")
    paths = [_file(run, split) for run in runs]
    listing = _joined(paths, [suspect_files.read(path) for path in paths])
    regions = all_regions(listing.images, most=ROWS)
    with explained(Path(output), "Give another `output`."):
        Path(output).mkdir(parents=True, exist_ok=True)
        drawn = _drawn(listing, regions)
        files = suspect_files.write(
            Path(output) / "suspects", listing, lambda region: _proposed(region, listing, drawn)
        )
    return SuspectList(listing, tuple(files))


def _file(run: str | Path, split: str) -> Path:
    """Return the list that `evaluate` wrote of a run and split."""
    path = Path(run)
    file = path
    if path.is_dir():
        file = path / "report" / f"{split}.suspects.json"
    elif path.suffix in _MODEL_ENDS:
        file = path.with_suffix(f".{split}.suspects.json")
    if not file.is_file():
        raise DataError(
            f"{file}: does not exist. Evaluate first: "
            f"`kerseg.evaluate({str(run)!r}, data_dir=DIR, split={split!r}, suspects=True)`."
        )
    return file


def _joined(paths: Sequence[Path], found: Sequence[Listing]) -> Listing:
    """Return several lists as one, its images numbered anew."""
    first = found[0]
    for path, other in zip(paths[1:], found[1:], strict=True):
        if other.class_names != first.class_names:
            raise DataError(
                f"{path}: has other classes ({', '.join(other.class_names)}) than {paths[0]} "
                f"({', '.join(first.class_names)})."
            )
    names = Counter(image.name for listing in found for image in listing.images)
    if twice := [name for name, count in names.items() if count > 1]:
        where = [str(path) for path, listing in zip(paths, found, strict=True) if _has(listing, twice[0])]
        raise DataError(
            f"{where[-1]}: has {len(twice)} images that are in another list, too, such as {twice[0]!r} in "
            f"{where[0]}. Each image is judged by one run: the one that was not trained on it."
        )
    entries: list[tuple[SuspectImage, Origin]] = []
    for listing in found:
        entries += [
            (image, listing.origins[origin])
            for image, origin in zip(listing.images, listing.origin_of, strict=True)
        ]
    entries.sort(key=lambda entry: (-entry[0].score, entry[0].self_confidence))
    origins = tuple(dict.fromkeys(origin for _, origin in entries))
    images = [
        replace(
            image,
            image=place,
            regions=tuple(replace(region, image=place) for region in image.regions),
        )
        for place, (image, _) in enumerate(entries)
    ]
    return Listing(
        first.class_names,
        first.palette,
        tuple(images),
        origins,
        tuple(origins.index(origin) for _, origin in entries),
    )


def _has(listing: Listing, name: str) -> bool:
    return any(image.name == name for image in listing.images)


def _drawn(
    listing: Listing, regions: Sequence[SuspectRegion]
) -> dict[int, tuple[RGBImage, NDArray[np.uint8]]]:
    """Read image and label of these regions again, as far as the data is where it was."""
    wanted: dict[Origin, dict[str, int]] = {}
    for region in regions:
        origin = listing.origins[listing.origin_of[region.image]]
        wanted.setdefault(origin, {})[listing.images[region.image].name] = region.image
    found: dict[int, tuple[RGBImage, NDArray[np.uint8]]] = {}
    for origin, places in wanted.items():
        try:
            found |= _read(origin, places)
        except DataError as error:
            note(f"The contact sheet leaves out the images of {origin.data_dir}: {error}")
    return found


def _read(origin: Origin, places: Mapping[str, int]) -> dict[int, tuple[RGBImage, NDArray[np.uint8]]]:
    from kerseg.core.tensorflow import import_tensorflow

    import_tensorflow()
    from kerseg.data.reading.pipeline import load

    data = load(origin.data_dir)
    channels = data.info.channels.names if data.info.channels else ()
    found = {}
    with data.naming_damage(origin.split):
        for example in data.examples(origin.split).as_numpy_iterator():
            name = example["name"].decode("utf-8", "surrogateescape")
            if name in places:
                found[places[name]] = as_rgb(example["image"], channels), example["label"]
            if len(found) == len(places):
                break
    return found


def _proposed(
    region: SuspectRegion, listing: Listing, drawn: Mapping[int, tuple[RGBImage, NDArray[np.uint8]]]
) -> tuple[RGBImage, RGBImage, RGBImage] | None:
    """Return image, label, and the label with the region as the model has it, made small."""
    if region.image not in drawn:
        return None
    image, label = drawn[region.image]
    listed = listing.images[region.image]
    if label.shape != (listed.height, listed.width):
        return None  # converted anew since
    step = max(1, -(-max(label.shape) // _SIDE))
    proposed = label.copy()
    proposed[region.placed(label.shape, label.shape[::-1])] = region.predicted
    small = [part[::step, ::step] for part in (image, label, proposed)]
    return small[0], colourise(small[1], listing.palette), colourise(small[2], listing.palette)
