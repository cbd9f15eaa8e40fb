"""What the names of drawn shapes become: classes, pixels to ignore, and what lies outside all shapes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kerseg.core.info import IGNORE_LABEL, Colour, default_palette
from kerseg.data.formats.labels import Classes
from kerseg.errors import ConfigError
from kerseg.registry import nearest


@dataclass(frozen=True)
class ClassMapping:
    """Names of shapes and the values their pixels get."""

    classes: Classes
    values: Mapping[str, int]
    """Name of a shape -> class index, or 255."""
    outside: int
    """Value of the pixels in no shape: class index, or 255."""

    def known(self) -> str:
        """Return the names for a message, none too many."""
        names = list(self.values)
        return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def class_mapping(
    names: Iterable[str],
    *,
    background: str = "",
    ignored: Iterable[str] = (),
    colours: Mapping[str, Colour] | None = None,
) -> ClassMapping:
    """Return the classes that shapes of these names make.

    Args:
        names: In the order of the classes; a name that comes twice is one class.
        background: Class of the pixels in no shape: one of ``names``, or a further one that becomes the first.
            ``""``: they are ignored.
        ignored: Those of ``names`` whose pixels are ignored.
        colours: Of the classes; used if each has one of its own, else they are PASCAL VOC's.

    Raises:
        ConfigError: ``ignored`` has a name that is none, or there is nothing to tell apart, or there are more
            classes than fit into a label.

    Example:
        >>> class_mapping(["cat", "dog"], background="ground").values
        {'ground': 0, 'cat': 1, 'dog': 2}
    """
    known, dropped = list(dict.fromkeys(names)), set(ignored)
    for name in sorted(dropped - set(known)):
        raise ConfigError(
            f"`ignore_classes`: no class is called {name!r}.{nearest(name, known)} Classes: {', '.join(known)}."
        )
    if background in dropped:
        raise ConfigError(
            f"`background={background!r}`: `ignore_classes` names it too. It can mean only one thing."
        )
    first = [background] if background and background not in known else []
    classes = first + [name for name in known if name not in dropped]
    if len(classes) == 1 and not background:
        raise ConfigError(
            f"There is one class, {classes[0]!r}, and all else is ignored, so there is nothing to learn. Give "
            "`background=NAME`: a class for the pixels in no shape."
        )
    if not classes:
        raise ConfigError("There are no classes: nothing is drawn, or `ignore_classes` names all of it.")
    if len(classes) > IGNORE_LABEL:
        raise ConfigError(
            f"At most {IGNORE_LABEL} classes fit into 8-bit labels. Received: {len(classes)} names."
        )
    values = {name: index for index, name in enumerate(classes)} | dict.fromkeys(
        sorted(dropped), IGNORE_LABEL
    )
    given = {**dict.fromkeys(first, (0, 0, 0)), **(colours or {})}
    palette = tuple(given[name] for name in classes if name in given)
    if len(set(palette)) < len(classes):
        palette = default_palette(len(classes))
    return ClassMapping(Classes(tuple(classes), palette), values, values.get(background, IGNORE_LABEL))
