"""TensorFlow without its greeting.

Importing TensorFlow 2.21 prints a dozen lines about oneDNN, CUDA and CPU instructions to standard error, and
no setting silences those written before its logging starts. They say nothing that a user of kerseg can use,
and they push what kerseg says off the screen.
"""

import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from kerseg.errors import ConfigError
from kerseg.registry import nearest

BACKENDS = ("tensorflow", "jax", "torch")


def import_tensorflow() -> None:
    """Import TensorFlow and look for its devices, without the lines that both print.

    Does nothing where TensorFlow is imported already. Raises what the import raises, its lines first.

    Raises:
        ConfigError: ``KERAS_BACKEND`` names a backend that kerseg does not run on, or that is not installed.
    """
    if "tensorflow" in sys.modules:
        return
    _check_backend(os.environ.get("KERAS_BACKEND", ""))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _held_back():
        import tensorflow

        tensorflow.config.list_physical_devices()


def _check_backend(name: str) -> None:
    if name not in ("", *BACKENDS):
        raise ConfigError(
            f"KERAS_BACKEND is {name!r}.{nearest(name, BACKENDS)} Known: {', '.join(BACKENDS)}. Set the "
            "environment variable to one of them, or unset it."
        )
    if name and find_spec(name) is None:
        raise ConfigError(
            f"KERAS_BACKEND is {name!r}, which is not installed. Install it: pip install 'kerseg[{name}]'"
        )


@contextmanager
def system_errors() -> Iterator[None]:
    """Raise what TensorFlow makes of an error of the system inside the block as the `OSError` that it was.

    Raises:
        OSError: A file could not be read or written. TensorFlow's other errors pass unchanged.
    """
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        # TensorFlow's words: "{{function_node ...}} data/train.tfrecord; Permission denied".
        for number in errno.errorcode:
            before, found, _ = error.message.partition(f"; {os.strerror(number)}")
            if found:
                path = before.rpartition("}} ")[2].rpartition("\n")[2]
                raise OSError(number, os.strerror(number), path) from error
        raise


@contextmanager
def _held_back() -> Iterator[None]:
    """Hold back what is written to standard error, also by C++; show it after all if the block fails."""
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(real, kept.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(real, 2)
            os.close(real)
