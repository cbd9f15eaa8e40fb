"""Pipelines on Apache Beam, which is imported when one is run: an extra, `pip install 'kerseg[beam]'`."""

import shlex
from collections.abc import Callable
from typing import Any

from kerseg.core.workers import default_workers
from kerseg.errors import ConfigError, KersegError


def require_beam() -> None:
    """Refuse to start without Apache Beam.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import apache_beam  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "`runner='beam'` needs Apache Beam, which is not installed. Install it: pip install 'kerseg[beam]'"
        ) from error


def run_pipeline(build: Callable[[Any], None], options: str, *, workers: int | None = None) -> None:
    """Build a pipeline and run it to its end.

    Args:
        build: Takes the pipeline and puts its steps into it.
        options: Apache Beam's own, in one text; empty for its local runner.
        workers: Processes of the local runner; default: one for each processor.

    Raises:
        KersegError: The pipeline failed.

    Example:
        >>> run_pipeline(lambda pipeline: None, "--runner=DirectRunner")    # nothing to do
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    words = shlex.split(options) or [
        "--runner=DirectRunner",
        "--direct_running_mode=multi_processing",
        f"--direct_num_workers={workers or default_workers()}",
        "--default_sdk_harness_log_level=WARNING",
    ]
    try:
        with beam.Pipeline(options=PipelineOptions(words)) as pipeline:
            build(pipeline)
    # Whatever a runner or a worker raises, of whatever type.
    except Exception as error:
        last = str(error).strip().splitlines()[-1]  # after the worker's traceback
        raise KersegError(f"Apache Beam: the pipeline failed: {last}") from error
