"""Data sets of Hugging Face: the two layouts on disk, the ways a cell holds an image, and their mistakes."""

import io
import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from annotated import convert_and_read, draw_image, refusal, write_json
from PIL import Image

from kerseg.data.sources.huggingface import HuggingFace
from kerseg.errors import ConfigError

NAMES = ("ground", "cat", "dog")


def test_without_pyarrow_the_answer_is_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        ConfigError, match=r"which is not installed\. Install it: pip install 'kerseg\[huggingface\]'$"
    ):
        HuggingFace(root=tmp_path, class_names=NAMES).splits()


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def rows(count: int, seed: int, names: bool = True) -> tuple[list[dict], list[dict], list[list[list[int]]]]:
    """Return the cells of images and of labels as ``datasets`` stores them, and the labels."""
    random = np.random.default_rng(seed)
    labels = [random.choice(np.array([0, 1, 2, 255], np.uint8), (4, 6)) for _ in range(count)]
    images = [random.integers(0, 256, (4, 6, 3), dtype=np.uint8) for _ in range(count)]
    return (
        [{"bytes": png(image), "path": f"p{i}.png" if names else None} for i, image in enumerate(images)],
        [{"bytes": png(label), "path": None} for label in labels],
        [label.tolist() for label in labels],
    )


def table(images: list, labels: list, columns: tuple[str, str] = ("image", "label")):
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table({"id": list(range(len(images))), columns[0]: images, columns[1]: labels})


def parquet(path: Path, *arguments, row_group_size: int = 2) -> Path:
    pyarrow = pytest.importorskip("pyarrow.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.write_table(table(*arguments), path, row_group_size=row_group_size)
    return path


def arrow(path: Path, content) -> None:
    """Write an Arrow stream of one row a batch."""
    pyarrow = pytest.importorskip("pyarrow")
    path.parent.mkdir(parents=True, exist_ok=True)
    with pyarrow.OSFile(str(path), "wb") as sink, pyarrow.ipc.new_stream(sink, content.schema) as writer:
        writer.write_table(content, max_chunksize=1)


def save_to_disk(folder: Path, *contents) -> None:
    """Write a split as ``datasets`` does."""
    files = [f"data-{index:05}-of-{len(contents):05}.arrow" for index in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        arrow(folder / file, content)
    write_json(folder / "state.json", {"_data_files": [{"filename": file} for file in files], "_split": None})
    write_json(folder / "dataset_info.json", {"features": {"image": {"_type": "Image"}}})


def test_round_trip_of_parquet(tmp_path):
    """The layout of the hub: data/SPLIT-00000-of-00002-HASH.parquet; row groups of two."""
    first, second, last = rows(3, 0), rows(2, 1, names=False), rows(2, 2, names=False)
    parquet(tmp_path / "data/train-00000-of-00002-0a1b2c.parquet", *first[:2])
    parquet(tmp_path / "data/train-00001-of-00002-0a1b2c.parquet", *second[:2])
    parquet(tmp_path / "data/validation-00000-of-00001.parquet", *last[:2])
    source = HuggingFace(root=tmp_path, class_names=NAMES)
    info, labels = convert_and_read(source, tmp_path / "out")
    assert info.class_names == NAMES
    assert labels == {
        "train": {f"{index:06}": label for index, label in enumerate(first[2] + second[2])},
        "val": {f"{index:06}": label for index, label in enumerate(last[2])},
    }


def test_round_trip_of_save_to_disk(tmp_path):
    first, second, last = rows(3, 0), rows(1, 1), rows(2, 2)
    second[0][0]["path"] = "folder/q.jpg"
    save_to_disk(tmp_path / "d/train", table(*first[:2], ("pixel_values", "mask")), table(*second[:2]))
    save_to_disk(tmp_path / "d/test", table(*last[:2]))
    write_json(tmp_path / "d/dataset_dict.json", {"splits": ["train", "test"]})
    source = HuggingFace(root=tmp_path / "d", class_names=NAMES)
    _, labels = convert_and_read(source, tmp_path / "out")
    assert labels == {
        "train": dict(zip(("p0", "p1", "p2", "q"), first[2] + second[2], strict=True)),
        "test": dict(zip(("p0", "p1"), last[2], strict=True)),
    }


def test_a_single_saved_split_and_a_single_file_are_train(tmp_path):
    content = rows(2, 0)
    save_to_disk(tmp_path / "d", table(*content[:2]))
    file = parquet(tmp_path / "mine.parquet", *content[:2])
    for root in (tmp_path / "d", file):
        assert {k: len(v) for k, v in HuggingFace(root=root, class_names=NAMES).splits().items()} == {
            "train": 2
        }


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train/0000.parquet", "train"),
        ("default/validation/0000.parquet", "val"),
        ("train/my_test_set.parquet", "test"),
        ("constraint/0000.parquet", "train"),
        ("dev-00000-of-00001.parquet", "val"),
    ],
)
def test_splits_by_name(tmp_path, name, split):
    parquet(tmp_path / name, *rows(1, 0)[:2])
    assert list(HuggingFace(root=tmp_path, class_names=NAMES).splits()) == [split]


def test_cells_may_be_bytes_or_paths(tmp_path):
    _, labels, truth = rows(2, 0)
    pixels = draw_image(tmp_path / "images/a.png")
    file = parquet(tmp_path / "t.parquet", ["images/a.png"] * 2, [cell["bytes"] for cell in labels])
    source = HuggingFace(root=file, class_names=NAMES)
    pair = source.splits()["train"][1]
    np.testing.assert_array_equal(Image.open(io.BytesIO(pair.image.read_bytes())), pixels)
    assert source.read_label(pair.label).tolist() == truth[1]


def test_labels_are_read_as_those_of_folders(tmp_path):
    images, _, _ = rows(1, 0)
    label = png(np.array([[[0, 0, 0], [9, 9, 9], [0, 0, 200]]], np.uint8))
    file = parquet(tmp_path / "t.parquet", images, [{"bytes": label, "path": None}])
    source = HuggingFace(root=file, palette=("#0000c8", "#090909"), class_names=("a", "b"))
    (pair,) = source.splits()["train"]
    assert refusal(source.read_label, pair.label).startswith(
        f"{file}: row 0, label: colour outside the palette: 0 0 0 (1 pixel). Add it to `palette`"
    )
    numbered = HuggingFace(root=parquet(tmp_path / "u.parquet", *rows(1, 0)[:2]), number_classes=True)
    assert numbered.classes.open_ended


def test_missing_names_are_asked_for_with_what_the_labels_hold(tmp_path):
    file = parquet(tmp_path / "t.parquet", *rows(3, 0)[:2])
    assert refusal(lambda: HuggingFace(root=file).classes) == (
        "`class_names` is missing. 3 of 3 labels hold the values 0, 1, 2, 255. Give one name for each value from 0 "
        "on, such as `class_names=('road', 'car')`; 255 is ignored."
    )


def test_columns_that_are_not_there(tmp_path):
    file = parquet(tmp_path / "t.parquet", *rows(1, 0)[:2], ("photo", "truth"))
    options = {"root": file, "class_names": NAMES}
    assert refusal(HuggingFace(**options).splits) == (
        f"{file}: has none of the columns image, pixel_values, img, image. It has: id, photo, truth. Give "
        "`image_column`."
    )
    assert refusal(HuggingFace(image_column="photo", label_column="mask", **options).splits) == (
        f"{file}: has no column 'mask'. It has: id, photo, truth. Give `label_column`."
    )
    assert (
        HuggingFace(image_column="photo", label_column="truth", **options).splits()["train"][0].name == "p0"
    )


def test_cells_that_hold_no_image_are_reported_with_all_others(tmp_path):
    images, labels, _ = rows(4, 0)
    images[1] = {"bytes": None, "path": "gone.png"}
    images[2] = {"bytes": b"nothing", "path": "c.png"}
    labels[3] = {"bytes": None, "path": None}
    labels[0]["bytes"] = png(np.zeros((5, 6), np.uint8))
    file = parquet(tmp_path / "t.parquet", images, labels)
    text = refusal(convert_and_read, HuggingFace(root=file, class_names=NAMES), tmp_path / "out").splitlines()
    assert text[:4] == [
        f"{file}: row 0, label: size differs: the label is 6 x 5, its image {file}: row 0, image is 6 x 4 "
        "(width x height).",
        f"{file}: row 1, image: unreadable: No such file or directory.",
        f"{file}: row 2, image: unreadable: not an image of a kind that is read (JPEG, PNG, BMP, GIF, TIFF, "
        "WEBP, PPM).",
        f"{file}: row 3, label: no image: the cell holds None, neither bytes nor a path.",
    ]


def test_folders_and_files_that_are_something_else(tmp_path):
    pytest.importorskip("pyarrow")

    def answer(root: Path) -> str:
        return refusal(HuggingFace(root=root, class_names=NAMES).splits)

    assert answer(tmp_path / "gone") == f"{tmp_path / 'gone'}: no such folder (`root`)."
    assert answer(tmp_path).startswith(
        f"{tmp_path}: no data set of Hugging Face: it has no dataset_dict.json, no state.json and no Parquet files."
    )
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and then nothing")
    assert answer(tmp_path).startswith(f"{tmp_path / 't.parquet'}: damaged: no Parquet: ")
    save_to_disk(tmp_path / "d/night", table(*rows(1, 0)[:2]))
    file = write_json(tmp_path / "d/dataset_dict.json", {"splits": ["night"]})
    assert answer(tmp_path / "d").startswith(f"{file}: unknown split: 'night'. Known: train, training, val, ")
    (tmp_path / "d/night/data-00000-of-00001.arrow").write_bytes(b"nothing")
    file.write_text(json.dumps({"splits": ["train"]}))
    (tmp_path / "d/night").rename(tmp_path / "d/train")
    arrow_file = tmp_path / "d/train/data-00000-of-00001.arrow"
    assert answer(tmp_path / "d").startswith(f"{arrow_file}: damaged: no Arrow: ")
    arrow_file.unlink()
    assert answer(tmp_path / "d") == f"{arrow_file}: missing: there is no such file."


def test_it_pickles(tmp_path):
    source = HuggingFace(root=parquet(tmp_path / "t.parquet", *rows(1, 0)[:2]), class_names=NAMES)
    pair = source.splits()["train"][0]
    again, label = pickle.loads(pickle.dumps((source, pair.label)))
    np.testing.assert_array_equal(again.read_label(label), source.read_label(pair.label))
