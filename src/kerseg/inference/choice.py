"""Which engine predicts, and in what precision, where the user leaves it open.

The engine is the fastest that is installed: OpenVINO, on a CPU under TensorFlow. bfloat16 is another two to four
times as fast on a CPU that has it, and rounds: it is taken where it gives float32's labels on the first images.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from kerseg.errors import ConfigError
from kerseg.inference import RUNTIMES

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from kerseg.inference.predictor import Predictor
    from kerseg.inference.procedure import Procedure

Precision = Literal["auto", "float32", "bfloat16"]

TRIAL = 4
"""Images on which the precisions are compared; where there are no more, the comparison would take longer than
they do, and float32 it is."""
AGREEMENT = 0.999
"""Share of their pixels on which bfloat16 must give the labels of float32."""
AUTO = "auto"


@dataclass(frozen=True)
class Choice:
    """What predicts."""

    predictor: "Predictor"
    runtime: str
    precision: str
    reason: str = ""
    """Of the choice, if there was one."""

    def __str__(self) -> str:
        return f"runtime {self.runtime}, {self.precision}{self.reason and ': '}{self.reason}"


def check_runtime(runtime: str, precision: str) -> None:
    """Refuse unknown names before anything is imported.

    Raises:
        ConfigError: There is no such runtime or precision, or they contradict each other.
    """
    if runtime != AUTO:
        RUNTIMES.resolve(runtime)
    if precision not in ("auto", "float32", "bfloat16"):
        raise ConfigError(f"`precision` is auto, float32 or bfloat16. Received: {precision!r}.")
    if runtime == "openvino_bf16" and precision == "float32":
        raise ConfigError(
            "`runtime='openvino_bf16'` computes in bfloat16. For float32 give `runtime='openvino'`."
        )


def decide(
    model: "keras.Model",
    samples: "Sequence[NDArray[Any]]",
    *,
    procedure: "Procedure",
    runtime: str = AUTO,
    precision: str = AUTO,
    wanted: bool = False,
) -> Choice:
    """Choose the runtime and the precision that are left open.

    Args:
        model: What is to be predicted with.
        samples: The first batches of images (batch, height, width, channels).
        procedure: What will be done with the model; its CRF is left out of the comparison.
        runtime: Name of a runtime, or ``"auto"``.
        precision: ``"float32"``, ``"bfloat16"`` or ``"auto"``.
        wanted: Whether probabilities will be asked for.

    Raises:
        ConfigError: The runtime is not installed, or does not have the precision.
    """
    from kerseg.inference.predictor import Predictor

    if runtime == "openvino_bf16":
        runtime, precision = "openvino", "bfloat16"
    name = fastest() if runtime == AUTO else runtime
    if runtime == AUTO and precision == "bfloat16":
        name = "openvino"
    first = "bfloat16" if precision == "bfloat16" else "float32"
    choice = Choice(Predictor(model, runtime=name, precision=first), name, first)
    if runtime == AUTO and name != "keras" and precision != "bfloat16" and samples:
        try:
            _labels(choice.predictor, procedure, samples[:1], wanted)
        # An engine raises whatever it likes at an operation that it does not know.
        except Exception as error:
            reason = (str(error).strip() or repr(error)).splitlines()[0][:120]
            return Choice(Predictor(model), "keras", first, f"{name} cannot run this model ({reason})")
    return (
        _compared(choice, procedure, samples, wanted) if (precision, name) == (AUTO, "openvino") else choice
    )


def fastest() -> str:
    """Return the runtime that is fastest on this machine, of those installed."""
    import keras

    from kerseg.inference.runtimes import has_openvino

    if keras.backend.backend() != "tensorflow" or not has_openvino():
        return "keras"
    import tensorflow as tf

    return "keras" if tf.config.list_physical_devices("GPU") else "openvino"


def _compared(
    choice: Choice, procedure: "Procedure", samples: "Sequence[NDArray[Any]]", wanted: bool
) -> Choice:
    """Return the choice of bfloat16 if it qualifies, else that of float32, with the reason."""
    from kerseg.inference.runtimes import has_bfloat16

    if not has_bfloat16():
        return replace(choice, reason="this CPU has no bfloat16")
    count = sum(len(batch) for batch in samples)
    if count < TRIAL:
        return replace(choice, reason="too few images to try bfloat16")
    other = choice.predictor.in_precision("bfloat16")
    pairs = zip(
        *(_labels(each, procedure, samples, wanted) for each in (choice.predictor, other)), strict=True
    )
    import numpy as np

    same = float(np.concatenate([(a == b).ravel() for a, b in pairs]).mean())
    found = f"labels as in float32 on {100 * same:.2f} % of the pixels of the first {count} images"
    if same < AGREEMENT:
        return replace(choice, reason=f"bfloat16 gives {found}")
    return Choice(other, choice.runtime, "bfloat16", found)


def _labels(
    predictor: "Predictor", procedure: "Procedure", samples: "Sequence[NDArray[Any]]", wanted: bool
) -> "list[NDArray[Any]]":
    from kerseg.inference.segmenter import Segmenter

    segmenter = Segmenter(predictor, replace(procedure, crf=None))
    # As it will be called: labels alone come from a graph of their own.
    wanted = wanted or procedure.crf is not None
    return [segmenter.both(images, wanted)[0] for images in samples]
