"""Raw data sets that `kerseg convert` reads: one file each, and one line in `SOURCES`.

A source is a frozen dataclass that follows `kerseg.data.sources.base.Source`: its fields are its options on
the command line. Importing one costs no TensorFlow.
"""

from kerseg.registry import Registry

SOURCES = Registry(
    "source",
    {
        "ade20k": "kerseg.data.sources.ade20k:Ade20k",
        "camvid": "kerseg.data.sources.camvid:CamVid",
        "cityscapes": "kerseg.data.sources.cityscapes:Cityscapes",
        "coco_json": "kerseg.data.sources.coco_json:CocoJson",
        "coco_stuff": "kerseg.data.sources.coco_stuff:CocoStuff",
        "cvat_xml": "kerseg.data.sources.cvat_xml:CvatXml",
        "drive": "kerseg.data.sources.drive:Drive",
        "folder": "kerseg.data.sources.folder:Folder",
        "huggingface": "kerseg.data.sources.huggingface:HuggingFace",
        "isbi2012": "kerseg.data.sources.isbi2012:Isbi2012",
        "isic2018": "kerseg.data.sources.isic2018:Isic2018",
        "kvasir_seg": "kerseg.data.sources.kvasir_seg:KvasirSeg",
        "labelme": "kerseg.data.sources.labelme:Labelme",
        "loveda": "kerseg.data.sources.loveda:LoveDA",
        "oxford_pets": "kerseg.data.sources.oxford_pets:OxfordPets",
        "pascal_context": "kerseg.data.sources.pascal_context:PascalContext",
        "sbd": "kerseg.data.sources.sbd:Sbd",
        "voc2012": "kerseg.data.sources.voc2012:Voc2012",
        "voc2012_aug": "kerseg.data.sources.voc2012_aug:Voc2012Aug",
        "voc2012_restricted": "kerseg.data.sources.voc2012_restricted:Voc2012Restricted",
        "yolo_seg": "kerseg.data.sources.yolo_seg:YoloSeg",
    },
)
