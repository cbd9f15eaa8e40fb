"""Videos: frames in, overlays out, at the video's own rate. PyAV reads and writes what FFmpeg knows."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kerseg.core.ahead import Behind
from kerseg.core.files import whole
from kerseg.core.progress import Progress
from kerseg.data.formats.files import BadFileError
from kerseg.errors import ConfigError
from kerseg.inference.inputs import SOFTWARE

if TYPE_CHECKING:
    from kerseg.modelfile import ModelCard

CODECS = (("libx264", {"crf": "18", "preset": "veryfast"}), ("mpeg4", {"q": "3"}))
"""What is written, the first that this FFmpeg has."""

Frame = NDArray[np.uint8]
"""RGB (height, width, 3)."""


@dataclass(frozen=True)
class Clip:
    """A video that is open."""

    frames: Iterator[Frame]
    rate: Fraction
    """Frames a second."""
    count: int
    """Number of frames that the file says it has; 0 if it does not."""


def _av() -> Any:
    try:
        import av
    except ImportError:
        raise ConfigError("Videos need PyAV: pip install 'kerseg[video]'.") from None
    return av


@contextmanager
def frames(path: Path) -> Iterator[Clip]:
    """Open a video.

    Raises:
        ConfigError: PyAV is not installed.
        BadFileError: It cannot be read, here or while its frames are taken.
    """
    av = _av()
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise BadFileError(path, "unusable: it has no video stream.")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
            yield Clip(_decoded(av, path, container), rate, int(stream.frames))
    except av.FFmpegError as error:
        raise BadFileError(path, f"damaged: {error.strerror}.") from error


def _decoded(av: Any, path: Path, container: Any) -> Iterator[Frame]:
    try:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")
    except av.FFmpegError as error:
        raise BadFileError(path, f"damaged: {error.strerror}.") from error


def write_overlay(
    labelled: Iterable[tuple[Frame, NDArray[Any]]],
    path: Path,
    rate: Fraction,
    card: "ModelCard",
    *,
    alpha: float = 0.5,
    bar: Progress | None = None,
) -> None:
    """Write a video of overlays, encoded while the next frame is predicted.

    Args:
        labelled: Frames with their class indices (height, width), all of the first one's size.
        path: An MP4 file; H.264 where FFmpeg has it, MPEG-4 elsewhere. A last odd row or column is left out.
        rate: Frames a second.
        card: Colours of the classes.
        alpha: Strength of the colours, 0 to 1.
        bar: Told of each frame.

    Raises:
        ConfigError: PyAV is not installed.
    """
    av = _av()
    from kerseg import visualize

    with whole(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        container.metadata["comment"] = SOFTWARE
        stream: Any = None

        def encode(frame: Frame, label: NDArray[Any]) -> None:
            nonlocal stream
            mixed = visualize.overlay(frame, label, card.palette, alpha=alpha, ignore_label=-1)
            if stream is None:
                stream = _stream(av, container, rate, mixed.shape)
            # The usual codecs halve the colours' resolution: sizes are even.
            even = np.ascontiguousarray(mixed[: stream.height, : stream.width])
            for packet in stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")):
                container.mux(packet)

        with Behind() as behind:
            for frame, label in labelled:
                behind.do(encode, frame, label)
                if bar is not None:
                    bar.advance()
        if stream is not None:
            for packet in stream.encode():
                container.mux(packet)


def is_overlay(path: Path) -> bool:
    """Return whether a video is one that `write_overlay` wrote."""
    try:
        with _av().open(str(path)) as container:
            return bool(container.metadata.get("comment") == SOFTWARE)
    except (ConfigError, OSError, ValueError):
        return False


def _stream(av: Any, container: Any, rate: Fraction, shape: tuple[int, ...]) -> Any:
    for codec, options in CODECS:
        if codec in av.codecs_available:
            stream = container.add_stream(codec, rate=rate.limit_denominator(60000), options=options)
            stream.height, stream.width = shape[0] - shape[0] % 2, shape[1] - shape[1] % 2
            stream.pix_fmt = "yuv420p"
            return stream
    raise ConfigError(f"This FFmpeg writes neither {' nor '.join(codec for codec, _ in CODECS)}.")
