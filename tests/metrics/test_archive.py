"""One file an evaluation: what is written is read, and what is damaged is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from kerseg.errors import ConfigError, DataError
from kerseg.metrics import METRICS, ConfusionMatrix, Measurements, Meter, choose
from kerseg.metrics.archive import load
from kerseg.metrics.meter import label_checksum

NAMES = ("road", "sky", "car")


def measured(seed: int = 0, **about: object) -> tuple[Measurements, ConfusionMatrix]:
    random = np.random.default_rng(seed)
    meter, matrix = Meter(NAMES, choose(["trimap_iou"], {"trimap_iou": {"width": 2}})), ConfusionMatrix(3)
    for index in range(4):
        label = random.integers(0, 3, (9, 11)).astype(np.uint8)
        label[0] = 255
        prediction = np.where(random.random((9, 11)) < 0.8, label, 0).astype(np.uint8)
        prediction[0] = 1
        meter.add(f"image {index} é", label, prediction)
        matrix.update(label, prediction)
    return meter.measurements(about), matrix


def test_what_is_saved_is_loaded(tmp_path: Path):
    found, matrix = measured(model="enet")
    found.save(tmp_path / "val.npz")
    again = load(tmp_path / "val.npz")
    assert again.names == found.names == tuple(f"image {index} é" for index in range(4))
    assert again.class_names == NAMES
    assert again.checksum == found.checksum
    assert again.about == {"model": "enet"}
    assert again.options["trimap_iou"] == {"width": 2}
    assert (again.pooled().counts == matrix.counts).all()
    assert sum(again.counts(index) for index in range(4)).tolist() == matrix.counts.tolist()
    rows = again.rows("trimap_iou", METRICS.load("trimap_iou"))
    assert np.array_equal(rows.denominator, found.sums["trimap_iou"].denominator)
    assert rows.denominator.shape == (4, 3, 1)
    with pytest.raises(ConfigError, match=r"Metric 'hd95' was not measured\."):
        again.rows("hd95", METRICS.load("hd95"))


def test_the_checksum_is_that_of_names_and_labels():
    label = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert label_checksum(label) == label_checksum(label.astype(np.int32))
    assert label_checksum(label) != label_checksum(label.reshape(3, 2))
    assert label_checksum(label) != label_checksum(label + np.uint8(1))
    assert measured(0)[0].checksum != measured(1)[0].checksum


def damaged(path: Path, **changes: object) -> None:
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    with path.open("wb") as file:
        np.savez(file, **(arrays | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pairs": np.zeros(3, np.int32)}, "its arrays do not fit together"),
        ({"pixels": np.zeros(3)}, "its arrays do not fit together"),
        ({"starts": np.zeros(5, np.int64)}, "its arrays do not fit together"),
        ({"names": np.array(list("abcd"))}, "its checksum differs"),
        (
            {"text": np.frombuffer(json.dumps({"format": 2}).encode(), np.uint8)},
            "format 2, this kerseg reads 1",
        ),
        ({"text": np.frombuffer(b"[]", np.uint8)}, "cannot be read"),
        ({"names": np.array([{}], object)}, "cannot be read"),
    ],
)
def test_damage_is_refused(tmp_path: Path, changes: dict[str, object], message: str):
    path = tmp_path / "val.npz"
    measured()[0].save(path)
    damaged(path, **changes)
    with pytest.raises(
        DataError, match=rf"val\.npz: cannot be read as the measurements .*{message}|{message}"
    ):
        load(path)


def test_a_file_that_is_cut_short_or_missing_is_refused(tmp_path: Path):
    path = tmp_path / "val.npz"
    measured()[0].save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"val\.npz: cannot be read as the measurements of an evaluation"):
        load(path)
    with pytest.raises(DataError, match=r"none\.npz: does not exist\. `kerseg evaluate` writes it\."):
        load(tmp_path / "none.npz")


def test_nothing_measured_is_refused():
    with pytest.raises(DataError, match="there was no image"):
        Meter(NAMES).measurements()
