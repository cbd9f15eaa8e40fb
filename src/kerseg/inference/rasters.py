"""Georeferenced rasters of any size: read, predicted and written window by window.

Memory does not grow with the height of a raster, and with its width by one strip of probabilities (the overlap of
the windows). What is finished is written at once, into tiled, compressed GeoTIFFs with the transform and coordinate
reference system of the raster. rasterio reads and writes whatever GDAL knows; several tiles can be one scene.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kerseg.core.files import whole
from kerseg.core.info import RGB, Channels
from kerseg.core.progress import Progress
from kerseg.data.formats.channels import to_255
from kerseg.errors import ConfigError, DataError
from kerseg.inference.inputs import SOFTWARE
from kerseg.inference.windows import Windows, blended

if TYPE_CHECKING:
    from kerseg.modelfile import ModelCard

SUFFIXES = (".tif", ".tiff", ".vrt", ".jp2", ".img")
"""Files that may be rasters."""
WINDOW, OVERLAP = 512, 128
"""Of the windows, in pixels, where the user gives none."""
LARGE = 2**26
"""Pixels from which on a TIFF is read in windows, whether it is georeferenced or not."""
TILE = 256
"""Height and width of the tiles of what is written, pixels."""
NO_DATA = 255
"""In the index, where the raster has no data."""

Probabilities = Callable[[NDArray[Any]], NDArray[np.float32]]
"""From pixels (height, width, channels), 0 to 255, to (height, width, classes)."""


@dataclass(frozen=True)
class Results:
    """Where the results of a raster go; None for what is not asked for."""

    index: Path | None = None
    colour: Path | None = None
    overlay: Path | None = None
    probabilities: Path | None = None


def is_raster(path: Path) -> bool:
    """Return whether a file is to be read in windows: it is georeferenced, virtual, or very large.

    Without rasterio nothing is: then files are read whole, as far as they can be.
    """
    if path.suffix.lower() not in SUFFIXES or not has_rasterio():
        return False
    import rasterio

    try:
        with _quietly(), rasterio.open(path) as raster:
            placed = raster.crs is not None or not raster.transform.is_identity
            return placed or path.suffix.lower() == ".vrt" or raster.width * raster.height >= LARGE
    except rasterio.RasterioIOError:
        return False


def has_rasterio() -> bool:
    """Return whether rasterio is installed."""
    try:
        import rasterio  # noqa: F401
    except ImportError:
        return False
    return True


class Scene:
    """One raster, or several that lie side by side, as one.

    Args:
        paths: Of one coordinate reference system, resolution and grid.
        channels: What the model takes; None for 8-bit RGB.

    Raises:
        DataError: They do not fit together, or the model does not take their bands.
        ConfigError: rasterio is not installed.
    """

    def __init__(self, paths: Sequence[Path], channels: Channels | None):
        if not has_rasterio():
            raise ConfigError("Rasters need rasterio: pip install 'kerseg[raster]'.")
        import rasterio
        from rasterio.transform import Affine

        self.channels, self._stack = channels, ExitStack()
        with ExitStack() as opened:
            opened.enter_context(_quietly())
            self._tiles = [opened.enter_context(rasterio.open(path)) for path in paths]
            self._stack = opened.pop_all()
        first = self._tiles[0]
        for path, tile in zip(paths, self._tiles, strict=True):
            self._check(path, tile)
        # Rows and columns of each tile's first pixel, counted from the first tile's.
        back, place = ~first.transform, first.transform
        corners = [(tile.transform.c, tile.transform.f) for tile in self._tiles]
        places = [
            (round(back.d * x + back.e * y + back.f), round(back.a * x + back.b * y + back.c))
            for x, y in corners
        ]
        top, left = (min(values) for values in zip(*places, strict=True))
        self._places = [(row - top, column - left) for row, column in places]
        self.height = max(row + tile.height for (row, _), tile in zip(self._places, self._tiles, strict=True))
        self.width = max(
            column + tile.width for (_, column), tile in zip(self._places, self._tiles, strict=True)
        )
        x, y = place.a * left + place.b * top + place.c, place.d * left + place.e * top + place.f
        self.transform = Affine(place.a, place.b, x, place.d, place.e, y)
        self.crs = first.crs

    def __enter__(self) -> "Scene":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, rows: slice, columns: slice) -> NDArray[Any]:
        """Return pixels (height, width, channels) as the model takes them, 0 to 255; 0 where there is no data."""
        return self._read(rows, columns)[0]

    def mask(self, rows: slice, columns: slice) -> NDArray[np.bool_]:
        """Return where there is data: (height, width)."""
        return self._read(rows, columns, masks=True)[1]

    def _read(
        self, rows: slice, columns: slice, *, masks: bool = False
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        from rasterio.windows import Window

        shape = rows.stop - rows.start, columns.stop - columns.start
        count = len(self.channels.names) if self.channels else RGB
        pixels = np.zeros((*shape, count), np.float32 if self.channels else np.uint8)
        there = np.zeros(shape, np.bool_)
        for (row, column), tile in zip(self._places, self._tiles, strict=True):
            top, bottom = max(rows.start, row), min(rows.stop, row + tile.height)
            left, right = max(columns.start, column), min(columns.stop, column + tile.width)
            if top >= bottom or left >= right:
                continue
            window = Window(left - column, top - row, right - left, bottom - top)
            inside = np.s_[
                top - rows.start : bottom - rows.start, left - columns.start : right - columns.start
            ]
            if masks:
                there[inside] |= tile.dataset_mask(window=window) > 0
            else:
                pixels[inside] = self._pixels(tile, window, count)
        return pixels, there

    def _pixels(self, tile: Any, window: Any, count: int) -> NDArray[Any]:
        if self.channels is None:
            bands = [1, 2, 3] if tile.count >= RGB else [1, 1, 1]
            return np.asarray(np.moveaxis(tile.read(bands, window=window), 0, -1))
        values = np.moveaxis(tile.read(list(range(1, count + 1)), window=window), 0, -1)
        return np.nan_to_num(to_255(values, self.channels), nan=0.0)

    def _check(self, path: Path, tile: Any) -> None:
        first = self._tiles[0]
        if self.channels is None and (tile.count == 2 or tile.dtypes[0] != "uint8"):
            raise DataError(
                f"{path}: the model takes 8-bit RGB, and this has {tile.count} bands of type {tile.dtypes[0]}. "
                "Train on such data with `value_range` given, or convert it (gdal_translate -ot Byte -scale)."
            )
        if self.channels is not None and tile.count < len(self.channels.names):
            raise DataError(
                f"{path}: the model takes {len(self.channels.names)} channels "
                f"({', '.join(self.channels.names)}), and this has {tile.count} bands."
            )
        if (tile.crs, tile.res) != (first.crs, first.res):
            raise DataError(
                f"{path}: it is of another coordinate reference system or resolution than {first.name}: "
                f"{tile.crs} at {tile.res} and {first.crs} at {first.res}. Warp it (gdalwarp)."
            )


def predict_raster(
    scene: Scene,
    probabilities: Probabilities,
    results: Results,
    card: "ModelCard",
    *,
    windows: Windows | None = None,
    alpha: float = 0.5,
) -> None:
    """Predict a raster window by window, and write what is finished.

    Args:
        scene: What to predict.
        probabilities: The model.
        results: Where to write.
        card: Classes and colours of the model.
        windows: How it is cut; default: 512 x 512 with an overlap of 128 pixels.
        alpha: Strength of the colours in the overlay, 0 to 1.
    """
    windows = windows or Windows(WINDOW, WINDOW, OVERLAP)
    size = scene.height, scene.width
    total = len(windows.starts(size[0], windows.height)) * len(windows.starts(size[1], windows.width))
    with ExitStack() as stack, Progress("predict windows", total=total, unit="windows") as bar:
        stack.enter_context(_quietly())
        files = _files(scene, results, card, windows, stack)
        for block in blended(scene.read, probabilities, size, windows, carried=np.float16):
            rows, columns = (
                slice(start, start + length)
                for start, length in zip((block.top, block.left), block.values.shape[:2], strict=True)
            )
            _write(files, scene, rows, columns, block.values, card, alpha)
            bar.advance()


def _write(
    files: dict[str, Any],
    scene: Scene,
    rows: slice,
    columns: slice,
    probabilities: NDArray[np.float32],
    card: "ModelCard",
    alpha: float,
) -> None:
    """Write a finished block into each file."""
    from rasterio.windows import Window

    from kerseg import visualize

    window = Window.from_slices(rows, columns)
    label = probabilities.argmax(axis=-1).astype(np.uint8 if card.num_classes <= NO_DATA else np.uint16)
    there = scene.mask(rows, columns)
    if "index" in files:
        files["index"].write(np.where(there, label, _no_data(card)).astype(label.dtype), 1, window=window)
    if "colour" in files:
        colours = visualize.colourise(label, card.palette, ignore_label=-1) * there[..., np.newaxis]
        files["colour"].write(np.moveaxis(colours, -1, 0), window=window)
    if "overlay" in files:
        shown = visualize.as_rgb(scene.read(rows, columns), card.channels.names if card.channels else ())
        mixed = visualize.overlay(shown, label, card.palette, alpha=alpha, ignore_label=-1)
        files["overlay"].write(
            np.moveaxis(np.where(there[..., np.newaxis], mixed, shown), -1, 0), window=window
        )
    if "probabilities" in files:
        shares = np.rint(probabilities * 255).astype(np.uint8)
        files["probabilities"].write(np.moveaxis(shares, -1, 0), window=window)


def _no_data(card: "ModelCard") -> int:
    return NO_DATA if card.num_classes <= NO_DATA else 2**16 - 1


def _files(
    scene: Scene, results: Results, card: "ModelCard", windows: Windows, stack: ExitStack
) -> dict[str, Any]:
    """Open the files to write; the stack closes them, and gives them their names if all went well."""
    found = {}
    # Windows end where tiles end, or a tile would be compressed and written twice.
    tile = np.gcd.reduce(
        [TILE, *(windows.starts(2**20, size)[1] for size in (windows.height, windows.width))]
    )
    kinds = {"index": 1, "colour": RGB, "overlay": RGB, "probabilities": card.num_classes}
    for kind, bands in kinds.items():
        path: Path | None = getattr(results, kind)
        if path is None:
            continue
        dtype = "uint16" if kind == "index" and card.num_classes > NO_DATA else "uint8"
        raster = _created(stack.enter_context(whole(path)), scene, bands, dtype, max(int(tile), 16), stack)
        raster.update_tags(
            TIFFTAG_SOFTWARE=SOFTWARE, **{f"class_{i}": name for i, name in enumerate(card.class_names)}
        )
        if kind == "index" and dtype == "uint8":
            raster.nodata = NO_DATA
            raster.write_colormap(1, {i: (*colour, 255) for i, colour in enumerate(card.palette)})
        if kind == "probabilities":
            for band, name in enumerate(card.class_names, start=1):
                raster.set_band_description(band, name)
        found[kind] = raster
    return found


def _created(path: Path, scene: Scene, bands: int, dtype: str, tile: int, stack: ExitStack) -> Any:
    import rasterio

    return stack.enter_context(
        rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=scene.height,
            width=scene.width,
            count=bands,
            dtype=dtype,
            crs=scene.crs,
            transform=scene.transform,
            tiled=True,
            blockxsize=tile,
            blockysize=tile,
            compress="deflate",
            zlevel=1,
            bigtiff="if_safer",
            interleave="pixel" if bands == RGB else "band",
        )
    )


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep GDAL's cache small, and its warnings about plain images away."""
    import warnings

    import rasterio

    with warnings.catch_warnings(), rasterio.Env(GDAL_CACHEMAX=256):
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        yield
