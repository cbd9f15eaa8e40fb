"""The verbs that work on data: convert, doctor and preview."""

from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter, Token

from kerseg.augment.options import Augment
from kerseg.cli.base import app, fill_from_recipe
from kerseg.core.info import FILE_NAME, DatasetInfo
from kerseg.core.tensorflow import import_tensorflow
from kerseg.data.conversion.options import ConvertOptions
from kerseg.data.reading.unconverted import describe
from kerseg.data.sources import SOURCES
from kerseg.data.sources.folder import SEVERAL
from kerseg.download.release import HELP as DOWNLOAD
from kerseg.download.release import download as fetch_releases
from kerseg.errors import ConfigError
from kerseg.profiling.figures import is_name

convert = cyclopts.App(name="convert", help="Convert a raw data set into TFRecord shards and a dataset.json.")
app.command(convert)


def _convert_command(source_class: Any) -> Callable[..., int]:
    """Return the command that converts with one source: its options are the fields of the source's class."""

    def command(
        *,
        source: Annotated[source_class, Parameter(name="*")],
        options: Annotated[ConvertOptions, Parameter(name="*")],
        download: Annotated[bool, Parameter(parse=bool(source_class.releases), help=DOWNLOAD)] = False,
    ) -> int:
        from kerseg.data.conversion.convert import convert

        if download:
            fetch_releases(source)
        info = convert(source, **{field.name: getattr(options, field.name) for field in fields(options)})
        for name, split in info.splits.items():
            skipped = f", {len(split.skipped)} faults passed over" if split.skipped else ""
            print(f"{name}: {split.records} pairs in {len(split.shards)} shards{skipped}")
        if info.channels:
            print(f"values that become 0 and 255, by channel: {info.channels}")
        print(f"{info.num_classes} classes{_unnamed(info)}; {options.output / FILE_NAME}")
        return 0

    command.__doc__ = source_class.__doc__
    if all(field.default is not MISSING for field in fields(source_class)):
        # cyclopts wants the default of a group of options none of which is required.
        command.__kwdefaults__ = {**(command.__kwdefaults__ or {}), "source": source_class()}
    return command


def _unnamed(info: DatasetInfo) -> str:
    if not info.is_numbered:
        return ""
    return f", 0 to {info.num_classes - 1}, without names: --class-names gives them some"


def _default_folders(
    app: cyclopts.App, commands: tuple[str, ...], arguments: cyclopts.ArgumentCollection
) -> None:
    """With --download, let folders that no option names be those of the cache."""
    given = {argument.name: argument for argument in arguments}
    if "--download" not in given or not given["--download"].tokens:
        return
    for field, release in SOURCES.load(commands[-1]).releases.items():
        if not given[f"--{field}"].tokens:
            folder = str(release.default_folder())
            given[f"--{field}"].append(Token(keyword=f"--{field}", value=folder, source="--download"))


for _name in SOURCES:
    convert.command(_convert_command(SOURCES.load(_name)), name=_name, config=_default_folders)


@app.command
def doctor(
    path: Path,
    /,
    *,
    images: Path | None = None,
    labels: Path | None = None,
    label_tail: str = "",
    class_names: Annotated[tuple[str, ...], SEVERAL] = (),
    num_classes: int | None = None,
    palette: Annotated[tuple[str, ...], SEVERAL] = (),
    label_values: Annotated[tuple[int, ...], SEVERAL] = (),
    ignore_values: Annotated[tuple[int, ...] | None, SEVERAL] = None,
    model: Path | None = None,
    strict: bool = False,
    fix: bool = False,
    output: Path | None = None,
    page: Path | None = None,
    workers: int | None = None,
) -> int:
    """Find what is wrong with a data set, raw or converted, and say how to mend it.

    Exits with 1 if there are errors; warnings are errors with --strict. Writes a page with a contact sheet of each
    finding.

    Args:
        path: Folder of a raw tree (images/train + masks/train, train + trainannot, ...) or of converted data.
        images: Folder of the images, where PATH does not show it; it may hold train, val and test.
        labels: Folder of the labels, likewise.
        label_tail: Ending of the labels' names that the images' lack; default: one that all have.
        class_names: Names of the classes in the order of their values, or a text file; default: as labels show.
        num_classes: Number of classes, instead of their names.
        palette: Colour of each class, for colour labels: as for kerseg convert folder.
        label_values: Values of the classes in grey labels, in the order of the class names; default: 0 1 2 ...
        ignore_values: Values in grey labels that stand for no class; default: 255.
        model: Run folder or .keras file whose number of classes the data must have.
        strict: Count warnings as errors.
        fix: Write a mended copy to --output; the originals stay as they are.
        output: Folder to make with --fix.
        page: HTML file to write; default: doctor-NAME.html in the current folder.
        workers: Processes that read the files; default: one for each processor.
    """
    from kerseg.data.doctor import command

    if model is not None and is_name(str(model)) and not model.exists():
        raise ConfigError(
            f"--model {model}: an architecture takes any number of classes. Give a run folder, a .keras file, or "
            "--num-classes."
        )
    return command.run(
        path,
        command.Options(strict=strict, fix=fix, output=output, page=page, workers=workers),
        model=None if model is None else (str(model), _num_classes(model)),
        images=images,
        labels=labels,
        label_tail=label_tail,
        class_names=class_names,
        num_classes=num_classes,
        palette=palette,
        label_values=label_values,
        ignore_values=ignore_values,
    )


def _num_classes(model: Path) -> int:
    import_tensorflow()
    from kerseg import modelfile

    return modelfile.card(model).num_classes


_part_of_recipe = partial(fill_from_recipe, only=("augment", "crop_size", "batch_size", "seed", "dataset"))


@app.command(config=_part_of_recipe)
def preview(
    data_dir: Path,
    recipe: Path | None = None,
    /,
    *,
    output: Path = Path("preview.png"),
    count: int = 8,
    draws: int = 3,
    split: str = "train",
    seed: int = 0,
    crop_size: tuple[int, int] = (512, 512),
    batch_size: int = 8,
    augment: Augment | None = None,
    dataset: str | None = None,
) -> int:
    """Draw a sheet of images with their labels and what augmentation makes of them.

    Flags win over the recipe. Each row has the crops that training with this seed makes of an image in its first
    epochs; only what mixes the crops of a batch has other partners there.

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
    """
    describe(data_dir, dataset)
    import_tensorflow()
    from kerseg.data.reading.preview import preview

    written = preview(
        data_dir,
        output=output,
        count=count,
        draws=draws,
        split=split,
        seed=seed,
        crop_size=crop_size,
        batch_size=batch_size,
        augment=augment,
        dataset=dataset,
    )
    print(written)
    return 0
