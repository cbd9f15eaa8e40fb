"""Classes of well-known data sets, for records that do not say what their values stand for.

One text file a data set, in the format of ``palette``: colour and name of each class, in the order of the
values. `DATASETS` is what ``dataset`` chooses from.
"""

from pathlib import Path

from kerseg.data.formats.labels import Classes
from kerseg.data.sources.camvid import CamVid
from kerseg.data.sources.palettes import read_palette
from kerseg.registry import Registry

DATASETS = Registry(
    "known data set",
    {
        "pascal_voc2012": "kerseg.data.sources.known:pascal_voc2012",
        "cityscapes": "kerseg.data.sources.known:cityscapes",
        "ade20k": "kerseg.data.sources.known:ade20k",
        "camvid": "kerseg.data.sources.known:camvid",
        "pascal_context": "kerseg.data.sources.known:pascal_context",
        "coco_stuff": "kerseg.data.sources.known:coco_stuff",
    },
    aliases={
        "ADE20K": "ade20k",
        "pascal_voc": "pascal_voc2012",
        "pascal_voc_2012": "pascal_voc2012",
        "pascal_voc_seg": "pascal_voc2012",
    },
)
"""Names and aliases as the TensorFlow 1 scripts and DeepLab's spell them."""


def classes(name: str) -> Classes:
    """Return the classes of a data set of `DATASETS`.

    Raises:
        ConfigError: No such data set; the message names the nearest.

    Example:
        >>> classes("pascal_voc2012").names[:3]
        ('background', 'aeroplane', 'bicycle')
    """
    found: Classes = DATASETS.load(name)()
    return found


def pascal_voc2012() -> Classes:
    """PASCAL VOC 2012: 21 classes, objects and background."""
    return table("pascal_voc2012")


def cityscapes() -> Classes:
    """Cityscapes: the 19 classes that are scored, by train id."""
    return table("cityscapes")


def ade20k() -> Classes:
    """ADE20K, scene parsing: 151 classes, 0 for what is none of the 150."""
    return table("ade20k")


def camvid() -> Classes:
    """CamVid as prepared for SegNet: 11 classes."""
    return CamVid.classes


def pascal_context() -> Classes:
    """PASCAL-Context: 60 classes, 0 for what is none of the 59."""
    return table("pascal_context")


def coco_stuff() -> Classes:
    """COCO-Stuff: 182 classes, value + 1 is the id; eleven never occur."""
    return table("coco_stuff")


def table(name: str) -> Classes:
    """Return the classes of the text file of this name in this folder."""
    return read_palette((str(Path(__file__).with_name(f"{name}.txt")),))
