"""What may be wrong with files and pairs, whatever the labels mean."""

from collections import Counter

from kerseg.data.doctor.facts import Facts
from kerseg.data.doctor.findings import Affected, Evidence, Found
from kerseg.data.formats.names import ALIKE, unusable
from kerseg.data.formats.wording import describe_size


def damaged_shard(evidence: Evidence) -> Found:
    """Shards that are missing or cut off, or not those that ``dataset.json`` describes."""
    return Found([Affected(fault.path, fault.reason) for fault in evidence.shard_faults])


def broken_image(evidence: Evidence) -> Found:
    """Images that cannot be decoded to their last pixel."""
    return _broken(evidence, "image")


def broken_label(evidence: Evidence) -> Found:
    """Labels that cannot be decoded to their last pixel."""
    return _broken(evidence, "label")


def _broken(evidence: Evidence, kind: str) -> Found:
    return Found(
        [
            Affected(place, reason, index)
            for index, facts in enumerate(evidence.facts)
            for what, place, reason in facts.faults
            if what == kind
        ]
    )


def orphan_image(evidence: Evidence) -> Found:
    """Images without a label."""
    orphans = [(i, facts) for i, facts in enumerate(evidence.facts) if facts.pair.label is None]
    return Found([evidence.image(i, _hint(facts, evidence)) for i, facts in orphans])


def orphan_label(evidence: Evidence) -> Found:
    """Labels without an image."""
    orphans = [(i, facts) for i, facts in enumerate(evidence.facts) if facts.pair.image is None]
    return Found([evidence.label(i, _hint(facts, evidence)) for i, facts in orphans])


def _hint(facts: Facts, evidence: Evidence) -> str:
    return ALIKE if facts.pair.name in evidence.alike.get(facts.split, ()) else ""


def duplicate_name(evidence: Evidence) -> Found:
    """Pairs of one name in one split: ``a.jpg`` and ``a.png``."""
    times = Counter((facts.split, facts.pair.name) for facts in evidence.facts)
    return Found(
        [
            evidence.image(index, f"the name {facts.pair.name!r} occurs {count} times")
            for index, facts in enumerate(evidence.facts)
            if (count := times[facts.split, facts.pair.name]) > 1
        ]
    )


def unusable_name(evidence: Evidence) -> Found:
    """Names that records cannot hold."""
    return Found(
        [
            evidence.image(index, why)
            for index, facts in enumerate(evidence.facts)
            if (why := unusable(facts.pair.name))
        ]
    )


def size_mismatch(evidence: Evidence) -> Found:
    """Labels that fit their image neither as stored nor as turned by EXIF."""
    affected = []
    for index, facts in enumerate(evidence.facts):
        image, label = facts.image, facts.label
        if not image or not label or label.shape in (image.shape, image.upright_shape):
            continue
        detail = f"label {describe_size(label.shape)}, image {describe_size(image.shape)}"
        if label.shape == image.shape[::-1]:
            detail += ": turned by a quarter, as when an image was saved again without its EXIF orientation"
        elif label.shape[0] * image.shape[1] == label.shape[1] * image.shape[0]:
            detail += ": one of them was scaled"
        affected.append(evidence.label(index, detail))
    return Found(affected)


def exif_orientation(evidence: Evidence) -> Found:
    """Images whose pixels are to be turned before they are shown."""
    return Found(
        [
            evidence.image(index, f"orientation {image.orientation}, label lies {_lies(evidence, index)}")
            for index, facts in enumerate(evidence.facts)
            if (image := facts.image) and image.orientation != 1
        ]
    )


def _lies(evidence: Evidence, index: int) -> str:
    image, label = evidence.facts[index].image, evidence.facts[index].label
    if not image or not label or image.shape == image.upright_shape:
        return "as either"
    return {image.shape: "as stored", image.upright_shape: "as shown"}.get(label.shape, "otherwise")


def alpha_image(evidence: Evidence) -> Found:
    """Images with an alpha channel."""
    return Found(
        [
            evidence.image(index, _clear(facts.image.clear))
            for index, facts in enumerate(evidence.facts)
            if facts.image and facts.image.clear is not None
        ]
    )


def alpha_label(evidence: Evidence) -> Found:
    """Labels with an alpha channel; only a warning where all pixels are opaque."""
    found = [(index, label.clear) for index, label in evidence.labels if label.clear is not None]
    affected = [evidence.label(index, _clear(clear)) for index, clear in found]
    return Found(affected, severity="error" if any(clear for _, clear in found) else "warning")


def _clear(pixels: int) -> str:
    return f"{pixels} pixels are not opaque" if pixels else "all pixels are opaque"


def blank_image(evidence: Evidence) -> Found:
    """Images all of whose pixels are equal."""
    return Found(
        [
            evidence.image(index)
            for index, facts in enumerate(evidence.facts)
            if facts.image and facts.image.blank
        ]
    )


def label_is_image(evidence: Evidence) -> Found:
    """Labels with the pixels of their image; a blank one is equal by chance."""
    return Found(
        [
            evidence.label(index)
            for index, label in evidence.labels
            if (image := evidence.facts[index].image) and not image.blank and label.digest == image.digest
        ]
    )
