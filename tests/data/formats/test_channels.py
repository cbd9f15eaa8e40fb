"""Images beyond 8-bit RGB: files read bit for bit, values brought to 0..255, faults told, records as before."""

import dataclasses
import json
import pickle
import sys
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image

import kerseg.data
from kerseg.augment import colour, effects, geometry
from kerseg.cli import main
from kerseg.config import Augment
from kerseg.core.info import Channels, DatasetInfo, Layout
from kerseg.data.conversion.convert import convert
from kerseg.data.formats.channels import declare, read_channels, storable, to_255
from kerseg.data.formats.images import BadFileError
from kerseg.data.formats.records import DTYPES, Record, parse, serialize
from kerseg.data.formats.volumes import ArrayPart, label_values, parts, siblings, slice_names
from kerseg.data.reading.decode import decode_numbers
from kerseg.data.sources.folder import Folder
from kerseg.errors import ConfigError, DataError

RANGES = {"uint8": (0, 256), "uint16": (0, 65536), "int16": (-32768, 32768), "int32": (-(2**31), 2**31)}


def numbers(*shape: int, dtype: str = "uint16", seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    if dtype == "float32":
        return random.normal(0, 1000, shape).astype(np.float32)
    return random.integers(*RANGES[dtype], shape, dtype=dtype)


def label_of(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.array([0, 1, 255], np.uint8), (height, width))


def folders(root: Path, **options: object) -> Folder:
    """A source of the folders i and l below ``root``."""
    given = {"class_names": ("no", "yes"), "value_range": (0.0, 65535.0), **options}
    return Folder(train_image_path=root / "i", train_label_path=root / "l", **given)


def place(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def npy(path: Path, values: np.ndarray) -> Path:
    np.save(place(path), values)
    return path


def nifti(path: Path, values: np.ndarray, affine: np.ndarray | None = None) -> Path:
    image = nibabel.Nifti1Image(values, np.eye(4) if affine is None else affine, dtype=values.dtype)
    nibabel.save(image, place(path))
    return path


def png_label(path: Path, values: np.ndarray) -> Path:
    Image.fromarray(values).save(place(path))
    return path


def stored(folder: Path) -> dict[str, dict[str, tf.Tensor]]:
    """Return the fields of each record of train, by name."""
    found = {}
    for shard in DatasetInfo.load(folder).splits["train"].shards:
        for record in tf.data.TFRecordDataset(str(folder / shard.file)):
            fields = {**parse(record), "origin": tf.constant("record")}
            found[fields["name"].numpy().decode()] = fields
    return found


def refusal(source: Folder, output: Path) -> str:
    with pytest.raises(DataError) as caught:
        convert(source, output=output, workers=1)
    assert not output.exists()
    return str(caught.value)


# --- from files to arrays


@pytest.mark.parametrize("dtype", [*DTYPES])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 13])
def test_every_type_and_number_of_channels_comes_back_bit_for_bit(tmp_path, dtype, channels):
    values = numbers(6, 8, channels, dtype=dtype)
    npy(tmp_path / "i/a.npy", values)
    png_label(tmp_path / "l/a.png", label_of(6, 8))
    info = convert(folders(tmp_path, value_range=(0, 200)), output=tmp_path / "out", workers=1)
    assert info.num_channels == channels
    [fields] = stored(tmp_path / "out").values()
    assert (fields["format"].numpy(), fields["dtype"].numpy().decode()) == (b"array", dtype)
    raw = tf.io.decode_compressed(fields["image"], "ZLIB").numpy()
    assert raw == values.astype(values.dtype.newbyteorder("<")).tobytes()
    decoded = decode_numbers(fields, channels).numpy()
    assert decoded.tobytes() == values.astype(np.float32).tobytes()
    [example] = kerseg.data.load(tmp_path / "out").examples("train").as_numpy_iterator()
    assert example["image"].dtype == np.float32
    assert example["image"].tobytes() == to_255(values, info.channels).tobytes()
    np.testing.assert_array_equal(example["label"], label_of(6, 8))


@pytest.mark.parametrize(
    ("options", "axes"),
    [
        ({"planarconfig": "contig", "photometric": "rgb"}, "YXS"),
        ({"planarconfig": "separate", "photometric": "rgb"}, "SYX"),
        ({"photometric": "minisblack"}, "QYX"),  # a page a channel
        ({"planarconfig": "contig", "photometric": "rgb", "compression": "lzw"}, "YXS"),
        (
            {"planarconfig": "contig", "photometric": "rgb", "compression": "deflate", "predictor": True},
            "YXS",
        ),
        ({"planarconfig": "contig", "photometric": "rgb", "byteorder": ">", "tile": (16, 16)}, "YXS"),
    ],
)
def test_tiff_of_every_layout(tmp_path, options, axes):
    values = numbers(20, 30, 4)
    first = axes != "YXS"
    tifffile.imwrite(tmp_path / "a.tif", values.transpose(2, 0, 1) if first else values, **options)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.series[0].axes == axes
    [part] = parts([tmp_path / "a.tif"], Layout())
    assert (str(part), part.depth) == (str(tmp_path / "a.tif"), None)
    np.testing.assert_array_equal(part.read(), values)


def test_pages_of_a_tiff_are_slices_where_that_is_said(tmp_path):
    volume = numbers(5, 20, 30, 3)
    tifffile.imwrite(tmp_path / "a.tif", volume, photometric="rgb")
    found = parts([tmp_path / "a.tif"], Layout(slice_axis=0))
    assert slice_names("a", found) == ["a/000", "a/001", "a/002", "a/003", "a/004"]
    for part, expected in zip(found, volume, strict=True):
        np.testing.assert_array_equal(part.read(), expected)
    grey = volume[..., 0]
    tifffile.imwrite(tmp_path / "b.tif", grey, photometric="minisblack")
    np.testing.assert_array_equal(parts([tmp_path / "b.tif"], Layout(0))[3].read()[..., 0], grey[3])
    np.testing.assert_array_equal(parts([tmp_path / "b.tif"], Layout())[0].read(), grey.transpose(1, 2, 0))


@pytest.mark.parametrize(
    ("layout", "shape", "order"),
    [
        (Layout(), (6, 8, 4), (0, 1, 2)),
        (Layout(channel_axis=0), (4, 6, 8), (1, 2, 0)),
        (Layout(channel_axis=1), (6, 4, 8), (0, 2, 1)),
    ],
)
def test_axes_of_an_array(tmp_path, layout, shape, order):
    values = numbers(*shape)
    [part] = parts([npy(tmp_path / "a.npy", values)], layout)
    np.testing.assert_array_equal(part.read(), values.transpose(order))


@pytest.mark.parametrize(
    ("layout", "shape", "cut"),
    [
        (Layout(2), (6, 8, 5), lambda v, i: v[:, :, i, None]),
        (Layout(0), (5, 6, 8), lambda v, i: v[i][..., None]),
        (Layout(2), (6, 8, 5, 3), lambda v, i: v[:, :, i]),
        (Layout(1, channel_axis=0), (3, 5, 6, 8), lambda v, i: v[:, i].transpose(1, 2, 0)),
        (Layout(0, channel_axis=1), (5, 3, 6, 8), lambda v, i: v[i].transpose(1, 2, 0)),
        (Layout(3, channel_axis=0), (3, 6, 8, 5), lambda v, i: v[..., i].transpose(1, 2, 0)),
    ],
)
def test_slices_of_an_array(tmp_path, layout, shape, cut):
    values = numbers(*shape)
    found = parts([npy(tmp_path / "a.npy", values)], layout)
    assert len(found) == 5
    for i, part in enumerate(found):
        np.testing.assert_array_equal(part.read(), cut(values, i))


def test_npz_and_a_file_that_has_changed(tmp_path):
    values = numbers(6, 8)
    np.savez_compressed(tmp_path / "a.npz", image=values)
    [part] = parts([tmp_path / "a.npz"], Layout())
    np.testing.assert_array_equal(part.read()[..., 0], values)
    np.savez(tmp_path / "a.npz", values + 1)
    np.testing.assert_array_equal(part.read()[..., 0], values + 1)
    np.savez(tmp_path / "a.npz", one=values, two=values)
    with pytest.raises(BadFileError, match=r"a\.npz: unusable: .* \.npz of one array\. It holds one, two\."):
        part.read()


def oriented(codes: str) -> np.ndarray:
    """Return an affine whose axes run towards these sides, with voxels of 2, 3 and 4 mm."""
    start = nibabel.orientations.axcodes2ornt(codes)
    affine = np.zeros((4, 4))
    for axis, (target, sign) in enumerate(start):
        affine[int(target), axis] = sign * (2 + axis)
    affine[3, 3] = 1
    return affine


@pytest.mark.parametrize("codes", ["RAS", "LPS", "LAS", "PIR", "SAL"])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_slices_stand_upright_whatever_the_orientation(tmp_path, codes, axis, suffix):
    file = nifti(tmp_path / f"a{suffix}", numbers(5, 6, 7, dtype="int16"), oriented(codes))
    assert nibabel.aff2axcodes(nibabel.load(file).affine) == tuple(codes)
    canonical = np.asanyarray(nibabel.as_closest_canonical(nibabel.load(file)).dataobj)
    found = parts([file], Layout(slice_axis=axis))
    assert len(found) == canonical.shape[axis]
    for i, part in enumerate(found):
        # RAS: the second axis left is towards front or head, which is up: rows run against it.
        expected = canonical.take(i, axis).T[::-1]
        values = part.read()
        assert values.dtype == np.int16
        np.testing.assert_array_equal(values[..., 0], expected)


def test_nifti_with_channels_scaling_and_few_axes(tmp_path):
    values = numbers(5, 6, 7, 4)
    third = parts([nifti(tmp_path / "a.nii", values)], Layout())[2].read()
    np.testing.assert_array_equal(third, np.rot90(values[:, :, 2]))
    flat = parts([nifti(tmp_path / "b.nii", values[:, :, 0, 0])], Layout())
    assert slice_names("b", flat) == ["b/000"]
    np.testing.assert_array_equal(flat[0].read()[..., 0], np.rot90(values[:, :, 0, 0]))
    image = nibabel.Nifti1Image(values[..., 0].astype(np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, -10)
    nibabel.save(image, tmp_path / "c.nii.gz")
    scaled = parts([tmp_path / "c.nii.gz"], Layout())[1].read()[..., 0]
    np.testing.assert_array_equal(
        scaled, np.rot90(np.asanyarray(nibabel.load(tmp_path / "c.nii.gz").dataobj)[:, :, 1])
    )
    assert scaled.dtype.kind == "f"


def test_a_file_for_each_channel(tmp_path):
    tails = ("_t1", "_t1ce", "_flair")
    volumes = [numbers(4, 5, 6, seed=i) for i in range(3)]
    for tail, volume in zip(tails, volumes, strict=True):
        nifti(tmp_path / "b" / f"p1{tail}.nii.gz", volume)
    seg = np.random.default_rng(0).integers(0, 2, (4, 5, 6)).astype(np.float32)
    nifti(tmp_path / "b/p1_seg.nii.gz", seg)
    files = siblings(tmp_path / "b/p1_t1ce.nii.gz", tails)
    assert [file.name for file in files] == ["p1_t1.nii.gz", "p1_t1ce.nii.gz", "p1_flair.nii.gz"]
    assert siblings(tmp_path / "b/p1_seg.nii.gz", tails) == (tmp_path / "b/p1_seg.nii.gz",)
    # Images and labels in one folder, as BraTS has them.
    source = Folder(
        train_image_path=tmp_path / "b",
        train_label_path=tmp_path / "b",
        class_names=("no", "yes"),
        channel_tails=tails,
        channel_names=("t1", "t1ce", "flair"),
        label_tail="_seg",
        value_range=(0, 65535),
    )
    convert(source, output=tmp_path / "out", workers=1)
    found = stored(tmp_path / "out")
    assert list(found) == [f"p1/{i:03}" for i in range(6)]
    for i, fields in enumerate(found.values()):
        expected = np.stack([np.rot90(volume[:, :, i]) for volume in volumes], -1)
        np.testing.assert_array_equal(decode_numbers(fields, 3), expected)
        label = tf.io.decode_png(fields["label"]).numpy()[..., 0]
        np.testing.assert_array_equal(label, np.rot90(seg[:, :, i]))
    (tmp_path / "b/p1_t1ce.nii.gz").unlink()
    message = refusal(source, tmp_path / "no")
    assert message.splitlines()[0] == f"{tmp_path}/b/p1_t1ce.nii.gz: unreadable: No such file or directory."


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("a.npy", np.array([[0, 1], [1, 255]], np.int64)),
        ("a.npy", np.array([[0, 1], [1, 255]], np.float64)),
        ("a.npy", np.array([[0, 1], [1, 0]], bool)),
        ("a.tif", np.array([[0, 1], [1, 255]], np.uint32)),
        ("a.tif", np.array([[0, 1], [1, 0]], np.int8)),
        ("a.tiff", np.array([[0, 1], [1, 255]], np.uint16)),
    ],
)
def test_labels_of_any_whole_numbers(tmp_path, name, values):
    npy(tmp_path / "i/a.npy", numbers(2, 2, 4))
    path = place(tmp_path / "l" / name)
    np.save(path, values) if name.endswith("npy") else tifffile.imwrite(path, values)
    convert(folders(tmp_path), output=tmp_path / "out", workers=1)
    [fields] = stored(tmp_path / "out").values()
    np.testing.assert_array_equal(tf.io.decode_png(fields["label"]).numpy()[..., 0], values.astype(np.uint8))


def test_array_labels_of_ordinary_images(tmp_path):
    random = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    png_label(tmp_path / "i/a.png", random)
    npy(tmp_path / "l/a.npy", label_of(6, 8).astype(np.int64))
    info = convert(folders(tmp_path, value_range=()), output=tmp_path / "out", workers=1)
    assert info.channels is None
    [example] = kerseg.data.load(tmp_path / "out").examples("train").as_numpy_iterator()
    np.testing.assert_array_equal(example["image"], random)
    np.testing.assert_array_equal(example["label"], label_of(6, 8))


# --- what is stored


@pytest.mark.parametrize(
    ("name", "values", "form"),
    [
        ("a.png", numbers(6, 8), "png"),
        ("a.png", numbers(6, 8, dtype="uint8"), "png"),
        ("a.png", numbers(6, 8, 4, dtype="uint8"), "png"),
        ("a.png", numbers(6, 8, 2, dtype="uint8"), "array"),  # grey with alpha: no decoder gives two channels
        ("a.webp", numbers(6, 8, 3, dtype="uint8"), "array"),
    ],
)
def test_bytes_are_kept_where_tensorflow_decodes_them_alike(tmp_path, name, values, form):
    Image.fromarray(values).save(place(tmp_path / "i" / name), lossless=True)
    png_label(tmp_path / "l/a.png", label_of(6, 8))
    convert(folders(tmp_path), output=tmp_path / "out", workers=1)
    [fields] = stored(tmp_path / "out").values()
    assert fields["format"].numpy().decode() == form
    assert (fields["image"].numpy() == (tmp_path / "i" / name).read_bytes()) == (form == "png")
    values = values.reshape(6, 8, -1)
    np.testing.assert_array_equal(decode_numbers(fields, values.shape[-1]), values)


def test_jpeg_is_kept_and_decoded_as_pillow_does(tmp_path):
    Image.fromarray(numbers(16, 24, dtype="uint8")).save(place(tmp_path / "i/a.jpg"))
    png_label(tmp_path / "l/a.png", label_of(16, 24))
    convert(folders(tmp_path, value_range=(), channel_names=("grey",)), output=tmp_path / "out", workers=1)
    [fields] = stored(tmp_path / "out").values()
    assert fields["image"].numpy() == (tmp_path / "i/a.jpg").read_bytes()
    np.testing.assert_array_equal(decode_numbers(fields, 1)[..., 0], Image.open(tmp_path / "i/a.jpg"))


def test_rgb_data_is_written_as_before(tmp_path):
    png_label(tmp_path / "i/a.png", numbers(6, 8, 3, dtype="uint8"))
    png_label(tmp_path / "l/a.png", label_of(6, 8))
    convert(folders(tmp_path, value_range=()), output=tmp_path / "out", workers=1)
    written = json.loads((tmp_path / "out/dataset.json").read_text())
    assert list(written) == ["name", "class_names", "palette", "splits", "ignore_label"]
    record = next(iter(tf.data.TFRecordDataset(str(tmp_path / "out/train-00000-of-00001.tfrecord")))).numpy()
    assert "image/dtype" not in tf.train.Example.FromString(record).features.feature


def test_description_comes_back(tmp_path):
    channels = Channels(("vv", "vh"), ((-25.0, 0.0), (-32.5, -5.0)), Layout(2, -1, ("_a", "_b")))
    npy(tmp_path / "i/a.npy", numbers(6, 8, 2, dtype="float32"))
    png_label(tmp_path / "l/a.png", label_of(6, 8))
    source = folders(tmp_path, channel_names=("vv", "vh"), value_range=(-25, 0, -32.5, -5))
    info = convert(source, output=tmp_path / "out", workers=1)
    assert info.channels == dataclasses.replace(channels, layout=Layout())
    assert json.loads((tmp_path / "out/dataset.json").read_text())["channels"] == {
        "names": ["vv", "vh"],
        "value_ranges": [[-25.0, 0.0], [-32.5, -5.0]],
        "layout": {"slice_axis": None, "channel_axis": None, "tails": []},
    }
    dataclasses.replace(info, channels=channels).save(tmp_path)
    assert DatasetInfo.load(tmp_path).channels == channels
    assert str(channels) == "vv -25 to 0, vh -32.5 to -5"


def test_the_command_line_says_the_range(tmp_path, capsys):
    npy(tmp_path / "i/a.npy", numbers(6, 8, 2, dtype="int16"))
    png_label(tmp_path / "l/a.png", label_of(6, 8))
    words = (
        f"convert folder --train-image-path {tmp_path}/i --train-label-path {tmp_path}/l --class-names no yes"
    )
    assert (
        main([*words.split(), "--output", str(tmp_path / "o"), "--value-range", "-1000", "400", "0", "9"])
        == 0
    )
    assert "values that become 0 and 255, by channel: 1 -1000 to 400, 2 0 to 9\n" in capsys.readouterr().out


# --- values


def test_range_by_hand():
    channels = Channels(("ct", "pet"), ((-1000.0, 400.0), (0.0, 80.0)))
    values = np.array([[-1100, 40], [-1000, 0], [-300, 10], [400, 80], [3000, 81]], np.int16)[None]
    expected = [[0, 127.5], [0, 0], [127.5, 31.875], [255, 255], [255, 255]]
    np.testing.assert_allclose(to_255(values, channels)[0], expected, rtol=1e-6)


def test_storable_keeps_values():
    part = ArrayPart(Path("a.npy"), "")
    for given, kept in (
        ("int8", "int16"),
        ("bool", "uint8"),
        (">u2", "uint16"),
        ("uint32", "int32"),
        ("int64", "int32"),
        ("float16", "float32"),
        ("float64", "float32"),
    ):
        values = np.array([[[0], [1], [1]]]).astype(given)
        result = storable(part, values)
        assert result.dtype == np.dtype(kept) and result.dtype.isnative
        np.testing.assert_array_equal(result, values)
    for values, message in (
        (np.array([2**31]), r"a\.npy: unusable image: values of type int64 beyond 32-bit integers\."),
        (np.array([1e300]), r"a\.npy: unusable image: values beyond what 32-bit floating point holds\."),
        (np.array([1j]), r"a\.npy: unusable image: values of type complex128\. Save it as real numbers\."),
        (np.array([np.nan, np.inf, 1.0, np.nan]), r"a\.npy: not finite: 2 values are NaN, 1 infinite\. "),
    ):
        with pytest.raises(BadFileError, match=message):
            storable(part, values)


# --- what is refused


def test_faults_are_told_file_by_file(tmp_path):
    good = numbers(6, 8, 4)
    npy(tmp_path / "i/a.npy", good)
    npy(tmp_path / "i/b.npy", good[..., :3])
    npy(tmp_path / "i/c.npy", np.full((6, 8, 4), np.nan))
    npy(tmp_path / "i/d.npy", good.astype(complex))
    np.save(place(tmp_path / "i/e.npy"), np.array([[{}]], object), allow_pickle=True)
    place(tmp_path / "i/f.npy").write_bytes(b"\x93NUMPY and no more")
    npy(tmp_path / "i/g.npy", numbers(2, 6, 8, 4))
    npy(tmp_path / "i/h.npy", good[:5])
    for name in "abcdefgh":
        png_label(tmp_path / "l" / f"{name}.png", label_of(6, 8))
    lines = refusal(folders(tmp_path), tmp_path / "out").splitlines()
    told = {line[len(f"{tmp_path}/") :].split(":")[0]: line for line in lines[:-1]}
    for name, words in {
        "i/b.npy": "channels differ: it has 3, the data set 4 (1, 2, 3, 4).",
        "i/c.npy": "not finite: 192 values are NaN, 0 infinite. Save it with a number in their place",
        "i/d.npy": "unusable image: values of type complex128.",
        "i/e.npy": "unreadable: no .npy file that can be read: ",
        "i/f.npy": "unreadable: no .npy file that can be read: ",
        "i/g.npy": "unusable shape: 2 x 6 x 8 x 4 is no image: (height, width) or with channels. `slice_axis`",
        "l/h.png": "size differs: the label is 8 x 6, its image",
    }.items():
        assert words in told.pop(name)
    assert not told
    assert lines[-1].startswith("7 faults in 8 pairs: ")


def test_a_volume_and_its_label_have_one_depth(tmp_path):
    nifti(tmp_path / "i/a.nii.gz", numbers(6, 8, 5, dtype="int16"))
    nifti(tmp_path / "l/a.nii.gz", np.zeros((6, 8, 4), np.uint8))
    nifti(tmp_path / "i/b.nii.gz", numbers(6, 8, 3, dtype="int16"))
    png_label(tmp_path / "l/b.png", np.zeros((8, 6), np.uint8))
    place(tmp_path / "i/c.nii").write_bytes(b"no NIfTI")
    nifti(tmp_path / "l/c.nii", np.zeros((6, 8, 4), np.uint8))
    lines = refusal(folders(tmp_path), tmp_path / "out").splitlines()
    assert lines[:2] == [
        f"{tmp_path}/l/a.nii.gz: depth differs: it has 4 slices, its image 5 slices.",
        f"{tmp_path}/l/b.png: depth differs: it has no slices, its image 3 slices.",
    ]
    assert lines[2].startswith(f"{tmp_path}/i/c.nii: unreadable: no .nii file that can be read: ")
    assert len(lines) == 4


def test_a_plain_nifti_that_is_cut_is_no_lack_of_memory(tmp_path):
    nifti(tmp_path / "i/a.nii", numbers(60, 80, 5, dtype="int16"))
    nifti(tmp_path / "l/a.nii", np.zeros((60, 80, 5), np.uint8))
    with (tmp_path / "i/a.nii").open("r+b") as file:
        file.truncate(20_000)
    message = refusal(folders(tmp_path), tmp_path / "out")
    assert message.startswith(f"{tmp_path}/i/a.nii: too large: 60 x 80 x 5 are 48,000 bytes")
    assert "no more than 20,000 can be" in message


def test_label_mistakes(tmp_path):
    for values, message in (
        (np.array([[0.5]]), "values of type float64 that are no whole numbers"),
        (np.array([[np.nan]]), "values of type float64 that are no whole numbers"),
        (np.array([["x"]]), "values of type <U1"),
        (np.zeros((2, 2, 3), int), "it has 3 channels. A label has one."),
    ):
        with pytest.raises(BadFileError, match=f"unusable label: {message}"):
            label_values(ArrayPart(npy(tmp_path / "a.npy", values), ""))


def test_a_range_is_not_guessed(tmp_path):
    npy(tmp_path / "i/a.npy", np.arange(101, dtype=np.uint16).reshape(101, 1, 1) * 10)
    png_label(tmp_path / "l/a.png", np.zeros((101, 1), np.uint8))
    with pytest.raises(ConfigError) as caught:
        convert(folders(tmp_path, value_range=()), output=tmp_path / "out", workers=1)
    assert str(caught.value).startswith(
        "`value_range` is missing. The images are uint16: 1 of 1 hold values from 0 to 1000, nearly all of them "
        "from 10 to 990 (1 % are below, 1 % above). Say which become 0 and 255, the same for all images to come: "
        "`value_range=(10, 990)`,"
    )


def test_eight_bits_need_no_range(tmp_path):
    part = ArrayPart(npy(tmp_path / "a.npy", numbers(6, 8, 5, dtype="uint8")), "")
    assert declare([part], Layout(), (), ()).value_ranges == ((0.0, 255.0),) * 5


@pytest.mark.parametrize(
    ("names", "value_range", "message"),
    [
        (("a",), (0, 1), r"`channel_names` has 1 names; the first image has 4 channels\."),
        (
            (),
            (0, 1, 2),
            r"`value_range` takes LOW HIGH, or one such pair for each of the 4 channels\. Received: 3",
        ),
        ((), (0, 1, 2, 3), r"one such pair for each of the 4 channels\. Received: 4 numbers\."),
        ((), (5, 5), r"`value_range` takes LOW below HIGH\. Received: 5 5\."),
        ((), (0, float("inf")), r"`value_range` takes LOW below HIGH\. Received: 0 inf\."),
    ],
)
def test_options_that_do_not_fit(tmp_path, names, value_range, message):
    part = ArrayPart(npy(tmp_path / "a.npy", numbers(6, 8, 4)), "")
    with pytest.raises(ConfigError, match=message):
        declare([part], Layout(), names, value_range)


def test_axes_that_cannot_be():
    with pytest.raises(
        ConfigError, match=r"`slice_axis` is 0 or more, the first axis being 0\. Received: -1\."
    ):
        Layout(slice_axis=-1)
    with pytest.raises(
        ConfigError, match=r"`channel_axis` is 0 or more, or -1 for the last\. Received: -2\."
    ):
        Layout(channel_axis=-2)


@pytest.mark.parametrize("layout", [Layout(2, 2), Layout(4), Layout(0, 4)])
def test_axes_that_a_file_does_not_have(tmp_path, layout):
    part = ArrayPart(npy(tmp_path / "a.npy", numbers(3, 6, 8, 4)), "", layout)
    with pytest.raises(
        BadFileError, match=r"a\.npy: unusable shape: of 3 x 6 x 8 x 4, axis \d cannot be the slices"
    ):
        part.read()


def test_colour_png_of_16_bits(tmp_path):
    # Pillow would give the upper 8 of its bits without a word.
    header = b"\x89PNG\r\n\x1a\n"
    encoded = tf.io.encode_png(numbers(6, 8, 3)).numpy()
    assert encoded.startswith(header)
    place(tmp_path / "a.png").write_bytes(encoded)
    with pytest.raises(
        BadFileError, match=r"Pillow reads 8 of the 16 bits of a colour PNG\. Save it as TIFF"
    ):
        ArrayPart(tmp_path / "a.png", "").read()


@pytest.mark.parametrize(("name", "library"), [("a.tif", "tifffile"), ("a.nii.gz", "nibabel")])
def test_a_missing_library_is_named_with_the_command(tmp_path, monkeypatch, name, library):
    place(tmp_path / "i" / name).write_bytes(b"x")
    png_label(tmp_path / "l/a.png", label_of(6, 8))
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(
        ConfigError, match=rf"{library} is not installed\. Install it: pip install 'kerseg\[arrays\]'"
    ):
        convert(folders(tmp_path), output=tmp_path / "out", workers=1)


def test_damaged_records_are_named(tmp_path):
    info = DatasetInfo("d", ("a",), ((0, 0, 0),), {}, channels=Channels(("x", "y"), ((0, 1), (0, 1))))
    fields = parse(serialize(Record("a", b"", "array", 2, 2, 2, b"", dtype="uint16")))
    fields["origin"] = tf.constant("shard: record 0")

    for changed, message in (
        ({"image": zlib.compress(bytes(15))}, "shard: record 0: the pixels do not match the size"),
        (
            {"image": zlib.compress(bytes(16)), "dtype": "int8"},
            "of type of numbers 'int8', not one of uint8, uint16",
        ),
        ({"image": b"x", "format": "bmp"}, "the image is of format 'bmp', not one of array"),
    ):
        bad = {**fields, **{key: tf.constant(value) for key, value in changed.items()}}
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            decode_numbers(bad, info.num_channels)


# --- the pipeline


def four_channels(folder: Path, count: int = 6, height: int = 20, width: int = 30) -> DatasetInfo:
    """Convert images whose channel k is the label's ramp plus 100 k, so that geometry can be seen."""
    for index in range(count):
        ramp = np.arange(height * width, dtype=np.uint16).reshape(height, width)
        npy(folder / f"raw/i/{index}.npy", np.stack([ramp + 100 * k for k in range(4)], -1))
        png_label(folder / f"raw/l/{index}.png", (ramp % 2).astype(np.uint8))
    return convert(folders(folder / "raw", value_range=(0, 1000)), output=folder / "out", workers=1)


def test_crops_of_four_channels(tmp_path):
    four_channels(tmp_path)
    data = kerseg.data.load(tmp_path / "out")
    batches = data.train(crop_size=(16, 40), batch_size=2, augment=Augment(scale=(1.0, 1.0)), epoch=0)
    assert batches.element_spec == (
        tf.TensorSpec([2, 16, 40, 4], tf.float32),
        tf.TensorSpec([2, 16, 40], tf.uint8),
    )
    for images, labels in batches.as_numpy_iterator():
        outside = labels == 255
        assert outside.sum() == 2 * 16 * 10
        assert (images[outside] == geometry.MIDDLE).all()
        values = images[~outside] * (1000 / 255)
        np.testing.assert_allclose(np.diff(values, axis=-1), 100, rtol=1e-4)
        # Image and label moved together: the label is whether the first channel is odd.
        np.testing.assert_array_equal(np.rint(values[:, 0]) % 2, labels[~outside])


def test_float_rgb_is_padded_with_the_mean_exactly():
    image = tf.constant(numbers(3, 4, 3, dtype="float32") / 10)
    window = geometry.draw(tf.constant([0, 1], tf.int64), (3, 4), (5, 6), Augment(flip=0.0))
    padded, label = geometry.pad(image, tf.zeros((3, 4), tf.uint8), window, 255)
    inside = label.numpy() == 0
    np.testing.assert_array_equal(padded.numpy()[inside], image.numpy().reshape(-1, 3))
    assert (padded.numpy()[~inside] == geometry.FILL).all()


def test_brightness_and_contrast_of_any_channels():
    image = tf.constant(np.random.default_rng(0).uniform(50, 200, (9, 7, 5)).astype(np.float32))
    augment, seed = Augment(brightness=0.1, contrast=0.2), tf.constant([3, 4], tf.int64)
    changed = colour.distort(image, seed, augment).numpy()
    # Each channel by itself, given the same draws, is changed alike.
    for k in range(5):
        alone = colour.distort(image[..., k : k + 1], seed, augment).numpy()
        np.testing.assert_allclose(changed[..., k : k + 1], alone, rtol=1e-5)
    assert np.abs(changed - image.numpy()).max() > 1


LINEAR = {
    "rotation": 30.0,
    "shear": 20.0,
    "elastic": 2.0,
    "flip_vertical": 1.0,
    "quarter_turns": 1.0,
    "blur": 2.0,
    "cutout": 0.5,
    "mosaic": 1.0,
    "copy_paste": 1.0,
    "classmix": 1.0,
    "cutmix": 1.0,
}


@pytest.mark.parametrize("name", LINEAR)
def test_augmentations_of_four_channels(tmp_path, name):
    """Channels are 100 apart, and stay so in whatever moves, averages or mixes pixels."""
    four_channels(tmp_path)
    augment = Augment(rare_share=1.0, **{name: LINEAR[name]})
    batches = kerseg.data.load(tmp_path / "out").train(
        crop_size=(16, 16), batch_size=3, augment=augment, epoch=0
    )
    for images, labels in batches.as_numpy_iterator():
        inside = labels != 255
        assert inside.mean() > 0.4
        np.testing.assert_allclose(np.diff(images[inside] * (1000 / 255), axis=-1), 100, rtol=1e-3)
        assert (images[~inside] == geometry.MIDDLE).all()


def test_gamma_of_any_channels():
    image = tf.constant(np.random.default_rng(0).uniform(0, 255, (9, 7, 5)).astype(np.float32))
    augment, seed = Augment(gamma=1.0), tf.constant([3, 4], tf.int64)
    changed = effects.distort(image, seed, augment).numpy()
    for k in range(5):
        alone = effects.distort(image[..., k : k + 1], seed, augment).numpy()
        np.testing.assert_allclose(changed[..., k : k + 1], alone, rtol=1e-5)
    assert np.abs(changed - image.numpy()).max() > 1


@pytest.mark.parametrize(("name", "value"), [("saturation", 0.1), ("hue", 0.1), ("jpeg", 50)])
def test_colours_of_what_has_none_are_refused(tmp_path, name, value):
    four_channels(tmp_path)
    data = kerseg.data.load(tmp_path / "out")
    with pytest.raises(ConfigError, match=rf"`augment\.{name}` needs images of 3 channels; these have 4\."):
        data.train(crop_size=(8, 8), batch_size=1, augment=Augment(**{name: value}))


def test_channels_are_found_once_and_travel_with_the_source(tmp_path, monkeypatch):

    npy(tmp_path / "i/a.npy", numbers(6, 8, 4))
    png_label(tmp_path / "l/a.png", label_of(6, 8))
    source = folders(tmp_path)
    found = source.channels
    copy = pickle.loads(pickle.dumps(source))
    monkeypatch.setattr(Folder, "splits", lambda self: pytest.fail("looked at the files again"))
    assert copy.channels == found
    [part] = parts([tmp_path / "i/a.npy"], Layout())
    np.testing.assert_array_equal(read_channels(part, found).values, numbers(6, 8, 4))


def test_who_did_not_say_so_is_told_how(tmp_path):
    tifffile.imwrite(place(tmp_path / "i/a.tif"), numbers(6, 8, 4), photometric="rgb")
    tifffile.imwrite(tmp_path / "i/c.tif", numbers(6, 8, 5), photometric="minisblack", planarconfig="contig")
    tifffile.imwrite(tmp_path / "i/b.tif", numbers(6, 8, dtype="float32"))
    for name in "abc":
        png_label(tmp_path / f"l/{name}.png", label_of(6, 8))
    advice = "To keep its values, convert with `kerseg convert folder` and `value_range=(LOW, HIGH)`."
    assert refusal(folders(tmp_path, value_range=()), tmp_path / "out").splitlines()[:3] == [
        f"{tmp_path}/i/a.tif: unusable image: 4 channels of 16 bits. {advice}",
        f"{tmp_path}/i/b.tif: unusable image: pixels of type 'F'. Save it as 8-bit RGB or grey. {advice}",
        f"{tmp_path}/i/c.tif: unreadable: a damaged TIFF, or one of more than 8-bit RGB. {advice}",
    ]
