"""Prediction past one machine: ``kerseg.predict(..., runner="beam")``.

    plan -> parts that are not done -> predicted, each by a worker that has loaded the model once -> ledger

Runtime and precision are chosen here, on the first images, so that all workers compute alike and as one machine
would. A part (a batch of images, a volume, a raster, a video) is done when its results are written and the ledger
says so: an engine that hands it over again, or another start after a stop, passes over it.
"""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import apache_beam as beam
from rich.console import Console

from kerseg import modelfile
from kerseg.core.console import note
from kerseg.core.files import explained
from kerseg.core.info import Channels
from kerseg.data.conversion.pipelines import run_pipeline
from kerseg.errors import DataError, KersegError
from kerseg.inference.choice import AUTO, TRIAL, Choice, decide
from kerseg.inference.images import read_input
from kerseg.inference.inputs import Failure
from kerseg.inference.jobs import Job
from kerseg.inference.ledger import Entry, Ledger
from kerseg.inference.outputs import Outputs, Written, root_of
from kerseg.inference.predictor import Predictor
from kerseg.inference.work import Plan, Work


def predict(model: Path, plan: Plan, options: str) -> tuple[list[Written], list[Failure]]:
    """Predict on the workers of an engine of Apache Beam.

    Args:
        model: The model file, where all workers see it, as they see inputs and output.
        plan: What to do.
        options: Apache Beam's own; empty for its local runner, with a process for each processor.

    Returns:
        What was written and what failed, as on one machine.

    Raises:
        DataError: There is nothing to predict.
        KersegError: The pipeline failed. What is done is not done again by the next call.
    """
    network, card = modelfile.load(model)
    plain = Predictor(network)
    work = plan.gather(card.channels)
    choice = _chosen(plain, plan, work, card.channels)
    note(str(choice))
    plan = replace(
        plan,
        inputs=tuple(path.absolute() for path in plan.inputs),
        output=plan.output.absolute(),
        runtime=choice.runtime,
        precision=choice.precision,
    )
    ledger = Ledger.of(model, plan)
    parts = list(work.parts(plan.batch_size, mosaic=plan.mosaic))
    open_parts = sum(not ledger.done(part) for part in parts)
    if open_parts < len(parts):
        note(f"{len(parts) - open_parts} of {len(parts)} parts were done before.")
    if open_parts:
        task = _Predict(model.absolute(), plan, root_of(work.images))
        run_pipeline(
            lambda pipeline: (
                pipeline
                | "plan" >> beam.Create([plan])
                | "list" >> beam.FlatMap(_listed, card.channels, ledger)
                # Without this, the worker that listed the parts would do them all.
                | "spread" >> beam.Reshuffle()
                | "predict" >> beam.ParDo(task)
            ),
            options,
        )
    return _collected(ledger, parts, work)


def _chosen(plain: Predictor, plan: Plan, work: Work, channels: Channels | None) -> Choice:
    """Return runtime and precision, tried on the first images; without images float32, unless it is said."""
    samples = []
    if AUTO in (plan.runtime, plan.precision):
        for image in work.images:
            try:
                samples.append(plain.check(read_input(image, channels)[None]))
            except DataError:
                continue  # which the worker that comes to it reports
            if len(samples) == TRIAL:
                break
    return decide(
        plain.model,
        samples,
        procedure=plan.procedure,
        runtime=plan.runtime,
        precision=plan.precision,
        wanted="probabilities" in plan.kinds,
    )


def _collected(ledger: Ledger, parts: list[Work], work: Work) -> tuple[list[Written], list[Failure]]:
    """Return what all workers wrote, in the order of the parts, with the paths as they were given."""
    given = {path.absolute(): path for path in work.files}
    given |= {film.place.path.absolute(): film.place.path for film in work.sequences}
    written: list[Written] = []
    failed = list(work.failed)
    missing = 0
    for part in parts:
        entry = ledger.read(part)
        if entry is None:
            missing += 1
            continue
        written += [replace(one, image=given.get(one.image, one.image)) for one in entry.written]
        failed += [replace(one, path=given.get(one.path, one.path)) for one in entry.failed]
    if missing:
        raise KersegError(
            f"Apache Beam: of {len(parts)} parts {missing} are not done. Predict again: what is done is kept."
        )
    ledger.close()
    return written, failed


# Beam checks values against annotations.
def _listed(plan: Any, channels: Channels | None, ledger: Ledger) -> Iterator[Work]:
    """Yield the parts that are not done."""
    for part in plan.gather(channels).parts(plan.batch_size, mosaic=plan.mosaic):
        if not ledger.done(part):
            yield part


class _Predict(beam.DoFn):
    """Does parts, with the model that this process has loaded."""

    def __init__(self, model: Path, plan: Plan, root: Path):
        self._model, self._plan, self._root = model, plan, root

    def setup(self) -> None:
        """Load the model, before the first part comes."""
        _worker(self._model, self._plan, self._root)

    def process(self, part: Any) -> Iterator[None]:
        """Do a part, unless somebody has done it."""
        ledger = Ledger.of(self._model, self._plan)
        if not ledger.done(part):
            # An engine need not have called setup.
            ledger.add(part, _worker(self._model, self._plan, self._root).do(part))
        yield from ()


class _Worker:
    """A model, loaded and compiled, and where its results go."""

    def __init__(self, model: Path, plan: Plan, root: Path):
        self._plan, self._root, self._busy = plan, root, threading.Lock()
        network, self._card = modelfile.load(model)
        self._plain = Predictor(network)
        chosen = Predictor(network, runtime=plan.runtime, precision=plan.precision)
        self._choice = Choice(chosen, plan.runtime, plan.precision)

    def do(self, part: Work) -> Entry:
        """Predict a part and write its results; of an engine's threads one at a time."""
        plan = self._plan
        with (
            self._busy,
            explained(plan.output),
            Outputs(
                plan.output,
                self._card,
                self._root,
                plan.kinds,
                alpha=plan.alpha,
                polygon_format=plan.polygon_format,
            ) as outputs,
        ):
            job = Job(
                self._plain,
                plan.procedure,
                outputs,
                plan.runtime,
                plan.precision,
                choice=self._choice,
                console=Console(quiet=True),
            )
            job.run(part, plan)
        return Entry(tuple(job.written), tuple(dict.fromkeys(job.failed)))


_loading = threading.Lock()
_loaded: dict[tuple[Path, Plan, Path], _Worker] = {}


def _worker(model: Path, plan: Plan, root: Path) -> _Worker:
    """Return this process's worker: engines make the step anew for each bundle, and the model is loaded once."""
    from kerseg.core.tensorflow import import_tensorflow

    with _loading:
        key = model, plan, root
        if key not in _loaded:
            import_tensorflow()
            _loaded.clear()  # which is of an earlier prediction
            _loaded[key] = _Worker(model, plan, root)
        return _loaded[key]
