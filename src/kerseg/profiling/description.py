"""``kerseg.describe``: what a model is and what it costs."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerseg import models
from kerseg.core.console import note
from kerseg.core.options import refuse_nul
from kerseg.core.ranges import check_batch, check_range
from kerseg.core.tensorflow import import_tensorflow
from kerseg.errors import ConfigError
from kerseg.profiling.figures import SIZE, is_name
from kerseg.profiling.footprint import ROOM

if TYPE_CHECKING:  # they import Keras, and a refused option must not wait for that
    import keras

    from kerseg.profiling.measurement import Description


def describe(
    model: "keras.Model | str | Path",
    *,
    size: tuple[int, int] | int = SIZE,
    num_classes: int | None = None,
    batch_size: int = 1,
    model_options: Mapping[str, Any] | None = None,
    measure: bool = True,
) -> "Description":
    """Show what a model is, what it costs, and what it can start from.

    Multiply-adds and parameters are counted. Measured on this machine are the time of a prediction and, in a
    process of its own, the memory of a training step, which has to be free.

    Args:
        model: Architecture, run folder, .keras file, or a model in memory; a name wins over a folder that is
            called the same.
        size: Height and width of the images, in pixels; one number for both.
        num_classes: Classes, 1 or more; default: 21, or those of the model file.
        batch_size: Images at a time, in prediction and training, 1 or more.
        model_options: Options of an architecture, such as its width.
        measure: Measure the forward time here, and the memory of a training step in a process of its own. It
            takes from seconds to minutes, and the memory of the step.

    Returns:
        The figures.

    Raises:
        ConfigError: No such model or option, or a number out of range.
        WeightsError: The model file is missing, damaged or no segmentation model.

    Example:
        >>> kerseg.describe("pspnet", size=473, measure=False).losses
        {'logits': 1.0, 'auxiliary': 0.4}
    """
    refuse_nul(locals())
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise ConfigError(f"`size` takes 1 or more pixels. Received: {height} {width}.")
    check_range("batch_size", batch_size, least=1)
    if measure:
        check_batch("size", (height, width), batch_size)
    if isinstance(model, str) and is_name(model):
        models.check(model, model_options or {}, option="model")
    if "keras" not in sys.modules:
        os.environ.update({name: value for name, value in ROOM.items() if name not in os.environ})
    import_tensorflow()
    from kerseg.profiling.measurement import described

    if measure:
        note("Measuring; the memory of a training step takes longest ...")
    return described(
        model,
        size=(height, width),
        num_classes=num_classes,
        batch_size=batch_size,
        model_options=model_options or {},
        measure=measure,
    )
