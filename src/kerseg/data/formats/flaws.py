"""Pixels that a file lacks though Pillow decodes it without a word: half an image, and grey or black for the rest.

Training would take it as it is, or end in the middle, because TensorFlow's decoders notice some of it.
"""

import io
import re
import zlib
from collections.abc import Iterator

import simplejpeg
from PIL import Image

JPEG_FORMATS = ("JPEG", "MPO")
"""Pillow's names; MPO is a JPEG followed by further ones, as telephones write it."""

_LOST = re.compile(
    r"Corrupt JPEG data: (?!\d+ extraneous bytes before marker 0xd9)|Premature end|Inconsistent"
)
"""How those of libjpeg's warnings begin that mean pixels. Bytes of no use before the end marker, and oddities of
the header, which come from cameras by the million, do not.
https://github.com/libjpeg-turbo/libjpeg-turbo/blob/3.0.4/src/jerror.h"""
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
"""What ends the data of a scan: any marker but those that restart it."""
_END = b"\xff\xd9"
_NOISE = b"\x5a\xa5\x3c" * 300
"""Bits that mean other pixels to a scan that has not come to its end; and nothing to one that has."""

_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Colour type of a PNG -> numbers a pixel. https://www.w3.org/TR/png-3/#11IHDR"""
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
"""First column, first row and steps of the passes of an interlaced PNG. https://www.w3.org/TR/png-3/#8Interlace"""


def flaw(data: bytes, image: Image.Image) -> str:
    """Return what a file lacks, ``"truncated: ..."``; ``""`` if nothing.

    Args:
        data: The file.
        image: As Pillow opened it; a PNG, as Pillow decoded it.
    """
    if image.format in JPEG_FORMATS:
        return _flaw_of_jpeg(data)
    return _flaw_of_png(data, image) if image.format == "PNG" else ""


def _flaw_of_jpeg(data: bytes) -> str:
    if _END not in data:
        return "truncated: the end marker of the JPEG is missing."
    try:
        # All scans are read to their last bit, and next to no pixels are made of them: an eighth of the height and
        # width, and no colours. That takes less time than decoding the image does.
        simplejpeg.decode_jpeg(data, "GRAY", fastdct=True, fastupsample=True, min_height=1, min_width=1)
    except ValueError as error:
        # Of several warnings this is the first. One that means nothing may hide others.
        if _LOST.match(str(error)) or not _is_same_with_noise(data):
            return f"truncated or damaged: {str(error).rstrip('.')}. Part of the image is missing."
    return _missing_scans(data)


def _is_same_with_noise(data: bytes) -> bool:
    """Whether noise before the end marker changes nothing, because the last scan ended before it."""
    end = data.rindex(_END)

    def small(encoded: bytes) -> bytes:
        image = Image.open(io.BytesIO(encoded), formats=["JPEG"])
        image.draft("L", (1, 1))
        return image.tobytes()

    return small(data) == small(data[:end] + _NOISE + data[end:])


def _missing_scans(data: bytes) -> str:
    """Return what is missing of a JPEG in several scans: a component, or its finer bits in a progressive one."""
    # Per component and coefficient, lowest bit seen; one that has none yet is missing altogether.
    lowest: dict[int, list[int]] = {}
    for kind, segment in _segments(data):
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC) and not lowest:
            count, is_progressive = segment[5], kind in (0xC2, 0xC6, 0xCA, 0xCE)
            lowest = {segment[6 + 3 * i]: [99] * (64 if is_progressive else 1) for i in range(count)}
        elif kind == 0xDA:
            count = segment[0]
            first, last, bits = segment[1 + 2 * count], segment[2 + 2 * count], segment[3 + 2 * count] & 15
            for component in (segment[1 + 2 * i] for i in range(count)):
                found = lowest.get(component, [])
                for place in range(first, min(last + 1, len(found))):
                    found[place] = bits
            if all(len(found) == 1 and found != [99] for found in lowest.values()):
                return ""  # in one scan, as most are: no need to look for the next
    unseen = [number for number, found in lowest.items() if found[0] == 99]
    if unseen:
        return f"truncated: {len(unseen)} of the {len(lowest)} components of the JPEG are missing."
    if any(bit for found in lowest.values() for bit in found):
        return "truncated: the last scans of the progressive JPEG are missing."
    return ""


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of each segment of the first image in a file.

    https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B
    """
    place = 2
    while (match := _MARKER.search(data, place)) and (kind := match[1][0]) != 0xD9:
        place = match.end()
        if kind in (0x01, 0xD8):
            continue
        length = int.from_bytes(data[place : place + 2])
        yield kind, data[place + 2 : place + length]
        place += length


def _flaw_of_png(data: bytes, image: Image.Image) -> str:
    """Compare checksums and, where the last row is empty, whether there was anything for it."""
    # Chunks of a PNG: length (4 bytes), type (4), content, CRC-32 of type and content (4).
    # https://www.w3.org/TR/png-3/#5Chunk-layout
    start, kind, pixels = 8, b"", []
    while kind != b"IEND":
        length = int.from_bytes(data[start : start + 4])
        end = start + 8 + length
        kind = data[start + 4 : start + 8]
        if len(data) < end + 4:
            return f"truncated: the PNG ends within or before a chunk, after {len(data)} bytes."
        if zlib.crc32(data[start + 4 : end]) != int.from_bytes(data[end : end + 4]):
            return f"damaged: wrong checksum in the {kind.decode('latin-1')} chunk of the PNG."
        if kind == b"IDAT":
            pixels.append((start + 8, end))
        start = end + 4
    # Rows that the file lacks are 0 once decoded. Those of an interlaced one are anywhere.
    last = image.crop((0, image.height - 1, image.width, image.height))
    if data[28] == 0 and any(last.tobytes()):
        return ""
    lacking = _size_of_rows(data) - _unpacked(data, pixels)
    return f"truncated: {lacking} bytes of pixels are missing in the PNG." if lacking > 0 else ""


def _size_of_rows(data: bytes) -> int:
    """Return how many bytes the rows of a PNG have, with the filter's number before each."""
    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    bits = data[24] * _SAMPLES[data[25]]
    total = 0
    for left, top, across, down in _PASSES if data[28] else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        total += rows * (1 + -(-columns * bits // 8)) if columns > 0 and rows > 0 else 0
    return total


def _unpacked(data: bytes, places: list[tuple[int, int]]) -> int:
    """Return the size of what is packed in these places together, without holding more than a megabyte of it."""
    stream, total = zlib.decompressobj(), 0
    for start, end in places:
        pending = data[start:end]
        while pending and not stream.eof:
            total += len(stream.decompress(pending, 2**20))
            pending = stream.unconsumed_tail
    return total + len(stream.flush())
