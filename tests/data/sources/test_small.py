"""Sources of smaller data sets: LoveDA, Oxford-IIIT Pet, Kvasir-SEG, ISIC 2018, DRIVE, ISBI 2012, on tiny trees."""

import pickle

import numpy as np
import pytest
from PIL import Image
from trees import HEIGHT, WIDTH, converted, draw_image, lines, mapped, save, values

from kerseg.data.formats.images import BadFileError
from kerseg.data.sources.drive import Drive
from kerseg.data.sources.isbi2012 import Isbi2012
from kerseg.data.sources.isic2018 import Isic2018
from kerseg.data.sources.kvasir_seg import KvasirSeg
from kerseg.data.sources.loveda import LoveDA
from kerseg.data.sources.oxford_pets import OxfordPets
from kerseg.errors import ConfigError, DataError


class TestLoveDA:
    def test_round_trip(self, tmp_path):
        raw = values(0, 1, 2, 7)
        for part in ("Train", "Val"):
            # The same number in both domains: the pairs' names tell them apart.
            for domain in ("Urban", "Rural"):
                draw_image(tmp_path / f"in/{part}/{domain}/images_png/7.png")
                save(tmp_path / f"in/{part}/{domain}/masks_png/7.png", raw)
        info, found = converted(LoveDA(root=tmp_path / "in"), tmp_path / "out")
        assert (info.name, info.class_names[0], info.class_names[6]) == (
            "loveda",
            "background",
            "agricultural",
        )
        assert {split: list(named) for split, named in found.items()} == {
            "train": ["Urban/7", "Rural/7"],
            "val": ["Urban/7", "Rural/7"],
        }
        np.testing.assert_array_equal(found["val"]["Rural/7"], mapped(raw, {0: 255, 1: 0, 2: 1, 7: 6}))
        rural = LoveDA(root=tmp_path / "in", domains=("Rural",)).splits()
        assert [pair.name for pair in rural["train"]] == ["Rural/7"]


class TestOxfordPets:
    @pytest.mark.parametrize(("outline", "index"), [("ignore", 255), ("class", 2)])
    def test_round_trip(self, tmp_path, outline, index):
        raw = values(1, 2, 3)
        for split, name in (("trainval", "Abyssinian_1"), ("test", "pug_2")):
            lines(
                tmp_path / f"in/annotations/{split}.txt", "#Image CLASS-ID SPECIES BREED ID", f"{name} 1 1 1"
            )
            draw_image(tmp_path / f"in/images/{name}.jpg")
            save(tmp_path / f"in/annotations/trimaps/{name}.png", raw)
        info, found = converted(OxfordPets(root=tmp_path / "in", outline=outline), tmp_path / "out")
        assert info.class_names == ("background", "pet", "outline")[: 3 if index == 2 else 2]
        assert {split: list(named) for split, named in found.items()} == {
            "train": ["Abyssinian_1"],
            "test": ["pug_2"],
        }
        np.testing.assert_array_equal(found["test"]["pug_2"], mapped(raw, {1: 1, 2: 0, 3: index}))

    def test_val_is_held_out_of_train(self, tmp_path):
        (tmp_path / "images").mkdir()
        (tmp_path / "annotations/trimaps").mkdir(parents=True)
        lines(tmp_path / "annotations/trainval.txt", *(f"pug_{index} 1 1 1" for index in range(100)))
        lines(tmp_path / "annotations/test.txt", "pug_100 1 1 1")
        splits = OxfordPets(root=tmp_path, val_share=0.2).splits()
        assert list(splits) == ["train", "val", "test"]
        assert len(splits["train"]) + len(splits["val"]) == 100 and 10 < len(splits["val"]) < 30


class TestKvasirSeg:
    def test_round_trip(self, tmp_path):
        expected = np.zeros((32, 48), np.uint8)
        expected[8:24, 16:40] = 1
        for index in range(8):
            draw_image(tmp_path / f"Kvasir-SEG/images/cju{index}.jpg", 32, 48)
            save(tmp_path / f"Kvasir-SEG/masks/cju{index}.jpg", expected * np.uint8(255))
        info, found = converted(KvasirSeg(root=tmp_path, val_share=0.5), tmp_path / "out")
        assert (info.name, info.class_names, list(found)) == (
            "kvasir_seg",
            ("background", "polyp"),
            ["train", "val"],
        )
        assert sorted([*found["train"], *found["val"]]) == [f"cju{index}" for index in range(8)]
        np.testing.assert_array_equal(found["train"][next(iter(found["train"]))], expected)
        assert info.splits["train"].ignored_pixels == 0

    def test_values_between_black_and_white(self, tmp_path):
        save(tmp_path / "m.png", np.array([[0, 127, 128, 255]], np.uint8))
        np.testing.assert_array_equal(KvasirSeg(root=tmp_path).read_label(tmp_path / "m.png"), [[0, 0, 1, 1]])


class TestIsic2018:
    def write(self, root, part, index):
        """Write an image of a part, with the text files that the archives have beside it; return its lesion."""
        images = root / f"ISIC2018_Task1-2_{part}_Input"
        draw_image(images / f"ISIC_{index:07}.jpg")
        lines(images / "LICENSE.txt", "CC")
        lines(images / "ATTRIBUTION.txt", "ISIC")
        label = values(0, 255, seed=index)
        save(root / f"ISIC2018_Task1_{part}_GroundTruth/ISIC_{index:07}_segmentation.png", label)
        return label // 255

    def test_round_trip(self, tmp_path, capsys):
        lesions = {part: self.write(tmp_path, part, index) for index, part in enumerate(("Training", "Test"))}
        info, found = converted(Isic2018(root=tmp_path), tmp_path / "out")
        assert (info.name, info.class_names) == ("isic2018", ("skin", "lesion"))
        assert {split: list(named) for split, named in found.items()} == {
            "train": ["ISIC_0000000"],
            "test": ["ISIC_0000001"],
        }
        np.testing.assert_array_equal(found["train"]["ISIC_0000000"], lesions["Training"])
        np.testing.assert_array_equal(found["test"]["ISIC_0000001"], lesions["Test"])
        assert "isic2018: train has 1 images; 2,594 were published." in capsys.readouterr().err

    def test_folders_that_do_not_fit(self, tmp_path):
        self.write(tmp_path, "Training", 0)
        (tmp_path / "ISIC2018_Task1-2_Validation_Input").mkdir()
        with pytest.raises(DataError, match=r"Task1_Validation_GroundTruth: no such folder\.$"):
            Isic2018(root=tmp_path).splits()
        with pytest.raises(
            DataError, match=r"has no ISIC2018_Task1-2_Training_Input and no .* Get them from https"
        ):
            Isic2018(root=tmp_path / "ISIC2018_Task1-2_Validation_Input").splits()

    def test_a_label_that_is_none(self, tmp_path):
        save(tmp_path / "m.png", np.array([[0, 7]], np.uint8))
        with pytest.raises(BadFileError, match=r"value outside the classes: 7 \(1 pixel\)\. Known: 0, 255"):
            Isic2018(root=tmp_path).read_label(tmp_path / "m.png")


class TestDrive:
    def write(self, root, part="training", first=21):
        """Write two images of a part; return their vessels and their fields of view."""
        vessels, view = values(0, 255), values(0, 255, 255, seed=1)
        for number in (first, first + 1):
            draw_image(root / f"{part}/images/{number:02}_{part}.tif")
            save(root / f"{part}/1st_manual/{number:02}_manual1.gif", vessels)
            save(root / f"{part}/mask/{number:02}_{part}_mask.gif", view)
        return vessels, view

    def test_round_trip(self, tmp_path):
        vessels, view = self.write(tmp_path / "DRIVE")
        self.write(tmp_path / "DRIVE", "test", 1)
        info, found = converted(Drive(root=tmp_path), tmp_path / "out")
        assert (info.name, list(found), list(found["test"])) == (
            "drive",
            ["train", "test"],
            ["01_test", "02_test"],
        )
        np.testing.assert_array_equal(found["train"]["22_training"], np.where(view, vessels // 255, 255))
        _, found = converted(Drive(root=tmp_path, whole_picture=True), tmp_path / "whole")
        np.testing.assert_array_equal(found["test"]["01_test"], vessels // 255)

    def test_a_release_without_the_labels_of_test(self, tmp_path):
        self.write(tmp_path)
        draw_image(tmp_path / "test/images/01_test.tif")
        assert list(Drive(root=tmp_path).splits()) == ["train"]

    def test_masks_that_do_not_fit(self, tmp_path):
        self.write(tmp_path)
        label, mask = (
            tmp_path / "training/1st_manual/21_manual1.gif",
            tmp_path / "training/mask/21_training_mask.gif",
        )
        save(mask, values(0, 255, height=3, width=3))
        with pytest.raises(
            BadFileError, match=r"21_training_mask\.gif: size differs: \(3, 3\), the label's is \(6, 8\)"
        ):
            Drive(root=tmp_path).read_label(label)
        mask.unlink()
        with pytest.raises(BadFileError, match=r"21_training_mask\.gif: unreadable: No such file"):
            Drive(root=tmp_path).read_label(label)


class TestIsbi2012:
    def stack(self, path, slices):
        path.parent.mkdir(parents=True, exist_ok=True)
        first, *rest = (Image.fromarray(pixels) for pixels in slices)
        first.save(path, save_all=True, append_images=rest)

    def test_stacks_round_trip(self, tmp_path):
        images = [values(*range(40), seed=index) for index in range(5)]
        labels = [values(0, 255, seed=10 + index) for index in range(5)]
        self.stack(tmp_path / "in/train-volume.tif", images)
        self.stack(tmp_path / "in/train-labels.tif", labels)
        source = Isbi2012(root=tmp_path / "in")
        info, found = converted(source, tmp_path / "out")
        assert (info.name, info.class_names) == ("isbi2012", ("membrane", "cell"))
        assert list(found["train"]) == [f"slice_{index:02}" for index in range(5)]
        pairs = pickle.loads(pickle.dumps(source.splits()["train"]))
        for index, label in enumerate(found["train"].values()):
            np.testing.assert_array_equal(label, labels[index] // 255)
        assert str(pairs[3].label) == f"{tmp_path}/in/train-labels.tif: slice 3"

    def test_single_slices_round_trip(self, tmp_path):
        for index in range(2):
            save(tmp_path / f"in/images/{index:02}.tif", values(*range(40), seed=index))
            save(tmp_path / f"in/labels/{index:02}.tif", values(0, 255, seed=index))
        _, found = converted(Isbi2012(root=tmp_path / "in"), tmp_path / "out")
        np.testing.assert_array_equal(found["train"]["01"], values(0, 255, seed=1) // 255)

    def test_stacks_that_do_not_fit(self, tmp_path):
        self.stack(tmp_path / "train-volume.tif", [values(1)] * 3)
        self.stack(tmp_path / "train-labels.tif", [values(0)] * 2)
        with pytest.raises(DataError, match=r"train-labels\.tif: has 2 slices, \S+train-volume\.tif has 3\."):
            Isbi2012(root=tmp_path).splits()
        (tmp_path / "train-labels.tif").write_bytes(b"II*\0")
        with pytest.raises(DataError, match=r"train-labels\.tif: unreadable: not a stack of TIFF slices: "):
            Isbi2012(root=tmp_path).splits()

    def test_grey_labels_are_refused(self, tmp_path):
        save(tmp_path / "a.png", np.array([[0, 255, 128]], np.uint8))
        with pytest.raises(BadFileError, match=r"value outside the classes: 128 \(1 pixel\)\. Known: 0, 255"):
            Isbi2012(root=tmp_path).read_label(tmp_path / "a.png")


@pytest.mark.parametrize("source", [OxfordPets, KvasirSeg, Drive, Isbi2012, LoveDA])
def test_a_root_that_is_something_else(tmp_path, source):
    with pytest.raises(DataError) as error:
        source(root=tmp_path).splits()
    message = str(error.value)
    assert message.startswith(f"{tmp_path}: has no ") and "It is the folder" in message and "http" in message


def test_a_share_out_of_range(tmp_path):
    for folder, tail in (("images", "jpg"), ("masks", "jpg")):
        draw_image(tmp_path / folder / f"a.{tail}", HEIGHT, WIDTH)
    with pytest.raises(ConfigError, match=r"^`val_share` is between 0 and 1\. Received: 2\.$"):
        KvasirSeg(root=tmp_path, val_share=2).splits()
