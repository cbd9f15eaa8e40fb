"""PNG files that say which verb wrote them, so that a later run replaces its own results and nothing else."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kerseg.core.files import whole
from kerseg.core.png import encode


def save_signed(image: Image.Image | NDArray[np.uint8] | NDArray[np.uint16], path: Path, verb: str) -> None:
    """Write an image, grey or RGB, as PNG with ``verb`` under "Software", whole or not at all."""
    with whole(path, durable=False) as temporary:
        temporary.write_bytes(encode(np.asarray(image), text={"Software": verb}))


def is_signed(path: Path, verb: str) -> bool:
    """Return whether ``path`` is a PNG that `save_signed` wrote for ``verb``."""
    if not path.is_file():  # to open a pipe waits for somebody to write to it
        return False
    try:
        with path.open("rb") as file:
            # The chunk tEXt is the second of such a file, after 33 bytes of signature and header.
            return b"tEXtSoftware\0" + verb.encode() in file.read(256)
    except OSError:
        return False
