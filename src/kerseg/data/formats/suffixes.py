"""How the names of image and label files end."""

from collections.abc import Iterable
from pathlib import PurePath

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
"""What counts as an image in a folder. A file that is named itself may be called anything."""

# Labels saved as JPEG cannot be used, but are listed, so that they are reported as such and not as missing.
LABEL_SUFFIXES = (".png", ".bmp", ".gif", ".tif", ".tiff", ".jpg", ".jpeg")


def suffix_of(path: PurePath, suffixes: Iterable[str]) -> str | None:
    """Return which of ``suffixes`` a file's name ends in, in upper or lower case; ``.nii.gz`` may be one.

    A name that is nothing but a suffix has none, as for ``pathlib``.
    """
    name = path.name.lower()
    return next((suffix for suffix in suffixes if name.endswith(suffix) and name != suffix), None)
