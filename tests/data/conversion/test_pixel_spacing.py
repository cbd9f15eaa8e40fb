"""Sizes of pixels from headers into dataset.json: NIfTI, GeoTIFF, or as stated."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from kerseg.core.info import DatasetInfo
from kerseg.core.spacing import Spacing
from kerseg.data.conversion.convert import convert
from kerseg.data.formats.spacings import Measured, spacing_of
from kerseg.data.sources.folder import Folder
from kerseg.errors import ConfigError

PROJECTED = {1024: 1, 3072: 32633, 3076: 9001}


def geotiff(path: Path, keys: dict[int, int], scale: tuple[float, float] | None = (0.5, 0.25)) -> None:
    """Save a grey image with the tags of a GeoTIFF: pixels of so many units, width and height."""
    tags = ImageFileDirectory_v2()
    tags[34735] = (1, 1, 0, len(keys), *(part for key, value in keys.items() for part in (key, 0, 1, value)))
    tags.tagtype[34735] = 3
    if scale:
        tags[33550] = (*scale, 0.0)
    else:  # turned by 30 degrees
        tags[34264] = (0.433, 0.125, 0.0, 0.0, 0.25, -0.2165, 0.0, 0.0, 0, 0, 0, 0, 0, 0, 0, 1)
    for tag in (33550, 34264):
        tags.tagtype[tag] = 12
    image = Image.fromarray(np.arange(32 * 40 * 3, dtype=np.uint8).reshape(32, 40, 3))
    image.save(path, tiffinfo=tags)


def nifti(path: Path, zooms: tuple[float, float, float], *, unit: str = "mm", turned: bool = False) -> None:
    nibabel = pytest.importorskip("nibabel", reason="NIfTI needs nibabel")
    affine = np.diag([*zooms, 1.0])
    values = np.arange(6 * 8 * 4, dtype=np.int16).reshape(6, 8, 4)
    if turned:  # the file's axes are head, right, front
        affine = affine[:, [2, 0, 1, 3]]
        values = np.moveaxis(values, 2, 0)
    image = nibabel.Nifti1Image(values, affine)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)


def labels(folder: Path, names: list[str], **options: Any) -> None:
    folder.mkdir(parents=True)
    for name in names:
        Image.fromarray(np.tile(np.uint8([0, 1]), (32, 20))).save(folder / f"{name}.png")


@pytest.mark.parametrize(
    ("keys", "scale", "expected"),
    [
        (PROJECTED, (0.5, 0.25), ("m", (0.25, 0.5))),
        (PROJECTED | {3076: 9002}, (10.0, 10.0), ("m", (3.048, 3.048))),
        (PROJECTED, None, ("m", (0.25, 0.5))),
        ({1024: 2}, (1e-5, 1e-5), None),
        ({1024: 1, 3072: 32633}, (0.5, 0.5), None),
    ],
    ids=["metres", "feet", "turned", "degrees", "of no known unit"],
)
def test_a_geotiff_says_how_large_its_pixels_are(
    tmp_path: Path, keys: dict[int, int], scale: Any, expected: Any
):
    geotiff(tmp_path / "a.tif", keys, scale)
    found = spacing_of(tmp_path / "a.tif")
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert (found.unit, found.size) == (expected[0], pytest.approx(expected[1], rel=1e-3))


def test_rasterio_agrees(tmp_path: Path):
    rasterio = pytest.importorskip("rasterio", reason="the agreement needs rasterio")
    transform = rasterio.Affine(0.3, 0, 500000, 0, -0.6, 5000000)
    pixels = np.zeros((3, 32, 40), np.uint8)
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", height=32, width=40, count=3, dtype="uint8", crs="EPSG:32633",
        transform=transform,
    ) as raster:  # fmt: skip
        raster.write(pixels)
    assert spacing_of(tmp_path / "a.tif") == Measured("m", (0.6, 0.3))


def test_what_is_no_geotiff_says_nothing(tmp_path: Path):
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.tif")
    (tmp_path / "broken.tif").write_bytes(b"II*\0nothing")
    for name in ("plain.tif", "broken.tif", "missing.tif", "a.png"):
        assert spacing_of(tmp_path / name) is None


@pytest.mark.parametrize("turned", [False, True])
def test_volumes_have_their_own_sizes_wherever_their_axes_lie(tmp_path: Path, turned: bool):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for name, zooms in (("p1", (0.7, 0.8, 5.0)), ("p2", (0.7, 0.8, 5.0)), ("p3", (0.4, 0.5, 2.0))):
        for folder in ("images", "labels"):
            nifti(tmp_path / folder / f"{name}.nii.gz", zooms, turned=turned)
    source = Folder(
        train_image_path=tmp_path / "images",
        train_label_path=tmp_path / "labels",
        class_names=tuple(f"c{i}" for i in range(192)),
        value_range=(0, 200),
    )
    info = convert(source, output=tmp_path / "data", workers=1)
    assert info.spacing == Spacing("mm", (5.0, 0.8, 0.7), {"p3": (2.0, 0.5, 0.4)})
    assert DatasetInfo.load(tmp_path / "data").spacing == info.spacing
    assert info.spacing.of("p3/002", axes=3) == (2.0, 0.5, 0.4)


def test_units_of_nifti_become_millimetres(tmp_path: Path):
    from kerseg.core.info import Layout
    from kerseg.data.formats.volumes import ArrayPart

    nifti(tmp_path / "a.nii", (0.7, 0.8, 5.0), unit="micron")
    part = ArrayPart(tmp_path / "a.nii", "slice 0", Layout(slice_axis=0))
    assert spacing_of(part) == Measured("mm", (0.0007, 0.005, 0.0008))


def test_it_can_be_stated_and_is_not_guessed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "images").mkdir()
    geotiff(tmp_path / "images" / "a.tif", PROJECTED)
    Image.new("RGB", (40, 32), (9, 9, 9)).save(tmp_path / "images" / "b.png")
    labels(tmp_path / "labels", ["a", "b"])
    folders = {"train_image_path": tmp_path / "images", "train_label_path": tmp_path / "labels"}
    source = Folder(**folders, class_names=("a", "b"))
    assert convert(source, output=tmp_path / "first", workers=1).spacing is None
    assert (
        "1 of 2 images and volumes say how large their pixels are, and others do not"
        in capsys.readouterr().err
    )
    info = convert(source, output=tmp_path / "second", workers=1, spacing=(0.5, 0.5), spacing_unit="m")
    assert info.spacing == Spacing("m", (0.5, 0.5))
    with pytest.raises(ConfigError, match="`spacing` is the height and width of a pixel"):
        convert(source, output=tmp_path / "third", workers=1, spacing=(0.5,))
    (tmp_path / "images" / "b.png").unlink()
    (tmp_path / "labels" / "b.png").unlink()
    assert convert(source, output=tmp_path / "first", update=True, workers=1).spacing == Spacing(
        "m", (0.25, 0.5)
    )
