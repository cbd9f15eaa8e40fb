"""CamVid as it was released: colours of 32 classes, split as SegNet's preparation is."""

import itertools

import numpy as np
import pytest
from trees import HEIGHT, WIDTH, converted, draw_image, save

import published
from kerseg.data.formats.images import BadFileError
from kerseg.data.sources.base import Pair
from kerseg.data.sources.camvid import CamVid
from kerseg.errors import DataError

SPLITS = {
    "train": ["0001TP_006690", "0001TP_008520", "0006R0_f00930", "0016E5_00390", "0016E5_08640"],
    "val": ["0016E5_07959", "0016E5_08159"],
    "test": ["0001TP_008550", "0001TP_010380", "Seq05VD_f00000", "Seq05VD_f05100"],
}
# label_colors.txt of the release, in its order: 64 128 64 is Animal. What each becomes of SegNet's 11 classes.
COLOURS = {
    (64, 128, 64): "pedestrian",
    (192, 0, 128): "building",
    (0, 128, 192): "bicyclist",
    (0, 128, 64): "building",
    (128, 0, 0): "building",
    (64, 0, 128): "car",
    (64, 0, 192): "pedestrian",
    (192, 128, 64): "pedestrian",
    (192, 192, 128): "pole",
    (64, 64, 128): "fence",
    (128, 0, 192): "road",
    (192, 0, 64): "road",
    (128, 128, 64): "sign_symbol",
    (192, 0, 192): "bicyclist",
    (128, 64, 64): "car",
    (64, 192, 128): "pavement",
    (64, 64, 0): "pedestrian",
    (128, 64, 128): "road",
    (128, 128, 192): "pavement",
    (0, 0, 192): "pavement",
    (192, 128, 128): "sign_symbol",
    (128, 128, 128): "sky",
    (64, 128, 192): "car",
    (0, 0, 64): "pole",
    (0, 64, 64): "sign_symbol",
    (192, 64, 128): "car",
    (128, 128, 0): "tree",
    (192, 128, 192): "car",
    (64, 0, 64): "building",
    (192, 192, 0): "tree",
    (0, 0, 0): None,
    (64, 192, 0): "building",
}


def test_round_trip(tmp_path):
    chosen = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % len(COLOURS)
    for name in itertools.chain(*SPLITS.values()):
        draw_image(tmp_path / f"in/701_StillsRaw_full/{name}.png")
        save(tmp_path / f"in/LabeledApproved_full/{name}_L.png", np.array(list(COLOURS), np.uint8)[chosen])
    info, found = converted(CamVid(root=tmp_path / "in"), tmp_path / "out")
    indices = [255 if name is None else info.class_names.index(name) for name in COLOURS.values()]
    assert info.num_classes == 11
    assert {split: list(named) for split, named in found.items()} == SPLITS
    for named in found.values():
        for label in named.values():
            np.testing.assert_array_equal(label, np.array(indices)[chosen])


def test_splits_are_those_of_the_images_prepared_for_segnet(tmp_path):
    folder = published.find("camvid", "CamVid")
    prepared = {
        split: [path.stem for path in sorted((folder / split).glob("*.png"))] for split in ("train", "val")
    }
    for folder, tail in (("701_StillsRaw_full", ""), ("LabeledApproved_full", "_L")):
        (tmp_path / folder).mkdir()
        for name in prepared["train"] + prepared["val"]:
            (tmp_path / folder / f"{name}{tail}.png").touch()
    splits = CamVid(root=tmp_path).splits()
    assert {split: [pair.name for pair in pairs] for split, pairs in splits.items()} == prepared
    assert isinstance(splits["train"][0], Pair) and splits["train"][0].label.name == "0001TP_006690_L.png"


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.array([[[1, 2, 3]]], np.uint8), "colour outside the palette: 1 2 3 (1 pixel)."),
        (np.array([[3]], np.uint8), "unusable label: pixels of type 'L', not colours as released."),
    ],
)
def test_labels_that_are_not_as_released(tmp_path, pixels, message):
    save(tmp_path / "0001TP_006690_L.png", pixels)
    with pytest.raises(BadFileError) as error:
        CamVid(root=tmp_path).read_label(tmp_path / "0001TP_006690_L.png")
    assert str(error.value) == f"{tmp_path}/0001TP_006690_L.png: {message}"


def test_trees_that_are_not_the_release(tmp_path):
    draw_image(tmp_path / "701_StillsRaw_full/a.png")
    with pytest.raises(
        DataError, match=r"has no LabeledApproved_full\. `root` is the folder that holds train, "
    ):
        CamVid(root=tmp_path).splits()
    draw_image(tmp_path / "LabeledApproved_full/a_L.png")
    with pytest.raises(DataError, match=r"a\.png: not a name of CamVid's, such as 0001TP_006690\.png\.$"):
        CamVid(root=tmp_path).splits()
