"""The command line: one verb, one typed function.

Options, their help and their types are those of the function and its dataclasses. Keras and TensorFlow take
seconds to import, so they are imported inside the verbs: help and a refused option answer at once.
"""

import os
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import MISSING, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts
from cyclopts import Parameter, Token
from rich.console import Console
from rich.table import Table

from kerseg import __version__
from kerseg.augmentation import Augment
from kerseg.backbones import BACKBONES
from kerseg.catalogue import LOSSES, OPTIMIZERS, SCHEDULES
from kerseg.config import TrainConfig, recipe_file
from kerseg.data.convert import ConvertOptions
from kerseg.data.download import HELP as DOWNLOAD
from kerseg.data.download import download as fetch_releases
from kerseg.data.info import FILE_NAME, DatasetInfo
from kerseg.data.known import DATASETS
from kerseg.data.sources import SOURCES
from kerseg.data.sources.folder import SEVERAL
from kerseg.data.unconverted import describe
from kerseg.errors import ConfigError, KersegError
from kerseg.footprint import ROOM
from kerseg.inference import RUNTIMES
from kerseg.models import MODELS
from kerseg.models.figures import SIZE, is_name
from kerseg.quiet import import_tensorflow
from kerseg.tables import STAR, description_table, models_table
from kerseg.tf1 import translate

Listed = Literal[
    "models", "backbones", "sources", "datasets", "losses", "optimizers", "schedules", "runtimes"
]
TABLES = {
    "models": MODELS,
    "sources": SOURCES,
    "backbones": BACKBONES,
    "datasets": DATASETS,
    "losses": LOSSES,
    "optimizers": OPTIMIZERS,
    "schedules": SCHEDULES,
    "runtimes": RUNTIMES,
}

app = cyclopts.App(
    name="kerseg",
    version=__version__,
    help="Semantic segmentation on Keras 3: from pictures and masks to a trained, measured model.\n\n"
    "Every verb takes --debug, which shows the traceback of an error.",
    default_parameter=Parameter(negative=()),
    result_action="return_value",
)


@app.command
def quickstart(output: Path = Path("kerseg-quickstart")) -> int:
    """Draw a small data set, convert it, train on it, evaluate and predict: the whole way in one command.

    Needs no network and no data, and takes a few minutes on a laptop.

    Args:
        output: Folder to make.
    """
    import_tensorflow()
    from kerseg.quickstart import quickstart

    quickstart(output)
    return 0


@app.command(name="list")
def list_names(
    what: Listed | None = None,
    /,
) -> int:
    """List what there is to choose from.

    Args:
        what: One table; default: all of them.
    """
    for title in [what] if what else TABLES:
        if title == "models":
            Console().print(models_table(), STAR)
            continue
        table = Table(title=title, title_justify="left", show_header=False, box=None)
        for name in TABLES[title]:
            table.add_row(name, TABLES[title].summary(name))
        Console().print(table)
    return 0


def _recipe(
    app: cyclopts.App,
    commands: tuple[str, ...],
    arguments: cyclopts.ArgumentCollection,
    only: Collection[str] | None = None,
) -> None:
    """Let the file that RECIPE names fill the options that no flag gave."""
    for argument in arguments:
        if argument.name == "RECIPE" and argument.tokens:
            recipe_file(Path(argument.tokens[0].value), only)(app, commands, arguments)


@app.command(config=_recipe)
def train(
    recipe: Path | None = None,
    /,
    *,
    resume: Path | None = None,
    config: Annotated[TrainConfig | None, Parameter(name="*")] = None,
) -> int:
    """Train a model: kerseg train [RECIPE.yaml] --data-dir DIR --model enet --epochs 50 --output runs/NAME.

    Flags win over the recipe. Ctrl-C stops after the step in progress and saves.

    Args:
        recipe: YAML file of options, named as the flags are with _ for -.
        resume: Run folder to go on with; it takes no other option.
        config: Everything else.
    """
    if resume is not None and (recipe is not None or config is not None):
        raise ConfigError("--resume repeats the run's own options: give it alone.")
    options = config or TrainConfig()
    # A misspelt name and missing data are refused before the seconds of the import.
    MODELS.resolve(options.model)
    if resume is None:
        describe(options.data_folder, options.dataset)
    import_tensorflow()
    from kerseg.training import train

    if resume is not None:
        result = train(resume=resume)
    else:
        result = train(**{field.name: getattr(options, field.name) for field in fields(options)})
    return 0 if result.finished else 130


_part_of_recipe = partial(_recipe, only=("augment", "crop_size", "batch_size", "seed", "dataset"))


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
    """Draw a sheet of pictures with their labels and what augmentation makes of them.

    Flags win over the recipe. Each row has the crops that training with this seed makes of a picture in its first
    epochs; only what mixes the crops of a batch has other partners there.

    Args:
        data_dir: Folder of the converted data, with its dataset.json.
        recipe: YAML file of options, as for train.
        output: PNG file to write. An earlier sheet is replaced, any other file is not.
        count: Pictures, spread over the first records of the split.
        draws: Crops of each picture.
        split: Split to take pictures from.
        seed: Seed of everything random.
        crop_size: Height and width of a training crop, in pixels.
        batch_size: Crops that mix with one another.
        augment: What is drawn at random.
        dataset: Data set whose classes the records hold, where no dataset.json names them.
    """
    describe(data_dir, dataset)
    import_tensorflow()
    from kerseg.sheet import preview

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


@app.command
def evaluate(
    model: Path,
    /,
    *,
    data_dir: Path,
    split: str = "val",
    batch_size: int = 4,
    output: Path | None = None,
    dataset: str | None = None,
    runtime: str = "keras",
    skip_bad: bool = False,
) -> int:
    """Score a model on a data set, at the labels' own size.

    Args:
        model: Run folder, or .keras file.
        data_dir: Folder of the converted data, with its dataset.json.
        split: Split to score on.
        batch_size: Pictures predicted at a time; they are grouped by size.
        output: JSON file to write; default: report/SPLIT.json in the run folder, or beside the model file.
        dataset: Data set whose classes the records hold, where no dataset.json names them.
        runtime: What runs the model; `kerseg list runtimes`. OpenVINO's are faster on a CPU.
        skip_bad: Compare the shards with their checksums first, and leave out the damaged ones.
    """
    RUNTIMES.resolve(runtime)  # a misspelt name is refused before the seconds of the import
    import_tensorflow()
    from kerseg.evaluation import evaluate
    from kerseg.tables import scores_table

    scores = evaluate(
        model,
        data_dir,
        split=split,
        batch_size=batch_size,
        output=output,
        dataset=dataset,
        runtime=runtime,
        skip_bad=skip_bad,
    )
    Console().print(scores_table(scores))
    return 0


@app.command
def predict(
    model: Path,
    inputs: list[str],
    /,
    *,
    output: Path,
    batch_size: int = 1,
    alpha: float = 0.5,
    runtime: str = "keras",
) -> int:
    """Predict pictures: index PNG, colour PNG and overlay with a legend.

    Args:
        model: Run folder, or .keras file.
        inputs: Pictures, folders of pictures, or glob patterns.
        output: Folder to write to; names and sub-folders are kept.
        batch_size: Pictures predicted at a time.
        alpha: Strength of the colours in the overlay, 0 to 1.
        runtime: What runs the model; `kerseg list runtimes`. OpenVINO's are faster on a CPU.
    """
    RUNTIMES.resolve(runtime)
    import_tensorflow()
    from kerseg.prediction import predict

    report = predict(model, inputs, output=output, batch_size=batch_size, alpha=alpha, runtime=runtime)
    return 1 if report.failed else 0


@app.command(name="describe")
def describe_model(
    model: str,
    /,
    *,
    size: tuple[int, int] | int = SIZE,
    num_classes: int | None = None,
    batch_size: int = 1,
    model_options: dict[str, Any] | None = None,
    measure: Annotated[bool, Parameter(negative="--no-measure")] = True,
) -> int:
    """Show what a model is, what it costs, and what it can start from.

    Multiply-adds and parameters are counted. Measured on this machine are the time of a prediction and, in a
    process of its own, the memory of a training step, which has to be free.

    Args:
        model: Architecture, run folder or .keras file; a name wins over a folder that is called the same.
        size: Height and width of the pictures, in pixels; one number for both.
        num_classes: Classes of an architecture; default: 21.
        batch_size: Pictures at a time, in prediction and training.
        model_options: Options of an architecture, such as --model-options.width 16.
        measure: Measure time and memory too, which takes from seconds to minutes.
    """
    if is_name(model):
        MODELS.resolve(model)  # a misspelt name is refused before the seconds of the import
    os.environ.update({name: value for name, value in ROOM.items() if name not in os.environ})
    import_tensorflow()
    from kerseg.description import describe

    if measure:
        _say("Measuring; the memory of a training step takes longest ...")
    description = describe(
        model,
        size=size,
        num_classes=num_classes,
        batch_size=batch_size,
        # Values are read as those of a training run.
        model_options=TrainConfig(model_options=model_options or {}).model_options,
        measure=measure,
    )
    Console().print(description_table(description))
    return 0


convert = cyclopts.App(name="convert", help="Convert a raw data set into TFRecord shards and a dataset.json.")
app.command(convert)


def _convert_command(source_class: Any) -> Callable[..., int]:
    """Return the command that converts with one source: its options are the fields of the source's class."""

    def command(
        *,
        source: Annotated[source_class, Parameter(name="*")],
        options: Annotated[ConvertOptions, Parameter(name="*")],
        download: Annotated[bool, Parameter(parse=hasattr(source_class, "releases"), help=DOWNLOAD)] = False,
    ) -> int:
        from kerseg.data.convert import convert

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
        images: Folder of the pictures, where PATH does not show it; it may hold train, val and test.
        labels: Folder of the labels, likewise.
        label_tail: Ending of the labels' names that the pictures' lack; default: one that all have.
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after ``kerseg``; default: those of this process.

    Returns:
        0; 1 where data or a model file is at fault; 2 where an option is; 130 after Ctrl-C.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    try:
        words = translate([word for word in words if word != "--debug"], note=_say)
        result = app(words, exit_on_error=False)
    except cyclopts.CycloptsError:
        return 2  # cyclopts has printed what is wrong and what is near
    except KersegError as error:
        if debug:
            raise
        Console(stderr=True).print("[bold red]error:[/]", end=" ")
        print(error, file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except KeyboardInterrupt:
        if debug:
            raise
        print("Interrupted.", file=sys.stderr)
        return 130
    return result if isinstance(result, int) else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def run() -> None:
    """Run the command line and leave the process with its exit code."""
    sys.exit(main())
