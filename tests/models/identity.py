"""Weights with which a network passes the image on, so that its logits show where it puts what it sees.

Every convolution takes the pixel at its kernel's centre, averaged over the channels; kernels without a centre
average; transposed convolutions interpolate; norms do nothing. What is left is the network's geometry alone:
strides, padding, pooling, resizing and cropping. Branches that look at the whole image (``BinPooling``) are
switched off.
"""

import math

import keras
import numpy as np

from kerseg.layers.preprocess import Normalize
from kerseg.layers.pyramid import BinPooling

KEPT = {"gamma": 1.0, "moving_variance": 1.0, "beta": 0.0, "bias": 0.0, "moving_mean": 0.0, "alpha": 0.0}


def identity(model, monkeypatch):
    """Give ``model`` the weights above and return it."""
    for layer in layers_of(model):
        if isinstance(layer, Normalize):
            layer.mean, layer.scale = 0.0, 1.0
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Conv2DTranspose):
            layer.kernel.assign(kernel_of(layer))
        for weight in layer.weights:
            if weight.name in KEPT:
                weight.assign(np.full(weight.shape, KEPT[weight.name]))
    monkeypatch.setattr(BinPooling, "call", _nothing)
    return model


def layers_of(model):
    """Yield all layers, those of nested models too."""
    for layer in model._flatten_layers():
        if not isinstance(layer, keras.Model):
            yield layer


def kernel_of(layer):
    shape = tuple(layer.kernel.shape)
    height, width, *_ = shape
    if isinstance(layer, keras.layers.Conv2DTranspose):  # (y, x, out, in)
        taps = np.outer(*(_interpolation(shape[i], layer.strides[i]) for i in (0, 1)))
        return np.broadcast_to(taps[:, :, None, None] / shape[3], shape)
    if height % 2 == 0 or width % 2 == 0:
        return np.full(shape, 1 / math.prod(shape[:3]))
    kernel = np.zeros(shape)
    kernel[height // 2, width // 2] = 1 / shape[2]
    return kernel


def _interpolation(size, stride):
    """Taps that repeat a pixel where kernels do not overlap, and interpolate between two where they do."""
    if size == stride:
        return np.ones(size)
    return np.maximum(0, 1 - np.abs(np.arange(size) - (size - 1) / 2) / stride)


def _nothing(self, x):
    return keras.ops.zeros((keras.ops.shape(x)[0], self.bins, self.bins, x.shape[-1]), x.dtype)


def bright_corners(height, width, edges):
    """Return one image for each edge: bright above and left of it, dark elsewhere."""
    images = np.zeros((len(edges), height, width, 3), "float32")
    for image, edge in zip(images, edges, strict=True):
        image[:edge, :edge] = 100
    return images


def edges_in(logits):
    """Return, for each image of ``bright_corners``, the last column that has half of the greatest logit or more."""
    profiles = np.max(logits[..., 0], axis=1)
    bright = profiles >= 0.5 * profiles.max(axis=1, keepdims=True)
    return [int(np.nonzero(row)[0].max()) for row in bright]
