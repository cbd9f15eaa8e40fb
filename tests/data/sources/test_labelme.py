"""LabelMe's files: every kind of shape, images beside the JSON or inside it, and their mistakes."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from annotated import HEIGHT, WIDTH, convert_and_read, draw_image, label_of, pixels, refusal, write_json
from PIL import Image

from kerseg.data.sources.labelme import Labelme
from kerseg.errors import ConfigError


def shape(label: str, points: list[list[float]], kind: str | None = "polygon", **more: object) -> dict:
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **more}


def annotate(folder: Path, name: str, *shapes: dict, **changes: object) -> Path:
    """Write an image and its JSON, as LabelMe 5 does."""
    draw_image(folder / f"{name}.png")
    document = {
        "version": "5.4.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": f"{Path(name).name}.png",
        "imageData": None,
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
    }
    return write_json(folder / f"{name}.json", document | changes)


def png(mask: list[list[int]]) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.array(mask, np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


BOX = [[5, 3], [1, 1]]
TALL = [[0, 0], [2, 0], [2, 4], [0, 4]]


def test_round_trip(tmp_path, capsys):
    """Folders train and val with JSONs beside their images, one in a sub-folder with its image inside."""
    annotate(tmp_path / "train", "a", shape("dog", TALL), shape("cat", BOX, "rectangle"))
    inside = annotate(tmp_path / "train", "more/b", shape("dog", TALL, None), shape("x", [[1, 1]], "point"))
    data = inside.with_suffix(".png").read_bytes()
    annotate(
        tmp_path / "train",
        "more/b",
        shape("dog", TALL, None),
        shape("x", [[1, 1]], "point"),
        shape("x", [[1, 1], [2, 2]], "line"),
        imageData=base64.b64encode(data).decode(),
        imagePath="..\\gone\\b.png",
    )
    inside.with_suffix(".png").unlink()
    annotate(tmp_path / "val", "c")
    source = Labelme(train_path=tmp_path / "train", val_path=tmp_path / "val", background="ground")
    info, labels = convert_and_read(source, tmp_path / "out")
    assert info.class_names == ("ground", "cat", "dog")
    assert labels == {
        "train": {
            "a": pixels("220000 211110 211110 220000"),
            "more/b": pixels("220000 220000 220000 220000"),
        },
        "val": {"c": pixels("000000 000000 000000 000000")},
    }
    assert capsys.readouterr().err.splitlines()[0] == (
        f"{tmp_path / 'train'}: shapes without area left out: 1 x line, 1 x point; the first in {inside}."
    )


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ([shape("a", BOX, "rectangle")], "...... .0000. .0000. ......"),
        ([shape("a", [[1, 1], [5, 1], [5, 3], [1, 3]], "rectangle")], "...... .0000. .0000. ......"),
        # Centre (3, 2), radius 1: the four centres at distance 0.71 are inside, those at 1.58 are not.
        ([shape("a", [[3, 2], [4, 2]], "circle")], "...... ..00.. ..00.. ......"),
        ([shape("a", [[3, 2], [3, 2]], "circle")], "...... ...... ...... ......"),
        ([shape("a", [[1, 0], [3, 0], [3, 2], [1, 2]], "oriented_rectangle")], ".00... .00... ...... ......"),
        (
            [shape("a", [[1, 1], [3, 2]], "mask", mask=png([[1, 0, 1], [0, 255, 0]]))],
            "...... .0.0.. ..0... ......",
        ),
        # In the order of the file, whatever the size.
        ([shape("a", BOX, "rectangle"), shape("b", TALL)], "11.... 11000. 11000. 11...."),
        ([shape("b", TALL), shape("a", BOX, "rectangle")], "11.... 10000. 10000. 11...."),
        ([shape("b", TALL), shape("__ignore__", BOX, "rectangle")], "11.... 1..... 1..... 11...."),
    ],
)
def test_shapes(tmp_path, drawn, expected):
    annotate(tmp_path / "t", "x", *drawn)
    source = Labelme(train_path=tmp_path / "t", class_names=("a", "b"))
    assert label_of(source, "x") == pixels(expected)


def test_labelmes_own_list_of_names(tmp_path):
    annotate(tmp_path / "t", "x", shape("b", TALL), shape("__ignore__", BOX, "rectangle"))
    names = tmp_path / "labels.txt"
    names.write_text("__ignore__\n_background_\nb\na\n")
    source = Labelme(train_path=tmp_path / "t", class_names=(str(names),))
    assert source.classes.names == ("_background_", "b", "a")
    assert label_of(source, "x") == pixels("110000 1....0 1....0 110000")


def test_a_label_outside_the_names_may_be_ignored(tmp_path):
    annotate(tmp_path / "t", "x", shape("b", TALL), shape("blur", BOX, "rectangle"))
    source = Labelme(train_path=tmp_path / "t", class_names=("a", "b"), ignore_classes=("blur",))
    assert label_of(source, "x") == pixels("11.... 1..... 1..... 11....")


def test_without_background_images_without_shapes_are_left_out(tmp_path, capsys):
    annotate(tmp_path / "t", "x", shape("a", TALL), shape("b", BOX, "rectangle"))
    annotate(tmp_path / "t", "y", shape("a", [[1, 1]], "point"))
    assert [pair.name for pair in Labelme(train_path=tmp_path / "t").splits()["train"]] == ["x"]
    assert capsys.readouterr().err.splitlines()[1] == (
        f"{tmp_path / 't'}: 1 of 2 images left out: no shapes. `background` keeps them."
    )


def test_old_files_have_no_size_and_take_that_of_the_image(tmp_path):
    annotate(tmp_path / "t", "x", shape("a", TALL), imageHeight=None, imageWidth=None)
    source = Labelme(train_path=tmp_path / "t", background="rest")
    assert label_of(source, "x") == pixels("110000 110000 110000 110000")


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (
            shape("bat", TALL),
            "unknown label: shape 1 ('bat') is none of the classes. Did you mean 'cat'? Known: cat, dog. Add it to "
            "`class_names`, or to `ignore_classes`.",
        ),
        (
            shape("cat", [[0, 0], [9, 0], [9, 4]]),
            "outside the image: shape 1 ('cat') has points at x 0 to 9, y 0 to 4; the image is 6 x 4 "
            "(width x height). Cut such off with `clip=True`.",
        ),
        (
            shape("cat", [[3, 2], [3, 6]], "circle"),
            "outside the image: shape 1 ('cat') has points at x -1 to 7, y -2 to 6; the image is 6 x 4 "
            "(width x height). Cut such off with `clip=True`.",
        ),
        (
            shape("cat", TALL, "cube"),
            "unknown shape: shape 1 ('cat') is a 'cube'. Known: polygon, rectangle, oriented_rectangle, circle, "
            "mask, point, points, line, linestrip.",
        ),
        (shape("cat", [[0, 0], [1, 1]]), "too few points: shape 1 ('cat') has 2; its shape needs 3."),
        (shape("cat", [[0, 0], [1]]), "wrong type: the points of shape 1 ('cat') are not all numbers."),
        (
            shape("cat", [[0, 0], [1, 1]], "mask", mask=png([[1]])),
            "size differs: the mask of shape 1 ('cat') is 1 x 1, its points are those of 2 x 2 (width x height).",
        ),
        (
            shape("cat", [[5, 3], [6, 3]], "mask", mask=png([[1, 1]])),
            "outside the image: the mask of shape 1 ('cat') is at x 5 to 6, y 3 to 3; the image is 6 x 4 "
            "(width x height).",
        ),
        (
            shape("cat", [[0, 0], [1, 1]], "mask", mask="?"),
            "damaged: the mask of shape 1 ('cat') is not base64.",
        ),
        (shape("cat", [[0, 0], [1, 1]], "mask"), "incomplete: shape 1 ('cat') has no 'mask'."),
    ],
)
def test_shapes_that_cannot_be_drawn(tmp_path, mark, message):
    path = annotate(tmp_path / "t", "x", mark)
    source = Labelme(train_path=tmp_path / "t", class_names=("cat", "dog"))
    assert refusal(source.read_label, path) == f"{path}: {message}"


def test_clip_cuts_off(tmp_path):
    annotate(
        tmp_path / "t",
        "x",
        shape("a", [[3, 2], [3, 90]], "circle"),
        shape("b", [[-9, 0], [9, 0], [9, 1], [-9, 1]]),
    )
    source = Labelme(train_path=tmp_path / "t", clip=True)
    assert label_of(source, "x") == pixels("111111 000000 000000 000000")


def test_all_faults_of_files_are_reported_at_once(tmp_path):
    annotate(tmp_path / "t", "a", shape("cat", TALL), imageHeight=5)
    annotate(tmp_path / "t", "b", shape("dog", TALL)).with_suffix(".png").unlink()
    broken = annotate(tmp_path / "t", "c")
    broken.write_text('{"shapes": [\n  {"label" "cat"}\n]}')
    annotate(tmp_path / "t", "d", shape("cat", TALL), imageData="?", imagePath="gone.png")
    source = Labelme(train_path=tmp_path / "t", background="ground")
    folder = tmp_path / "t"
    assert refusal(convert_and_read, source, tmp_path / "out").splitlines()[:4] == [
        f"{folder / 'a.json'}: size differs: the label is 6 x 5, its image {folder / 'a.png'} is 6 x 4 "
        "(width x height).",
        f"{folder / 'b.png'}: unreadable: No such file or directory.",
        f"{folder / 'c.json'}: broken JSON: line 2, column 12: Expecting ':' delimiter.",
        f"{folder / 'd.json'}: imageData: damaged: it is not base64.",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "wrong type: the document is [], not an object."),
        ("{}", "incomplete: the document has no 'shapes'."),
    ],
)
def test_jsons_that_are_something_else(tmp_path, text, message):
    path = annotate(tmp_path / "t", "x")
    path.write_text(text)
    source = Labelme(train_path=tmp_path / "t", class_names=("a", "b"))
    assert refusal(source.read_label, source.splits()["train"][0].label) == f"{path}: {message}"


def test_options_and_folders_that_do_not_fit(tmp_path):
    with pytest.raises(ConfigError, match=r"^Give `train_path`, and `val_path` or `val_share`\.$"):
        Labelme().splits()
    assert (
        refusal(Labelme(train_path=tmp_path / "x").splits)
        == f"{tmp_path / 'x'}: no such folder (`train_path`)."
    )
    (tmp_path / "t").mkdir()
    assert (
        refusal(Labelme(train_path=tmp_path / "t").splits) == f"{tmp_path / 't'}: no files that end in .json."
    )


def test_a_share_becomes_val(tmp_path):
    for index in range(12):
        annotate(tmp_path / "t", f"{index}", shape("a", TALL), shape("b", BOX, "rectangle"))
    splits = Labelme(train_path=tmp_path / "t", val_share=0.5).splits()
    assert list(splits) == ["train", "val"] and sum(map(len, splits.values())) == 12
