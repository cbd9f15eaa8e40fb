"""The version, in a file of its own so that nothing imports the package's face to know it."""

__version__ = "0.2.0"
