"""What single choices in the code are worth: the way taken beside the usual one, CPU time of each.

    python benchmarks/choices.py [--only argmax dilated]

Docstrings that give such a figure name this file. Both ways run in one process, a thread each, in turns; the table
has the medians. CPU time hardly changes with what else the machine does, but a first look at it says little: run it
with a few ``--rounds``.
"""

import argparse
import io
import os
import statistics
import time
from collections.abc import Callable
from functools import cache
from typing import Any

for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

import kept  # noqa: E402

Ways = tuple[Callable[[], object], Callable[[], object]]
"""kerseg's and the usual one."""


@cache
def noise(*shape: int) -> Any:
    import tensorflow as tf

    return tf.random.stateless_normal(shape, (0, 1))


def trained(layer: Any, x: Any) -> Callable[[], object]:
    """Return a training pass forwards and backwards through a layer, compiled."""
    import tensorflow as tf

    layer.build(x.shape)

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        return tape.gradient(y, [x, *layer.trainable_variables])

    return step


def colours() -> Ways:
    """Brightness, contrast, saturation and hue of 512x512 pixels: one affine map, or tf.image one by one."""
    import tensorflow as tf

    from kerseg.augment.colour import distort
    from kerseg.augment.options import Augment

    image = tf.clip_by_value(128 + 40 * noise(512, 512, 3), 0, 255)
    augment = Augment(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05)
    ours = tf.function(lambda: distort(image, tf.constant((0, 1), tf.int64), augment))

    @tf.function
    def usual() -> Any:
        x = tf.image.adjust_contrast(tf.image.adjust_brightness(image / 255, 0.1), 1.1)
        return tf.image.adjust_hue(tf.image.adjust_saturation(x, 1.1), 0.02)

    return ours, usual


def argmax() -> Ways:
    """The best of 19 classes at 1024x2048: top_k, or argmax."""
    import tensorflow as tf

    logits = noise(1, 1024, 2048, 19)
    return tf.function(lambda: tf.math.top_k(logits, k=1).indices), tf.function(lambda: tf.argmax(logits, -1))


def batch_norm() -> Ways:
    """Batch normalisation of 2x88x120x64, forwards and backwards: TensorFlow's kernel, or Keras's layer."""
    import keras

    from kerseg.layers.norm import BatchNorm

    x = noise(2, 88, 120, 64)
    return trained(BatchNorm(), x), trained(keras.layers.BatchNormalization(), x)


def prelu() -> Ways:
    """PReLU of 2x88x120x64, forwards and backwards: kerseg's, or Keras's."""
    import keras

    from kerseg.layers.activation import PReLU

    x = noise(2, 88, 120, 64)
    return trained(PReLU(shared_axes=[1, 2]), x), trained(keras.layers.PReLU(shared_axes=[1, 2]), x)


def pointwise() -> Ways:
    """A 1x1 convolution of 2x44x60x128 to 32, forwards and backwards: a matrix product, or Keras's layer."""
    import keras

    from kerseg.layers.conv import PointwiseConv

    x = noise(2, 44, 60, 128)
    return trained(PointwiseConv(32), x), trained(keras.layers.Conv2D(32, 1, use_bias=False), x)


def dilated() -> Ways:
    """ASPP's branch of rate 18, 2048 to 256 channels on 16x20: TensorFlow's dilation, or Keras's layer."""
    import keras
    import tensorflow as tf

    from kerseg.layers.conv import DilatedConv

    x = noise(1, 16, 20, 2048)
    built = [kind(256, 3, dilation_rate=18, padding="same") for kind in (DilatedConv, keras.layers.Conv2D)]
    ours, usual = (tf.function(lambda layer=layer: layer(x)) for layer in built)
    return ours, usual


def cropped() -> Ways:
    """The gradient of a crop of 2x360x480x19: tf.slice, or x[:, a:b, c:d]."""
    import tensorflow as tf

    x = noise(2, 360, 480, 19)

    def gradient(crop: Callable[[Any], Any]) -> Callable[[], object]:
        @tf.function
        def step() -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = crop(x)
            return tape.gradient(y, x)

        return step

    return (
        gradient(lambda x: tf.slice(x, (0, 3, 3, 0), (2, 352, 472, 19))),
        gradient(lambda x: x[:, 3:355, 3:475]),
    )


def flipped() -> Ways:
    """A window of 512x512 flipped: tf.reverse, or [:, ::-1]."""
    import tensorflow as tf

    x = tf.cast(128 + 40 * noise(512, 512, 3), tf.uint8)
    return tf.function(lambda: tf.reverse(x, [1])), tf.function(lambda: x[:, ::-1])


@cache
def label() -> np.ndarray:
    """Return a label of large regions, 1024x2048, 19 classes."""
    coarse = np.random.default_rng(0).normal(size=(19, 16, 32))
    planes = [Image.fromarray(plane.astype(np.float32)).resize((2048, 1024)) for plane in coarse]
    return np.stack([np.asarray(plane) for plane in planes]).argmax(0).astype(np.uint8)


@cache
def photograph() -> Image.Image:
    """Return an image of 1024x2048 with smooth and with noisy places."""
    random = np.random.default_rng(0)
    smooth = Image.fromarray(random.integers(0, 256, (16, 32, 3), "uint8")).resize((2048, 1024))
    noisy = np.asarray(smooth, np.float32) + random.normal(0, 8, (1024, 2048, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def png(image: Image.Image, level: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=level)
    return buffer.getvalue()


def labels() -> Ways:
    """A label of 1024x2048 and 19 classes decoded: unfiltered rows, or as Pillow writes them."""
    import tensorflow as tf

    from kerseg.data.formats.records import encode_label

    ours, usual = encode_label(label()), png(Image.fromarray(label()), 6)
    return (
        lambda: tf.io.decode_png(ours, channels=1),
        lambda: tf.io.decode_png(usual, channels=1),
    )


def previews() -> Ways:
    """A preview of 1024x2048 written: zlib's level 1, or Pillow's default of 6."""
    return lambda: png(photograph(), 1), lambda: png(photograph(), 6)


def slices() -> Ways:
    """A slice of 512x512 numbers of 16 bits compressed: zlib's level 1, or 9."""
    import zlib

    grey = np.asarray(photograph().convert("L").crop((0, 0, 512, 512)), np.int16) * 4 - 1000
    return lambda: zlib.compress(grey.tobytes(), 1), lambda: zlib.compress(grey.tobytes(), 9)


def checked() -> Ways:
    """A JPEG of 1024x2048: all scans read and next to no pixels made, or decoded."""
    from kerseg.data.formats.flaws import flaw

    buffer = io.BytesIO()
    photograph().save(buffer, "JPEG", quality=90)
    data = buffer.getvalue()
    opened = Image.open(io.BytesIO(data))
    return lambda: flaw(data, opened), lambda: Image.open(io.BytesIO(data)).load()


def adam() -> Ways:
    """ENet's Adam step traced: one kernel a variable, or Keras's Adam."""
    import keras
    import tensorflow as tf

    from kerseg import models
    from kerseg.optim import optimizers

    variables = models.build("enet", num_classes=11).trainable_variables

    def traced(kind: Any) -> Callable[[], object]:
        optimizer = kind(1e-3)
        optimizer.build(variables)

        def trace() -> object:
            step = tf.function(lambda: optimizer.apply([tf.ones_like(v) for v in variables], variables))
            return step.get_concrete_function()

        return trace

    return traced(optimizers.Adam), traced(keras.optimizers.Adam)


CHOICES: dict[str, Callable[[], Ways]] = {
    function.__name__: function
    for function in (
        *(colours, argmax, batch_norm, prelu, pointwise, dilated, cropped, flipped),
        *(labels, previews, slices, checked, adam),
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=CHOICES, default=list(CHOICES), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each (default: 7)")
    kept.add_option(parser, "choices")
    options, began, rows = parser.parse_args(), kept.environment(), []
    print("| name | what | kerseg, ms | usual, ms | ratio |\n|---|---|---:|---:|---:|")
    for name in options.only:
        ways = CHOICES[name]()
        taken: tuple[list[float], list[float]] = ([], [])
        for number in range(options.rounds + 1):
            for way, times in zip(ways, taken, strict=True):
                start = time.process_time()
                way()
                if number:  # the first compiles
                    times.append(1000 * (time.process_time() - start))
        ours, usual = map(statistics.median, taken)
        what = (CHOICES[name].__doc__ or "").partition("\n")[0].rstrip(".")
        print(f"| `{name}` | {what} | {ours:.1f} | {usual:.1f} | {usual / ours:.1f} |", flush=True)
        rows.append({"name": name, "what": what, "kerseg_ms": taken[0], "usual_ms": taken[1]})
    kept.write(options, began, rows)


if __name__ == "__main__":
    main()
