"""The verbs that work on models: train, evaluate, predict and describe."""

import os
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from kerseg.cli.base import app, fill_from_recipe, say
from kerseg.cli.tables import description_table
from kerseg.config import TrainConfig
from kerseg.core.tensorflow import import_tensorflow
from kerseg.data.reading.unconverted import describe
from kerseg.errors import ConfigError
from kerseg.inference import RUNTIMES
from kerseg.models import MODELS
from kerseg.profiling.figures import SIZE, is_name
from kerseg.profiling.footprint import ROOM


@app.command(config=fill_from_recipe)
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
    from kerseg.training.training import train

    if resume is not None:
        result = train(resume=resume)
    else:
        result = train(**{field.name: getattr(options, field.name) for field in fields(options)})
    return 0 if result.finished else 130


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
        batch_size: Images predicted at a time; they are grouped by size.
        output: JSON file to write; default: report/SPLIT.json in the run folder, or beside the model file.
        dataset: Data set whose classes the records hold, where no dataset.json names them.
        runtime: What runs the model; `kerseg list runtimes`. OpenVINO's are faster on a CPU.
        skip_bad: Compare the shards with their checksums first, and leave out the damaged ones.
    """
    RUNTIMES.resolve(runtime)  # a misspelt name is refused before the seconds of the import
    import_tensorflow()
    from kerseg.cli.tables import scores_table
    from kerseg.inference.evaluation import evaluate

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
    """Predict images: index PNG, colour PNG and overlay with a legend.

    Args:
        model: Run folder, or .keras file.
        inputs: Images, folders of images, or glob patterns.
        output: Folder to write to; names and sub-folders are kept.
        batch_size: Images predicted at a time.
        alpha: Strength of the colours in the overlay, 0 to 1.
        runtime: What runs the model; `kerseg list runtimes`. OpenVINO's are faster on a CPU.
    """
    RUNTIMES.resolve(runtime)
    import_tensorflow()
    from kerseg.inference.prediction import predict

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
        size: Height and width of the images, in pixels; one number for both.
        num_classes: Classes of an architecture; default: 21.
        batch_size: Images at a time, in prediction and training.
        model_options: Options of an architecture, such as --model-options.width 16.
        measure: Measure time and memory too, which takes from seconds to minutes.
    """
    if is_name(model):
        MODELS.resolve(model)  # a misspelt name is refused before the seconds of the import
    os.environ.update({name: value for name, value in ROOM.items() if name not in os.environ})
    import_tensorflow()
    from kerseg.profiling.description import describe

    if measure:
        say("Measuring; the memory of a training step takes longest ...")
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
