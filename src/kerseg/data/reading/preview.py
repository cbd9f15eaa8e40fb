"""``kerseg.preview``: a sheet of augmented images, to look at before a run is spent on them."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerseg import config as configs
from kerseg.augment.options import Augment
from kerseg.config import TrainConfig
from kerseg.core.options import default, given, refuse_nul
from kerseg.core.ranges import check_batch, check_range
from kerseg.core.signed_png import is_signed
from kerseg.core.tensorflow import import_tensorflow
from kerseg.data.reading.unconverted import read_info
from kerseg.errors import ConfigError

SOFTWARE = "kerseg preview"
"""Under "Software" in every sheet."""


def preview(
    data_dir: str | Path,
    recipe: str | Path | None = None,
    *,
    output: str | Path = Path("preview.png"),
    count: int = 8,
    draws: int = 3,
    split: str = "train",
    seed: int = default(0),
    crop_size: tuple[int, int] = default((512, 512)),
    batch_size: int = default(8),
    augment: Augment | Mapping[str, Any] | None = default(Augment()),
    dataset: str | None = default(None),
) -> Path:
    """Draw a sheet of images with their labels and what augmentation makes of them.

    What is given wins over the recipe. Each row has the crops that training with this seed makes of an image in its
    first epochs; only what mixes the crops of a batch has other partners there.

    Args:
        data_dir: Folder of the converted data, with its dataset.json.
        recipe: YAML file of options, as for train.
        output: PNG file to write. An earlier sheet is replaced, any other file is not.
        count: Images, spread over the first records of the split.
        draws: Crops of each image.
        split: Split to take images from.
        seed: Seed of everything random.
        crop_size: Height and width of a training crop, in pixels.
        batch_size: Crops that mix with one another.
        augment: What is drawn at random.
        dataset: Data set whose classes the records hold, where no dataset.json names them.

    Returns:
        ``output``.

    Raises:
        ConfigError: An option is out of range, or ``output`` is a file that is no such sheet.
        DataError: There is no such data or split, or a record is damaged.

    Example:
        >>> preview("data/street", augment=Augment(rotation=15.0, elastic=10.0))
        PosixPath('preview.png')
    """
    arguments = given(locals())
    refuse_nul(arguments)
    shared = {field.name for field in dataclasses.fields(TrainConfig)} - {"data_dir", "output"}
    options = {name: value for name, value in arguments.items() if name in shared}
    if augment is None:
        del options["augment"]
    output = Path(output)
    check_range("count", count, least=1)
    check_range("draws", draws, least=1)
    config = configs.override(TrainConfig() if recipe is None else configs.load(TrainConfig, recipe), options)
    check_batch("crop_size", config.crop_size, min(count, config.batch_size))
    if output.exists() and not is_signed(output, SOFTWARE):
        raise ConfigError(f"{output}: exists and is not a sheet of kerseg preview. Give another `output`.")
    read_info(data_dir, config.dataset)
    import_tensorflow()
    from kerseg.data.reading.pipeline import load
    from kerseg.data.reading.sheet import draw

    draw(
        load(data_dir, dataset=config.dataset),
        output,
        augment=config.augment,
        crop_size=config.crop_size,
        batch_size=config.batch_size,
        count=count,
        draws=draws,
        split=split,
        seed=config.seed,
        software=SOFTWARE,
    )
    return output
