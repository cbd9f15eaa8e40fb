"""What kerseg raises.

    KersegError
    |-- DataError      images, labels, records, dataset.json
    |-- ConfigError    names, options, recipes
    `-- WeightsError   checkpoints and model files

The three are also ``ValueError``, so code that knows nothing of kerseg can catch them. A message says what
is wrong, what was given, what is allowed and what to do; for data and files the path comes first.
"""


class KersegError(Exception):
    """Base of everything kerseg raises on purpose: a mistake that its reader can mend."""


class DataError(KersegError, ValueError):
    """An image, a label, a record file or a data set is not what it must be."""


class ConfigError(KersegError, ValueError):
    """A name, an option or a recipe is not one kerseg knows, or does not fit the others."""


class WeightsError(KersegError, ValueError):
    """A checkpoint or model file cannot be read, or does not fit the model."""
