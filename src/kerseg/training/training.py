"""``kerseg.train``: options in, run folder out."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kerseg import config as configs
from kerseg import models
from kerseg.augment.options import Augment
from kerseg.config import TrainConfig
from kerseg.core.options import default, given, refuse_nul
from kerseg.core.ranges import check_batch
from kerseg.core.tensorflow import import_tensorflow
from kerseg.errors import ConfigError

if TYPE_CHECKING:  # it imports Keras, and a refused option must not wait for that
    from kerseg.training.trainer import TrainResult


def train(
    recipe: str | Path | None = None,
    *,
    resume: str | Path | None = None,
    data_dir: str | Path | None = default(None),
    dataset: str | None = default(None),
    output: str | Path | None = default(None),
    model: str = default("enet"),
    model_options: Mapping[str, Any] = default({}),
    weights: str | None = default(None),
    train_split: str = default("train"),
    val_split: str = default("val"),
    train_samples: int | None = default(None),
    val_samples: int | None = default(None),
    skip_bad: bool = default(False),
    crop_size: tuple[int, int] = default((512, 512)),
    batch_size: int = default(8),
    augment: Augment | Mapping[str, Any] = default(Augment()),
    epochs: int = default(50),
    steps: int | None = default(None),
    optimizer: str = default("adam"),
    optimizer_options: Mapping[str, Any] = default({}),
    learning_rate: float = default(0.001),
    momentum: float = default(0.9),
    weight_decay: float = default(0.0001),
    schedule: str = default("poly"),
    schedule_options: Mapping[str, Any] = default({}),
    power: float = default(0.9),
    step_epochs: float = default(100.0),
    step_factor: float = default(0.1),
    warmup_epochs: float = default(0.0),
    accumulate: int = default(1),
    clip_norm: float | None = default(None),
    ema: float | None = default(None),
    layer_rates: Literal["equal", "release"] = default("equal"),
    freeze_backbone_epochs: float = default(0.0),
    batch_norm: Literal["trained", "statistics_frozen", "frozen"] = default("trained"),
    loss: str | None = default(None),
    loss_options: Mapping[str, Any] = default({}),
    class_weights: str = default("none"),
    class_weights_options: Mapping[str, Any] = default({}),
    precision: Literal["auto", "float32", "bfloat16", "float16"] = default("auto"),
    jit: Literal["auto", "on", "off"] = default("auto"),
    early_stop: int | None = default(None),
    save_minutes: float = default(5.0),
    save_steps: int | None = default(None),
    previews: int = default(4),
    seed: int = default(0),
) -> "TrainResult":
    """Train a model, or go on with a run.

    What is given wins over the recipe. Ctrl-C stops after the step in progress and saves.

    Args:
        recipe: YAML file of options, which have the same names there.
        resume: Run folder to go on with; it takes no other option.
        data_dir: Folder of the converted data, with its dataset.json.
        dataset: Data set whose classes the records hold, where no dataset.json names them; `kerseg list
            datasets`.
        output: Run folder to make; default: runs/MODEL, or runs/MODEL-2 and so on where that exists.
        model: Architecture; `kerseg list models` shows them.
        model_options: Options of the architecture, such as width; `kerseg list models NAME` shows them.
        weights: Start from: imagenet, a TF-Slim checkpoint, a .keras file or a run folder; default: random
            weights.
        train_split: Split to learn from.
        val_split: Split that is scored after each epoch; where the data has none, nothing is scored.
        train_samples: Images of the training split to use, the first ones; default: all.
        val_samples: Images of the validation split to use, the first ones; default: all.
        skip_bad: Compare the shards with their checksums first, and leave out the damaged ones instead of
            stopping.
        crop_size: Height and width of a training crop, in pixels.
        batch_size: Crops in one training step.
        augment: What is drawn at random; a mapping changes single options of the recipe's.
        epochs: Passes over the training split.
        steps: Training steps in all, in place of `epochs`; the last epoch may be cut short.
        optimizer: Update rule; `kerseg list optimizers`. Weight decay is L2 in the gradient, unless the list
            says otherwise.
        optimizer_options: Options of the optimizer.
        learning_rate: Highest learning rate of the schedule.
        momentum: Momentum of an optimizer that has one, such as sgd.
        weight_decay: Weight decay of convolution kernels; norms, biases and activation slopes are spared.
        schedule: How the learning rate falls after the warm-up; `kerseg list schedules`.
        schedule_options: Options of the schedule.
        power: Exponent of the poly schedule.
        step_epochs: Epochs between two drops of the step schedule.
        step_factor: Factor of a drop of the step schedule.
        warmup_epochs: Epochs over which the learning rate rises linearly from 0; parts of an epoch count.
        accumulate: Training steps whose gradients make one update, by their mean: a larger batch in the same
            memory.
        clip_norm: Largest norm of all gradients together; larger ones are scaled down to it; default: any.
        ema: Momentum of a moving average of the weights, such as 0.999, which is scored and saved; default:
            none.
        layer_rates: Learning rates and weight decays of the layers: equal, or multiplied as in the
            architecture's release.
        freeze_backbone_epochs: Epochs in which the backbone keeps its weights and only the rest learns; parts
            of an epoch count.
        batch_norm: Batch norm: trained, with the statistics that were loaded, or with loaded scale and shift
            too.
        loss: What is minimised, or a sum such as cross_entropy+0.5*dice; default: the model's own.
        loss_options: Options of the loss; of one in a sum also by its name, such as {'dice': {'smooth': 1}}.
        class_weights: Weights of the classes in the loss, from the pixel counts of the training split; none,
            or one of `kerseg list class_weights`.
        class_weights_options: Options of the class weights.
        precision: Type of the computation; auto: the faster of float32 and bfloat16, as measured here where
            the run is long enough. Weights, logits, scores and saved models are float32.
        jit: Compile the training step with XLA; auto: always with JAX, never with TensorFlow or PyTorch.
        early_stop: Stop after this many epochs without a better mean IoU; default: never.
        save_minutes: Minutes between two saves of the training state within an epoch; its end saves in any
            case.
        save_steps: Training steps between two saves of the training state, beside `save_minutes`.
        previews: Number of validation images in the previews.
        seed: Seed of everything random.

    Returns:
        The run folder, the best score and whether the run reached its end.

    Raises:
        ConfigError: An option is unknown or does not fit; the output folder exists already.
        DataError: The data is missing, damaged, or has changed since the run began.
        KersegError: The loss became NaN or infinite; the last good state is kept.

    Example:
        >>> run = kerseg.train(data_dir="data/street", model="unet", model_options={"width": 2}, steps=1,
        ...                    crop_size=(32, 48), batch_size=2, previews=0, output="runs/trained")
        >>> run.path, run.finished
        (PosixPath('runs/trained'), True)
    """
    options = given(locals())
    refuse_nul(options)
    del options["recipe"], options["resume"]
    if resume is not None and (recipe is not None or options):
        raise ConfigError("`resume` repeats the run's own options: give it alone.")
    if resume is not None:
        import_tensorflow()
        from kerseg.training.trainer import resumed

        return resumed(Path(resume))
    base = TrainConfig() if recipe is None else configs.load(TrainConfig, recipe)
    config = configs.override(base, options)
    config = dataclasses.replace(config, data_dir=config.data_folder, weights=config.weights_source)
    models.check(config.model, config.model_options, option="model")
    check_batch("crop_size", config.crop_size, config.batch_size)
    from kerseg.data.reading.unconverted import read_info

    read_info(config.data_folder, config.dataset)
    import_tensorflow()
    from kerseg.training.trainer import begun

    return begun(config)
