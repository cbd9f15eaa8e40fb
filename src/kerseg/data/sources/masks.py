"""What sources have in common whose labels are images: of grey values, or of colours."""

from dataclasses import dataclass
from typing import ClassVar

from kerseg.data.sources.base import Source


@dataclass(frozen=True, kw_only=True)
class MaskSource(Source):
    """Base of such a source, with the options that say what values and colours stand for."""

    class_names: tuple[str, ...] = ()
    """Names of the classes in the order of their values, or a text file with one name on each line."""
    number_classes: bool = False
    """Do without names: a class for each value from 0 to the highest in the labels, 255 ignored."""
    palette: tuple[str, ...] = ()
    """Colour of each class: a file (R G B or #rrggbb on each line, then the class name; 'ignore' for colours
    to leave out), the name of a source, or the colours themselves: '#000000' '#800000'."""
    label_values: tuple[int, ...] = ()
    """Values of the classes in grey labels, in the order of the class names; by default 0 1 2 and so on."""
    ignore_values: tuple[int, ...] | None = None
    """Values in grey labels that stand for no class; by default 255, unless it is one of the label values."""

    name: ClassVar[str] = ""
    options_title: ClassVar[str] = "What labels hold"
    """Above these options in the help of the command line."""
