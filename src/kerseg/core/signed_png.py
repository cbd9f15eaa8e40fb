"""PNG files that say which verb wrote them, so that a later run replaces its own results and nothing else."""

from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from kerseg.core.files import whole


def save_signed(image: Image.Image, path: Path, verb: str) -> None:
    """Write ``image`` as PNG with ``verb`` under "Software", whole or not at all."""
    mark = PngInfo()
    mark.add_text("Software", verb)
    with whole(path, durable=False) as temporary:
        # On a photograph of 1024x2048, level 6, the default, takes 610 ms; 1 takes 120 ms and is no larger.
        image.save(temporary, format="PNG", pnginfo=mark, compress_level=1)


def is_signed(path: Path, verb: str) -> bool:
    """Return whether ``path`` is a PNG that `save_signed` wrote for ``verb``."""
    try:
        with path.open("rb") as file:
            # The chunk tEXt is the second of such a file, after 33 bytes of signature and header.
            return b"tEXtSoftware\0" + verb.encode() in file.read(256)
    except OSError:
        return False
