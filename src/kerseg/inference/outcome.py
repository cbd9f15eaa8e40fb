"""What an evaluation writes: the figures, what was measured of each image, and the report."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kerseg.core.files import explained, write_text
from kerseg.core.info import DatasetInfo
from kerseg.errors import ConfigError
from kerseg.inference import suspect_files
from kerseg.inference.measuring import Seconds
from kerseg.metrics import Measurements, Metric, Scores, choose
from kerseg.metrics.bootstrap import FEW, LEVEL, RESAMPLES
from kerseg.metrics.meter import measures
from kerseg.report import page
from kerseg.report.gallery import Gallery
from kerseg.report.suspects import SuspectImage, Suspects
from kerseg.report.watcher import Watcher


@dataclass
class Outcome:
    """Where an evaluation goes, and what it keeps on the way."""

    target: Path | None
    """The JSON file; the others stand beside it. None to write nothing."""
    metrics: dict[str, Metric]
    gallery: Gallery | None = None
    """Copies of the images, for what is shown of them."""
    report: bool = False
    """Whether there is a page to write."""
    suspects: Suspects | None = None
    """Labels that look wrong."""
    listed: bool = False
    """Whether they are written as files of their own, besides the report."""

    @property
    def watchers(self) -> list[Watcher]:
        """What sees every image."""
        return [watcher for watcher in (self.gallery, self.suspects) if watcher is not None]

    def write(self, found: Measurements, seconds: Seconds, info: DatasetInfo, run: Path | None) -> Scores:
        """Write all files and return the scores.

        Args:
            found: What was measured of each image; `Measurements.about` has what of and how.
            seconds: Where the time went.
            info: The data.
            run: The run folder, if the model is one's.
        """
        counted = measures(found, self.metrics, seconds=seconds.metrics)
        scores = replace(found.pooled().scores(found.class_names), measures=counted)
        if self.target is None:
            return scores
        with explained(self.target, "Give another `output`."):
            found.save(self.target.with_suffix(".npz"))
            text = json.dumps(_json(found, scores), indent=1, ensure_ascii=False)
            write_text(self.target, text + "\n")
            if (gallery := self.gallery) is not None and self.suspects is not None:
                ranked = self.suspects.ranked()
                subject = page.Subject(_title(found, run), info.palette, _facts(found, seconds), run)
                if self.report:
                    page.write(self.target.with_suffix(".html"), subject, found, scores, gallery, ranked)
                if self.listed:
                    listing = _listing(found, info, ranked)
                    suspect_files.write(
                        self.target.with_suffix(".suspects"),
                        listing,
                        lambda region: gallery.colours(region.image),
                    )
                gallery.close()
        return scores


def planned(
    target: Path | None,
    info: DatasetInfo,
    split: str,
    metrics: Sequence[str],
    options: Mapping[str, Any],
    *,
    report: bool,
    suspects: bool,
) -> Outcome:
    """Return what an evaluation is to keep and write.

    Raises:
        ConfigError: A metric or option is unknown; or there is a report to write, and no place for it.
    """
    for option, wanted in (("report", report), ("suspects", suspects)):
        if wanted and target is None:
            raise ConfigError(
                f"`{option}=True` writes beside the JSON file: give `output` for a model in memory."
            )
    outcome = Outcome(
        target,
        choose([*metrics, *(page.NEEDED if report else ())], options),
        report=report,
        listed=suspects,
    )
    if report or suspects:
        outcome.gallery = Gallery(
            info.palette,
            ignore_label=info.ignore_label,
            channels=info.channels.names if info.channels else (),
            side=page.side_for(info.split(split).records),
        )
        outcome.suspects = Suspects(info.num_classes, info.ignore_label)
    return outcome


def remarks(found: Measurements, seconds: Seconds) -> list[str]:
    """Return what the reader of the figures has to know: how few images there were, what metrics cost."""
    lines = []
    if found.units < FEW:
        what = "volumes" if found.groups else "images"
        lines.append(
            f"Warning: {found.units} {what} are few: below {FEW}, intervals are narrower than they should be."
        )
    for name, taken in seconds.metrics.items():
        share = 100 * taken / max(seconds.predicting, 1e-9)
        lines.append(
            f"{name}: measured in {taken:.1f} s, {share:.0f} % of the {seconds.predicting:.1f} s of predicting"
        )
    return lines


def rounded(seconds: Seconds) -> dict[str, Any]:
    """Return where the time went as JSON values."""
    values = asdict(seconds)
    metrics = {name: round(value, 3) for name, value in values.pop("metrics").items()}
    return {name: round(value, 3) for name, value in values.items()} | {"metrics": metrics}


def _json(found: Measurements, scores: Scores) -> dict[str, Any]:
    counts = found.pooled().counts
    return {
        **found.about,
        "images": len(found.names),
        "labelled_pixels": int(counts.sum()),
        "data_checksum": found.checksum,
        **scores.to_json(),
        "bootstrap": {"resamples": RESAMPLES, "level": LEVEL, "of": "volumes" if found.groups else "images"},
        "confusion_matrix": {"rows": "truth", "columns": "prediction", "pixels": counts.tolist()},
    }


def _listing(found: Measurements, info: DatasetInfo, ranked: Sequence[SuspectImage]) -> suspect_files.Listing:
    about = found.about
    origin = suspect_files.Origin(*(str(about[name]) for name in ("model", "dataset", "data_dir", "split")))
    return suspect_files.Listing(
        tuple(found.class_names), tuple(info.palette), tuple(ranked), (origin,), (0,) * len(ranked)
    )


def _title(found: Measurements, run: Path | None) -> str:
    model = run.name if run else Path(str(found.about["model"])).stem
    return f"{model} on {found.about['dataset']}, {found.about['split']}"


def _facts(found: Measurements, seconds: Seconds) -> dict[str, str]:
    about = found.about
    pixels = int(found.pixels.sum())
    return {
        "data": f"{about['dataset']}, split {about['split']}",
        "measured": str(about["date"]),
        "model": f"{about['architecture']}, {about['model']}",
        "data folder": str(about["data_dir"]),
        "images": f"{len(found.names):,}, {pixels:,} labelled pixels",
        "data checksum": f"{found.checksum} (names and labels)",
        "left out": f"{len(about['left_out'])} damaged shards" if about["left_out"] else "nothing",
        "time": f"{about['seconds']:.1f} s: {seconds.predicting:.1f} s predicting, {seconds.counting:.1f} s "
        f"measuring, {seconds.watching:.1f} s keeping copies",
        "with": f"kerseg {about['kerseg_version']}, {about['backend']}, runtime {about['runtime']}, batches of "
        f"{about['batch_size']}",
    }
