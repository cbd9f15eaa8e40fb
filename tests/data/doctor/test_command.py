"""The verb: exit codes, what is printed, the page; converted data; layouts of raw trees."""

import base64
import io
import json
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from planted import FAULTS, as_binary, image, label

from kerseg.cli import main
from kerseg.data.doctor import diagnose, layout, near_duplicates, page
from kerseg.data.doctor.facts import THUMB, Facts, ImageFacts
from kerseg.data.sources.base import Pair
from kerseg.errors import ConfigError, DataError


@pytest.fixture
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.usefixtures("inline")
class TestExitCodes:
    def test_clean(self, clean_streets, cwd, capsys):
        assert main(["doctor", str(clean_streets)]) == 0
        printed = capsys.readouterr().out
        assert "train 24 pairs, val 12 pairs" in printed
        assert "sizes: 96 x 64 (36)" in printed
        assert re.search(r"channels: red \d+\.\d \+- \d+\.\d, green", printed)
        assert "Nothing is wrong." in printed
        assert "Page: doctor-streets.html" in printed

    def test_an_error_exits_1_and_names_file_share_and_remedy(self, streets, cwd, capsys):
        image(streets, 3).write_bytes(b"")
        assert main(["doctor", str(streets)]) == 1
        printed = capsys.readouterr().out
        assert "error broken_image: images that cannot be read (1 of 36 images, 2.78 %)" in printed
        assert f"    {image(streets, 3)}: empty file: 0 bytes.\n" in printed
        assert "--fix leaves its pair out" in printed
        assert "1 error, 0 warnings." in printed

    def test_a_warning_exits_0_and_with_strict_1(self, streets, cwd):
        as_binary(streets, 255)
        assert main(["doctor", str(streets)]) == 0
        assert main(["doctor", str(streets), "--strict"]) == 1
        values = ["--class-names", "other", "road", "--label-values", "0", "255"]
        assert main(["doctor", str(streets), "--strict", *values]) == 0

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--fix"], "--fix and --output go together"),
            (["--output", "x"], "--fix and --output go together"),
            (["--images", "x"], "--images and --labels go together"),
            (["--class-names", "a", "b", "--num-classes", "3"], "--num-classes 3 does not fit the 2 classes"),
            (["--class-names", "a", "--label-values", "0", "1"], "--label-values has 2 values for 1 classes"),
            (["--model", "enet"], "An architecture takes any number of classes"),
            (["--workers", "0"], "--workers must be at least 1. Received: 0."),
        ],
    )
    def test_a_wrong_option_exits_2(self, clean_streets, cwd, words, message, capsys):
        assert main(["doctor", str(clean_streets), *words]) == 2
        assert message in capsys.readouterr().err
        assert list(cwd.iterdir()) == []

    def test_no_data_exits_1(self, cwd, capsys):
        assert main(["doctor", "nowhere"]) == 1
        assert "nowhere: no such folder." in capsys.readouterr().err

    def test_fix_says_what_it_did_and_what_comes_next(self, streets, cwd, capsys):
        as_binary(streets, 255)
        image(streets, 3).write_bytes(b"")
        assert main(["doctor", str(streets), "--fix", "--output", "mended"]) == 1
        printed = capsys.readouterr().out
        assert f"{image(streets, 3)}: left out: broken_image" in printed
        assert f"{image(streets, 1)}: label: values to class indices" in printed
        assert "mended: 35 pairs, 35 of them mended, 1 left out; mended/mended.csv says" in printed
        command = re.search(r"Next: kerseg (.*) --output DIR", printed)[1].split()
        assert main([*command, "--output", "data"]) == 0
        assert json.loads(Path("data/dataset.json").read_text())["class_names"] == ["0", "1"]

    def test_a_model_s_number_of_classes(self, clean_streets, cwd, capsys, monkeypatch):
        monkeypatch.setattr("kerseg.data.doctor._num_classes", lambda model: 4)
        assert main(["doctor", str(clean_streets), "--model", "run.keras"]) == 1
        assert "run.keras: 4 classes, the labels 7" in capsys.readouterr().out


@pytest.mark.usefixtures("inline")
class TestPage:
    def test_one_file_with_every_finding_and_no_link(self, streets, tmp_path):
        for fault in FAULTS:
            if fault.code in ("broken_label", "exif_orientation", "near_leakage"):
                fault.plant(streets)
        found = diagnose(streets)
        page.write(found, tmp_path / "page.html")
        html = (tmp_path / "page.html").read_text()
        assert {finding.code for finding in found.findings} >= {"broken_label", "exif_orientation"}
        for finding in found.findings:
            assert f'<section id="{finding.code}"' in html
            assert finding.title in html
            assert f"{finding.count}" in html
        sources = re.findall(r'(?:src|href)="([^"]*)"', html)
        assert sources
        assert all(source.startswith(("data:image/", "#")) for source in sources)
        assert "<script" not in html
        assert "http" not in re.sub(r"data:image[^\"]*", "", html)

    def test_a_contact_sheet_shows_image_and_label(self, streets, tmp_path):
        label(streets, 3).write_bytes(b"")
        as_values = np.zeros((64, 96), np.uint8)
        as_values[:, 48:] = 200
        Image.fromarray(as_values).save(label(streets, 4))
        found = diagnose(streets, num_classes=7)
        broken, outside = (
            page.contact_sheet(found, found.finding(code)) for code in ("broken_label", "value_outside")
        )
        assert [len(cell.images) for cell in (*broken, *outside)] == [1, 2]
        assert broken[0].text == "train/labels/street_0003.png: empty file: 0 bytes."
        shown = [Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) for uri in outside[0].images]
        # Both are as large; the label keeps hard edges.
        assert [image.size for image in shown] == [(160, 107), (160, 107)]
        left, right = shown[1].getpixel((79, 50)), shown[1].getpixel((80, 50))
        assert left == (0, 0, 0)
        assert right != left

    def test_markup_in_names_is_text(self, streets, tmp_path):
        label(streets, 3).rename(label(streets, 3).with_name("<b>x.png"))
        page.write(diagnose(streets), tmp_path / "page.html")
        assert "<b>" not in (tmp_path / "page.html").read_text()

    def test_an_earlier_page_is_replaced_and_nothing_else(self, clean_streets, cwd):
        for _ in range(2):
            assert main(["doctor", str(clean_streets)]) == 0
        assert [path.name for path in cwd.iterdir()] == ["doctor-streets.html"]
        Path("doctor-streets.html").write_text("mine")
        assert main(["doctor", str(clean_streets)]) == 0
        assert Path("doctor-streets.html").read_text() == "mine"
        assert page.is_ours(Path("doctor-streets-2.html"))
        with pytest.raises(DataError, match=r"doctor-streets\.html: is not a page of the doctor's"):
            page.refuse(Path("doctor-streets.html"))


@pytest.mark.usefixtures("inline")
class TestConverted:
    @pytest.fixture
    def data(self, tiny_data, tmp_path):
        return Path(shutil.copytree(tiny_data, tmp_path / "data"))

    def test_clean(self, data):
        found = diagnose(data)
        assert found.errors == ()
        info = json.loads((data / "dataset.json").read_text())["splits"]
        for split, counts in found.class_pixels.items():
            assert counts.tolist() == [*info[split]["class_pixels"], info[split]["ignored_pixels"]]

    def test_a_flipped_byte_is_found_in_its_record(self, data):
        shard = data / "val-00000-of-00001.tfrecord"
        content = bytearray(shard.read_bytes())
        content[-300] ^= 1
        shard.write_bytes(content)
        found = diagnose(data)
        assert {finding.code for finding in found.errors} == {
            "damaged_shard",
            "broken_image",
            "broken_label",
        }
        assert "SHA-256" in found.finding("damaged_shard").affected[0].detail
        assert found.finding("damaged_shard").share == 1 / 2
        broken = found.finding("broken_image")
        assert str(broken.affected[0].place) == f"{shard}: record 3"
        assert "wrong CRC" in broken.affected[0].detail
        assert not broken.mended

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda path: path.unlink(), "cannot be read: No such file"),
            (lambda path: path.write_bytes(path.read_bytes()[:-9]), "record 3: the file ends within it"),
            (lambda path: path.write_bytes(b""), "0 records, dataset.json says 4."),
        ],
    )
    def test_a_shard_that_is_missing_or_cut_off(self, data, spoil, message):
        spoil(data / "val-00000-of-00001.tfrecord")
        finding = diagnose(data).finding("damaged_shard")
        assert message in finding.affected[0].detail

    def test_another_number_of_classes(self, data):
        finding = diagnose(data, num_classes=5).finding("wrong_class_count")
        assert finding.affected[0].detail == "5 classes, the labels 3"

    def test_its_classes_are_known(self, data):
        with pytest.raises(ConfigError, match="leave out `class_names`"):
            diagnose(data, class_names=["a"])

    def test_it_is_not_mended(self, data, tmp_path):
        with pytest.raises(ConfigError, match="mend what it was made of"):
            diagnose(data).mend(tmp_path / "mended")

    def test_bare_pixels_are_read(self, tmp_path):
        from kerseg.data.doctor.converted import Member
        from kerseg.data.formats.tfrecord import example, frame, places

        random = np.random.default_rng(0)
        pixels, mask = (random.integers(0, 256, shape, dtype=np.uint8) for shape in ((4, 6, 3), (4, 6)))
        features = {"height": 4, "width": 6, "image_raw": pixels.tobytes(), "mask_raw": mask.tobytes()}
        path = tmp_path / "train.tfrecord"
        path.write_bytes(frame(example(features)))
        [(place, length)] = places(path)
        for expected, is_label in ((pixels, False), (mask, True)):
            data = Member(path, "record 0", place, length, is_label).read_bytes()
            np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), expected)


class TestLayout:
    @pytest.mark.parametrize(
        ("folders", "expected"),
        [
            (["images/train", "masks/train"], {"train": ("images/train", "masks/train")}),
            (
                ["Images/training", "Annotations/training"],
                {"train": ("Images/training", "Annotations/training")},
            ),
            (["valid/imgs", "valid/gt"], {"val": ("valid/imgs", "valid/gt")}),
            (
                ["train", "trainannot", "val", "valannot"],
                {"train": ("train", "trainannot"), "val": ("val", "valannot")},
            ),
            (["train_images", "train_masks"], {"train": ("train_images", "train_masks")}),
            (["images_test", "labels_test"], {"test": ("images_test", "labels_test")}),
            (["images", "masks"], {"all": ("images", "masks")}),
            (["images/lyon", "labels/lyon"], {"all": ("images", "labels")}),
        ],
    )
    def test_found_by_names(self, tmp_path, folders, expected):
        for folder in folders:
            (tmp_path / folder).mkdir(parents=True)
            Image.new("L", (2, 2)).save(tmp_path / folder / "a.png")
        found = {
            branch.split: (str(branch.images.relative_to(tmp_path)), str(branch.labels.relative_to(tmp_path)))
            for branch in layout.find(tmp_path)
        }
        assert found == expected

    def test_given(self, tmp_path):
        for folder in ("x/train", "y/train"):
            (tmp_path / folder).mkdir(parents=True)
            Image.new("L", (2, 2)).save(tmp_path / folder / "a.png")
        branches = layout.find(tmp_path, images=tmp_path / "x", labels=tmp_path / "y")
        assert [(branch.split, branch.labels) for branch in branches] == [("train", tmp_path / "y/train")]

    def test_the_ending_of_the_labels_names_is_found(self, tmp_path):
        for name in ("images/a.jpg", "images/b.jpg", "masks/a_mask.png", "masks/b_mask.png"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            Image.new("L", (2, 2)).save(tmp_path / name)
        assert layout.find(tmp_path)[0].label_tail == "_mask"

    def test_what_was_looked_for_is_said(self, tmp_path):
        (tmp_path / "stuff").mkdir()
        with pytest.raises(
            DataError, match=r"it holds stuff\. Looked for: images/train \+ masks/train, .* `labels=DIR`"
        ):
            layout.find(tmp_path)


class TestLikeness:
    def facts(self, count: int, split: str, seed: int) -> list[Facts]:
        random = np.random.default_rng(seed)
        hashes = random.integers(0, 2**64, count, dtype=np.uint64).tolist()
        thumbs = random.integers(0, 256, (count, THUMB, THUMB), dtype=np.uint8)
        return [
            Facts(
                split,
                Pair(f"{split} {index:x}z", Path(f"{split}{index}"), None),
                ImageFacts(
                    (9, 9), (9, 9), 1, "RGB", None, np.zeros((2, 3)), f"{split}{index}".encode(), *both
                ),
            )
            for index, both in enumerate(zip(hashes, thumbs, strict=True))
        ]

    def test_of_40_000_images_the_two_alike_are_found_in_seconds(self):
        facts = self.facts(36_000, "train", 0) + self.facts(4_000, "val", 1)
        one, other = facts[17].image, facts[36_005].image
        facts[36_005] = Facts("val", facts[36_005].pair, _like(one, other, flipped=5))
        # As near by its hash, but another image.
        facts[36_006] = Facts("val", facts[36_006].pair, _hashed(one.hash ^ 0b1, facts[36_006].image))
        began = time.process_time()
        near, frames = near_duplicates.near(facts)
        assert (near, frames) == ([(17, 36_005)], [])
        assert time.process_time() - began < 10

    def test_bits_are_counted_without_numpy_2_too(self, monkeypatch):
        words = np.random.default_rng(0).integers(0, 2**64, (3, 5), dtype=np.uint64)
        expected = [[int(word).bit_count() for word in row] for row in words]
        assert near_duplicates._count(words).tolist() == expected
        monkeypatch.delattr(np, "bitwise_count", raising=False)
        assert near_duplicates._count(words).tolist() == expected


def _hashed(value: int, facts: ImageFacts) -> ImageFacts:
    return ImageFacts(**{**vars(facts), "hash": value})


def _like(one: ImageFacts, other: ImageFacts, *, flipped: int) -> ImageFacts:
    return ImageFacts(**{**vars(other), "hash": one.hash ^ (2**flipped - 1), "thumb": one.thumb})
