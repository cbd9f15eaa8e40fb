"""The four sources of PASCAL VOC 2012 and SBD, on small trees in the layouts of the two archives."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from scipy.sparse import csc_matrix
from trees import HEIGHT, WIDTH, converted, draw_image, lines, save, values

from kerseg.core.info import default_palette
from kerseg.data.formats import matlab
from kerseg.data.formats.images import BadFileError
from kerseg.data.sources.sbd import Sbd
from kerseg.data.sources.voc2012 import Voc2012
from kerseg.data.sources.voc2012_aug import Voc2012Aug
from kerseg.data.sources.voc2012_restricted import Voc2012Restricted
from kerseg.errors import DataError

PALETTE = [channel for colour in default_palette(256) for channel in colour]


def write_voc(root: Path, **lists: str) -> dict[str, np.ndarray]:
    """Write VOCdevkit/VOC2012 with these lists, an image a letter; return the labels."""
    folder = root / "VOCdevkit/VOC2012"
    labels = {}
    for split, names in lists.items():
        lines(folder / f"ImageSets/Segmentation/{split}.txt", *names)
        for name in names:
            draw_image(folder / f"JPEGImages/{name}.jpg")
            labels[name] = values(0, 15, 20, 255, seed=ord(name))
            save(folder / f"SegmentationClass/{name}.png", labels[name], PALETTE)
    return labels


def write_sbd(root: Path, **lists: str) -> dict[str, np.ndarray]:
    """Write benchmark_RELEASE/dataset in the same way."""
    folder = root / "benchmark_RELEASE/dataset"
    (folder / "cls").mkdir(parents=True)
    labels = {}
    for split, names in lists.items():
        lines(folder / f"{split}.txt", *names)
        for name in names:
            draw_image(folder / f"img/{name}.jpg")
            labels[name] = values(0, 1, 20, seed=-ord(name) % 256)
            write_sbd_label(folder / f"cls/{name}.mat", labels[name])
    return labels


def write_sbd_label(path: Path, pixels: np.ndarray) -> None:
    """Write a label as SBD's are: a structure with boundaries and the classes present beside the pixels."""
    boundaries = np.array([[csc_matrix((HEIGHT, WIDTH))]], dtype=object)
    fields = {"Boundaries": boundaries, "Segmentation": pixels, "CategoriesPresent": np.unique(pixels)}
    savemat(path, {"GTcls": fields}, do_compression=True)


def test_voc_round_trip(tmp_path):
    labels = write_voc(tmp_path, train="ab", val="c", trainval="abc")
    info, found = converted(Voc2012(root=tmp_path), tmp_path / "out")
    assert (info.name, info.num_classes) == ("voc2012", 21)
    assert {split: list(named) for split, named in found.items()} == {"train": ["a", "b"], "val": ["c"]}
    for name, label in (found["train"] | found["val"]).items():
        np.testing.assert_array_equal(label, labels[name])
    assert info.splits["val"].ignored_pixels == (labels["c"] == 255).sum()


def test_voc_is_found_from_any_of_its_folders_and_lists_are_chosen(tmp_path):
    write_voc(tmp_path, train="ab", val="c", trainval="abc")
    for root in (tmp_path, tmp_path / "VOCdevkit", tmp_path / "VOCdevkit/VOC2012"):
        splits = Voc2012(root=root, lists=("trainval",)).splits()
        assert [pair.name for pair in splits["trainval"]] == ["a", "b", "c"]


def test_voc_classes_are_the_published_ones():
    classes = Voc2012.classes
    assert (classes.names[0], classes.names[1], classes.names[20]) == ("background", "aeroplane", "tvmonitor")
    assert classes.palette == default_palette(21)
    assert classes.void_colours == ((224, 224, 192),)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Voc2012, "has no JPEGImages and no SegmentationClass and no ImageSets/Segmentation/train.txt"),
        (Voc2012, "It is the folder VOC2012 of VOCtrainval_11-May-2012.tar, with JPEGImages"),
        (
            Sbd,
            "has no img and no cls and no train.txt and no val.txt. It is the folder benchmark_RELEASE/dataset",
        ),
    ],
)
def test_a_root_that_is_something_else(tmp_path, source, message):
    with pytest.raises(DataError) as error:
        source(root=tmp_path).splits()
    assert str(error.value).startswith(f"{tmp_path}: ") and message in str(error.value)
    with pytest.raises(DataError, match=r"gone: no such folder \(`root`\)\.$"):
        source(root=tmp_path / "gone").splits()


def test_a_list_that_is_not_there(tmp_path):
    write_voc(tmp_path, train="a", val="b")
    with pytest.raises(DataError, match=r"test\.txt") as error:
        Voc2012(root=tmp_path / "VOCdevkit/VOC2012", lists=("train", "test")).splits()
    assert "VOC2012: has no ImageSets/Segmentation/test.txt. It is the folder" in str(error.value)


def test_a_listed_image_without_files_is_a_fault_of_its_own(tmp_path):
    write_voc(tmp_path, train="ab", val="c")
    (tmp_path / "VOCdevkit/VOC2012/SegmentationClass/b.png").unlink()
    with pytest.raises(DataError, match=r"^\S+SegmentationClass/b\.png: unreadable: No such file"):
        converted(Voc2012(root=tmp_path), tmp_path / "out")


def test_voc_labels_saved_as_colours(tmp_path):
    label = tmp_path / "a.png"
    Image.new("RGB", (2, 1), (128, 0, 0)).save(label)
    with pytest.raises(BadFileError, match=r"VOC's own labels are PNGs with a palette"):
        Voc2012(root=tmp_path).read_label(label)


def test_sbd_round_trip(tmp_path):
    labels = write_sbd(tmp_path, train="ab", val="c")
    info, found = converted(Sbd(root=tmp_path), tmp_path / "out")
    assert (info.name, info.num_classes, list(found["train"])) == ("sbd", 21, ["a", "b"])
    for name, label in (found["train"] | found["val"]).items():
        np.testing.assert_array_equal(label, labels[name])


def test_sbd_labels_that_are_none(tmp_path):
    broken, empty, flat = (tmp_path / f"{name}.mat" for name in ("broken", "empty", "flat"))
    broken.write_bytes(b"no MATLAB file")
    savemat(empty, {"GTinst": np.zeros((2, 2))})
    savemat(flat, {"GTcls": np.zeros((2, 2))})
    for path, message in (
        (broken, "unreadable: not a MATLAB file that SciPy reads: "),
        (empty, "no label: it has no GTcls. It has: GTinst."),
        (flat, "no label: GTcls is not a structure with a field Segmentation."),
    ):
        with pytest.raises(BadFileError) as error:
            Sbd(root=tmp_path).read_label(path)
        assert str(error.value).startswith(f"{path}: {message}")


def test_without_scipy_sbd_says_what_to_install(tmp_path, monkeypatch):
    write_sbd(tmp_path, train="a", val="b")
    monkeypatch.setattr(matlab, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"cls: labels are \.mat files.*pip install scipy\.$"):
        Sbd(root=tmp_path).splits()


# Images that are in both data sets, on either side of VOC's train and val and of SBD's, and in one of them alone:
# a to i. VOC's labels win where there are two.
VOC = {"train": "abc", "val": "defg"}
SBD = {"train": "adhi", "val": "bejk"}


def test_aug_trains_on_everything_that_is_not_vocs_val(tmp_path):
    voc, sbd = write_voc(tmp_path, **VOC), write_sbd(tmp_path, **SBD)
    info, found = converted(Voc2012Aug(voc=tmp_path, sbd=tmp_path), tmp_path / "out")
    assert info.name == "voc2012_aug"
    assert {split: "".join(named) for split, named in found.items()} == {"train": "abchijk", "val": "defg"}
    for name, label in (found["train"] | found["val"]).items():
        np.testing.assert_array_equal(label, voc[name] if name in voc else sbd[name])


def test_aug_with_sbds_labels_as_png(tmp_path):
    voc, sbd = write_voc(tmp_path, **VOC), write_sbd(tmp_path, **SBD)
    root = tmp_path / "VOCdevkit/VOC2012"
    with pytest.raises(
        DataError, match=r"VOC2012: has no SegmentationClassAug\. Give `sbd`, the folder of SBD's"
    ):
        Voc2012Aug(voc=tmp_path).splits()
    for name in {*voc, *sbd}:
        save(root / f"SegmentationClassAug/{name}.png", sbd.get(name, voc.get(name)))
        draw_image(root / f"JPEGImages/{name}.jpg")
    _, found = converted(Voc2012Aug(voc=tmp_path), tmp_path / "out")
    assert {split: "".join(named) for split, named in found.items()} == {"train": "abchijk", "val": "defg"}
    for name, label in (found["train"] | found["val"]).items():
        np.testing.assert_array_equal(label, voc[name] if name in voc else sbd[name])


def test_restricted_validates_on_what_sbds_train_does_not_have(tmp_path):
    voc, sbd = write_voc(tmp_path, **VOC), write_sbd(tmp_path, **SBD)
    info, found = converted(Voc2012Restricted(voc=tmp_path, sbd=tmp_path), tmp_path / "out")
    assert info.name == "voc2012_restricted"
    assert {split: "".join(named) for split, named in found.items()} == {"train": "abcdhijk", "val": "efg"}
    for name, label in (found["train"] | found["val"]).items():
        np.testing.assert_array_equal(label, voc[name] if name in voc else sbd[name])


def test_each_option_is_named_where_its_folder_is_wrong(tmp_path):
    write_voc(tmp_path, **VOC)
    with pytest.raises(DataError, match=r"^x: no such folder \(`voc`\)\.$"):
        Voc2012Aug(voc=Path("x"), sbd=tmp_path).splits()
    with pytest.raises(DataError, match=r"^x: no such folder \(`sbd`\)\.$"):
        Voc2012Restricted(voc=tmp_path, sbd=Path("x")).splits()


def test_lists_are_read_with_care(tmp_path):
    write_voc(tmp_path, train="a", val="b")
    file = tmp_path / "VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt"
    for text, message in (
        ("\n", "train.txt: lists no images. Each line is the name of one."),
        ("a\nb\na\n", "train.txt: lists 'a' more than once."),
    ):
        file.write_text(text)
        with pytest.raises(DataError) as error:
            Voc2012(root=tmp_path).splits()
        assert str(error.value) == f"{file.parent}/{message}"


def test_lists_of_the_published_sizes_make_splits_of_the_published_sizes(tmp_path):
    """VOC has 1,464 and 1,449 images with labels, SBD 8,498 and 2,857, and 12,031 have one in either.

    545 of VOC's val are in SBD's train; where the other 1,692 are that both have is made up.
    """
    every = [f"{number:05}" for number in range(12_031)]
    voc, sbd_only = every[:2913], every[2913:]
    val, train = voc[:1449], voc[1449:]
    shared = [*val, *train[: 2237 - 1449]]
    assert len(sbd_only) + len(shared) == 8498 + 2857
    sbd_train = [*val[:545], *sbd_only[: 8498 - 545]]
    sbd_val = sorted({*shared, *sbd_only} - {*sbd_train})
    devkit, release = tmp_path / "VOCdevkit/VOC2012", tmp_path / "benchmark_RELEASE/dataset"
    for folder in (devkit / "JPEGImages", devkit / "SegmentationClass", release / "img", release / "cls"):
        folder.mkdir(parents=True)
    for split, names in (("train", train), ("val", val)):
        lines(devkit / f"ImageSets/Segmentation/{split}.txt", *names)
    for split, names in (("train", sbd_train), ("val", sbd_val)):
        lines(release / f"{split}.txt", *names)
    for source in (
        Voc2012(root=tmp_path),
        Sbd(root=tmp_path),
        Voc2012Aug(voc=tmp_path, sbd=tmp_path),
        Voc2012Restricted(voc=tmp_path, sbd=tmp_path),
    ):
        found = {split: len(pairs) for split, pairs in source.splits().items()}
        assert found == {split: source.counts[split] for split in found}
    assert Voc2012Aug.counts == {"train": 10_582, "val": 1449}
    assert Voc2012Restricted.counts == {"train": 11_127, "val": 904}
