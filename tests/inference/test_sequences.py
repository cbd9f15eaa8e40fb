"""Numbered frames: which they are, in which order, and that they become the video that they are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_video import half_dark

from kerseg.cli import main
from kerseg.data.formats.suffixes import IMAGE_SUFFIXES
from kerseg.errors import ConfigError, DataError
from kerseg.inference.prediction import predict
from kerseg.inference.sequences import split_off

HEIGHT, WIDTH = 32, 48


def frame(path: Path, bright: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((*size, 3), 20, np.uint8)
    pixels[:, :bright] = 220
    Image.fromarray(pixels).save(path)


def names(given: list[Any], *, folders: bool = False) -> dict[str, list[str]]:
    sequences, _, _ = split_off(given, IMAGE_SUFFIXES, folders=folders)
    return {str(one.place.result): [path.name for path in one.frames] for one in sequences}


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    for number in (9, 10, 11, 100000):
        frame(folder / "drive" / f"{number:05d}.png", 4)
    for number in range(3):
        frame(folder / f"left_{number}.jpg", 4)
        frame(folder / f"right_{number}.jpg", 4)
    frame(folder / "map.png", 4)
    frame(folder / ".hidden" / "1.png", 4)
    frame(folder / ".hidden" / "2.png", 4)
    return folder


def test_a_pattern_is_its_frames_by_number(frames: Path):
    expected = ["00009.png", "00010.png", "00011.png", "100000.png"]
    assert names([frames / "drive" / "%05d.png"]) == {"drive.png": expected}
    assert names([frames / "left_%d.jpg"]) == {"left.png": ["left_0.jpg", "left_1.jpg", "left_2.jpg"]}
    # Of three digits at least there is one: 100000 has more.
    assert names([frames / "drive" / "1%03d.png"]) == {["drive", "1.png"][1]: ["100000.png"]}
    assert names([frames / "drive" / "%d.jpg"]) == {}


def test_a_folder_is_a_sequence_where_that_is_asked(frames: Path):
    assert names([frames]) == {}
    assert names([frames], folders=True) == {
        "left.png": ["left_0.jpg", "left_1.jpg", "left_2.jpg"],
        "right.png": ["right_0.jpg", "right_1.jpg", "right_2.jpg"],
        "drive.png": ["00009.png", "00010.png", "00011.png", "100000.png"],
    }


def test_what_is_no_sequence_is_named(frames: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    sequences, rest, failures = split_off(
        [frames / "%02d.gif", tmp_path / "empty", frames / "map.png"], IMAGE_SUFFIXES, folders=True
    )
    assert sequences == []
    assert rest == [frames / "map.png"]
    assert [failure.reason for failure in failures] == [
        "a pattern that matches no numbered frame",
        "a folder without numbered frames",
    ]
    with pytest.raises(DataError, match=r"its result would be that of .*left_%d\.jpg"):
        split_off([frames / "left_%d.jpg", frames / "left_%01d.jpg"], IMAGE_SUFFIXES, folders=False)


def test_the_overlay_is_a_video_of_all_frames_at_the_rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    av = pytest.importorskip("av", reason="PyAV is not installed")
    for number in range(1, 6):
        frame(tmp_path / "drive" / f"f{number}.png", 8 * number)
    report = predict(
        half_dark(), tmp_path / "drive" / "f%d.png", output=tmp_path / "out", alpha=1.0, rate=12.5
    )
    assert report.failed == ()
    assert report.written[0].video == tmp_path / "out" / "video" / "f.mp4"
    with av.open(str(report.written[0].video)) as container:
        assert float(container.streams.video[0].average_rate) == 12.5
        shown = [each.to_ndarray(format="rgb24").astype(int) for each in container.decode(video=0)]
    assert len(shown) == 5
    for number, pixels in enumerate(shown, start=1):
        assert np.abs(pixels[:, : 8 * number - 3] - (128, 0, 0)).mean() < 12
        assert np.abs(pixels[:, 8 * number + 3 :] - 20).mean() < 12
    # The same as a folder, beside images that are predicted one by one.
    report = predict(
        half_dark(),
        [tmp_path / "drive", tmp_path / "drive" / "f1.png"],
        output=tmp_path / "out2",
        sequence=True,
    )
    assert {
        path.relative_to(tmp_path / "out2").as_posix() for each in report.written for path in each.results
    } == {
        "video/f.mp4",
        "index/f1.png",
        "colour/f1.png",
        "overlay/f1.png",
    }
    assert "2 predicted" in capsys.readouterr().err


def test_frames_of_other_sizes_leave_nothing_behind(tmp_path: Path):
    pytest.importorskip("av", reason="PyAV is not installed")
    for number in range(6):
        frame(tmp_path / "f" / f"{number}.png", 8, (HEIGHT, WIDTH + 2 * (number == 5)))
    report = predict(half_dark(), tmp_path / "f" / "%d.png", output=tmp_path / "out")
    [failure] = report.failed
    assert failure.reason == "size differs: 50 x 32, the first frame, 0.png, is 48 x 32 (width x height)."
    assert not list((tmp_path / "out").rglob("*.mp4"))


def test_a_rate_is_refused_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(ConfigError, match=r"`rate` must be above 0 and at most 1000\. Received: 0"):
        predict("no/model.keras", "a.png", output=tmp_path, rate=0.0)
    assert main(["predict", "no/model.keras", "a%d.png", "--output", "x", "--rate", "-1"]) == 2
    assert "--rate must be above 0" in capsys.readouterr().err
