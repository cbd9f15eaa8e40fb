"""CVAT's XML: every shape with an area, z_order, subsets, colours of labels, and its mistakes."""

import pickle
from pathlib import Path

import pytest
from annotated import HEIGHT, WIDTH, convert_and_read, draw_image, label_of, pixels, refusal

from kerseg.data.sources.cvat_xml import CvatXml
from kerseg.errors import ConfigError

LABELS = (("dog", "#0000ff", "any"), ("cat", "#fa3253", "polygon"), ("wheel", "#00ff00", "points"))
META = "<version>1.1</version><meta><project><id>3</id><labels>{}</labels></project></meta>"


def image(name: str, *shapes: str, more: str = "", width: object = WIDTH, height: object = HEIGHT) -> str:
    return f'<image id="0" name="{name}" {more} width="{width}" height="{height}">{"".join(shapes)}</image>\n'


def box(label: str, corners: str, more: str = "") -> str:
    attributes = zip(("xtl", "ytl", "xbr", "ybr"), corners.split(), strict=True)
    text = " ".join(f'{key}="{value}"' for key, value in attributes)
    attribute = '<attribute name="a">b</attribute>'
    return f'<box label="{label}" source="manual" occluded="0" {text} {more}>{attribute}</box>'


def polygon(label: str, points: str, order: int = 0) -> str:
    return f'<polygon label="{label}" source="manual" occluded="0" points="{points}" z_order="{order}"></polygon>'


def write(path: Path, *images: str, labels=LABELS) -> Path:
    named = "".join(
        f"<label><name>{name}</name><color>{colour}</color><type>{kind}</type><attributes/></label>"
        for name, colour, kind in labels
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    head = '<?xml version="1.0" encoding="utf-8"?>\n<annotations>'
    path.write_text(f"{head}{META.format(named)}\n{''.join(images)}</annotations>\n")
    return path


def source(folder: Path, *shapes: str, **options: object) -> CvatXml:
    """Write the export of a task with one image."""
    draw_image(folder / "images/a.png")
    write(folder / "annotations.xml", image("a.png", *shapes))
    return CvatXml(root=folder, **options)


TALL = "0.00,0.00;2.00,0.00;2.00,4.00;0.00,4.00"
MASK = '<mask label="cat" source="semi-auto" rle="0, 1, 1, 2" left="3" top="1" width="2" height="2" z_order="{}"/>'


def test_round_trip(tmp_path, capsys):
    """A project's export: subsets Train and Validation, each with its folder in images."""
    for name in ("Train/a.png", "Train/deep/b.png", "Validation/a.png"):
        draw_image(tmp_path / "images" / name)
    points = '<points label="wheel" points="1.00,1.00" z_order="0"></points><tag label="dog"/>'
    write(
        tmp_path / "annotations.xml",
        image("a.png", polygon("dog", TALL, 1), box("cat", "1 1 5 3", 'z_order="0"'), more='subset="Train"'),
        image("a.png", more='subset="Validation"'),
        image("deep/b.png", MASK.format(0), points, more='subset="Train"'),
    )
    info, labels = convert_and_read(CvatXml(root=tmp_path, background="ground"), tmp_path / "out")
    assert info.class_names == ("ground", "dog", "cat")
    assert info.palette == ((0, 0, 0), (0, 0, 255), (250, 50, 83))
    assert labels == {
        "train": {
            "a": pixels("110000 112220 112220 110000"),
            "deep/b": pixels("000000 000200 000220 000000"),
        },
        "val": {"a": pixels("000000 000000 000000 000000")},
    }
    assert capsys.readouterr().err.splitlines()[0] == (
        f"{tmp_path / 'annotations.xml'}: shapes without area left out: 1 x points, 1 x tag; the first in "
        "deep/b.png."
    )


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([box("cat", "1 1 5 3")], "...... .1111. .1111. ......"),
        # A box 4 x 2 about (3, 2), turned upright.
        ([box("cat", "1 1 5 3", 'rotation="90.0"')], "..11.. ..11.. ..11.. ..11.."),
        ([MASK.format(0)], "...... ...1.. ...11. ......"),
        (['<ellipse label="dog" cx="3.0" cy="2.0" rx="2" ry="1"/>'], "...... .0000. .0000. ......"),
        (['<ellipse label="dog" cx="3" cy="2" rx="2" ry="1" rotation="90"/>'], "..00.. ..00.. ..00.. ..00.."),
        # The higher z_order lies on top, of equal ones the later.
        ([polygon("dog", TALL, 2), box("cat", "0 0 6 1", 'z_order="1"')], "001111 00.... 00.... 00...."),
        ([polygon("dog", TALL, 2), box("cat", "0 0 6 1", 'z_order="2"')], "111111 00.... 00.... 00...."),
        ([box("cat", "0 0 6 1", 'z_order="-3"'), polygon("dog", TALL)], "001111 00.... 00.... 00...."),
    ],
)
def test_shapes(tmp_path, shapes, expected):
    assert label_of(source(tmp_path, *shapes), "a") == pixels(expected)


def test_splits_by_folder_and_images_beside_the_xml(tmp_path):
    for split in ("t", "v"):
        draw_image(tmp_path / split / "a.png")
        write(tmp_path / split / "export.xml", image("a.png", box("cat", "0 0 6 4"), more='subset="odd"'))
    source = CvatXml(train_path=tmp_path / "t/export.xml", val_path=tmp_path / "v/export.xml")
    splits = source.splits()
    assert {split: [str(pair.image) for pair in pairs] for split, pairs in splits.items()} == {
        "train": [str(tmp_path / "t/a.png")],
        "val": [str(tmp_path / "v/a.png")],
    }


def test_colours_that_are_missing_or_equal_are_pascal_vocs(tmp_path):
    draw_image(tmp_path / "a.png")
    for colours in (("#010203", "#010203"), ("#010203", "")):
        labels = [(name, colour, "any") for name, colour in zip("ab", colours, strict=True)]
        write(tmp_path / "annotations.xml", image("a.png"), labels=labels)
        assert CvatXml(root=tmp_path).classes.palette == ((0, 0, 0), (128, 0, 0))


def test_without_background_images_without_shapes_are_left_out(tmp_path, capsys):
    draw_image(tmp_path / "images/b.png")
    file = write(tmp_path / "annotations.xml", image("a.png"), image("b.png", box("cat", "0 0 1 1")))
    assert [pair.name for pair in CvatXml(root=tmp_path).splits()["train"]] == ["b"]
    assert capsys.readouterr().err == (
        f"{file}: 1 of 2 images left out: no shapes. `background` keeps them.\n"
    )


def test_workers_get_labels_but_not_the_whole_xml(tmp_path):
    cvat = source(tmp_path, box("cat", "1 1 5 3"))
    label = cvat.splits()["train"][0].label
    _ = cvat.classes
    sent = pickle.loads(pickle.dumps(cvat))
    assert "_documents" not in sent.__dict__
    assert sent.read_label(pickle.loads(pickle.dumps(label))).tolist() == pixels(
        "...... .1111. .1111. ......"
    )


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            box("cart", "1 1 2 2"),
            "unknown label: box 1 ('cart') is none of the XML's labels. Did you mean 'cat'? Known: dog, cat.",
        ),
        (
            polygon("cat", "0,0;9,0;9,4"),
            "outside the image: polygon 1 ('cat') has points at x 0 to 9, y 0 to 4; the image is 6 x 4 "
            "(width x height). Cut such off with `clip=True`.",
        ),
        (
            '<ellipse label="cat" cx="3" cy="2" rx="5" ry="1" rotation="90"/>',
            "outside the image: ellipse 1 ('cat') has points at x 2 to 4, y -3 to 7; the image is 6 x 4",
        ),
        (
            MASK.format(0).replace('left="3"', 'left="5"'),
            "outside the image: mask 1 ('cat') is 2 x 2 at x 5, y 1; the image is 6 x 4 (width x height).",
        ),
        (
            MASK.format(0).replace("1, 2", "1, 1"),
            "bad run lengths: mask 1 ('cat'): runs of 3 pixels together for 2 x 2 (width x height).",
        ),
        (
            MASK.format(0).replace("1, 2", "1, b"),
            "bad run lengths: mask 1 ('cat'): invalid literal for int()",
        ),
        (polygon("cat", "0,0;9,0"), "too few points: polygon 1 ('cat') has 2; its shape needs 3."),
        (polygon("cat", "0,0;9;4,4"), "wrong type: the points of polygon 1 ('cat') are not all numbers."),
        ('<box label="cat" xtl="1"/>', "incomplete: box 1 ('cat') has no 'ytl'."),
        (box("cat", "1 1 2 two"), "wrong type: 'ybr' of box 1 ('cat') is 'two', not a number."),
    ],
)
def test_shapes_that_cannot_be_drawn(tmp_path, shape, message):
    text = refusal(label_of, source(tmp_path, shape), "a")
    assert text.startswith(f"{tmp_path / 'annotations.xml'}: a.png: {message}")


def test_clip_cuts_off(tmp_path):
    cvat = source(tmp_path, box("cat", "3 -9 99 99"), clip=True)
    assert label_of(cvat, "a") == pixels("...111 ...111 ...111 ...111")


def test_an_image_of_another_size_or_none_is_reported_with_all_others(tmp_path):
    marks = box("cat", "0 0 1 1")
    file = write(
        tmp_path / "annotations.xml",
        image("a.png", marks, width=7),
        image("b.png", marks),
        image("c.png", marks),
    )
    draw_image(tmp_path / "images/a.png"), draw_image(tmp_path / "images/c.png")
    text = refusal(convert_and_read, CvatXml(root=tmp_path), tmp_path / "out").splitlines()
    assert text[:2] == [
        f"{file}: a.png: size differs: the label is 7 x 4, its image {tmp_path / 'images/a.png'} is 6 x 4 "
        "(width x height).",
        f"{tmp_path / 'images/b.png'}: unreadable: No such file or directory.",
    ]
    assert text[2].startswith("2 faults in 3 pairs: 1 x size differs, 1 x unreadable.")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations>\n <image>\n</annotations>", "broken XML: line 3, column 3: mismatched tag."),
        ("<data/>", "not CVAT's: it holds <data>, not <annotations>."),
        ("<annotations/>", "no images: it has no <image>."),
        (
            "<annotations><track id='0'/></annotations>",
            "no images: it has no <image>. It holds tracks: export it as 'CVAT for images 1.1'.",
        ),
        ("<annotations><image id='0'/></annotations>", "no labels: its <meta> lists none that have an area."),
    ],
)
def test_xmls_that_cannot_be_used(tmp_path, text, message):
    (tmp_path / "annotations.xml").write_text(text)
    cvat = CvatXml(root=tmp_path)
    assert refusal(lambda: (cvat.classes, cvat.splits())) == f"{tmp_path / 'annotations.xml'}: {message}"


def test_splits_that_are_unknown_or_do_not_agree(tmp_path):
    draw_image(tmp_path / "images/a.png")
    file = write(tmp_path / "annotations.xml", image("a.png", box("cat", "0 0 1 1"), more='subset="Night"'))
    assert refusal(CvatXml(root=tmp_path).splits) == (
        f"{file}: unknown subset: 'a.png' is in 'Night'. Known: Train, Validation, Test, in CVAT's words. Rename "
        "it there, or export each subset, and give `train_path` and `val_path`."
    )
    other = write(tmp_path / "v/annotations.xml", image("a.png"), labels=[("cow", "", "any")])
    assert refusal(lambda: CvatXml(train_path=tmp_path, val_path=tmp_path / "v").classes) == (
        f"{other}: other labels: {file} has no 'cow'. It has: dog, cat. Export the splits of one project."
    )


def test_options_and_files_that_do_not_fit(tmp_path):
    for options in ({}, {"root": tmp_path, "train_path": tmp_path}):
        with pytest.raises(
            ConfigError, match=r"^Give `root`, or `train_path` and `val_path`: one of the two\.$"
        ):
            CvatXml(**options).splits()
    assert refusal(CvatXml(val_path=tmp_path).splits) == (
        f"{tmp_path / 'annotations.xml'}: no such file (`val_path`). It is what CVAT exports as "
        "'CVAT for images 1.1'."
    )
    file = write(tmp_path / "annotations.xml", image("a.png", box("cat", "0 0 1 1")))
    assert refusal(CvatXml(root=tmp_path).splits) == (
        f"{file}: none of its 1 images is there, such as {tmp_path / 'images/a.png'}. Export with 'Save images', "
        "or put them there."
    )
