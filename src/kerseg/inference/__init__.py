"""From images to labels: ``predictor.py`` compiles a model once, for any backend and image size."""

from kerseg.registry import Registry

RUNTIMES = Registry(
    "runtime",
    {
        "keras": "kerseg.inference.runtimes:in_keras",
        "openvino": "kerseg.inference.runtimes:in_openvino",
        "openvino_bf16": "kerseg.inference.runtimes:in_openvino_bf16",
    },
)
"""What can run a model in prediction."""
