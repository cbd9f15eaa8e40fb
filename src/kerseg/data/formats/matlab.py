"""MATLAB files: the labels of some data sets are variables in a ``.mat``. They are read by SciPy, an extra."""

import io
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kerseg.data.formats.files import BadFileError, read_bytes
from kerseg.errors import DataError


def need_scipy(path: Path) -> None:
    """Refuse to start without the library that reads ``.mat`` files.

    Args:
        path: Folder of such files, for the message.

    Raises:
        DataError: SciPy is not installed.
    """
    if find_spec("scipy") is None:
        raise DataError(f"{path}: labels are .mat files, which SciPy reads: pip install scipy.")


def read_values(path: Path, variable: str, field: str | None = None) -> NDArray[np.integer]:
    """Return a variable of a ``.mat`` file that holds the values of a label.

    Args:
        path: MATLAB file of version 4 to 7.2.
        variable: Its name.
        field: Field of it, if it is a structure.

    Returns:
        ``(height, width)``.

    Raises:
        BadFileError: The file cannot be read, or has no such label.

    Example:
        >>> savemat("label.mat", {"GTcls": {"Segmentation": np.array([[0, 20]], np.uint8)}})
        >>> int(read_values(Path("label.mat"), "GTcls", "Segmentation").max())
        20
    """
    from scipy.io import loadmat, whosmat

    data = read_bytes(path, is_image=False)
    try:
        found = loadmat(io.BytesIO(data), variable_names=[variable]).get(variable)
        names = [] if found is not None else [name for name, *_ in whosmat(io.BytesIO(data))]
    # SciPy raises whatever it stumbles on in a damaged file.
    except Exception as error:
        raise BadFileError(path, f"unreadable: not a MATLAB file that SciPy reads: {error}.") from error
    if found is None:
        raise BadFileError(path, f"no label: it has no {variable}. It has: {', '.join(names) or 'nothing'}.")
    if field is not None:
        if field not in (found.dtype.names or ()):
            raise BadFileError(path, f"no label: {variable} is not a structure with a field {field}.")
        found = found[field].item()
    if found.ndim != 2 or found.dtype.kind not in "ui":
        shape = " x ".join(map(str, found.shape))
        raise BadFileError(
            path, f"unusable label: {shape} values of type {found.dtype}, not a grid of integers."
        )
    return np.asarray(found)
