"""A model as a function from images to labels: compiled once, for any image size, on each backend."""

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from kerseg.errors import ConfigError, DataError
from kerseg.inference import RUNTIMES
from kerseg.inference.runtimes import OpenVino, Run

Images = NDArray[Any]
Example = Mapping[str, Any]
"""At least ``image``, uint8 or float32 (height, width, channels)."""


class Predictor:
    """Predicts with a model in inference mode (no dropout, stored batch statistics).

    The step from logits to labels is part of the compiled function, and images enter it as they are (uint8
    stays uint8 up to the model), so that only small arrays cross the border. In Keras weights are read at each
    call: a predictor made before training serves the weights after it.

    Args:
        model: A functional model (batch, height, width, channels) -> logits (batch, height, width, C).
        runtime: What runs it, a name of `kerseg.inference.RUNTIMES`. ``"openvino"`` is faster on a CPU, and keeps
            the weights of its first prediction.
        precision: In what it computes: ``"float32"``, or, in OpenVINO, ``"bfloat16"``.

    Raises:
        ConfigError: The model has several outputs, or another shape; or the runtime is unknown, not installed,
            or not for this backend.

    Example:
        >>> predictor = Predictor(kerseg.models.build("unet", num_classes=11, width=2))
        >>> predictor(np.zeros((1, 36, 48, 3), "uint8")).shape
        (1, 36, 48)
    """

    def __init__(self, model: keras.Model, *, runtime: str = "keras", precision: str = "float32"):
        outputs = [tuple(tensor.shape) for tensor in model.outputs]
        if len(outputs) != 1 or len(outputs[0]) != 4:
            raise ConfigError(
                "A predictor needs a model with one output (batch, height, width, classes). "
                f"{model.name!r} gives {outputs}."
            )
        self.model = model
        self.num_classes = int(outputs[0][-1])
        self.num_channels = int(model.inputs[0].shape[-1])
        self._size: tuple[int | None, int | None] = tuple(model.inputs[0].shape[1:3])
        run_in = RUNTIMES.load(runtime)
        self._labels: Run = run_in(model, self._argmax, precision=precision)
        self._probabilities: Run = run_in(model, _softmax, precision=precision)

    def in_precision(self, precision: str) -> "Predictor":
        """Return the same graph in another precision, if it is one of OpenVINO's."""
        twin = copy(self)
        for name in ("_labels", "_probabilities"):
            run = getattr(self, name)
            setattr(twin, name, run.in_precision(precision) if isinstance(run, OpenVino) else run)
        return twin

    def __call__(self, images: Images) -> NDArray[Any]:
        """Return the most probable class of each pixel.

        Args:
            images: RGB or what else the model takes, 0 to 255, uint8 or float (batch, height, width, channels).

        Returns:
            Class indices (batch, height, width): uint8, or int32 above 256 classes.

        Raises:
            DataError: As `check`.
        """
        return self._labels(self.check(images))

    def probabilities(self, images: Images) -> NDArray[np.float32]:
        """Return the probability of each class at each pixel: the softmax of the logits.

        Args:
            images: As for a call.

        Returns:
            float32 (batch, height, width, C), 0 to 1, with sum 1 over the classes.

        Raises:
            DataError: As `check`.
        """
        return self._probabilities(self.check(images))

    def _argmax(self, logits: Any) -> Any:
        if keras.backend.backend() == "tensorflow":
            # Half the processor time of tf.argmax for 19 classes (benchmarks/choices.py, argmax). Of equal logits
            # both take the first.
            import tensorflow as tf

            best = tf.math.top_k(logits, k=1).indices[..., 0]
        else:
            best = keras.ops.argmax(logits, axis=-1)
        return keras.ops.cast(best, "uint8" if self.num_classes <= 256 else "int32")

    def check(self, images: Images) -> Images:
        """Return the images as the compiled function takes them, uint8 or float32.

        Raises:
            DataError: Not (batch, height, width, channels), or not of the channels or the one size that the model
                takes.
        """
        images = np.asarray(images)
        if images.ndim != 4 or images.shape[-1] != self.num_channels:
            raise DataError(
                f"Images come as (batch, height, width, {self.num_channels}). Received: {images.shape}."
            )
        for given, needed in zip(images.shape[1:3], self._size, strict=True):
            if needed not in (None, given):
                raise DataError(
                    f"This model takes images of {self._size[0]}x{self._size[1]} pixels only (height x "
                    f"width). Received: {images.shape[1]}x{images.shape[2]}."
                )
        return images if images.dtype == np.uint8 else images.astype(np.float32)


def batches(examples: Iterable[Example], batch_size: int) -> Iterator[list[Example]]:
    """Group neighbours of the same image size, at most ``batch_size`` at a time; the order stays.

    Example:
        >>> upright, lying = {"image": np.zeros((4, 3, 3))}, {"image": np.zeros((3, 4, 3))}
        >>> [len(batch) for batch in batches([upright] * 3 + [lying] * 3, 4)]
        [3, 3]
    """
    batch: list[Example] = []
    for example in examples:
        if batch and (len(batch) == batch_size or example["image"].shape != batch[0]["image"].shape):
            yield batch
            batch = []
        batch.append(example)
    if batch:
        yield batch


def _softmax(logits: Any) -> Any:
    return keras.ops.softmax(logits, axis=-1)
