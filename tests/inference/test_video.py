"""Videos: as many frames as came, at their rate, with the colours of the classes over them."""

from fractions import Fraction
from pathlib import Path

import keras
import numpy as np
import pytest

from kerseg.inference.prediction import predict

av = pytest.importorskip("av", reason="PyAV is not installed")


def half_dark() -> keras.Model:
    """Return a model with class 1, red in `default_palette`, where an image is bright."""
    image = keras.Input((None, None, 3))
    conv = keras.layers.Conv2D(2, 1)
    model = keras.Model(image, conv(image))
    conv.set_weights([np.array([[[[0.0, 1.0]] * 3]]).reshape(1, 1, 3, 2), np.array([0.0, -400.0])])
    return model


def write(path: Path, count: int, rate: Fraction, height: int, width: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate, options={"q": "2"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for number in range(count):
            image = np.full((height, width, 3), 20, np.uint8)
            image[:, : width * (number + 1) // (count + 1)] = 220
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def test_overlay_of_each_frame_at_its_rate(tmp_path: Path):
    write(tmp_path / "drive.mp4", 7, Fraction(12), 48, 64)
    report = predict(half_dark(), tmp_path / "drive.mp4", output=tmp_path / "out", alpha=1.0)
    assert report.failed == ()
    [written] = report.written
    assert written.video == tmp_path / "out" / "video" / "drive.mp4"
    with av.open(str(written.video)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 12
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    assert len(frames) == 7
    for number, frame in enumerate(frames):
        border = 64 * (number + 1) // 8
        assert np.abs(frame[:, : border - 3] - (128, 0, 0)).mean() < 12  # default_palette's first colour
        assert np.abs(frame[:, border + 3 :] - 20).mean() < 12  # black classes leave the image as it is
    # It is a result: replaced, and no video to predict.
    again = predict(half_dark(), tmp_path, output=tmp_path / "out")
    assert [each.image.name for each in again.written] == ["drive.mp4"]


def test_a_video_that_is_none(tmp_path: Path):
    (tmp_path / "broken.mp4").write_bytes(b"no video" * 100)
    write(tmp_path / "good.mp4", 2, Fraction(25), 32, 32)
    report = predict(half_dark(), tmp_path, output=tmp_path / "out")
    assert [each.image.name for each in report.written] == ["good.mp4"]
    assert [failure.path.name for failure in report.failed] == ["broken.mp4"]
    assert report.failed[0].reason.startswith("damaged: ")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.mp4")) == ["good.mp4"]
