"""Raw data sets that `kerseg convert` reads: one file each, and one line in `SOURCES`.

A source is a frozen dataclass that follows `kerseg.data.sources.base.Source`: its fields are its options on
the command line. Importing one costs no TensorFlow.
"""

from kerseg.registry import Registry

SOURCES = Registry(
    "source",
    {
        "camvid": "kerseg.data.sources.camvid:CamVid",
        "coco_json": "kerseg.data.sources.coco_json:CocoJson",
        "folder": "kerseg.data.sources.folder:Folder",
        "sbd": "kerseg.data.sources.sbd:Sbd",
        "voc2012": "kerseg.data.sources.voc2012:Voc2012",
        "voc2012_aug": "kerseg.data.sources.voc2012_aug:Voc2012Aug",
        "voc2012_restricted": "kerseg.data.sources.voc2012_restricted:Voc2012Restricted",
    },
)
