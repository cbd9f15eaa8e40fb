"""COCO's format: polygons, run lengths of both kinds, crowds, categories with gaps, and its mistakes."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from annotated import HEIGHT, WIDTH, convert_and_read, draw_image, label_of, pixels, refusal, write_json

from kerseg.data.formats.shapes import box, paint, polygon
from kerseg.data.sources.coco_json import CocoJson, decode_counts
from kerseg.errors import ConfigError, DataError

CATEGORIES = [{"id": 7, "name": "dog", "supercategory": "animal"}, {"id": 3, "name": "cat"}]
BOX = [1, 1, 5, 1, 5, 3, 1, 3]
"""Columns 1 to 4 of rows 1 and 2."""


def annotation(number: int, image: int, category: int, outline: object, **more: object) -> dict:
    return {"id": number, "image_id": image, "category_id": category, "segmentation": outline, **more}


def document(*annotations: dict, names: tuple[str, ...] = ("a.png",), categories=CATEGORIES) -> dict:
    images = [
        {"id": 10 + index, "file_name": name, "height": HEIGHT, "width": WIDTH}
        for index, name in enumerate(names)
    ]
    return {"images": images, "annotations": list(annotations), "categories": categories}


def source(folder: Path, *annotations: dict, options: dict | None = None, **changes: object) -> CocoJson:
    """Write train.json of one image, with ``changes`` to its entry in ``images``, and the image."""
    draw_image(folder / "a.png")
    content = document(*annotations)
    content["images"][0] |= changes
    return CocoJson(train_json=write_json(folder / "train.json", content), **(options or {}))


def test_round_trip(tmp_path):
    """The layout of COCO 2017: annotations/, train2017/ and val2017/; ids differ between the two files."""
    for name in ("train2017/000000000009.png", "train2017/000000000025.png", "val2017/000000000139.png"):
        draw_image(tmp_path / name)
    train = document(
        annotation(1, 10, 7, [BOX], iscrowd=0, area=8, bbox=[1, 1, 4, 2]),
        annotation(2, 10, 3, {"size": [HEIGHT, WIDTH], "counts": [8, 3, 13]}, iscrowd=1, area=3),
        annotation(3, 11, 3, {"size": [HEIGHT, WIDTH], "counts": "844N1O"}, iscrowd=0),
        names=("000000000009.png", "000000000025.png"),
    )
    val = document(
        annotation(1, 10, 1, [[0, 0, 2, 0, 2, 1, 0, 1], [4, 3, 6, 3, 6, 4, 4, 4]]),
        names=("000000000139.png",),
        categories=[{"id": 1, "name": "dog"}],
    )
    coco = CocoJson(
        train_json=write_json(tmp_path / "annotations/instances_train2017.json", train),
        train_image_path=tmp_path / "train2017",
        val_json=write_json(tmp_path / "annotations/instances_val2017.json", val),
        val_image_path=tmp_path / "val2017",
        background="ground",
    )
    info, labels = convert_and_read(coco, tmp_path / "out")
    assert info.class_names == ("ground", "cat", "dog")
    assert labels == {
        "train": {
            "000000000009": pixels("001000 021220 021220 000000"),
            "000000000025": pixels("001010 001010 001000 001001"),
        },
        "val": {"000000000139": pixels("220000 000000 000000 000022")},
    }


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        # By hand: 8 - 48 etc. are the bits. 8, 4 and 4 stand for themselves; N is 30, that is -2, and 4 - 2 = 2;
        # 1 is 4 + 1 = 5; O is 31, that is -1, and 2 - 1 = 1.
        ("844N1O", [8, 4, 4, 2, 5, 1]),
        # P is 32: the five low bits are 0 and more follow; 1 is 1, times 32.
        ("P1", [32]),
        ("", []),
    ],
)
def test_packed_run_lengths(text, counts):
    assert decode_counts(text) == counts


def test_run_lengths_are_those_of_the_coco_api():
    mask = pytest.importorskip("pycocotools.mask")
    random = np.random.default_rng(5)
    for share in (0.02, 0.5, 0.9) * 10:
        truth = random.random((37, 53)) < share
        packed = mask.encode(np.asfortranarray(truth.astype(np.uint8)))
        outline = {"size": packed["size"], "counts": packed["counts"].decode()}
        lengths = decode_counts(outline["counts"])
        assert (
            mask.decode(mask.frPyObjects({"size": [37, 53], "counts": lengths}, 37, 53)).tolist()
            == truth.tolist()
        )


def test_boxes_are_those_of_the_coco_api():
    mask = pytest.importorskip("pycocotools.mask")
    random = np.random.default_rng(6)
    for _ in range(50):
        left, top = random.integers(0, 10, 2)
        right, bottom = left + random.integers(1, 10), top + random.integers(1, 10)
        corners = box(left, top, right, bottom)
        theirs = mask.decode(mask.frPyObjects([corners.ravel().tolist()], 20, 20))[..., 0]
        ours = paint(20, 20, [(polygon(corners, 20, 20), 1)], outside=0)
        np.testing.assert_array_equal(ours, theirs)


def distance(corners: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return how far the centre of each pixel is from an outline."""
    centres = np.stack(np.mgrid[:height, :width][::-1] + 0.5, axis=-1)
    nearest = np.full((height, width), np.inf)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = ((centres - start) @ (end - start) / ((end - start) ** 2).sum()).clip(0, 1)[..., None]
        nearest = np.minimum(nearest, np.linalg.norm(centres - start - along * (end - start), axis=-1))
    return nearest


def test_polygons_differ_from_the_coco_apis_only_where_that_rounds():
    mask = pytest.importorskip("pycocotools.mask")
    random = np.random.default_rng(8)
    for _ in range(50):
        corners = random.uniform(1, 39, (random.integers(3, 10), 2))
        theirs = mask.decode(mask.frPyObjects([corners.ravel().tolist()], 40, 40))[..., 0]
        ours = paint(40, 40, [(polygon(corners, 40, 40), 1)], outside=0)
        assert distance(corners, 40, 40)[ours != theirs].max(initial=0) < 0.2


def test_without_background_the_rest_is_ignored_and_empty_images_are_left_out(tmp_path, capsys):
    draw_image(tmp_path / "a.png"), draw_image(tmp_path / "b.png")
    path = write_json(tmp_path / "t.json", document(annotation(1, 11, 3, [BOX]), names=("a.png", "b.png")))
    coco = CocoJson(train_json=path)
    assert [pair.name for pair in coco.splits()["train"]] == ["b"]
    assert (
        capsys.readouterr().err == f"{path}: 1 of 2 images left out: no objects. `background` keeps them.\n"
    )
    assert label_of(coco, "b") == pixels("...... .0000. .0000. ......")
    kept = CocoJson(train_json=path, background="cat")
    assert kept.classes.names == ("cat", "dog")
    assert label_of(kept, "a") == pixels("000000 000000 000000 000000")


def test_the_smaller_object_is_on_top_whatever_the_order_and_whatever_area_says(tmp_path):
    large = annotation(1, 10, 3, [[0, 0, 6, 0, 6, 4, 0, 4]], area=1)
    parts = annotation(2, 10, 7, [[0, 0, 2, 0, 2, 2, 0, 2], [4, 0, 6, 0, 6, 2, 4, 2]], area=900)
    for order in ((large, parts), (parts, large)):
        assert label_of(source(tmp_path, *order), "a") == pixels("110011 110011 000000 000000")


def test_crowds_and_categories_may_be_ignored(tmp_path):
    marks = annotation(1, 10, 7, [BOX], iscrowd=1), annotation(2, 10, 3, [[0, 0, 1, 0, 1, 1, 0, 1]])
    both = source(tmp_path, *marks, options={"background": "ground", "crowd": "ignore"})
    assert label_of(both, "a") == pixels("100000 0....0 0....0 000000")
    dogs = source(tmp_path, *marks, options={"ignore_classes": ("cat",), "background": "ground"})
    assert dogs.classes.names == ("ground", "dog")
    assert label_of(dogs, "a") == pixels(".00000 011110 011110 000000")


def test_workers_get_categories_but_not_the_whole_json(tmp_path):
    coco = source(tmp_path, annotation(1, 10, 7, [BOX]))
    label = coco.splits()["train"][0].label
    _ = coco.classes
    sent = pickle.loads(pickle.dumps(coco))
    assert "_documents" not in sent.__dict__
    assert sent.read_label(pickle.loads(pickle.dumps(label))).tolist() == pixels(
        "...... .1111. .1111. ......"
    )


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (
            annotation(5, 10, 4, [BOX]),
            "unknown category: annotation 5 has category_id 4. Known: 3 (cat), 7 (dog).",
        ),
        (
            annotation(5, 10, 3, [[0, 0, 9, 0, 9, 4]]),
            "outside the image: annotation 5 has points at x 0 to 9, y 0 to 4; the image is 6 x 4 "
            "(width x height). Cut such off with `clip=True`.",
        ),
        (
            annotation(5, 10, 3, []),
            "no outline: annotation 5 has no 'segmentation', only a box at most. Outline it, or remove it.",
        ),
        (annotation(5, 10, 3, [[0, 0, 1, 1]]), "too few points: annotation 5 has 2; its shape needs 3."),
        (annotation(5, 10, 3, [[0, 0, 1]]), "odd points: those of annotation 5 are not pairs of x and y."),
        (
            annotation(5, 10, 3, [[0, 0, 1, "b", 2, 2]]),
            "wrong type: the points of annotation 5 are not all numbers.",
        ),
        (
            annotation(5, 10, 3, [[0, 0, 1, float("nan"), 2, 2]]),
            "wrong type: the points of annotation 5 are not all finite numbers.",
        ),
        (
            annotation(5, 10, 3, [0, 0, 1, 1, 2, 2]),
            "wrong type: 'segmentation' of annotation 5 is no list of lists and no object.",
        ),
        (
            annotation(5, 10, 3, {"size": [6, 4], "counts": [24]}),
            "size differs: run lengths of annotation 5 are for [6, 4], its image is [4, 6].",
        ),
        (
            annotation(5, 10, 3, {"size": [4, 6], "counts": [20, 3]}),
            "bad run lengths: annotation 5: runs of 23 pixels together for 6 x 4 (width x height).",
        ),
        (
            annotation(5, 10, 3, {"size": [4, 6], "counts": "P"}),
            "bad run lengths: annotation 5: the last run length is incomplete.",
        ),
        (
            annotation(5, 10, 3, {"size": [4, 6], "counts": "8 4"}),
            "bad run lengths: annotation 5: ' ' is no character of packed run lengths.",
        ),
        (
            {"id": 5, "image_id": 10, "category_id": "cat", "segmentation": [BOX]},
            "wrong type: 'category_id' of annotation 5 is 'cat', not a whole number.",
        ),
    ],
)
def test_objects_that_cannot_be_drawn(tmp_path, mark, message):
    coco = source(tmp_path, mark)
    assert refusal(label_of, coco, "a") == f"{tmp_path / 'train.json'}: a.png: {message}"


def test_clip_and_rounding(tmp_path):
    mark = annotation(5, 10, 3, [[-1, -1, 7, -1, 7, 2, -1, 2]])
    assert label_of(source(tmp_path, mark), "a") == pixels("000000 000000 ...... ......")
    far = annotation(5, 10, 3, [[3, -50, 90, -50, 90, 90, 3, 90]])
    assert label_of(source(tmp_path, far, options={"clip": True}), "a") == pixels(
        "...000 ...000 ...000 ...000"
    )


def test_an_image_of_another_size_or_none_is_reported_with_all_others(tmp_path):
    marks = [annotation(number, 10 + number, 3, [BOX]) for number in range(3)]
    content = document(*marks, names=("a.png", "b.png", "c.png"))
    content["images"][0] |= {"height": 5, "width": 7}
    path = write_json(tmp_path / "t.json", content)
    draw_image(tmp_path / "a.png"), draw_image(tmp_path / "c.png")
    text = refusal(convert_and_read, CocoJson(train_json=path), tmp_path / "out").splitlines()
    assert text[0] == (
        f"{path}: a.png: size differs: the label is 7 x 5, its image {tmp_path / 'a.png'} is 6 x 4 "
        "(width x height)."
    )
    assert text[1] == f"{tmp_path / 'b.png'}: unreadable: No such file or directory."
    assert text[2].startswith("2 faults in 3 pairs: 1 x size differs, 1 x unreadable. Nothing was written.")


def test_an_impossible_size_fills_no_memory(tmp_path):
    coco = source(tmp_path, annotation(1, 10, 3, [BOX]), height=10**9)
    message = "impossible size: 6 x 1000000000 (width x height)."
    assert refusal(label_of, coco, "a") == f"{tmp_path / 'train.json'}: a.png: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [],\n "annotations": [}', "broken JSON: line 2, column 18: Expecting value."),
        ("", "empty file: 0 bytes."),
        ("[]", "wrong type: the document is [], not an object."),
        ('{"images": []}', "incomplete: the document has no 'categories'."),
        (
            '{"categories": [{"id": 1, "name": "a"}], "images": [{"id": 1}], "annotations": []}',
            "incomplete: image 1 has no 'file_name'.",
        ),
        (
            '{"categories": [{"id": 1, "name": "a"}], "images": [{"id": 1}, {"id": 1}], "annotations": []}',
            "id twice: two of 'images' have the id 1.",
        ),
        (
            '{"categories": [{"id": 1, "name": "a"}], "images": [], "annotations": [{"id": 3, "image_id": 9}]}',
            "unknown image: annotation 3 is of image 9, which 'images' does not list; 1 such image. "
            "Export the data again.",
        ),
    ],
)
def test_jsons_that_cannot_be_used(tmp_path, text, message):
    path = tmp_path / "t.json"
    path.write_text(text)
    coco = CocoJson(train_json=path, background="ground")
    assert refusal(lambda: (coco.classes, coco.splits())) == f"{path}: {message}"


def test_files_that_are_not_there(tmp_path):
    assert refusal(CocoJson(train_json=tmp_path / "t.json").splits) == (
        f"{tmp_path / 't.json'}: unreadable: No such file or directory."
    )
    path = write_json(tmp_path / "t.json", document(annotation(1, 10, 3, [BOX])))
    assert refusal(CocoJson(train_json=path).splits) == (
        f"{tmp_path}: has none of the 1 images of {path}, such as a.png. Give `train_image_path`, the folder "
        "that these names start from."
    )
    gone = CocoJson(train_json=path, train_image_path=tmp_path / "gone")
    assert refusal(gone.splits) == f"{tmp_path / 'gone'}: no such folder (`train_image_path`)."


def test_one_class_alone_is_refused_with_what_to_do(tmp_path):
    coco = source(tmp_path, annotation(1, 10, 3, [BOX]))
    assert refusal(convert_and_read, coco, tmp_path / "out") == (
        "All labels: every pixel is 'cat' or ignored (16 pixels), so there is nothing to learn. Give "
        "`background=NAME`: a class for the pixels in no shape. Nothing was written."
    )


def test_splits_must_agree_in_their_categories(tmp_path):
    train = write_json(tmp_path / "t.json", document())
    val = write_json(tmp_path / "v.json", document(categories=[{"id": 1, "name": "cow"}]))
    assert refusal(lambda: CocoJson(train_json=train, val_json=val).classes) == (
        f"{val}: other categories: {train} has no 'cow'. It has: dog, cat. Export the splits with the same "
        "categories."
    )


def test_options_that_do_not_fit(tmp_path):
    with pytest.raises(ConfigError, match=r"^Give `train_json`, and `val_json` or `val_share`\.$"):
        CocoJson().splits()
    path = write_json(tmp_path / "t.json", document())
    with pytest.raises(
        ConfigError,
        match=r"^`ignore_classes`: no class is called 'dig'\. Did you mean 'dog'\? Classes: cat, dog\.$",
    ):
        _ = CocoJson(train_json=path, ignore_classes=("dig",)).classes
    with pytest.raises(ConfigError, match=r"^`background='cat'`: `ignore_classes` names it too\."):
        _ = CocoJson(train_json=path, ignore_classes=("cat",), background="cat").classes


def test_a_share_of_train_becomes_val_whatever_the_order(tmp_path):
    names = [f"{index}.png" for index in range(40)]
    for name in names:
        draw_image(tmp_path / name)

    def held_out(chosen: list[str]) -> set[str]:
        marks = [annotation(index, 10 + index, 3, [BOX]) for index in range(len(chosen))]
        path = write_json(tmp_path / "t.json", document(*marks, names=tuple(chosen)))
        splits = CocoJson(train_json=path, val_share=0.25).splits()
        assert list(splits) == ["train", "val"]
        assert {pair.name for pairs in splits.values() for pair in pairs} == {Path(n).stem for n in chosen}
        return {pair.name for pair in splits["val"]}

    assert len(held_out(names)) == 10
    assert held_out(names[::-1]) == held_out(names)
    path = write_json(tmp_path / "t.json", document(annotation(1, 10, 3, [BOX]), names=("0.png",)))
    for share, message in (
        (1.5, "`val_share` is between 0 and 1. Received: 1.5."),
        (0.5, "`val_share=0.5`: of 1 image, none can be held out."),
    ):
        assert refusal(CocoJson(train_json=path, val_share=share).splits).startswith(message)


def test_a_number_of_thousands_of_digits_is_said(tmp_path):
    (tmp_path / "a.json").write_text("9" * 5000)
    with pytest.raises(DataError, match=r"a\.json: broken JSON: Exceeds the limit \(4300 digits\)"):
        CocoJson(train_json=tmp_path / "a.json").splits()
