"""The verbs that only the command line has."""

from kerseg.registry import Registry

OWN = Registry(
    "verb",
    {
        "quickstart": "kerseg.cli.quickstart:quickstart",
        "list": "kerseg.cli.listing:list_names",
    },
)
