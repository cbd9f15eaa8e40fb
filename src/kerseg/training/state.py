"""All that a training step changes, by name: what is saved, and put back to go on from there."""

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np

from kerseg.errors import ConfigError
from kerseg.training.run import Run


class State:
    """Weights, seeds, the optimizer's variables and the running metrics of a compiled model.

    A name is a running number and the variable's own name: paths hold layer names, and Keras counts those up
    with each model that a process builds.

    Args:
        model: Compiled, its optimizer built.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        metrics = {id(variable) for variable in model.metrics_variables}
        groups: dict[str, Iterable[Any]] = {
            "model": [variable for variable in model.variables if id(variable) not in metrics],
            "optimizer": model.optimizer.variables,
            "metrics": model.metrics_variables,
            "random": _torch_random(),
        }
        self.variables = {
            f"{group}/{index:04d}/{variable.name}": variable
            for group, variables in groups.items()
            for index, variable in enumerate(variables)
        }

    def values(self, prefix: str = "") -> dict[str, np.ndarray]:
        """Return copies of the values of the variables whose name begins with ``prefix``."""
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        chosen = {name: variable for name, variable in self.variables.items() if name.startswith(prefix)}
        # Copies, because with PyTorch an array is a view of the variable, which the next step changes.
        return {name: np.array(_numpy(value)) for name, value in chosen.items()}

    def assign(self, values: Mapping[str, np.ndarray]) -> None:
        """Give variables new values, by name."""
        for name, value in values.items():
            self.variables[name].assign(value)

    def restore(self, values: Mapping[str, np.ndarray], run: Run) -> None:
        """Put back what a run saved.

        Raises:
            ConfigError: It is of another model than the one that the run's ``config.yaml`` builds.
        """
        shapes = {name: tuple(variable.shape) for name, variable in self.variables.items()}
        if different := set(shapes.items()) ^ {(name, value.shape) for name, value in values.items()}:
            raise ConfigError(
                f"{run.state_file}: {len(different)} variables do not fit the model that "
                f"{run.config_file} builds, such as {min(different)[0]}. Was config.yaml or "
                "kerseg changed since the run began?"
            )
        self.assign(values)


def _numpy(variable: Any) -> np.ndarray:
    if isinstance(variable, _TorchRandom):
        return variable.numpy()
    return np.asarray(keras.ops.convert_to_numpy(variable))


class _TorchRandom:
    """PyTorch's own random numbers, which Keras's dropout draws from there, as a variable.

    Args:
        device: ``"cpu"`` or ``"cuda:0"`` and so on.
    """

    def __init__(self, device: str):
        self.device = device
        self.name = "state"
        self.shape = self.numpy().shape

    def numpy(self) -> np.ndarray:
        """Return the generator's state, bytes."""
        import torch

        state = torch.get_rng_state() if self.device == "cpu" else torch.cuda.get_rng_state(self.device)
        return np.array(state.numpy())

    def assign(self, value: np.ndarray) -> None:
        """Set the generator's state."""
        import torch

        state = torch.from_numpy(np.array(value))
        if self.device == "cpu":
            torch.set_rng_state(state)
        else:
            torch.cuda.set_rng_state(state, self.device)


def _torch_random() -> list[_TorchRandom]:
    if keras.backend.backend() != "torch":
        return []
    return [_TorchRandom(device) for device in ["cpu", *(d for d in devices() if d != "cpu")]]


def devices() -> list[str]:
    """Return the names of the devices that the backend sees."""
    if keras.backend.backend() == "torch":  # which keras.distribution knows nothing of
        import torch

        return [f"cuda:{i}" for i in range(torch.cuda.device_count())] or ["cpu"]
    return [str(device) for device in keras.distribution.list_devices()]
