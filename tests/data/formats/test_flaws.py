"""Files that Pillow decodes without a word though part of their pixels is missing, and those that only look odd."""

import io
import os
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerseg.data.formats import files, images
from kerseg.data.formats.files import BadFileError, read_regular
from kerseg.data.formats.flaws import _is_same_with_noise, flaw
from kerseg.data.formats.images import decode, read_image

CUTS = (0.3, 0.5, 0.9, 0.99)
END = b"\xff\xd9"


def drawing(height: int = 64, width: int = 96) -> Image.Image:
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (8, 12, 3), np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


JPEGS = {
    "baseline": encoded(drawing(), "JPEG", quality=90),
    "4:4:4": encoded(drawing(), "JPEG", quality=90, subsampling=0),
    "progressive": encoded(drawing(), "JPEG", quality=90, progressive=True),
    "grey": encoded(drawing().convert("L"), "JPEG"),
    "cmyk": encoded(drawing().convert("CMYK"), "JPEG"),
    "restarts": encoded(drawing(), "JPEG", restart_marker_blocks=2),
    "odd size": encoded(drawing(37, 53), "JPEG"),
    "one pixel": encoded(drawing(1, 1), "JPEG"),
}


@pytest.mark.parametrize("kind", JPEGS)
def test_a_whole_jpeg_passes(kind):
    assert decode(Path("a.jpg"), JPEGS[kind]).format == "JPEG"


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("kind", [kind for kind in JPEGS if kind != "one pixel"])
def test_a_jpeg_without_part_of_its_scan_is_refused_though_its_end_is_there(kind, cut):
    data = JPEGS[kind]
    scan = data.index(b"\xff\xda")
    short = data[: scan + 20 + int(cut * (len(data) - scan - 40))] + END
    Image.open(io.BytesIO(short)).load()  # to Pillow all is well
    with pytest.raises(BadFileError, match=r"^a\.jpg: truncated"):
        decode(Path("a.jpg"), short)


def scans(data: bytes) -> list[int]:
    """Return where the scans of a JPEG begin."""
    return [place for place in range(len(data) - 1) if data[place : place + 2] == b"\xff\xda"]


def test_a_progressive_jpeg_without_its_last_scans_is_refused():
    data = JPEGS["progressive"]
    for start in scans(data)[1:]:
        # What stands before a scan are its tables: cut there, nothing is missing that libjpeg would miss.
        cut = data.rindex(b"\xff\xc4", 0, start) if b"\xff\xc4" in data[start - 200 : start] else start
        with pytest.raises(
            BadFileError, match=r"the last scans of the progressive JPEG are missing|components"
        ):
            decode(Path("a.jpg"), data[:cut] + END)


def test_a_jpeg_without_one_of_its_components_is_refused():
    data = JPEGS["baseline"]
    start = data.index(b"\xff\xda")
    length = int.from_bytes(data[start + 2 : start + 4])
    header = b"\xff\xda" + struct.pack(">HB", 8, 1) + data[start + 5 : start + 7] + b"\0\x3f\0"
    # A scan of the first component alone. Its data is not what it should be; that there is no other is what counts.
    found = flaw(data[:start] + header + data[start + 2 + length :], Image.open(io.BytesIO(data)))
    assert found.startswith("truncated")


@pytest.mark.parametrize("where", ["end", "header"])
def test_what_cameras_write_and_means_nothing_passes(where):
    data = JPEGS["baseline"]
    if where == "end":  # "4 extraneous bytes before marker 0xd9"
        odd = data[:-2] + b"\0\0\0\0" + END
    else:  # "Invalid SOS parameters for sequential JPEG"
        start = data.index(b"\xff\xda")
        length = int.from_bytes(data[start + 2 : start + 4])
        odd = data[: start + 2 + length - 3] + b"\0\0\0" + data[start + 2 + length :]
    assert decode(Path("a.jpg"), odd).size == (96, 64)


def test_a_warning_that_means_nothing_hides_none_that_does():
    data = JPEGS["baseline"]
    start = data.index(b"\xff\xda")
    length = int.from_bytes(data[start + 2 : start + 4])
    odd = data[: start + 2 + length - 3] + b"\0\0\0" + data[start + 2 + length : -400] + END
    with pytest.raises(BadFileError, match="truncated or damaged: Invalid SOS parameters"):
        decode(Path("a.jpg"), odd)
    assert _is_same_with_noise(data) and not _is_same_with_noise(odd)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    pixels: np.ndarray, rows: int | None = None, *, kind: int = 2, depth: int = 8, interlace: int = 0
) -> bytes:
    """Return a PNG that holds only the first ``rows`` of what its header promises, in good order."""
    height, width = pixels.shape[:2]
    lines = np.pad(pixels.reshape(height, -1), ((0, 0), (1, 0)))[:rows]
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlace)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize("rows", [1, 20, 63])
def test_a_png_without_its_last_rows_is_refused(rows):
    pixels = np.asarray(drawing())
    assert np.array_equal(np.asarray(decode(Path("a.png"), png(pixels))), pixels)
    with pytest.raises(BadFileError, match=rf"truncated: {(64 - rows) * 289} bytes of pixels are missing"):
        decode(Path("a.png"), png(pixels, rows))


def test_a_png_whose_last_row_is_black_passes():
    pixels = np.asarray(drawing()).copy()
    pixels[-1] = 0
    assert decode(Path("a.png"), png(pixels)).size == (96, 64)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_that_is_black_passes(mode):
    black = Image.new(mode, (13, 7))
    assert decode(Path("a.png"), encoded(black, "PNG")).size == (13, 7)


def test_an_interlaced_png_is_counted_pass_by_pass():
    # First column, first row and steps of each pass, by the standard's table.
    grey = np.arange(15, dtype=np.uint8).reshape(3, 5)
    lines = b""
    for left, top, across, down in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        part = grey[top::down, left::across]
        if part.size:
            lines += b"".join(b"\0" + row.tobytes() for row in part)
    header = struct.pack(">IIBBBBB", 5, 3, 8, 0, 0, 0, 1)

    def interlaced(body: bytes) -> bytes:
        parts = (b"IHDR", header), (b"IDAT", zlib.compress(body)), (b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)

    assert np.array_equal(np.asarray(decode(Path("a.png"), interlaced(lines))), grey)
    with pytest.raises(BadFileError, match="truncated: 6 bytes of pixels are missing"):
        decode(Path("a.png"), interlaced(lines[:-6]))


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.png"))
    for name, what in {
        "pipe": "it is a named pipe, not a file",
        "folder": "it is a folder, not a file",
        "device": "it is a device, not a file",
        "socket": "it is a socket, not a file",
        "loop": "Too many levels of symbolic links",
    }.items():
        with pytest.raises(BadFileError, match=rf"{name}\.png: unreadable: {what}\."):
            read_image(tmp_path / f"{name}.png")


def test_a_pipe_put_there_in_the_last_moment_is_not_waited_for(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "a.png")
    monkeypatch.setattr(files, "require_regular", lambda path: None)
    with pytest.raises(OSError, match="named pipe"):
        read_regular(tmp_path / "a.png")


def test_a_file_that_no_image_needs_is_not_read(tmp_path):
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(2**34)
    with pytest.raises(BadFileError, match=r"a\.png: unreadable: 17,179,869,184 bytes, more than the 53\d,"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize(
    "data, what",
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", ": it is PostScript"),
        (b"%PDF-1.7", ": it is PDF"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            r": it is a pointer of Git LFS: fetch .*git lfs pull`",
        ),
        (b"<html>secret", ": it is XML, SVG or HTML"),
        (b"GIMP Palette secret", ""),
        (b"root:x:0:0:secret", ""),
    ],
)
def test_nothing_but_the_kinds_that_are_read_is_opened_and_nothing_of_it_is_shown(data, what):
    message = rf"^a\.png: unreadable: not an image of a kind that is read \(JPEG, PNG, .*\){what}\.$"
    with pytest.raises(BadFileError, match=message) as caught:
        decode(Path("a.png"), data)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [MemoryError("no room"), OSError("out of memory error when reading image file"), OSError(12, "Cannot")],
)
def test_a_lack_of_memory_is_not_the_file_s_fault(monkeypatch, error):
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(images.Image, "open", fail)
    with pytest.raises(MemoryError, match=r"^a\.png: "):
        decode(Path("a.png"), b"x")


def test_the_name_of_a_file_is_not_obeyed_by_the_terminal():
    error = BadFileError(Path("a\x1b[2Jb\n\u202e.png"), "damaged: x\x07.")
    assert str(error) == r"a\x1b[2Jb\n\u202e.png: damaged: x\x07."
