"""Convolutions, and the convolution with batch normalisation that most architectures are made of."""

import functools
from typing import Any

import keras
from keras import layers, ops

from kerseg.core.tensor import Tensor
from kerseg.layers.norm import BatchNorm


@keras.saving.register_keras_serializable("kerseg")
class PointwiseConv(keras.layers.Conv2D):
    """``keras.layers.Conv2D(filters, 1, use_bias=False)``, whose training step is a matrix product.

    The numbers are the same. On the CPU TensorFlow takes longer for the gradient of a 1x1 kernel than for
    that of the same matrix (``benchmarks/choices.py``, pointwise); without training it stays a convolution,
    because that is what TensorFlow and the exporters merge with the batch normalisation after it.

    Args:
        filters: Output channels.
        name: The layer's name.
        **kwargs: What else ``keras.layers.Conv2D`` takes of a kernel's initialisation and of every layer.

    Example:
        >>> PointwiseConv(64)(keras.ops.ones((2, 8, 8, 16))).shape
        (2, 8, 8, 64)
    """

    def __init__(self, filters: int, *, name: str | None = None, **kwargs: Any):
        super().__init__(filters, 1, use_bias=False, name=name, **kwargs)

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Convolve ``(batch, height, width, channels)``."""
        if not training:
            return super().call(inputs)
        _, height, width, channels = ops.shape(inputs)
        x = ops.matmul(
            ops.reshape(inputs, (-1, channels)), ops.reshape(self.kernel, (channels, self.filters))
        )
        return ops.reshape(x, (-1, height, width, self.filters))

    def get_config(self) -> dict[str, Any]:
        """Return what rebuilds the layer."""
        initializer = keras.saving.serialize_keras_object(self.kernel_initializer)
        base = keras.layers.Layer.get_config(self)
        return {**base, "filters": self.filters, "kernel_initializer": initializer}


@keras.saving.register_keras_serializable("kerseg")
class DilatedConv(keras.layers.Conv2D):
    """``keras.layers.Conv2D`` with a ``dilation_rate``, many times faster on TensorFlow and the CPU.

    Keras calls ``tf.nn.convolution``, which cuts the features into ``dilation ** 2`` small maps, convolves those
    and puts them together again. TensorFlow's own kernel takes the dilation as it is: ASPP's branch of rate 18,
    2048 to 256 channels on 16x20 places, takes a twentieth of the time (``benchmarks/choices.py``, dilated). The
    sums are the same in another order.
    A rate of 1 is Keras's own way, so whoever takes a dilation as an option need not ask.

    Example:
        >>> DilatedConv(64, 3, dilation_rate=18, padding="same")(keras.ops.ones((1, 33, 33, 16))).shape
        (1, 33, 33, 64)
    """

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Convolve ``(batch, height, width, channels)``, without bias and activation."""
        if keras.backend.backend() != "tensorflow" or self.dilation_rate == (1, 1) or not _dilates():
            return super().convolution_op(inputs, kernel)
        import tensorflow as tf

        return tf.nn.conv2d(
            inputs, kernel, strides=self.strides, padding=self.padding.upper(), dilations=self.dilation_rate
        )


@functools.cache
def _dilates() -> bool:
    """Tell whether TensorFlow's convolution takes a dilation here, with its gradient: not without oneDNN."""
    import tensorflow as tf

    with tf.init_scope():
        image, kernel = tf.ones((1, 5, 5, 1)), tf.ones((3, 3, 1, 1))
        try:
            with tf.GradientTape() as tape:
                tape.watch([image, kernel])
                convolved = tf.nn.conv2d(image, kernel, strides=1, padding="SAME", dilations=2)
            tape.gradient(convolved, [image, kernel])
        except tf.errors.OpError:
            return False
    return True


def conv(
    x: Tensor,
    filters: int,
    kernel_size: int,
    *,
    name: str,
    strides: int = 1,
    dilation: int = 1,
    use_bias: bool = False,
    initializer: Any = "he_normal",
) -> Tensor:
    """Convolve with the same padding on both sides, as Caffe, PyTorch and TF-Slim's ResNets do.

    At stride 2 Keras's "same" would pad only after the image where its size is even, which moves every window
    by a pixel and with it what pretrained kernels see.

    Args:
        x: ``(batch, height, width, channels)``.
        filters: Output channels.
        kernel_size: Odd number of pixels.
        name: The layer's name.
        strides: Input pixels between two output pixels.
        dilation: Input pixels between two taps of the kernel.
        use_bias: Whether to add a bias.
        initializer: Of the kernel.

    Returns:
        ``(batch, ceil(height / strides), ceil(width / strides), filters)``.
    """
    if kernel_size == strides == 1 and not use_bias:
        return PointwiseConv(filters, kernel_initializer=initializer, name=name)(x)
    if strides > 1 and kernel_size > 1:
        x = layers.ZeroPadding2D(dilation * (kernel_size - 1) // 2, name=f"{name}_pad")(x)
    return DilatedConv(
        filters,
        kernel_size,
        strides=strides,
        dilation_rate=dilation,
        padding="valid" if strides > 1 else "same",
        use_bias=use_bias,
        kernel_initializer=initializer,
        name=name,
    )(x)


def conv_norm(
    x: Tensor,
    filters: int,
    kernel_size: int,
    *,
    name: str,
    strides: int = 1,
    dilation: int = 1,
    relu: bool = True,
    momentum: float = 0.9,
    frozen: bool = False,
) -> Tensor:
    """Convolve without bias, normalise over the batch, and rectify.

    Args:
        x: ``(batch, height, width, channels)``.
        filters: Output channels.
        kernel_size: Odd number of pixels.
        name: Prefix of the layers' names: ``{name}_conv``, ``{name}_bn``, ``{name}_relu``.
        strides: As of ``conv``.
        dilation: As of ``conv``.
        relu: Whether a ReLU follows.
        momentum: What the running statistics keep at each step.
        frozen: Normalise with the running statistics in training too, and train neither scale nor shift.

    Returns:
        ``(batch, ceil(height / strides), ceil(width / strides), filters)``.

    Example:
        >>> conv_norm(keras.Input((65, 65, 64)), 128, 3, strides=2, name="down").shape
        (None, 33, 33, 128)
    """
    x = conv(x, filters, kernel_size, strides=strides, dilation=dilation, name=f"{name}_conv")
    return norm(x, name=name, relu=relu, momentum=momentum, frozen=frozen)


def norm(x: Tensor, *, name: str, relu: bool = True, momentum: float = 0.9, frozen: bool = False) -> Tensor:
    """Normalise over the batch and rectify: ``conv_norm`` without its convolution, and with its arguments."""
    x = BatchNorm(momentum=momentum, epsilon=1e-5, trainable=not frozen, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x) if relu else x
