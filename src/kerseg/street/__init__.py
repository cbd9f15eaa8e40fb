"""A street data set drawn from a seed: something to train on without a download.

Streets are laid out in metres, seen by a camera of random height, direction and lens, under random light. No
class has a colour of its own: houses are as grey as the road, cars as green as trees.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from kerseg.core.files import whole, write_text
from kerseg.core.info import IGNORE_LABEL, Colour
from kerseg.core.workers import default_workers, map_in_order
from kerseg.errors import ConfigError, DataError
from kerseg.street import layout, things
from kerseg.street.canvas import OVERSAMPLING, Array, Camera, Canvas, Thing, Weather

CLASS_NAMES = tuple(thing.name.lower() for thing in Thing if thing is not Thing.NONE)
PALETTE: tuple[Colour, ...] = (
    (70, 130, 180), (110, 80, 70), (128, 64, 128), (232, 160, 220),
    (86, 142, 35), (20, 40, 170), (220, 30, 60),
)  # fmt: skip
"""One colour a class, near those of Cityscapes."""
CLASSES_FILE = "classes.txt"
"""Colour and name of each class, as ``kerseg convert folder --palette`` reads them."""
_SPLITS = ("train", "val")
SMALLEST = 32
"""Least height and width of an image, pixels."""

Pixels = NDArray[np.uint8]


def draw(
    folder: Path,
    *,
    train: int = 320,
    val: int = 80,
    size: tuple[int, int] = (128, 192),
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[], None] | None = None,
) -> None:
    """Draw a data set into ``folder``.

        classes.txt                        a line for each class, in the order of the labels' values
        train/images/street_0000.jpg ...   and val/images
        train/labels/street_0000.png ...   8 bit, class indices, 255 where no class has a pixel to itself

    The same arguments give the same data set; image i of a split does not depend on how many there are.

    Args:
        folder: Where to; made if it is missing, refused if it holds anything.
        train: Number of images to learn from.
        val: Number of images to score on.
        size: Height and width, pixels, 32 or more.
        seed: 0 or more.
        workers: Number of processes; by default one for each processor.
        progress: Called after each image.

    Raises:
        DataError: The folder holds something.
        ConfigError: The size is too small.

    Example:
        >>> draw(Path("drawn"), train=8, val=2, size=(32, 48))
        >>> sorted(path.name for path in Path("drawn/val/labels").iterdir())
        ['street_0000.png', 'street_0001.png']
    """
    _check(size)
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder}: the folder is not empty. Give another one, or remove what it holds.")
    lines = (f"{r} {g} {b} {name}\n" for (r, g, b), name in zip(PALETTE, CLASS_NAMES, strict=True))
    write_text(folder / CLASSES_FILE, "".join(lines))
    jobs = [(split, i) for split, count in {"train": train, "val": val}.items() for i in range(count)]
    write = partial(_write, folder, size, seed)
    with map_in_order(write, jobs, workers=workers or default_workers()) as results:
        for _ in results:
            if progress is not None:
                progress()


def _write(folder: Path, size: tuple[int, int], seed: int, job: tuple[str, int]) -> None:
    split, i = job
    image, label = scene(np.random.default_rng((seed, _SPLITS.index(split), i)), size)
    with whole(folder / split / "images" / f"street_{i:04d}.jpg", durable=False) as path:
        Image.fromarray(image).save(path, quality=95)
    with whole(folder / split / "labels" / f"street_{i:04d}.png", durable=False) as path:
        Image.fromarray(label).save(path)


def scene(rng: Generator, size: tuple[int, int]) -> tuple[Pixels, Pixels]:
    """Draw one street.

    Args:
        rng: Source of everything random.
        size: Height and width, pixels, 32 or more.

    Returns:
        The image ``(height, width, 3)``, RGB, and its label ``(height, width)``: class indices, and 255
        where classes share a pixel or what is there belongs to none.

    Raises:
        ConfigError: The size is too small.
    """
    _check(size)
    street = layout.Street.random(rng)
    canvas = Canvas(size, layout.camera(rng, street, size), layout.weather(rng))
    layout.ground(canvas, rng, street)
    standing = layout.houses(rng, street) + layout.furniture(rng, street, canvas.camera)
    for thing in standing:
        if canvas.camera.sees(thing.at, thing.reach + 3 * thing.height):
            things.cast(canvas, thing.footprint, thing.height)
    eye = canvas.camera.position
    far = [-float(np.hypot(thing.at[0] - eye[0], thing.at[1] - eye[2])) for thing in standing]
    for i in sorted(range(len(standing)), key=lambda i: (standing[i].layer, far[i])):
        if canvas.camera.sees(standing[i].at, standing[i].reach):
            standing[i].paint(canvas, rng)
    return _develop(canvas, rng, size), _settle(canvas, size)


def _check(size: tuple[int, int]) -> None:
    if min(size) < SMALLEST:
        raise ConfigError(
            f"A street takes a height and a width of {SMALLEST} pixels or more. Received: {size}."
        )


def _settle(canvas: Canvas, size: tuple[int, int]) -> Pixels:
    """Return the label: the class that owns a pixel whole, 255 where none does."""
    blocks = np.asarray(canvas.labels).reshape(size[0], OVERSAMPLING, size[1], OVERSAMPLING)
    lowest, highest = blocks.min(axis=(1, 3)), blocks.max(axis=(1, 3))
    return np.where(lowest == highest, lowest, IGNORE_LABEL).astype(np.uint8)


def _develop(canvas: Canvas, rng: Generator, size: tuple[int, int]) -> Pixels:
    """Return the image: surfaces, light, sky, haze over the ground, and what a lens and a sensor add."""
    small, weather = size[::-1], canvas.weather
    image = np.asarray(canvas.image.resize(small, Image.Resampling.BOX), np.float64)
    light = np.asarray(canvas.light.resize(small, Image.Resampling.BOX), np.float64)[..., None] / 255
    label = np.asarray(canvas.labels)[OVERSAMPLING // 2 :: OVERSAMPLING, OVERSAMPLING // 2 :: OVERSAMPLING]
    x, z, depth = canvas.camera.ground(*small)

    rough = _ROUGHNESS[np.minimum(label, len(_ROUGHNESS) - 1)]
    noise = np.stack([rng.normal(size=size), _blotches(rng, size, 3), _blotches(rng, size, 20)], axis=-1)
    image = image * (1 + (rough * noise).sum(axis=-1, keepdims=True))
    image = np.where((label == Thing.PAVEMENT)[..., None], image * _slabs(rng, x, z, depth), image) * light
    flat = (label == Thing.ROAD) | (label == Thing.PAVEMENT)
    share = np.where(flat, np.exp(-np.minimum(depth, 1e4) / weather.visibility), 1.0)[..., None]
    image = share * image + (1 - share) * weather.haze
    image = np.where((label == Thing.SKY)[..., None], _sky(rng, canvas.camera, weather, size), image)

    down, across = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]), indexing="ij")
    lens = 1 - rng.uniform(0.0, 0.2) * (down**2 + across**2) / 2
    image = image * weather.exposure * weather.tint * lens[..., None]
    image = 127.5 + (image - 127.5) * rng.uniform(0.85, 1.1)
    return (image + rng.normal(0, rng.uniform(0.5, 3), image.shape)).clip(0, 255).astype(np.uint8)


_ROUGHNESS: Array = np.array(
    [
        (0.0, 0.0, 0.0),
        (0.02, 0.03, 0.04),
        (0.08, 0.0, 0.04),
        (0.03, 0.02, 0.03),
        (0.1, 0.14, 0.05),
        (0.0, 0.0, 0.06),
        (0.02, 0.09, 0.0),
        (0.0, 0.0, 0.0),
    ]
)
"""How uneven each class's surface is, as a share of its brightness, over 1, 3 and 20 pixels: asphalt is
grainy, leaves are rough, clothes have folds, cars are smooth. The last is for what has no class."""


def _blotches(rng: Generator, size: tuple[int, int], scale: int) -> Array:
    """Return smooth noise ``size`` of about unit strength, its spots ``scale`` pixels wide."""
    coarse = rng.normal(size=(size[0] // scale + 2, size[1] // scale + 2)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC), np.float64)


def _slabs(rng: Generator, x: Array, z: Array, depth: Array) -> Array:
    """Return the brightness ``(height, width, 1)`` of paving: slabs and joints, fading with distance."""
    slab = rng.uniform(0.4, 1.2)
    column, row = np.floor(x / slab), np.floor(z / slab)
    uneven = np.modf(np.abs(np.sin(column * 12.9898 + row * 78.233)) * 43758.5453)[0] - 0.5
    joint = (np.abs(x / slab - column - 0.5) > 0.45) | (np.abs(z / slab - row - 0.5) > 0.45)
    clear = np.exp(-np.minimum(depth, 1e3) / 12)
    return np.asarray(1 + clear * (0.16 * uneven - 0.22 * joint))[..., None]


def _sky(rng: Generator, camera: Camera, weather: Weather, size: tuple[int, int]) -> Array:
    """Return the sky ``(height, width, 3)``: clear above, hazy at the horizon, with clouds."""
    rows = np.arange(size[0]) * OVERSAMPLING
    climb = np.clip((camera.centre[1] - rows) / max(camera.centre[1], 1.0), 0, 1)[:, None, None] ** 0.7
    sky = climb * weather.zenith + (1 - climb) * weather.haze
    cover = _blotches(rng, size, 40) + 0.5 * _blotches(rng, size, 16) + 0.25 * _blotches(rng, size, 7)
    cover = np.clip(0.5 * cover + 2 * weather.clouds - 1.1, 0, 1)[..., None] * 0.8
    grey = weather.haze * 0.85 if weather.clouds == 1.0 else weather.haze * 0.5 + 120
    return np.asarray(sky * (1 - cover) + grey * cover)
