"""`kerseg doctor` on clean trees and on planted faults: every one named, none invented, what can be mended is."""

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from planted import (
    ALL,
    FAULTS,
    STREETS,
    Fault,
    as_binary,
    change,
    change_all,
    coloured,
    image,
    label,
    labels,
    pixels,
    save,
)

from kerseg.data import doctor
from kerseg.data.conversion.convert import convert
from kerseg.data.doctor import diagnose
from kerseg.data.doctor.checks import CHECKS
from kerseg.data.sources.camvid import CamVid
from kerseg.data.sources.folder import Folder
from kerseg.errors import ConfigError, DataError

CAMVID_CLASSES = CamVid.classes.names


def checksums(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def codes(found) -> list[str]:
    return [finding.code for finding in found.findings]


@pytest.fixture
def trained(monkeypatch) -> None:
    """Have two models, without building them; `test_a_model_says_how_many_classes_it_has` opens a real one."""
    monkeypatch.setattr(doctor, "_num_classes", {"runs/enet": 5, "runs/street": 7}.__getitem__)


@pytest.mark.usefixtures("inline", "trained")
class TestCleanTrees:
    @pytest.mark.parametrize(
        "options", [{}, {"class_names": STREETS}, {"num_classes": 7}, {"model": "runs/street"}]
    )
    def test_streets(self, clean_streets, options):
        found = diagnose(clean_streets, **options)
        assert codes(found) == []
        assert found.evidence.splits == ("train", "val")

    def test_binary_masks_of_0_and_1(self, streets):
        as_binary(streets)
        assert codes(diagnose(streets)) == []

    def test_binary_masks_of_0_and_1_with_void(self, streets):
        """A mask of background and void is empty, but no mask of 0 and 255: beside 1, 255 is void."""
        as_binary(streets)
        change(label(streets, 2), lambda values: np.where(values == 1, 255, 0))
        change(label(streets, 3), lambda values: np.vstack([values[:-1], values[-1:] * 0 + 255]))
        found = diagnose(streets)
        assert codes(found) == ["empty_mask"]
        assert [item.detail for item in found.findings[0].affected] == ["only '0'"]

    def test_one_bit_masks(self, streets):
        as_binary(streets)
        for path in labels(streets):
            Image.fromarray(pixels(path).astype(bool)).save(path)
        assert codes(diagnose(streets)) == []

    def test_masks_of_0_and_255_that_were_said_to_be_so(self, streets):
        as_binary(streets, 255)
        options = {"class_names": ("other", "road"), "label_values": (0, 255)}
        assert codes(diagnose(streets, **options)) == []

    def test_indexed_labels_of_one_palette(self, streets):
        for path in labels(streets):
            save(path, pixels(path), list(range(256)) * 3)
        assert codes(diagnose(streets)) == []

    def test_colours_with_their_palette(self, streets):
        change_all(streets, lambda values: np.stack([values, values * 0, values // 2], -1))
        palette = [f"#{value:02x}00{value // 2:02x}" for value in (*range(7), 255)]
        assert codes(diagnose(streets, palette=palette)) == []

    def test_grey_images(self, streets):
        for number in range(24):
            with Image.open(image(streets, number)) as opened:
                opened.convert("L").save(image(streets, number))
        assert codes(diagnose(streets)) == []

    @pytest.mark.parametrize("kind", ["npy", "png"])
    def test_converted_images_of_other_channels_are_looked_at_as_shown(self, tmp_path, kind):
        """Stored as arrays and as PNG with a fourth channel, which is no transparency here."""
        random = np.random.default_rng(0)
        for folder in ("i", "l"):
            (tmp_path / folder).mkdir()
        values = random.integers(0, 256, (6, 30, 40, 4)).astype(np.uint8)
        values[..., 0] = 51  # of a range that ends at 102: 127.5 of 255
        for number, values_of_one in enumerate(values):
            if kind == "npy":
                np.save(tmp_path / f"i/{number}.npy", values_of_one.astype(np.uint16))
            else:
                Image.fromarray(values_of_one).save(tmp_path / f"i/{number}.png")
            save(tmp_path / f"l/{number}.png", np.tile(np.arange(40, dtype=np.uint8) // 20, (30, 1)))
        source = Folder(
            train_image_path=tmp_path / "i",
            train_label_path=tmp_path / "l",
            class_names=("a", "b"),
            value_range=(0, 102, 0, 255, 0, 255, 0, 255),
        )
        convert(source, output=tmp_path / "data", workers=1)
        found = diagnose(tmp_path / "data")
        assert codes(found) == []
        mean, _ = found.channels()
        np.testing.assert_allclose(mean, [127.5, *values[..., 1:3].mean((0, 1, 2))], atol=0.51)

    def test_an_outline_one_pixel_wide_is_a_class(self, streets):
        """Trimaps: 0 outside, 1 the line around it, 2 inside; each line pixel lies between its neighbours."""

        def outlined(values: np.ndarray) -> np.ndarray:
            return np.select([np.arange(96) < 40, np.arange(96) == 40], [0, 1], 2) + values * 0

        change_all(streets, outlined)
        assert codes(diagnose(streets)) == []

    def test_a_class_that_only_some_images_have_next_to_no_0(self, streets):
        """Two labels without 0 that have classes of their own are not shifted if half of the others lack it too."""
        for number, path in enumerate(labels(streets)):
            change(path, lambda values, number=number: np.where(values < 3, 1 + number % 3, number % 2))
        assert "off_by_one" not in codes(diagnose(streets))


@pytest.mark.usefixtures("inline")
def test_a_model_says_how_many_classes_it_has(streets):
    model = Path(__file__).parents[2] / "models/v0_1/enet.keras"
    finding = diagnose(streets, model=model).finding("wrong_class_count")
    assert [(str(item.place), item.detail) for item in finding.affected] == [
        (str(model), "3 classes, the labels 7")
    ]


@pytest.mark.usefixtures("inline", "trained")
class TestPlantedFaults:
    @pytest.mark.parametrize("fault", FAULTS, ids=str)
    def test_is_named_and_nothing_else(self, fault: Fault, streets):
        fault.plant(streets)
        found = diagnose(streets, **fault.options)
        assert {*codes(found)} == {fault.code, *fault.also}
        finding = found.finding(fault.code)
        assert finding.severity == fault.severity
        named = {str(item.place).removeprefix(f"{streets}/") for item in finding.affected}
        assert named == set(fault.files)
        assert finding.share == pytest.approx(fault.share)
        assert fault.remedy in finding.remedy

    @pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.mended], ids=str)
    def test_the_mended_copy_is_clean_and_the_original_as_it_was(self, fault: Fault, streets, tmp_path):
        fault.plant(streets)
        before = checksums(streets)
        found = diagnose(streets, **fault.options)
        assert found.finding(fault.code).mended
        rows = found.mend(tmp_path / "mended")
        assert checksums(streets) == before
        assert any(row.done for row in rows)
        assert codes(diagnose(tmp_path / "mended")) == []

    def test_of_all_kinds_of_the_table(self):
        planted = {fault.code for fault in FAULTS}
        assert {check.code for check in CHECKS} - planted == {"damaged_shard", "unusable_name"}
        assert len(planted) >= 20

    def test_a_palette_that_is_known_is_named(self, streets):
        colours = np.array((*CamVid.classes.palette[:7], *[(0, 0, 0)] * 249), np.uint8)
        change_all(streets, lambda values: colours[values])
        assert "give `palette=['camvid']`; with it" in diagnose(streets).finding("colour_masks").remedy
        found = diagnose(streets, palette=["camvid"])
        assert {item.place for item in found.finding("class_never_occurs").affected} == {*CAMVID_CLASSES[7:]}
        assert found.errors == ()

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no file names that are not Unicode")
    def test_a_name_that_is_not_utf_8(self, streets):
        for path in (image(streets, 3), label(streets, 3)):
            path.rename(path.with_name(os.fsdecode(b"caf\xe9") + path.suffix))
        found = diagnose(streets)
        assert codes(found) == ["unusable_name"]
        assert "caf\\xe9.jpg" in str(found.findings[0].affected[0])

    def test_many_at_once(self, streets, tmp_path):
        """Faults in different files do not hide each other, and the mended copy has none of them."""
        image(streets, 11).write_bytes(b"")
        label(streets, 12).unlink()
        image(streets, 13).unlink()
        Image.open(image(streets, 14)).resize((90, 60)).save(image(streets, 14))
        shutil.copy(image(streets, 15), image(streets, 31, "val"))
        shutil.copy(label(streets, 15), label(streets, 31, "val"))
        change(label(streets, 16), lambda values: np.where(values == 255, 255, values + 1))
        chosen = {"alpha_image", "exif_orientation", "near_leakage"}
        for fault in FAULTS:
            if str(fault) == "near_leakage":
                fault.plant(streets)
        for fault in FAULTS:
            if str(fault) in chosen - {"near_leakage"}:
                fault.plant(streets)
        found = diagnose(streets, class_names=STREETS)
        expected = {
            "broken_image",
            "orphan_image",
            "orphan_label",
            "size_mismatch",
            "leakage",
            "off_by_one",
        }
        assert {*codes(found)} == chosen | expected
        found.mend(tmp_path / "mended")
        assert codes(diagnose(tmp_path / "mended")) == []


@pytest.mark.usefixtures("inline")
class TestMending:
    def test_labels_are_what_they_were_before_the_fault(self, clean_streets, streets, tmp_path):
        """0, 40, 80 ... become 0, 1, 2 ... again, pixel for pixel, and the images stay, byte for byte."""
        change_all(streets, lambda values: np.where(values == 255, 0, values * 40))
        diagnose(streets).mend(tmp_path / "mended")
        for path in labels(clean_streets):
            expected = np.where(pixels(path) == 255, 0, pixels(path))
            split = path.parts[-3]
            np.testing.assert_array_equal(pixels(tmp_path / "mended/labels" / split / path.name), expected)
            name = f"{path.stem}.jpg"
            copied = (tmp_path / "mended/images" / split / name).read_bytes()
            assert copied == (clean_streets / split / "images" / name).read_bytes()

    @pytest.mark.parametrize("kind", ["RGB", "P"])
    def test_colours_become_indices(self, clean_streets, streets, tmp_path, kind):
        for path in labels(streets):
            colours = Image.fromarray(coloured(pixels(path)))
            # Pillow's own palette, another in each file: its indices mean nothing.
            (colours if kind == "RGB" else colours.quantize(16, dither=Image.Dither.NONE)).save(path)
        found = diagnose(streets, palette=[str(streets / "classes.txt")])
        assert {*codes(found)} == {"value_outside"}
        ignored = streets / "classes.txt"
        ignored.write_text(f"{ignored.read_text()}0 0 0 ignore\n")
        found = diagnose(streets, palette=[str(ignored)])
        assert codes(found) == []
        found.mend(tmp_path / "mended")
        for path in labels(clean_streets):
            mended = pixels(tmp_path / "mended/labels" / path.parts[-3] / path.name)
            np.testing.assert_array_equal(mended, pixels(path))

    def test_blended_pixels_get_the_nearer_class(self, streets, tmp_path):
        as_binary(streets, 255)
        ramp = np.zeros((64, 96), np.uint8)
        ramp[:, 40:45] = [60, 100, 130, 180, 255]
        ramp[:, 45:] = 255
        save(label(streets, 3), ramp)
        diagnose(streets).mend(tmp_path / "mended")
        mended = pixels(tmp_path / "mended/labels/train/street_0003.png")
        np.testing.assert_array_equal(mended, np.tile(np.arange(96) >= 42, (64, 1)))

    def test_a_ramp_between_distant_classes_is_filled_from_beside(self, streets, tmp_path):
        ramp = np.zeros((64, 96), np.uint8)
        ramp[:, 40:44] = [30, 60, 150, 190]
        ramp[:, 44:] = 200
        change_all(streets, lambda values: np.where(values == 255, 0, values) // 3 * 100)
        save(label(streets, 3), ramp)
        found = diagnose(streets, class_names=("a", "b", "c"), label_values=(0, 100, 200))
        assert codes(found) == ["blended_values"]
        found.mend(tmp_path / "mended")
        mended = pixels(tmp_path / "mended/labels/train/street_0003.png")
        assert mended[5].tolist() == [0] * 42 + [2] * 54

    def test_a_turned_image_is_written_as_it_is_shown(self, streets, tmp_path):
        next(fault for fault in FAULTS if fault.code == "exif_orientation").plant(streets)
        rows = diagnose(streets).mend(tmp_path / "mended")
        assert [row.done for row in rows if row.done] == [("image: turned as its EXIF orientation 6 says",)]
        with Image.open(tmp_path / "mended/images/train/street_0004.png") as mended:
            assert mended.size == (96, 64)
            assert not mended.getexif()

    def test_what_is_done_is_in_the_table(self, streets, tmp_path):
        image(streets, 3).write_bytes(b"")
        diagnose(streets).mend(tmp_path / "mended")
        lines = (tmp_path / "mended/mended.csv").read_text().splitlines()
        assert lines[0] == "split,name,image,label,done"
        assert len(lines) == 1 + 24 + 12
        assert lines[4] == f"train,street_0003,{image(streets, 3)},{label(streets, 3)},left out: broken_image"
        assert lines[5].endswith(",copied")
        assert not (tmp_path / "mended/images/train/street_0003.jpg").exists()

    def test_convert_accepts_the_mended_copy(self, streets, tmp_path):
        as_binary(streets, 255)
        label(streets, 5).unlink()
        diagnose(streets).mend(tmp_path / "mended")
        source = Folder(
            train_image_path=tmp_path / "mended/images/train",
            train_label_path=tmp_path / "mended/labels/train",
            class_names=("other", "road"),
        )
        info = convert(source, output=tmp_path / "data", workers=1)
        assert info.splits["train"].records == 23
        roads = sum(int((pixels(path) == 255).sum()) for path in labels(streets) if "train" in path.parts)
        assert info.splits["train"].class_pixels[1] == roads

    @pytest.mark.parametrize(
        ("place", "message"), [(".", "lies in"), ("mended", "lies in"), ("..", "lies in")]
    )
    def test_not_into_the_tree(self, streets, place, message):
        with pytest.raises(ConfigError, match=message):
            diagnose(streets).mend(streets / place)

    def test_not_over_anything(self, streets, tmp_path):
        (tmp_path / "mended").mkdir()
        (tmp_path / "mended/mine.txt").write_text("mine")
        with pytest.raises(DataError, match="mended: already exists, and `fix=True` overwrites nothing"):
            diagnose(streets).mend(tmp_path / "mended")
        assert (tmp_path / "mended/mine.txt").read_text() == "mine"

    def test_nothing_half_written_stays(self, streets, tmp_path, monkeypatch):
        from kerseg.data.doctor import mending

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(mending, "_save", full)
        with pytest.raises(
            DataError, match=r"No space left on device\. Make room on the disk\. Nothing was kept"
        ):
            diagnose(streets).mend(tmp_path / "mended")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["streets"]


@pytest.mark.usefixtures("inline")
class TestPublishedData:
    def test_camvid(self, camvid):
        found = diagnose(camvid)
        assert codes(found) == []
        assert len(found.evidence.facts) == len(list(camvid.glob("*annot/*.png")))
        named = diagnose(camvid, class_names=CAMVID_CLASSES, ignore_values=(11,))
        assert named.errors == ()

    def test_camvid_s_void_is_named_where_11_classes_are_given(self, camvid):
        found = diagnose(camvid, class_names=CAMVID_CLASSES)
        assert codes(found) == ["void_in_use"]
        assert "`ignore_values=(11, 255)`" in found.findings[0].remedy

    def test_isbi(self, isbi):
        found = diagnose(isbi)
        assert (codes(found), found.errors) == (["binary_255"], ())
        said = diagnose(isbi, class_names=("membrane", "cell"), label_values=(0, 255))
        assert codes(said) == []
        total = said.class_pixels["all"]
        assert total.sum() == sum(pixels(path).size for path in isbi.glob("labels/*"))
        assert total[2] == 0


@pytest.mark.usefixtures("inline")
def test_channels_are_those_of_all_pixels(streets):
    every = np.concatenate(
        [pixels(path).reshape(-1, 3).astype(float) for path in sorted(streets.glob("*/images/*.jpg"))]
    )
    mean, spread = diagnose(streets).channels()
    np.testing.assert_allclose(mean, every.mean(0))
    np.testing.assert_allclose(spread, every.std(0))


@pytest.mark.usefixtures("inline")
def test_shares_count_all_pixels(streets):
    counts = sum(np.bincount(pixels(path).ravel(), minlength=256) for path in labels(streets))
    found = diagnose(streets).class_pixels
    np.testing.assert_array_equal(found["train"] + found["val"], [*counts[:7], counts[255]])
    assert len(ALL) == 36
