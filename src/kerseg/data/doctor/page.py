"""What the doctor found as one HTML file: no script, no link to elsewhere, images inside."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from kerseg.core.console import worded
from kerseg.core.files import failure, write_text
from kerseg.core.info import IGNORE_LABEL, default_palette
from kerseg.data.doctor import overview, text
from kerseg.data.doctor.diagnosis import Diagnosis
from kerseg.data.doctor.facts import Facts, open_label
from kerseg.data.doctor.findings import Affected, Finding
from kerseg.data.formats.files import Place, read_bytes
from kerseg.data.formats.images import decode, read_image
from kerseg.errors import DataError
from kerseg.visualize import colourise
from kerseg.visualize.page import data_uri, render

FILES = 12
"""Pairs on the contact sheet of a finding."""
NAMES = 500
"""Affected files named below it."""
SIDE = 160
"""Longest side of a thumbnail, pixels."""
MARK = "<title>kerseg doctor:"
"""In every page of the doctor's, by which it knows its own."""


@dataclass(frozen=True)
class Cell:
    """One example on a contact sheet."""

    images: tuple[str, ...]
    """Data URIs: the image and its label; or two images that are alike."""
    text: str


def write(diagnosis: Diagnosis, path: Path) -> None:
    """Write the page.

    Args:
        diagnosis: What was found.
        path: The HTML file; an earlier page of the doctor's is replaced.

    Raises:
        DataError: There is another file, or the page cannot be written.
    """
    refuse(path)
    html = render(
        Path(__file__).with_name("page.html"),
        path=str(diagnosis.path),
        conclusion=text.conclusion(diagnosis),
        summary=text.summary(diagnosis),
        findings=[
            (replace(finding, remedy=worded(finding.remedy)), contact_sheet(diagnosis, finding))
            for finding in diagnosis.findings
        ],
        shares=overview.shares(diagnosis),
        splits=list(diagnosis.class_pixels),
        sizes=overview.sizes(diagnosis),
        examples=[
            (name, [_example(diagnosis, index) for index in indices])
            for name, indices in overview.examples(diagnosis)
        ],
        most=NAMES,
    )
    try:
        write_text(path, html)
    except OSError as error:
        raise DataError(failure(error, path)) from error


def refuse(path: Path) -> None:
    """Refuse to write over what is not a page of the doctor's.

    Raises:
        DataError: ``path`` is a folder, or another file.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a folder. `page` takes the name of an HTML file.")
    if path.exists() and not is_ours(path):
        raise DataError(f"{path}: is not a page of the doctor's, and is not replaced. Give another `page`.")


def is_ours(path: Path) -> bool:
    """Whether a file is a page of the doctor's."""
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return MARK in file.read(1000)


def contact_sheet(diagnosis: Diagnosis, finding: Finding) -> list[Cell]:
    """Return examples of a finding, spread over all that is affected."""
    shown = [item for item in finding.affected if item.index is not None]
    places = np.unique(np.linspace(0, len(shown) - 1, min(FILES, len(shown))).round().astype(int))
    return [_cell(diagnosis, shown[place]) for place in places.tolist()]


def _example(diagnosis: Diagnosis, index: int) -> Cell:
    facts = diagnosis.evidence.facts[index]
    place = str(facts.pair.image or facts.pair.label).removeprefix(f"{diagnosis.path}/")
    return Cell(tuple(filter(None, (_image(facts.pair.image), _label(facts)))), place)


def _cell(diagnosis: Diagnosis, item: Affected) -> Cell:
    facts = diagnosis.evidence.facts[item.index or 0]
    images = [_image(facts.pair.image)]
    # Beside an image that is like another stands that one, not the label.
    if item.other is not None:
        images.append(_image(diagnosis.evidence.facts[item.other].pair.image))
    else:
        images.append(_label(facts))
    root = f"{diagnosis.path}/"
    return Cell(tuple(filter(None, images)), str(item).replace(root, ""))


def _image(place: Place | None) -> str:
    if place is None:
        return ""
    try:
        encoded = read_image(place)
        image = encoded.image if encoded.orientation == 1 else ImageOps.exif_transpose(encoded.image)
        if image.mode.startswith("I;16"):
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        image = image.convert("RGB")
    # What cannot be read is shown by its name alone.
    except Exception:
        return ""
    return data_uri(ImageOps.contain(image, (SIDE, SIDE)), "JPEG")


def _label(facts: Facts) -> str:
    """Return the label in colours, one for each value, not smoothed: blended values are to be seen."""
    if facts.pair.label is None:
        return ""
    try:
        values, colours, plain = open_label(decode(facts.pair.label, read_bytes(facts.pair.label)))
    except Exception:
        return ""
    shown = np.asarray(plain.convert("RGB")) if colours else _painted(values)
    image = Image.fromarray(shown)
    scale = SIDE / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return data_uri(image.resize(size, Image.Resampling.NEAREST), "PNG")


def _painted(values: NDArray[np.int64]) -> NDArray[np.uint8]:
    small = np.where(values == IGNORE_LABEL, IGNORE_LABEL, values % IGNORE_LABEL)
    return colourise(small, default_palette(IGNORE_LABEL))
