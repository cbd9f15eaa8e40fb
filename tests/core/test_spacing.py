"""Sizes of pixels: of which image, of how many axes, and what is refused."""

import dataclasses
import json
from pathlib import Path

import pytest

from kerseg.core.info import DatasetInfo
from kerseg.core.spacing import Spacing
from kerseg.errors import ConfigError, DataError


def test_an_image_has_its_own_size_or_that_of_its_volume_or_the_usual_one():
    spacing = Spacing("mm", (5.0, 0.7, 0.8), {"p2": (2.0, 0.5, 0.5), "city/a": (0.1, 0.2)})
    assert spacing.of("p1/000") == (0.7, 0.8)
    assert spacing.of("p1/000", axes=3) == (5.0, 0.7, 0.8)
    assert spacing.of("p2/012") == (0.5, 0.5)
    assert spacing.of("p2/012", axes=3) == (2.0, 0.5, 0.5)
    assert spacing.of("city/a") == (0.1, 0.2)
    assert spacing.of("city/a", axes=3) is None


@pytest.mark.parametrize("size", [(), (1.0,), (1.0, 0.0), (1.0, float("inf")), (1.0, 2.0, 3.0, 4.0)])
def test_two_or_three_numbers_above_0(size: tuple[float, ...]):
    with pytest.raises(ConfigError, match=r"two or three numbers above 0\. Received: "):
        Spacing("mm", size)


def test_dataset_json_keeps_it_and_does_without(tiny_data: Path, tmp_path: Path):
    plain = DatasetInfo.load(tiny_data)
    assert plain.spacing is None
    assert "spacing" not in json.loads(plain.text())
    spacing = Spacing("mm", (0.7, 0.8), {"100": (1.0, 1.0)})
    dataclasses.replace(plain, spacing=spacing).save(tmp_path)
    assert DatasetInfo.load(tmp_path).spacing == spacing
    values = json.loads((tmp_path / "dataset.json").read_text())
    values["spacing"]["others"]["100"] = [1.0, -1.0]
    (tmp_path / "dataset.json").write_text(json.dumps(values))
    with pytest.raises(DataError, match=r"dataset.json: `spacing` is .* two or three numbers above 0"):
        DatasetInfo.load(tmp_path)
