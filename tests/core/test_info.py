"""``dataset.json`` is read through one schema, and its parts must fit each other: no edit scores silently wrong."""

import json
import math
import shutil
from pathlib import Path

import pytest

from kerseg.core.info import Channels, DatasetInfo
from kerseg.data.reading.unconverted import read_info
from kerseg.errors import ConfigError, DataError

DATA = Path(__file__).parents[1] / "v0_1" / "data"
OTHER = {"file": "b.tfrecord", "records": 1, "bytes": 1, "sha256": "0" * 64}
CHANNELS = {
    "names": ["ct"],
    "value_ranges": [[-1000.0, 400.0]],
    "layout": {"slice_axis": None, "channel_axis": None, "tails": []},
}


def at(values, *path, to):
    """Set what stands at ``path``."""
    for key in path[:-1]:
        values = values[key]
    values[path[-1]] = to


def shards(values, split="train"):
    return values["splits"][split]["shards"]


def channels(values, **changed):
    values["channels"] = CHANNELS | changed


EDITS = {
    "name is a number": (lambda v: at(v, "name", to=3), r"name: Expected `str`, got `int` \(it is 3\)\."),
    "name with an escape": (lambda v: at(v, "name", to="a\x1b[2J"), r"name: 'a\\x1b\[2J' holds control"),
    "no name": (lambda v: v.pop("name"), "missing required field `name`"),
    "no splits": (lambda v: at(v, "splits", to={}), r"splits: there are none\."),
    "splits is a list": (lambda v: at(v, "splits", to=[]), "splits: Expected `object`, got `array`"),
    "a split named like a path": (
        lambda v: at(v, "splits", "../val", to=v["splits"]["val"]),
        r"splits: '\.\./val' is no name of a split\.",
    ),
    "class names is a text": (lambda v: at(v, "class_names", to="sky"), "class_names: Expected `array`"),
    "a class name is null": (lambda v: at(v, "class_names", 2, to=None), r"class_names\[2\]: Expected `str`"),
    "a class name with a newline": (
        lambda v: at(v, "class_names", 1, to="a\nb"),
        r"class_names\[1\]: 'a\\nb' holds control characters\.",
    ),
    "a class less": (lambda v: v["class_names"].pop(), "palette: 7 colours for 6 classes"),
    "no class": (lambda v: at(v, "class_names", to=[]), "class_names: 1 to 255 classes. Received: 0"),
    "a short palette": (lambda v: v["palette"].pop(), "palette: 6 colours for 7 classes"),
    "a colour of two numbers": (
        lambda v: v["palette"][0].pop(),
        r"palette\[0\]: Expected `array` of length 3",
    ),
    "a colour of 256": (
        lambda v: at(v, "palette", 0, 0, to=256),
        r"palette\[0\]\[0\]: Expected `int` <= 255",
    ),
    "a colour of 1.5": (lambda v: at(v, "palette", 0, 0, to=1.5), r"palette\[0\]\[0\]: Expected `int`, got"),
    "ignore label is a class": (lambda v: at(v, "ignore_label", to=3), "ignore_label: 3 is one of the 7"),
    "ignore label of 300": (lambda v: at(v, "ignore_label", to=300), "ignore_label: Expected `int` <= 255"),
    "ignore label is true": (
        lambda v: at(v, "ignore_label", to=True),
        "ignore_label: Expected `int`, got `bool`",
    ),
    "records in quotes": (
        lambda v: at(shards(v), 0, "records", to="6"),
        r"splits\.train\.shards\[0\]\.records: Expected `int`, got `str` \(it is '6'\)\.",
    ),
    "records below 0": (lambda v: at(shards(v), 0, "records", to=-1), "records: Expected `int` >= 0"),
    "records beyond 64 bits": (
        lambda v: at(shards(v), 0, "records", to=2**70),
        "records: Expected `int` <= 922337",
    ),
    "bytes of 0.5": (lambda v: at(shards(v), 0, "bytes", to=0.5), "bytes: Expected `int`"),
    "a checksum cut": (lambda v: at(shards(v), 0, "sha256", to="abc"), "sha256: Expected `str` matching"),
    "a shard without file": (lambda v: shards(v)[0].pop("file"), "missing required field `file`"),
    "a shard is a text": (lambda v: at(shards(v), 0, to="a"), r"shards\[0\]: Expected `object`, got `str`"),
    "no shards": (lambda v: shards(v).clear(), r"splits\.train\.shards: there are none\."),
    "an absolute shard": (
        lambda v: at(shards(v), 0, "file", to="/etc/passwd"),
        r"splits\.train\.shards\[0\]\.file: '/etc/passwd' is no name of a file beside dataset\.json\.",
    ),
    "a shard above": (lambda v: at(shards(v), 0, "file", to="../a.tfrecord"), "is no name of a file beside"),
    "a shard on a drive": (
        lambda v: at(shards(v), 0, "file", to="c:a.tfrecord"),
        "is no name of a file beside",
    ),
    "a shard below": (lambda v: at(shards(v), 0, "file", to="a/b.tfrecord"), "is no name of a file beside"),
    "a shard without name": (lambda v: at(shards(v), 0, "file", to=""), "is no name of a file beside"),
    "a shard listed twice": (
        lambda v: shards(v).append(shards(v)[0]),
        r"splits\.train\.shards: not each of the split's 1 once, in order",
    ),
    "an unnumbered shard twice": (
        lambda v: (shards(v).clear(), shards(v).extend([OTHER, OTHER])),
        r"splits\.train\.shards\[1\]\.file: b\.tfrecord is splits\.train\.shards\[0\], too",
    ),
    "train's shard under val": (
        lambda v: at(v, "splits", "val", "shards", to=shards(v)),
        r"splits\.val\.shards\[0\]\.file: train-00000-of-00001\.tfrecord is a shard of split 'train'",
    ),
    "splits changed about": (
        lambda v: at(v, "splits", to={"train": v["splits"]["val"], "val": v["splits"]["train"]}),
        "is a shard of split 'val'",
    ),
    "a shard dropped": (
        lambda v: at(shards(v), 0, "file", to="train-00001-of-00002.tfrecord"),
        "not each of the split's 2 once",
    ),
    "too few counts": (lambda v: v["splits"]["val"]["class_pixels"].pop(), "class_pixels: 6 numbers for 7"),
    "counts below 0": (lambda v: at(v, "splits", "val", "class_pixels", 0, to=-5), "Expected `int` >= 0"),
    "counts that do not fit": (
        lambda v: at(v, "splits", "val", "class_image_pixels", 0, to=1),
        r"splits\.val\.class_image_pixels\[0\]: 1, the pixels of the images that the class is in, do not fit",
    ),
    "only one kind of count": (
        lambda v: at(v, "splits", "val", "class_image_pixels", to=[]),
        "0 numbers for 7",
    ),
    "ignored pixels is null": (lambda v: at(v, "splits", "val", "ignored_pixels", to=None), "got `null`"),
    "skipped is a number": (lambda v: at(v, "splits", "val", "skipped", to=4), "skipped: Expected `array`"),
    "a NaN range": (lambda v: channels(v, value_ranges=[[math.nan, 4.0]]), "not JSON"),
    "a range upside down": (lambda v: channels(v, value_ranges=[[5, 0]]), "LOW below HIGH.* Received: 5 0"),
    "a range of 1e308": (lambda v: channels(v, value_ranges=[[-1e308, 1e308]]), "both finite"),
    "more names than ranges": (lambda v: channels(v, names=["a", "b"]), "2 names, 1 ranges"),
    "no channels": (lambda v: channels(v, names=[], value_ranges=[]), "0 names, 0 ranges"),
    "channels is a list": (lambda v: at(v, "channels", to=[1]), "channels: Expected `object | null`"),
    "an axis in quotes": (
        lambda v: channels(v, layout={**CHANNELS["layout"], "slice_axis": "2"}),
        "slice_axis: Expected `int | null`",
    ),
    "an axis below 0": (
        lambda v: channels(v, layout={**CHANNELS["layout"], "slice_axis": -2}),
        "`slice_axis` is 0 or more",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_refused(tmp_path, edit):
    change, why = EDITS[edit]
    values = json.loads((DATA / "dataset.json").read_text())
    change(values)
    (tmp_path / "dataset.json").write_text(json.dumps(values))
    for door in (DatasetInfo.load, read_info):
        with pytest.raises(DataError, match=f"^{tmp_path}/dataset.json: (.*{why})") as caught:
            door(tmp_path)
        assert str(caught.value).endswith("Copy dataset.json again, or convert the data again.")


@pytest.mark.parametrize(
    "text, why",
    [
        (b"", "not JSON"),
        (b"[]", "Expected `object`, got `array`"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a":' * 100_000, "not JSON"),
        (b'{"name": "a", "name": "b"}', "the field 'name' comes twice"),
        (b'{"splits": {"val": {}, "val": {}}}', "the field 'val' comes twice"),
        (b'{"name": "\\ud800"}', "not JSON"),
    ],
)
def test_a_text_that_is_none_is_refused(tmp_path, text, why):
    (tmp_path / "dataset.json").write_bytes(text)
    with pytest.raises(DataError, match=f"^{tmp_path}/dataset.json: .*{why}"):
        DatasetInfo.load(tmp_path)


def test_a_file_that_is_far_too_large_is_not_read(tmp_path):
    with (tmp_path / "dataset.json").open("wb") as file:
        file.truncate(2**29)
    with pytest.raises(DataError, match="536,870,912 bytes are no description of a data set"):
        DatasetInfo.load(tmp_path)


def test_what_is_written_is_read(tmp_path):
    info = DatasetInfo.load(DATA)
    info.save(tmp_path)
    assert DatasetInfo.load(tmp_path) == info
    assert (tmp_path / "dataset.json").read_bytes() == (DATA / "dataset.json").read_bytes()


def test_fields_of_a_later_version_are_passed_over(tmp_path):
    values = json.loads((DATA / "dataset.json").read_text()) | {"licence": "CC0"}
    (tmp_path / "dataset.json").write_text(json.dumps(values))
    assert DatasetInfo.load(tmp_path) == DatasetInfo.load(DATA)


@pytest.mark.parametrize(
    "ranges", [((5.0, 0.0),), ((0.0, math.nan),), ((0.0, math.inf),), ((0.0, 1.0),) * 2, ()]
)
def test_channels_have_ranges_that_mean_something(ranges):
    with pytest.raises(ConfigError, match=r"LOW below HIGH|name and a value range"):
        Channels(("ct",), ranges)


@pytest.mark.parametrize("records", [5, 7, 0])
def test_opening_compares_the_records_with_the_shards(tmp_path, records):
    from kerseg.data.reading.pipeline import load

    shutil.copytree(DATA, tmp_path / "data")
    values = json.loads((DATA / "dataset.json").read_text())
    shards(values)[0]["records"] = records
    (tmp_path / "data" / "dataset.json").write_text(json.dumps(values))
    message = rf"train-00000-of-00001\.tfrecord: the shard holds 6 records, dataset\.json says {records}\."
    with pytest.raises(DataError, match=message):
        load(tmp_path / "data")
    with pytest.raises(DataError, match=message):
        load(tmp_path / "data", samples={"train": 2})
    with pytest.raises(DataError, match=message):
        load(tmp_path / "data", skip_bad=True)
