"""PNG written fast: a fixed filter, and deflate by Intel's ISA-L where there is a build of it.

Pillow tries all five filters on every row, which takes longer than the compression. On photographs the filter Up
alone costs 2 % more bytes, on labels it saves some. Specification: https://www.w3.org/TR/png-3/
"""

import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

try:
    from isal import isal_zlib as deflate
except ImportError:  # on processors that ISA-L does not know
    import zlib as deflate  # type: ignore[no-redef]

_GREY, _RGB = 0, 2
_UP = 2
"""Filter: what differs from the pixel above."""


def encode(pixels: NDArray[np.uint8] | NDArray[np.uint16], *, text: Mapping[str, str] | None = None) -> bytes:
    """Return a PNG of an image, grey or RGB.

    Args:
        pixels: Grey (height, width), 8 or 16 bits, or RGB (height, width, 3) of 8 bits.
        text: Keyword -> text, in Latin-1, kept before the pixels.

    Example:
        >>> encode(np.zeros((2, 3), np.uint8))[1:4]
        b'PNG'
    """
    height, width = pixels.shape[:2]
    colour, depth = _GREY if pixels.ndim == 2 else _RGB, 8 * pixels.dtype.itemsize
    rows = np.ascontiguousarray(pixels, f">u{pixels.dtype.itemsize}").view(np.uint8).reshape(height, -1)
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
        *((b"tEXt", f"{key}\0{value}".encode("latin-1")) for key, value in (text or {}).items()),
        (b"IDAT", deflate.compress(filtered.data, 1)),
        (b"IEND", b""),
    ]
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, content in chunks:
        checksum = deflate.crc32(content, deflate.crc32(kind))
        parts += [struct.pack(">I", len(content)), kind, content, struct.pack(">I", checksum)]
    return b"".join(parts)
