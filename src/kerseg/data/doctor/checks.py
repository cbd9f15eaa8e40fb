"""The table of checks: each is one function, evidence -> affected files, and one line.

A finding is an error where a run on this data would fail or deceive, and a warning where the data may be meant so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from kerseg.data.doctor import file_checks as files
from kerseg.data.doctor import label_checks as labels
from kerseg.data.doctor import split_checks as splits
from kerseg.data.doctor.findings import Evidence, Finding, Found, Severity

Kind = Literal["pairs", "images", "labels", "classes", "shards"]


@dataclass(frozen=True)
class Check:
    """One thing that may be wrong."""

    code: str
    severity: Severity
    of: Kind
    title: str
    mended: bool
    """Whether ``fix`` mends it, leaving the file out where there is no other way."""
    run: Callable[[Evidence], Found]
    remedy: str

    def __call__(self, evidence: Evidence) -> Finding | None:
        """Return what this check finds; None if nothing."""
        found = self.run(evidence)
        if not found.affected:
            return None
        total = _total(evidence, self.of)
        places = len({item.index if item.index is not None else str(item.place) for item in found.affected})
        return Finding(
            code=self.code,
            severity=found.severity or self.severity,
            title=self.title,
            affected=tuple(found.affected),
            share=min(1.0, places / total) if total else 1.0,
            of=f"{total} {self.of}",
            remedy=found.remedy or self.remedy,
            mended=self.mended and evidence.converted is None,
        )


def _total(evidence: Evidence, of: Kind) -> int:
    if of == "classes":
        return len(evidence.meaning.names)
    if of == "shards":
        return evidence.shards
    if of == "pairs":
        return len(evidence.facts)
    return sum(
        (facts.pair.image if of == "images" else facts.pair.label) is not None for facts in evidence.facts
    )


# fmt: off
CHECKS: tuple[Check, ...] = (
    Check("damaged_shard", "error", "shards", "shards that are not what was written", False, files.damaged_shard,
          "Copy the shard again, or convert the data again with `kerseg convert`."),
    Check("broken_image", "error", "images", "images that cannot be read", True, files.broken_image,
          "Copy or save the file again; `fix=True` leaves its pair out."),
    Check("broken_label", "error", "labels", "labels that cannot be read", True, files.broken_label,
          "Copy or save the file again; `fix=True` leaves its pair out."),
    Check("orphan_image", "error", "images", "images without a label", True, files.orphan_image,
          "Add a label of the same name, or remove the image; `fix=True` leaves it out."),
    Check("orphan_label", "error", "labels", "labels without an image", True, files.orphan_label,
          "Add the image, or remove the label; `fix=True` leaves it out."),
    Check("duplicate_name", "error", "pairs", "several files of one name", True, files.duplicate_name,
          "Keep one of a.jpg and a.png; `fix=True` keeps the first whose label fits."),
    Check("unusable_name", "error", "pairs", "file names that are not UTF-8, or hold control characters", True,
          files.unusable_name, "Rename the file; `fix=True` leaves its pair out."),
    Check("size_mismatch", "error", "pairs", "image and label of different size", True, files.size_mismatch,
          "Make the label again at its image's size; `fix=True` leaves the pair out."),
    Check("exif_orientation", "warning", "images", "images stored turned, with an EXIF orientation", True,
          files.exif_orientation, "kerseg turns them as their label lies, other programs may not; `fix=True` "
          "writes them as their label lies, without the tag."),
    Check("alpha_image", "warning", "images", "images with an alpha channel", True, files.alpha_image,
          "Training drops transparency, and what it hid becomes visible; `fix=True` writes them without it."),
    Check("alpha_label", "error", "labels", "labels with an alpha channel", True, files.alpha_label,
          "Save them without transparency; `fix=True` drops it, and ignores pixels that are not opaque."),
    Check("blank_image", "warning", "images", "images of one colour", False, files.blank_image,
          "Look whether the image was lost, and remove the pair if so."),
    Check("label_is_image", "error", "labels", "labels that are copies of their image", True,
          files.label_is_image, "Put the right label there; `fix=True` leaves the pair out."),
    Check("jpeg_label", "error", "labels", "labels saved as JPEG", True, labels.jpeg_label,
          "Save them as PNG from their source; `fix=True` takes the nearest class where classes are far apart, and "
          "leaves the pair out where they are not."),
    Check("blended_values", "error", "labels", "values between the classes, from smooth resizing or JPEG", True,
          labels.blended_values, "Resize labels with nearest neighbour and never through JPEG; `fix=True` gives "
          "these pixels the nearest class beside them."),
    Check("blended_edges", "error", "labels", "classes between the classes along edges, from smooth resizing", True,
          labels.blended_edges, "Resize labels with nearest neighbour, again from their source: between classes 2 "
          "and 4 this made pixels of class 3; `fix=True` leaves the pair out."),
    Check("colour_masks", "error", "labels", "labels that are colours, not class indices", True,
          labels.colour_masks, "Give `palette`; with it, `fix=True` writes class indices."),
    Check("palette_differs", "error", "labels", "indexed labels whose index means another colour elsewhere", True,
          labels.palette_differs, "The indices are not classes: give `palette` with the colour of each class; with "
          "it, `fix=True` writes class indices, and without leaves these out."),
    Check("palette_masks", "warning", "labels", "indexed-colour labels among grey ones", True, labels.palette_masks,
          "kerseg takes their indices, other programs their colours; `fix=True` writes grey class indices."),
    Check("binary_255", "warning", "labels", "masks of 0 and 255", True, labels.binary_255,
          "Convert with `class_names=('background', 'object')` `label_values=(0, 255)`, or 255 is "
          "ignored; `fix=True` writes 0 and 1."),
    Check("spread_values", "warning", "labels", "classes spread over 0 to 255", True, labels.spread_values, ""),
    Check("one_based", "warning", "labels", "classes counted from 1", True, labels.one_based, ""),
    Check("off_by_one", "warning", "labels", "labels one higher than the others", True, labels.off_by_one,
          "These count classes from 1, the others from 0; `fix=True` subtracts 1."),
    Check("void_in_use", "warning", "labels", "a value that looks like void", True, labels.void_in_use, ""),
    Check("value_outside", "error", "labels", "values or colours outside the classes", True, labels.value_outside,
          "Name a class for it, or give it to `ignore_values`; `fix=True` leaves the pair out."),
    Check("empty_mask", "warning", "labels", "empty masks", False, labels.empty_mask,
          "Keep them if there is nothing to see in these images; otherwise label or remove them."),
    Check("class_never_occurs", "warning", "classes", "classes that never occur", False, labels.class_never_occurs,
          "It cannot be learnt: add images of it, or leave it out of the class names."),
    Check("class_in_one_split", "warning", "classes", "classes that occur in one split only", False,
          labels.class_in_one_split, "It is learnt and not scored, or scored and not learnt: split again."),
    Check("wrong_class_count", "error", "classes", "another number of classes than the model's", False,
          labels.wrong_class_count, ""),
    Check("duplicate_image", "warning", "images", "the same image more than once in a split", True,
          splits.duplicate_image, "It counts double; `fix=True` keeps the first."),
    Check("contradicting_labels", "warning", "labels", "the same image with different labels", True,
          splits.contradicting_labels, "Keep the right one; `fix=True` leaves all of them out."),
    Check("leakage", "error", "images", "the same image in two splits", True, splits.leakage,
          "Scores on it are too good: remove it from one split; `fix=True` leaves it out of the earlier one."),
    Check("near_leakage", "error", "images", "nearly the same image in two splits", True, splits.near_leakage,
          "Scores on it are too good: remove it from one split; `fix=True` leaves it out of the earlier one."),
    Check("neighbouring_frames", "warning", "images", "neighbouring frames of a film in two splits", False,
          splits.neighbouring_frames, "Scores on them are too good: split by film, not by frame, unless the split "
          "is a published one."),
)
# fmt: on
