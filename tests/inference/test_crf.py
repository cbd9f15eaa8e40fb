"""The dense CRF: against pydensecrf, against a sum over all pairs of pixels, and what it does to an edge."""

import sys
from typing import Any

import numpy as np
import pytest

from kerseg.errors import ConfigError
from kerseg.inference import crf
from kerseg.inference.crf import DenseCrf, refine
from kerseg.inference.crf_options import CrfOptions

pytest.importorskip("numba", reason="numba is not installed")


def scene(height: int = 60, width: int = 80, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return an image of smooth areas with noise, and probabilities that are right in most places."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    label = ((columns > width / 2 + 8 * np.sin(rows / 9)) + (rows > height * 0.7)).astype(int) % classes
    colours = random.integers(40, 216, (classes, 3))
    image = (colours[label] + random.normal(0, 9, (height, width, 3))).clip(0, 255).astype(np.uint8)
    logits = 2.0 * np.eye(classes)[label] + random.normal(0, 1, (height, width, classes))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return image, probabilities.astype(np.float32)


def by_pydensecrf(image: np.ndarray, probabilities: np.ndarray, options: CrfOptions) -> np.ndarray:
    densecrf = pytest.importorskip("pydensecrf.densecrf", reason="pydensecrf2 is not installed")
    height, width, classes = probabilities.shape
    reference = densecrf.DenseCRF2D(width, height, classes)
    energy = -np.log(np.maximum(probabilities, 1e-5)).transpose(2, 0, 1).reshape(classes, -1)
    reference.setUnaryEnergy(np.ascontiguousarray(energy, np.float32))
    reference.addPairwiseGaussian(sxy=options.smoothness_sigma, compat=options.smoothness_weight)
    reference.addPairwiseBilateral(
        sxy=options.appearance_sigma,
        srgb=options.colour_sigma,
        rgbim=np.ascontiguousarray(image),
        compat=options.appearance_weight,
    )
    found = np.array(reference.inference(options.iterations))
    return found.reshape(classes, height, width).transpose(1, 2, 0)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        CrfOptions(),
        CrfOptions(appearance_weight=10, appearance_sigma=80, colour_sigma=13),
        CrfOptions(smoothness_sigma=1.5, appearance_sigma=20, colour_sigma=30, iterations=3),
        CrfOptions(appearance_weight=0),
    ],
    ids=["default", "pydensecrf's example", "short", "smoothness alone"],
)
def test_agrees_with_pydensecrf(options: CrfOptions, threads: int):
    image, probabilities = scene()
    expected = by_pydensecrf(image, probabilities, options)
    found = DenseCrf(image, options, threads=threads).marginals(probabilities)
    assert found.dtype == np.float32
    assert (found.argmax(-1) == expected.argmax(-1)).mean() > 0.995
    assert np.abs(found - expected).mean() < 1e-5
    # And it is no copy of what came in.
    assert (expected.argmax(-1) != probabilities.argmax(-1)).mean() > 0.02


@pytest.mark.parametrize("classes", [2, 9, 21])
def test_any_number_of_classes(classes: int):
    """8 float32 go into a register: the numbers around it are padded."""
    image, probabilities = scene(classes=classes)
    found = refine(probabilities, image)
    np.testing.assert_allclose(found, by_pydensecrf(image, probabilities, CrfOptions()), atol=1e-4)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_near_the_sum_over_all_pairs(channels: int):
    """The lattice approximates the Gaussians; with any number of channels it must stay near them."""
    options = CrfOptions(appearance_sigma=6, colour_sigma=40, appearance_weight=2, smoothness_weight=1)
    image, probabilities = scene(18, 24)
    image = image[..., [0, 1, 2, 0, 1][:channels]].astype(np.float32)
    found = refine(probabilities, image, options)
    expected = all_pairs(image, probabilities, options)
    assert np.abs(found - expected).mean() < 0.02
    assert (found.argmax(-1) == expected.argmax(-1)).mean() > 0.97
    assert np.abs(probabilities - expected).mean() > 0.1


def all_pairs(image: np.ndarray, probabilities: np.ndarray, options: CrfOptions) -> np.ndarray:
    height, width, classes = probabilities.shape
    places = np.stack(np.mgrid[:height, :width][::-1], axis=-1).reshape(-1, 2)
    colours = image.reshape(len(places), -1)

    def kernel(features: np.ndarray) -> np.ndarray:
        distances = ((features[:, None] - features) ** 2).sum(axis=-1)
        matrix = np.exp(-distances / 2)
        norm = 1 / np.sqrt(matrix.sum(axis=1))
        return norm[:, None] * matrix * norm

    appearance = kernel(
        np.concatenate([places / options.appearance_sigma, colours / options.colour_sigma], axis=1)
    )
    smoothness = kernel(places / options.smoothness_sigma)
    energy = -np.log(probabilities.reshape(-1, classes).clip(1e-5))
    marginals = np.exp(-energy) / np.exp(-energy).sum(axis=1, keepdims=True)
    for _ in range(options.iterations):
        message = options.appearance_weight * appearance @ marginals
        message += options.smoothness_weight * smoothness @ marginals
        marginals = np.exp(message - energy)
        marginals /= marginals.sum(axis=1, keepdims=True)
    return marginals.reshape(height, width, classes)


def test_a_blurred_border_moves_to_the_edge_of_the_image():
    columns = np.arange(40)
    image = np.where(columns < 23, 60, 180).astype(np.uint8)[None, :, None].repeat(30, 0).repeat(3, 2)
    share = 1 / (1 + np.exp((columns - 19.5) / 4))  # the network puts the border at 20
    probabilities = np.stack([share, 1 - share], axis=-1)[None].repeat(30, 0).astype(np.float32)
    assert (probabilities.argmax(-1) == (columns >= 20)).all()
    assert (refine(probabilities, image).argmax(-1) == (columns >= 23)).all()


def test_weights_of_an_inference_of_its_own():
    image, probabilities = scene(30, 40)
    once = DenseCrf(image, threads=1)
    other = CrfOptions(appearance_weight=9, smoothness_weight=1)
    np.testing.assert_array_equal(
        once.marginals(probabilities, appearance_weight=9, smoothness_weight=1),
        DenseCrf(image, other, threads=1).marginals(probabilities),
    )
    nothing = once.marginals(probabilities, appearance_weight=0, smoothness_weight=0)
    np.testing.assert_allclose(nothing, probabilities, atol=2e-6)


def test_exponential():
    from kerseg.inference.meanfield import _exponential

    x = np.concatenate([np.linspace(-87, 0, 4001), [-1e4]]).astype(np.float32)
    found = np.array([_exponential(value) for value in x])
    np.testing.assert_allclose(found[:-1], np.exp(x[:-1].astype(np.float64)), rtol=4e-7)
    assert found[-1] < 1e-37


def test_refuses():
    image, probabilities = scene(8, 9)
    with pytest.raises(ConfigError, match=r"must have one size\. Received: \(8, 9\) and \(9, 8\)\."):
        refine(probabilities.transpose(1, 0, 2), image)
    with pytest.raises(
        ConfigError, match=r"`crf_options.colour_sigma` must be at least 0\.1 .* Received: 0\."
    ):
        CrfOptions(colour_sigma=0)
    with pytest.raises(ConfigError, match=r"`crf_options.iterations` must be at least 1 .* Received: 0\."):
        CrfOptions(iterations=0)


def test_not_installed(monkeypatch: Any):
    crf._threads.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", None)
    for name in ("lattice", "meanfield"):
        monkeypatch.delitem(sys.modules, f"kerseg.inference.{name}", raising=False)
    image, probabilities = scene(8, 9)
    with pytest.raises(ConfigError, match=r'`crf` needs numba: pip install "kerseg\[crf\]"\.'):
        refine(probabilities, image)
