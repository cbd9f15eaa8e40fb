"""Sources of scenes labelled as a whole: ADE20K, Cityscapes, COCO-Stuff, PASCAL-Context, on tiny trees."""

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from scipy.io import savemat
from trees import HEIGHT, WIDTH, converted, draw_image, lines, mapped, save, values

from kerseg.core.info import default_palette
from kerseg.data.formats.images import BadFileError
from kerseg.data.sources.ade20k import Ade20k
from kerseg.data.sources.cityscapes import Cityscapes
from kerseg.data.sources.coco_stuff import CocoStuff
from kerseg.data.sources.pascal_context import PascalContext
from kerseg.errors import DataError


class TestAde20k:
    SPLITS = (("training", "train"), ("validation", "val"))

    def test_scene_parsing_round_trip(self, tmp_path):
        root, table = tmp_path / "ADEChallengeData2016", {0: 255, 1: 0, 22: 21, 150: 149}
        raw = {}
        for folder, split in self.SPLITS:
            draw_image(root / f"images/{folder}/ADE_{split}_00000001.jpg")
            raw[split] = save(
                root / f"annotations/{folder}/ADE_{split}_00000001.png", values(*table, seed=len(split))
            )
        info, found = converted(Ade20k(root=tmp_path), tmp_path / "out")
        assert (info.name, info.num_classes, list(info.splits)) == ("ade20k", 150, ["train", "val"])
        for split in found:
            np.testing.assert_array_equal(found[split][f"ADE_{split}_00000001"], mapped(raw[split], table))

    @pytest.mark.parametrize("images", ["ADE20K_2021_17_01/images/ADE", "ADE20K_2016_07_26/images"])
    def test_full_release_round_trip(self, tmp_path, images):
        # Objects by their numbers: wall, fence's two, flag, streetlight's other, awning; 1 is none of the classes.
        table = {
            2978: 0,
            774: 14,
            783: 14,
            2985: 35,
            533: 35,
            246: 88,
            247: 88,
            954: 149,
            77: 86,
            1: 255,
            0: 255,
        }
        raw = {}
        for folder, split in self.SPLITS:
            place = tmp_path / images / folder / "urban/street"
            draw_image(place / f"ADE_{split}_1.jpg")
            numbers = np.resize(np.array(list(table)), (HEIGHT, WIDTH))
            raw[split] = numbers
            pixels = np.stack(
                [numbers // 256 * 10, numbers % 256, np.arange(numbers.size).reshape(numbers.shape)]
            )
            save(place / f"ADE_{split}_1_seg.png", np.moveaxis(pixels, 0, -1).astype(np.uint8))
            # What else lies there is neither image nor label.
            save(place / f"ADE_{split}_1_parts_1.png", pixels[0].astype(np.uint8))
            save(place / f"ADE_{split}_1/instance_000_ADE_{split}_1.png", pixels[0].astype(np.uint8))
        _, found = converted(Ade20k(root=tmp_path), tmp_path / "out")
        for split in found:
            assert list(found[split]) == [f"urban/street/ADE_{split}_1"]
            np.testing.assert_array_equal(*found[split].values(), mapped(raw[split], table))

    def test_classes_are_the_published_ones(self):
        classes = Ade20k.classes
        assert (classes.names[0], classes.names[14], classes.names[149]) == ("wall", "door", "flag")
        assert classes.palette[0] == (120, 120, 120) and len(classes.palette) == 150

    def test_a_full_label_that_is_none(self, tmp_path):
        save(tmp_path / "a_seg.png", values(0, 1))
        with pytest.raises(BadFileError, match=r"a_seg\.png: unusable label: pixels of type 'L', not RGB"):
            Ade20k(root=tmp_path).read_label(tmp_path / "a_seg.png")


class TestCityscapes:
    CITIES: ClassVar = {"train": "aachen", "val": "frankfurt"}
    STEM = "{}_000000_000019"
    IDS: ClassVar = {0: 255, 6: 255, 7: 0, 11: 2, 18: 255, 26: 13, 28: 15, 31: 16, 33: 18}

    def write(
        self, root: Path, raw: np.ndarray, file: str = "labelIds", kind: str = "gtFine", **more: str
    ) -> None:
        for split, city in {**self.CITIES, **more}.items():
            stem = self.STEM.format(city)
            draw_image(root / f"leftImg8bit/{split}/{city}/{stem}_leftImg8bit.png")
            save(root / f"{kind}/{split}/{city}/{stem}_{kind}_{file}.png", raw)
            # The other files of a release, and the test images, whose labels are secret.
            save(root / f"{kind}/{split}/{city}/{stem}_{kind}_color.png", values(1, 2))
        draw_image(root / "leftImg8bit/test/berlin/berlin_000000_000019_leftImg8bit.png")
        save(root / f"{kind}/test/berlin/berlin_000000_000019_{kind}_labelIds.png", values(0))

    def test_label_ids_round_trip(self, tmp_path):
        raw = values(*self.IDS)
        self.write(tmp_path / "in", raw)
        info, found = converted(Cityscapes(root=tmp_path / "in"), tmp_path / "out")
        assert (info.name, info.num_classes, list(found)) == ("cityscapes", 19, ["train", "val"])
        assert list(found["train"]) == ["aachen/aachen_000000_000019"]
        for split in found:
            np.testing.assert_array_equal(*found[split].values(), mapped(raw, self.IDS))

    def test_train_ids_round_trip(self, tmp_path):
        raw = values(0, 9, 18, 255)
        self.write(tmp_path / "in", raw, "labelTrainIds")
        _, found = converted(Cityscapes(root=tmp_path / "in", labels="labelTrainIds"), tmp_path / "out")
        np.testing.assert_array_equal(*found["val"].values(), raw)

    def test_coarse_labels_have_a_split_more(self, tmp_path):
        self.write(tmp_path / "in", values(*self.IDS), kind="gtCoarse", train_extra="augsburg")
        source = Cityscapes(root=tmp_path / "in", annotations="gtCoarse")
        assert list(source.splits()) == ["train", "train_extra", "val"]
        _, found = converted(source, tmp_path / "out")
        np.testing.assert_array_equal(*found["train_extra"].values(), mapped(values(*self.IDS), self.IDS))

    def test_polygons_round_trip(self, tmp_path):
        self.write(tmp_path / "in", values(0))
        square = [[2, 1], [5, 1], [5, 3], [2, 3]]
        objects = [
            {"label": "road", "polygon": [[0, 0], [7, 0], [7, 5], [0, 5]]},
            {"label": "cargroup", "polygon": square},
            {"label": "license plate", "polygon": square},
            {"label": "sky", "polygon": square, "deleted": 1},
            {"label": "polegroup", "polygon": [[0, 5], [1, 5], [0, 5]]},
            {"label": "dynamic", "polygon": [[7, 0], [7, 1], [7, 0]]},
        ]
        for split, city in self.CITIES.items():
            stem = self.STEM.format(city)
            content = {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": objects}
            (tmp_path / f"in/gtFine/{split}/{city}/{stem}_gtFine_polygons.json").write_text(
                json.dumps(content)
            )
        expected = np.zeros((HEIGHT, WIDTH), np.uint8)
        expected[1:4, 2:6] = 13
        expected[5, :2] = expected[:2, 7] = 255
        _, found = converted(Cityscapes(root=tmp_path / "in", labels="polygons"), tmp_path / "out")
        np.testing.assert_array_equal(*found["val"].values(), expected)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "damaged: not polygons as Cityscapes has them: JSONDecodeError("),
            ('{"imgHeight": 2}', "damaged: not polygons as Cityscapes has them: KeyError('imgWidth')."),
            (
                '{"imgHeight": 2, "imgWidth": 2, "objects": [{"label": "ufo", "polygon": [[0, 0], [1, 1]]}]}',
                "unknown label: 'ufo'. Known: unlabeled, ego vehicle",
            ),
            (
                '{"imgHeight": 2, "imgWidth": 2, "objects": [{"label": "car", "polygon": [[0, 0]]}]}',
                "damaged: not polygons as Cityscapes has them: ",
            ),
        ],
    )
    def test_polygons_that_are_none(self, tmp_path, text, message):
        path = tmp_path / "a_gtFine_polygons.json"
        path.write_text(text)
        with pytest.raises(BadFileError) as error:
            Cityscapes(root=tmp_path).read_label(path)
        assert str(error.value).startswith(f"{path}: {message}")

    def test_labels_that_are_not_there_are_named(self, tmp_path):
        self.write(tmp_path / "in", values(*self.IDS))
        with pytest.raises(
            DataError, match=r"aachen_000000_000019_gtFine_labelTrainIds\.png: unreadable: No such"
        ):
            converted(Cityscapes(root=tmp_path / "in", labels="labelTrainIds"), tmp_path / "out")


class TestCocoStuff:
    @pytest.mark.parametrize(
        ("images", "maps"), [("", "stuffthingmaps"), ("images", "annotations/stuffthingmaps")]
    )
    def test_round_trip(self, tmp_path, images, maps):
        # Values are id - 1: person, stop sign (the first after a removed id), banner (after hair brush), wood.
        table, names = {0: 0, 12: 11, 91: 80, 181: 170, 255: 255}, ("person", "stop sign", "banner", "wood")
        raw = values(*table)
        for split in ("train2017", "val2017"):
            draw_image(tmp_path / "in" / images / split / "000000000009.jpg")
            save(tmp_path / "in" / maps / split / "000000000009.png", raw)
        info, found = converted(CocoStuff(root=tmp_path / "in"), tmp_path / "out")
        assert (info.name, info.num_classes, list(found)) == ("coco_stuff", 171, ["train", "val"])
        assert tuple(info.class_names[index] for index in (0, 11, 80, 170)) == names
        np.testing.assert_array_equal(found["val"]["000000000009"], mapped(raw, table))
        every = CocoStuff(root=tmp_path / "in", all_ids=True)
        info, found = converted(every, tmp_path / "all")
        assert info.num_classes == 182 and (info.class_names[12], info.class_names[181]) == (
            "stop sign",
            "wood",
        )
        np.testing.assert_array_equal(found["train"]["000000000009"], raw)

    def test_removed_ids_are_no_classes(self, tmp_path):
        label = tmp_path / "a.png"
        save(label, np.array([[11]], np.uint8))
        with pytest.raises(
            BadFileError, match=r"a\.png: value outside the classes: 11 \(1 pixel\)\. Known: 0 to 10, "
        ):
            CocoStuff(root=tmp_path).read_label(label)
        assert len(set(CocoStuff(root=tmp_path).classes.palette)) == 171


class TestPascalContext:
    def write(self, root: Path) -> Path:
        for split, name in (("train", "2008_000002"), ("val", "2008_000003")):
            lines(root / f"VOCdevkit/VOC2010/ImageSets/Main/{split}.txt", name)
            draw_image(root / f"VOCdevkit/VOC2010/JPEGImages/{name}.jpg")
        (root / "labels").mkdir()
        return root / "labels"

    @pytest.mark.parametrize(("background", "first", "other"), [(False, 0, 255), (True, 1, 0)])
    def test_full_release_round_trip(self, tmp_path, background, first, other):
        # Of the 459: aeroplane, table, bag, wood; accordion, unknown and wool are none of the 59.
        table = {2: first, 397: first + 10, 9: first + 20, 458: first + 58, 1: other, 431: other, 459: other}
        labels = self.write(tmp_path)
        raw = np.resize(np.array(list(table), np.uint16), (HEIGHT, WIDTH))
        for name in ("2008_000002", "2008_000003"):
            savemat(labels / f"{name}.mat", {"LabelMap": raw})
        source = PascalContext(root=tmp_path, labels=labels, background=background)
        info, found = converted(source, tmp_path / "out")
        assert (info.name, info.num_classes) == ("pascal_context", 59 + background)
        assert [info.class_names[first + index] for index in (0, 10, 20, 58)] == [
            "aeroplane",
            "table",
            "bag",
            "wood",
        ]
        np.testing.assert_array_equal(found["train"]["2008_000002"], mapped(raw, table))
        np.testing.assert_array_equal(found["val"]["2008_000003"], mapped(raw, table))

    @pytest.mark.parametrize(("background", "first", "other"), [(False, 0, 255), (True, 1, 0)])
    def test_release_of_59_classes_round_trip(self, tmp_path, background, first, other):
        labels, raw = self.write(tmp_path), values(0, 1, 11, 59)
        for name in ("2008_000002", "2008_000003"):
            save(labels / f"{name}.png", raw)
        source = PascalContext(root=tmp_path, labels=labels, background=background)
        _, found = converted(source, tmp_path / "out")
        table = {0: other, 1: first, 11: first + 10, 59: first + 58}
        np.testing.assert_array_equal(found["val"]["2008_000003"], mapped(raw, table))

    def test_labels_as_their_archive_has_them(self, tmp_path):
        labels = self.write(tmp_path)
        for name in ("2008_000002", "2008_000003"):
            (labels / "trainval").mkdir(exist_ok=True)
            savemat(labels / f"trainval/{name}.mat", {"LabelMap": np.full((HEIGHT, WIDTH), 2, np.uint16)})
        splits = PascalContext(root=tmp_path, labels=labels).splits()
        assert splits["val"][0].label == labels / "trainval/2008_000003.mat"

    def test_colours_are_vocs(self, tmp_path):
        classes = PascalContext(root=tmp_path, labels=tmp_path).classes
        assert classes.palette == default_palette(60)[1:] and classes.void_colours == ((0, 0, 0),)

    def test_labels_of_another_kind(self, tmp_path):
        labels = self.write(tmp_path)
        with pytest.raises(
            DataError, match=r"labels: has no 2008_000002\.png\. It is the folder of \.mat files of"
        ):
            PascalContext(root=tmp_path, labels=labels).splits()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Ade20k, "has no images. It is ADEChallengeData2016, with images and annotations, from http"),
        (Cityscapes, "has no leftImg8bit and no gtFine. It is the folder that leftImg8bit_trainvaltest.zip"),
        (CocoStuff, "has no stuffthingmaps. It is the folder that train2017.zip and val2017.zip of https"),
        (
            lambda root: PascalContext(root=root, labels=root),
            "has no JPEGImages and no ImageSets/Main/train.txt",
        ),
    ],
)
def test_a_root_that_is_something_else(tmp_path, source, message):
    with pytest.raises(DataError) as error:
        source(root=tmp_path).splits()
    assert str(error.value).startswith(f"{tmp_path}: {message}")
