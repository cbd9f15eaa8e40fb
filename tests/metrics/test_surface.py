"""Distances of contours against DeepMind's surface-distance, in 2-D and 3-D; slices as volumes."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scenes import CLASSES, NAMES, pooled, scene, seen

from kerseg.core.spacing import Spacing
from kerseg.errors import ConfigError, DataError
from kerseg.metrics import METRICS, Meter, choose
from kerseg.metrics.measure import Sums, values
from kerseg.metrics.meter import measures
from kerseg.metrics.surface import surfaces
from kerseg.metrics.surface_elements import corners
from kerseg.metrics.surface_elements import measures as element_sizes


def references(dimensions: int, spacing: tuple[float, ...]) -> Iterator[tuple[np.ndarray, np.ndarray, Any]]:
    reference = pytest.importorskip("surface_distance", reason="agreement with surface-distance needs it")
    shape = (40, 56) if dimensions == 2 else (9, 14, 16)
    for seed in range(3):
        label, prediction = scene(seed, shape)
        for index in range(CLASSES):
            true, guess = label == index, prediction == index
            if true.any() and guess.any():
                yield true, guess, reference.compute_surface_distances(true, guess, spacing)


@pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")
@pytest.mark.parametrize(
    ("dimensions", "spacing"),
    [(2, (1.0, 1.0)), (2, (0.5, 2.0)), (3, (1.0, 1.0, 1.0)), (3, (3.0, 0.7, 1.2))],
)
def test_distances_agree_with_surface_distance(dimensions: int, spacing: tuple[float, ...]):
    import surface_distance

    compared = 0
    for true, guess, expected in references(dimensions, spacing):
        mine = surfaces(true, guess, spacing)
        for surface, way in zip(mine, ("gt_to_pred", "pred_to_gt"), strict=True):
            assert surface.distances == pytest.approx(expected[f"distances_{way}"], abs=1e-6)
        for percent in (50, 95, 100):
            robust = surface_distance.compute_robust_hausdorff(expected, percent)
            assert max(surface.percentile(percent) for surface in mine) == pytest.approx(robust, abs=1e-6)
        for tolerance in (0.0, 1.0, 2.5):
            agreed = sum(surface.within(tolerance) for surface in mine) / sum(s.sizes.sum() for s in mine)
            dice = surface_distance.compute_surface_dice_at_tolerance(expected, tolerance)
            assert agreed == pytest.approx(dice, abs=1e-6)
        compared += 1
    assert compared >= 12


def test_every_case_of_a_cube_has_the_area_of_surface_distance():
    tables = pytest.importorskip("surface_distance.lookup_tables", reason="agreement with it needs it")
    spacing = (1.0, 2.0, 5.0)
    theirs = tables.create_table_neighbour_code_to_surface_area(spacing)
    for code, area in enumerate(element_sizes(spacing)):
        places = [corner for bit, corner in enumerate(corners(3)) if code >> bit & 1]
        index = sum(int(tables.ENCODE_NEIGHBOURHOOD_3D_KERNEL[place]) for place in places)
        assert area == pytest.approx(theirs[index], abs=1e-9)


def test_hd95_and_nsd_average_images_then_classes():
    near, far = np.zeros((2, 8, 12), np.uint8)
    near[2:5, 2:5], far[2:5, 4:7] = 1, 1
    pairs = [(near, near), (near, far)]
    assert pooled("hd95", pairs, "ab")[1].tolist() == [(0 + 2) / 2, (0 + 2) / 2]
    assert pooled("hd95", pairs, "ab", spacing=(1, 3))[1][1] == (0 + 6) / 2
    value, parts = pooled("nsd", pairs, "ab", tolerance=0)
    assert 0.5 < parts[1] < parts[0] < 1
    assert value == pytest.approx(parts.mean())
    assert pooled("nsd", pairs, "ab", tolerance=2)[0] == 1


def test_a_class_in_only_one_of_truth_and_prediction():
    label, prediction = np.zeros((2, 3, 4), np.uint8)
    prediction[1, 1] = 1
    assert pooled("hd95", [(label, prediction)], "ab")[1][1] == pytest.approx(5.0)
    assert pooled("nsd", [(label, prediction)], "ab")[1][1] == 0
    assert np.isnan(pooled("hd95", [(label, label)], "ab")[1][1])


def test_slices_are_measured_as_a_volume():
    label, prediction = scene(3, (6, 20, 24))
    meter = Meter(NAMES, choose(["hd95", "nsd"], {"hd95": {"volume": True, "spacing": (3, 1, 1)}}))
    for index, (of_label, of_prediction) in enumerate(zip(label, prediction, strict=True)):
        meter.add(f"scan/{index:03d}", of_label, of_prediction)
    meter.add("other", label[0], prediction[0])
    found = meter.measurements()
    assert found.groups == (0,) * 6 + (1,)
    metric = choose(["hd95"], {"hd95": {"volume": True, "spacing": (3, 1, 1)}})
    one = METRICS.load("hd95").with_options({"spacing": (3, 1, 1)})
    expected = [one(seen(*pair)) for pair in ((label, prediction), (label[:1], prediction[:1]))]
    value, parts = values(
        Sums(*(sum(p) for p in zip(*((e.numerator, e.denominator, e.weight) for e in expected), strict=True)))
    )
    measured = measures(found, metric)["hd95"]
    assert measured.value == pytest.approx(float(value))
    assert list(measured.parts.values()) == pytest.approx(parts.tolist())
    # Rows without anything of it belong to slices that are not the last of their volume.
    assert found.sums["hd95"].denominator.any(axis=(1, 2)).tolist() == [False] * 5 + [True] * 2
    assert found.sums["nsd"].denominator.any(axis=(1, 2)).all()
    assert json.dumps(measured.to_json(), allow_nan=False)


def test_slices_that_are_not_together_are_refused():
    meter = Meter("ab", choose(["hd95"], {"hd95": {"volume": True}}))
    plain = np.zeros((4, 4), np.uint8)
    meter.add("a/000", plain, plain)
    meter.add("b/000", plain, plain)
    with pytest.raises(DataError, match=r"^a/001: the slices of a are not together in the data\."):
        meter.add("a/001", plain, plain)
    meter = Meter("ab", choose(["hd95"], {"hd95": {"volume": True}}))
    meter.add("a/000", plain, plain)
    meter.add("a/001", plain[:2], plain[:2])
    with pytest.raises(DataError, match=r"^a: its slices have several sizes"):
        meter.measurements()


def test_distances_in_the_unit_of_the_data():
    label = np.zeros((12, 20), np.uint8)
    label[4:8, 4:8] = 1
    guess = np.roll(label, 3, axis=1)
    spacing = Spacing("mm", (1.0, 0.5), {"b": (1.0, 2.0)})
    chosen = choose(["hd95", "nsd"], {"units": True, "tolerance": 2.0})
    meter = Meter(("ground", "box"), chosen, spacing=spacing)
    for name in "ab":
        meter.add(name, label, guess)
    found = measures(meter.measurements({"unit": "mm"}), chosen)
    # The box is 3 pixels to the right of its place: 1.5 mm in the one image, 6 mm in the other.
    assert found["hd95"].parts["box"] == pytest.approx((1.5 + 6.0) / 2)
    assert (found["hd95"].unit, found["nsd"].unit) == ("mm", "")
    assert found["nsd"].parts["box"] is not None
    assert 0.5 < found["nsd"].parts["box"] < 1
    pixels = choose(["hd95"], {})
    plain = Meter(("ground", "box"), pixels, spacing=spacing)
    plain.add("a", label, guess)
    assert measures(plain.measurements(), pixels)["hd95"].parts["box"] == 3
    assert measures(plain.measurements(), pixels)["hd95"].unit == "px"


def test_units_of_volumes_take_the_distance_of_the_slices():
    label = np.zeros((12, 20), np.uint8)
    label[4:8, 4:8] = 1
    chosen = choose(["hd95"], {"units": True, "volume": True})
    meter = Meter(("ground", "box"), chosen, spacing=Spacing("mm", (4.0, 0.5, 0.5)))
    for index in range(5):
        empty = np.zeros_like(label)
        meter.add(f"v/{index:03d}", label if index in (1, 2) else empty, label if index in (2, 3) else empty)
    # One slice up, 4 mm.
    assert measures(meter.measurements({"unit": "mm"}), chosen)["hd95"].parts["box"] == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("options", "spacing", "message"),
    [
        ({"units": True}, None, "does not say how large its pixels are. Convert it with `spacing`"),
        ({"units": True, "volume": True}, (1.0, 1.0), "how large the slices and pixels of its volumes are"),
        (
            {"units": True, "spacing": (1, 1)},
            (1.0, 1.0),
            "`units` takes the spacing that the data has",
        ),
    ],
)
def test_units_need_a_spacing_and_are_refused_at_once(options: Any, spacing: Any, message: str):
    with pytest.raises(ConfigError, match=message):
        Meter(NAMES, choose(["hd95"], {"hd95": options}), spacing=spacing and Spacing("mm", spacing))
