"""Predicted in windows and whole, the labels agree, where the overlap covers what a network looks at.

The networks are narrow, with random weights, and their logits are brought to one mean and spread, so that all
classes occur: every border of the noise that they make of an image is one that a seam could move.
"""

import keras
import numpy as np
import pytest
from scipy import ndimage

import kerseg
from kerseg.inference.predictor import Predictor
from kerseg.inference.procedure import Procedure
from kerseg.inference.segmenter import Segmenter

SIDE, CLASSES = 768, 4

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tested on TensorFlow")


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (SIDE // 16, SIDE // 16, 3)).astype(np.float32)
    smooth = ndimage.zoom(coarse, (16, 16, 1), order=1)
    return (smooth + random.normal(0, 25, smooth.shape)).clip(0, 255).astype(np.uint8)


def lively(name: str, width: int, image: np.ndarray) -> keras.Model:
    """Return a network of random weights whose classes all occur."""
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    model = kerseg.models.build(name, num_classes=CLASSES, width=width)
    for weight in model.trainable_weights:
        if not np.asarray(weight).any():  # scores begin at 0 in FCN
            weight.assign(random.normal(0, np.sqrt(2 / max(np.prod(weight.shape[:-1]), 1)), weight.shape))
    logits = model.predict(image[None], verbose=0).reshape(-1, CLASSES)
    mean, spread = logits.mean(axis=0), logits.std(axis=0)
    even = keras.layers.Rescaling((1 / spread).tolist(), (-mean / spread).tolist())
    return keras.Model(model.inputs, even(model.outputs[0]))


@pytest.mark.parametrize(
    ("name", "width", "window", "overlap"),
    [
        # Receptive fields: 188 pixels, 404 and 404 (VGG16 to pool5 and two layers of 7x7 and 1x1), and SegNet's,
        # VGG16 down and up again. 640 of 768 pixels overlap by 512.
        ("unet", 4, 384, 192),
        ("fcn_32s", 2, 640, 320),
        ("fcn_8s", 2, 640, 320),
        ("segnet", 2, 640, 320),
    ],
)
def test_no_seam_where_the_overlap_covers_the_receptive_field(
    name: str, width: int, window: int, overlap: int, image: np.ndarray
):
    predictor = Predictor(lively(name, width, image))
    whole = Segmenter(predictor)(image[None])
    assert (np.bincount(whole.ravel(), minlength=CLASSES) / whole.size).min() > 0.02
    in_windows = Segmenter(predictor, Procedure(window=(window, window), overlap=overlap))(image[None])
    assert (in_windows == whole).mean() >= 0.999
    without = Segmenter(predictor, Procedure(window=(384, 384), overlap=0))(image[None])
    assert (without == whole).mean() < 0.99  # the test can see a seam
