"""Kvasir-SEG: polyps in pictures of colonoscopy.

Source: https://datasets.simula.no/kvasir-seg/
Paper: Jha et al., "Kvasir-SEG: A Segmented Polyp Dataset", MMM 2020.
For research and education; other uses need the owners' permission.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from kerseg.data.pictures import decode, read_bytes
from kerseg.data.sources.base import Classes, Label, Pair, find_root, hold_out, pair_folders

_LAYOUT = (
    "It is the folder Kvasir-SEG of kvasir-seg.zip, with images and masks. Get it from "
    "https://datasets.simula.no/kvasir-seg/."
)


@dataclass(frozen=True, kw_only=True)
class KvasirSeg:
    """Kvasir-SEG, polyps: 2 classes; 1,000 pictures, which have no split of their own."""

    root: Path
    """Folder Kvasir-SEG, which holds images and masks."""
    val_share: float = 0.0
    """Share of the pictures that becomes val; 0 to 1, chosen by name."""

    name: ClassVar[str] = "kvasir_seg"
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
            BadFileError: Not a picture.
        """
        grey = np.asarray(decode(path, read_bytes(path)).convert("L"))
        return (grey >= 128).astype(np.uint8)
