"""Kvasir-SEG: polyps in images of colonoscopy.

Source: https://datasets.simula.no/kvasir-seg/
Paper: Jha et al., "Kvasir-SEG: A Segmented Polyp Dataset", MMM 2020.
For research and education; other uses need the owners' permission.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from kerseg.data.formats.files import read_bytes
from kerseg.data.formats.images import decode
from kerseg.data.formats.labels import Classes, Label
from kerseg.data.sources.base import Pair, Source
from kerseg.data.sources.folders import find_root, hold_out, pair_folders
from kerseg.download.release import Archive, Release

_LAYOUT = (
    "It is the folder Kvasir-SEG of kvasir-seg.zip, with images and masks. Get it from "
    "https://datasets.simula.no/kvasir-seg/."
)
_RELEASE = Release(
    "kvasir_seg",
    terms="for research and education; https://datasets.simula.no/kvasir-seg/.",
    layout=_LAYOUT,
    archives=(
        Archive(
            "https://datasets.simula.no/downloads/kvasir-seg.zip",
            "sha256:03b30e21d584e04facf49397a2576738fd626815771afbbf788f74a7153478f7",
            size=46_227_172,
        ),
    ),
)


@dataclass(frozen=True, kw_only=True)
class KvasirSeg(Source):
    """Kvasir-SEG, polyps: 2 classes; 1,000 images, which have no split of their own."""

    root: Path
    """Folder Kvasir-SEG, which holds images and masks."""
    val_share: float = 0.0
    """Share of the images that becomes val; 0 to 1, chosen by name."""

    name: ClassVar[str] = "kvasir_seg"
    releases: ClassVar[Mapping[str, Release]] = {"root": _RELEASE}
    counts: ClassVar[Mapping[str, int]] = {"train": 1000}
    classes: ClassVar[Classes] = Classes(("background", "polyp"), ((0, 0, 0), (255, 255, 255)))

    def splits(self) -> dict[str, list[Pair]]:
        """Return all pairs as train, but those that are held out.

        Raises:
            DataError: The folder is not Kvasir-SEG.
            ConfigError: ``val_share`` is out of range.
        """
        root = find_root(self.root, ["images", "masks"], within=("Kvasir-SEG",), layout=_LAYOUT)
        return hold_out({"train": pair_folders(root / "images", root / "masks")}, self.val_share)

    def read_label(self, path: Path) -> Label:
        """Return 1 where there is a polyp.

        The masks are black and white, but released as JPEG, which blurs the step between the two; its middle is
        where it was.

        Raises:
            BadFileError: Not an image.
        """
        grey = np.asarray(decode(path, read_bytes(path)).convert("L"))
        return (grey >= 128).astype(np.uint8)
