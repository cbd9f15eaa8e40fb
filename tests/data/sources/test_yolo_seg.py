"""YOLO's format: where images and labels are, polygons in shares of the image, and its mistakes."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from annotated import convert_and_read, draw_image, label_of, pixels, refusal
from PIL import Image

from kerseg.data.conversion.checks import check_pair
from kerseg.data.sources.yolo_seg import YoloSeg

NAMES = "names:\n  0: cat\n  1: dog\n"
# Columns 2 to 4 of rows 1 and 2 of 4 x 6, and the whole lower row.
BOX = "0.333333 0.25 0.833333 0.25 0.833333 0.75 0.333333 0.75"
ROW = "0 0.75 1 0.75 1 1 0 1"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def source(folder: Path, label: str | None, **options: object) -> YoloSeg:
    """Write a data set of one image, a.png, with this label."""
    draw_image(folder / "images/train/a.png")
    draw_image(folder / "images/train/z.png")
    write(folder / "labels/train/z.txt", f"0 {BOX}\n")
    if label is not None:
        write(folder / "labels/train/a.txt", label)
    return YoloSeg(yaml=write(folder / "data.yaml", f"train: images/train\n{NAMES}"), **options)


def test_round_trip(tmp_path):
    """The layout of Ultralytics' own examples: images/train and labels/train; one image has no label."""
    for name in ("train/a", "train/more/b", "train/empty", "val/c"):
        draw_image(tmp_path / f"images/{name}.png")
    write(tmp_path / "labels/train/a.txt", f"1 {BOX}\n\n0 {ROW}\n")
    write(tmp_path / "labels/train/more/b.txt", f"0 {ROW}\n")
    write(tmp_path / "labels/val/c.txt", f"1.0 {ROW}")
    file = write(
        tmp_path / "data.yaml", f"path: .\ntrain: images/train\nval: images/val\ntest:\nnc: 2\n{NAMES}"
    )
    info, labels = convert_and_read(YoloSeg(yaml=file, background="ground"), tmp_path / "out")
    assert info.class_names == ("ground", "cat", "dog")
    assert labels == {
        "train": {
            "a": pixels("000000 002220 002220 111111"),
            "empty": pixels("000000 000000 000000 000000"),
            "more/b": pixels("000000 000000 000000 111111"),
        },
        "val": {"c": pixels("000000 000000 000000 222222")},
    }


def test_without_background_images_without_objects_are_left_out(tmp_path, capsys):
    yolo = source(tmp_path, "")
    assert [pair.name for pair in yolo.splits()["train"]] == ["z"]
    assert capsys.readouterr().err == (
        f"{tmp_path / 'data.yaml'}: 1 of 2 images of 'train' left out: no objects. `background` keeps them.\n"
    )
    assert label_of(yolo, "z") == pixels("...... ..000. ..000. ......")


def test_smaller_objects_are_on_top_whatever_their_order(tmp_path):
    whole = "0 0 0 1 0 1 1 0 1"
    for text in (f"{whole}\n1 {BOX}", f"1 {BOX}\n{whole}"):
        assert label_of(source(tmp_path, text), "a") == pixels("000000 001110 001110 000000")


def test_shares_are_of_the_image_as_exif_turns_it(tmp_path):
    yolo = source(tmp_path, f"1 {ROW}")
    upright = Image.new("RGB", (6, 4))
    exif = upright.getexif()
    exif[0x0112] = 6
    upright.save(tmp_path / "images/train/a.png", exif=exif)
    # 6 high: the lower quarter begins at 4.5, the centre of row 4, which is thus inside.
    assert label_of(yolo, "a") == pixels(".... .... .... .... 1111 1111")


@pytest.mark.parametrize(
    ("yaml", "folder"),
    [
        ("train: ../train/images\n", "train"),  # Roboflow's, beside its data.yaml
        ("path: /nowhere/else\ntrain: train/images\n", "train"),
        ("path: deep\ntrain: images\n", "deep"),
        ("train: [train/images]\n", "train"),
        ("train: list.txt\n", "train"),
    ],
)
def test_where_the_images_are(tmp_path, yaml, folder):
    draw_image(tmp_path / folder / "images/a.png")
    write(tmp_path / folder / "labels/a.txt", f"0 {ROW}")
    write(tmp_path / "list.txt", f"./{folder}/images/a.png\n\n")
    (pair,) = YoloSeg(yaml=write(tmp_path / "data.yaml", yaml + NAMES)).splits()["train"]
    assert pair.image.samefile(tmp_path / folder / "images/a.png")
    assert Path(str(pair.label)).samefile(tmp_path / folder / "labels/a.txt")


def test_the_last_images_of_a_path_is_labels_or_the_label_is_beside(tmp_path):
    draw_image(tmp_path / "images/images/a.png"), draw_image(tmp_path / "flat/b.png")
    write(tmp_path / "images/labels/a.txt", f"0 {ROW}"), write(tmp_path / "flat/b.txt", f"0 {ROW}")
    file = write(tmp_path / "data.yaml", "train: images/images\nval: flat\nnames: [cat, dog]\n")
    splits = YoloSeg(yaml=file).splits()
    assert str(splits["train"][0].label) == str(tmp_path / "images/labels/a.txt")
    assert str(splits["val"][0].label) == str(tmp_path / "flat/b.txt")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"2 {BOX}", "unknown class: line 2 begins with '2'. Known: 0 (cat), 1 (dog)."),
        (f"-1 {BOX}", "unknown class: line 2 begins with '-1'. Known: 0 (cat), 1 (dog)."),
        (
            "0 0 0 2 0 2 1",
            "outside the image: line 2 has points at x 0 to 12, y 0 to 4; the image is 6 x 4 "
            "(width x height). Cut such off with `clip=True`.",
        ),
        (
            "0 0 0 5 0 5 4",
            "outside the image: line 2 has points at x 0 to 30, y 0 to 16; the image is 6 x 4 "
            "(width x height). Numbers are shares of width and height, 0 to 1.",
        ),
        (
            "0 0.5 0.5 0.2 0.2",
            "box: line 2 has 4 numbers after the class, a box of YOLO detection. Outline the object.",
        ),
        ("0 0 0 1 0", "box: line 2 has"),
        ("0 0 0", "too few points: line 2 has 1; its shape needs 3."),
        ("0 0 0 1 0 1 1 1", "odd points: those of line 2 are not pairs of x and y."),
        ("0 0 0 1 0 1 one", "wrong type: the points of line 2 are not all numbers."),
    ],
)
def test_lines_that_cannot_be_drawn(tmp_path, line, message):
    yolo = source(tmp_path, f"0 {BOX}\n{line}\n")
    assert refusal(label_of, yolo, "a").startswith(f"{tmp_path / 'labels/train/a.txt'}: {message}")


def test_clip_cuts_off(tmp_path):
    assert label_of(source(tmp_path, "0 0.5 -9 9 -9 9 9 0.5 9", clip=True), "a") == pixels(
        "...000 ...000 ...000 ...000"
    )


def test_a_broken_image_is_reported_once(tmp_path):
    yolo = source(tmp_path, f"0 {BOX}")
    (tmp_path / "images/train/a.png").write_bytes(b"nothing")
    assert len(check_pair(yolo, yolo.splits()["train"][0])) == 1
    text = refusal(convert_and_read, yolo, tmp_path / "out").splitlines()
    assert text[0] == (
        f"{tmp_path / 'images/train/a.png'}: unreadable: not an image of a kind that is read "
        "(JPEG, PNG, BMP, GIF, TIFF, WEBP, PPM)."
    )
    assert text[1].startswith("1 fault in 2 pairs: 1 x unreadable.")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: [a\nval: b\n", "broken YAML: line 2, column 4: "),
        ("- a\n", "wrong type: it is no list of 'key: value', as a data.yaml is."),
        ("train: x\n", "no names: 'names' must be a list of class names, or have a number for each."),
        ("train: x\nnc: 3\nnames: [a, b]\n", "names do not fit: 'nc' is 3, and there are 2 names."),
        ("names: [a, b]\n", "no splits: it has no 'train', no 'val' and no 'test'."),
        (
            "names: [a, b]\ntrain: gone\n",
            "no such folder: 'train' is 'gone', and there is no {folder}/gone. Give `root`, the folder that the "
            "paths start from.",
        ),
        (
            "names: [a, b]\ntrain: images\n",
            "no labels: none of the 1 images of 'train' has one; that of {folder}/images/a.png would be "
            "{folder}/labels/a.txt.",
        ),
    ],
)
def test_data_yamls_that_cannot_be_used(tmp_path, text, message):
    draw_image(tmp_path / "images/a.png")
    yolo = YoloSeg(yaml=write(tmp_path / "data.yaml", text))
    expected = f"{tmp_path / 'data.yaml'}: {message.format(folder=tmp_path)}"
    assert refusal(lambda: (yolo.classes, yolo.splits())).startswith(expected)


def test_a_share_becomes_val(tmp_path):
    for index in range(12):
        draw_image(tmp_path / f"images/{index}.png")
        write(tmp_path / f"labels/{index}.txt", f"0 {ROW}")
    file = write(tmp_path / "data.yaml", f"train: images\n{NAMES}")
    splits = YoloSeg(yaml=file, val_share=0.5).splits()
    assert list(splits) == ["train", "val"] and sum(map(len, splits.values())) == 12


def test_one_class_needs_a_background(tmp_path):
    file = write(tmp_path / "data.yaml", "train: x\nnames: [cell]\n")
    assert refusal(lambda: YoloSeg(yaml=file).classes) == (
        "There is one class, 'cell', and all else is ignored, so there is nothing to learn. Give "
        "`background=NAME`: a class for the pixels in no shape."
    )
    assert YoloSeg(yaml=file, background="rest").classes.names == ("rest", "cell")


def test_it_pickles(tmp_path):
    yolo = source(tmp_path, f"0 {BOX}")
    label = yolo.splits()["train"][0].label
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(yolo)).read_label(label), yolo.read_label(label))
