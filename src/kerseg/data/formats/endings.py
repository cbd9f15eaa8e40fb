"""What Pillow forgives and TensorFlow's decoders do not: bytes missing or wrong near a file's end."""

import zlib

JPEG_FORMATS = ("JPEG", "MPO")
"""Pillow's names; MPO is a JPEG followed by further ones, as telephones write it."""


def fault_at_end(data: bytes, file_format: str | None) -> str | None:
    """Return what is wrong with the end of an image file, if anything is.

    Args:
        data: The whole file.
        file_format: As Pillow calls it: ``"PNG"``.

    Returns:
        ``"<kind>: <details>"``; always ``None`` for formats other than JPEG and PNG.

    Example:
        >>> fault_at_end(bytes(100), "JPEG")
        'truncated: the end marker of the JPEG is missing.'
    """
    if file_format in JPEG_FORMATS and b"\xff\xd9" not in data:
        return "truncated: the end marker of the JPEG is missing."
    return _fault_of_png(data) if file_format == "PNG" else None


def _fault_of_png(data: bytes) -> str | None:
    # Chunks of a PNG: length (4 bytes), type (4), content, CRC-32 of type and content (4).
    # https://www.w3.org/TR/png-3/#5Chunk-layout
    start, kind = 8, b""
    while kind != b"IEND":
        length = int.from_bytes(data[start : start + 4])
        end = start + 8 + length
        kind = data[start + 4 : start + 8]
        if len(data) < end + 4:
            return f"truncated: the PNG ends within or before a chunk, after {len(data)} bytes."
        if zlib.crc32(data[start + 4 : end]) != int.from_bytes(data[end : end + 4]):
            return f"damaged: wrong checksum in the {kind.decode('latin-1')} chunk of the PNG."
        start = end + 4
    return None
