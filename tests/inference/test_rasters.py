"""Rasters in windows: georeference kept, the labels of the whole, no data stays no data, tiles as one scene."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kerseg.inference.crf import CrfOptions
from kerseg.inference.prediction import predict

rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed")

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tested on TensorFlow")

COLOURS = ((0, 0, 0), (200, 0, 0), (0, 0, 200))
PLACE = rasterio.Affine(0.5, 0, 500000, 0, -0.5, 5600000)


def nearest_colour() -> keras.Model:
    """Return a model whose class is the nearest colour, after a blur of 5 x 5 pixels: it needs a context."""
    colours = np.asarray(COLOURS, np.float32)
    image = keras.Input((None, None, 3))
    blur = keras.layers.DepthwiseConv2D(5, padding="same", use_bias=False)
    conv = keras.layers.Conv2D(len(colours), 1)
    model = keras.Model(image, conv(blur(image)))
    blur.set_weights([np.full((5, 5, 3, 1), 1 / 25)])
    conv.set_weights([2 * colours.T[None, None] / 1000, -(colours**2).sum(axis=1) / 1000])
    return model


def pixels(height: int, width: int) -> np.ndarray:
    random = np.random.default_rng(0)
    label = random.integers(0, 3, (height // 10 + 1, width // 10 + 1)).repeat(10, 0).repeat(10, 1)
    return np.array(COLOURS, np.uint8)[label[:height, :width]]


def write(path: Path, values: np.ndarray, transform: Any = PLACE, **options: Any) -> Path:
    height, width, bands = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=bands, dtype=values.dtype,
        crs="EPSG:25832", transform=transform, **options,
    ) as raster:  # fmt: skip
        raster.write(np.moveaxis(values, -1, 0))
    return path


def expected(values: np.ndarray) -> np.ndarray:
    return np.asarray(nearest_colour()(values[None].astype(np.float32)))[0].argmax(-1)


def test_as_predicted_whole_and_where_it_was(tmp_path: Path):
    values = pixels(300, 420)
    values[:40, :50] = 7
    path = write(tmp_path / "scene.tif", values, nodata=7)
    report = predict(
        nearest_colour(),
        path,
        output=tmp_path / "out",
        window=(96, 128),
        overlap=32,
        save=("index", "colour", "overlay", "probabilities"),
    )
    assert report.failed == ()
    [written] = report.written
    label = expected(values)
    with rasterio.open(written.index) as index:
        assert (index.crs, index.transform) == (rasterio.CRS.from_epsg(25832), PLACE)
        assert (index.nodata, index.profile["tiled"], index.compression.name) == (255, True, "deflate")
        found = index.read(1)
        assert index.colormap(1)[0] == (0, 0, 0, 255)
        assert index.tags()["TIFFTAG_SOFTWARE"] == "kerseg predict"
    assert (found[:40, :50] == 255).all()
    there = (values != 7).any(axis=-1)
    assert (found[there] == label[there]).mean() > 0.999
    with rasterio.open(written.probabilities) as probabilities:
        assert probabilities.count == 3
        assert (probabilities.read().argmax(axis=0)[there] == label[there]).mean() > 0.99
    with rasterio.open(written.overlay) as overlay:
        assert overlay.shape == (300, 420)
    # Results are replaced, and are no rasters to predict.
    again = predict(nearest_colour(), tmp_path, output=tmp_path / "out", window=(96, 128), save=("index",))
    assert [each.image.name for each in again.written] == ["scene.tif"]


def test_tiles_as_one_scene(tmp_path: Path):
    """The tiles share no pixel; each alone would not see across its border."""
    values = pixels(128, 200)
    for row in (0, 64):
        for column in (0, 96):
            part = values[row : row + 64, column : 96 if column == 0 else 200]
            place = rasterio.Affine(0.5, 0, 500000 + column / 2, 0, -0.5, 5600000 - row / 2)
            write(tmp_path / f"tile_{row}_{column}.tif", part, place)
    report = predict(
        nearest_colour(),
        tmp_path / "*.tif",
        output=tmp_path / "out",
        mosaic=True,
        save=("index",),
        window=(64, 64),
    )
    assert report.failed == ()
    assert len(report.written) == 4
    with rasterio.open(tmp_path / "out" / "index" / "mosaic.tif") as index:
        assert index.transform == PLACE
        assert (index.read(1) == expected(values)).mean() > 0.999


def test_what_does_not_fit_is_said(tmp_path: Path):
    write(tmp_path / "deep.tif", pixels(40, 40).astype(np.uint16))
    write(tmp_path / "good.tif", pixels(40, 40))
    report = predict(nearest_colour(), tmp_path, output=tmp_path / "out", save=("index",))
    assert [each.image.name for each in report.written] == ["good.tif"]
    [failure] = report.failed
    assert "the model takes 8-bit RGB, and this has 3 bands of type uint16" in failure.reason
    [polygons] = predict(
        nearest_colour(), tmp_path / "good.tif", output=tmp_path / "p", save=("polygons",)
    ).failed
    assert "polygons of a raster" in polygons.reason
    assert "gdal_polygonize index/NAME.tif polygons.gpkg" in polygons.reason
    assert "Give `save=('index',)`." in polygons.reason


def test_polygons_beside_an_index_are_said_to_be_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = write(tmp_path / "good.tif", pixels(40, 40))
    report = predict(nearest_colour(), path, output=tmp_path / "out", save=("index", "polygons"))
    assert report.failed == ()
    assert report.written[0].index == tmp_path / "out" / "index" / "good.tif"
    assert (
        "good.tif: polygons of a raster, which may have millions, are made of its index"
        in capsys.readouterr().err
    )


def test_a_crf_refines_each_window_nearly_as_the_whole(tmp_path: Path):
    pytest.importorskip("numba", reason="numba is not installed")
    from kerseg.inference.predictor import Predictor
    from kerseg.inference.procedure import Procedure
    from kerseg.inference.segmenter import Segmenter

    values = pixels(200, 260)
    values = (values + np.random.default_rng(1).integers(0, 50, values.shape)).astype(np.uint8)
    crf = {"appearance_sigma": 10.0, "smoothness_sigma": 2.0, "iterations": 5}
    report = predict(
        nearest_colour(),
        write(tmp_path / "scene.tif", values),
        output=tmp_path / "out",
        save=("index",),
        window=(128, 128),
        overlap=64,
        crf=True,
        crf_options=crf,
    )
    assert report.failed == ()
    with rasterio.open(tmp_path / "out" / "index" / "scene.tif") as index:
        found = index.read(1)
    procedure = Procedure(crf=CrfOptions(**crf))
    whole = Segmenter(Predictor(nearest_colour()), procedure)(values[None])[0]
    plain = expected(values)
    assert (whole != plain).mean() > 0.01
    # A CRF sees the whole image that it is given; far from a border that hardly matters.
    assert (found == whole).mean() >= 0.99


def test_an_image_without_a_place_stays_an_image(tmp_path: Path):
    from PIL import Image

    Image.fromarray(pixels(20, 30)).save(tmp_path / "plain.tif")
    report = predict(nearest_colour(), tmp_path / "plain.tif", output=tmp_path / "out")
    assert report.written[0].index == tmp_path / "out" / "index" / "plain.png"
