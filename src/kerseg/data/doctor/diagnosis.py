"""What the doctor returns."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kerseg.data.doctor.findings import Evidence, Finding
from kerseg.data.doctor.label_checks import class_pixels
from kerseg.data.doctor.mending import Mended, mend


@dataclass(frozen=True)
class Diagnosis:
    """What was found in a data set."""

    path: Path
    findings: tuple[Finding, ...]
    """Errors first."""
    evidence: Evidence
    page: Path | None = None
    """The HTML page that was written."""
    mended: tuple[Mended, ...] = ()
    """What was done to each pair of the mended copy, if one was asked for."""
    output: Path | None = None
    """The mended copy."""
    strict: bool = False
    """Whether warnings count as errors."""

    @property
    def failed(self) -> bool:
        """Whether the data should not be used as it is."""
        return bool(self.findings if self.strict else self.errors)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings with which a run would fail or deceive."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Findings that may be meant so."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    def finding(self, code: str) -> Finding | None:
        """Return the finding of this code, None if there is none."""
        return next((finding for finding in self.findings if finding.code == code), None)

    @property
    def class_pixels(self) -> dict[str, NDArray[np.int64]]:
        """Pixels of each class, ``(classes + 1,)``, for each split; those to ignore come last."""
        return class_pixels(self.evidence)

    def mend(self, output: str | Path, *, workers: int | None = None) -> list[Mended]:
        """Write a mended copy to ``output``; see `kerseg.data.doctor.mending.mend`.

        Example:
            >>> [mended.done for mended in kerseg.doctor("street").mend("mended")[:2]]    # nothing is wrong
            [(), ()]
        """
        return mend(self.path, self.evidence, self.findings, Path(output), workers=workers)

    def channels(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of red, green and blue over all pixels of all images."""
        images = [facts.image for facts in self.evidence.facts if facts.image]
        if not images:
            return np.zeros(3), np.zeros(3)
        sums = np.sum([image.sums for image in images], axis=0)
        sums /= sum(image.shape[0] * image.shape[1] for image in images)
        return sums[0], np.sqrt(np.maximum(0, sums[1] - sums[0] ** 2))
