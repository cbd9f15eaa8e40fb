"""Copy-paste, mosaic, ClassMix, CutMix: where each pixel comes from, and that its label comes with it."""

import numpy as np
import pytest
import tensorflow as tf

from kerseg.augment import mixing
from kerseg.augment.options import Augment

HEIGHT, WIDTH, BATCH = 24, 36, 6
SEEDS = np.stack([np.full(BATCH, 5), np.arange(100, 100 + BATCH)], 1).astype(np.int64)
RARE = np.zeros(256, bool)
RARE[[7, 9]] = True
VALUES = mixing.Values(RARE, 255)


def batch(count=BATCH):
    """Image channel 0 says which example a pixel is of, channel 1 its label; labels are blocks of 0 to 9."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, (count, HEIGHT // 6, WIDTH // 6), np.uint8).repeat(6, 1).repeat(6, 2)
    labels[:, 0, :3] = 255
    source = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None], labels.shape)
    return np.stack([source, labels, labels], -1), labels


def mixed(seeds=SEEDS, count=BATCH, **options):
    images, labels = mixing.mix(*map(tf.constant, batch(count)), seeds, Augment(**options), VALUES)
    return images.numpy(), labels.numpy()


@pytest.mark.parametrize("name", mixing.TABLE)
def test_every_pixel_is_one_of_the_batch_at_its_place_with_its_label(name):
    images, labels = mixed(**{name: 1.0})
    original = batch()[1]
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for own, (image, label) in enumerate(zip(images, labels, strict=True)):
        assert (label == original[image[..., 0], rows, columns]).all()
        assert (image[..., 1] == label).all()
        assert len(set(np.unique(image[..., 0])) - {own}) <= mixing.TABLE[name].partners
    assert (images[..., 0] != np.arange(BATCH)[:, None, None]).any((1, 2)).sum() >= 4


@pytest.mark.parametrize("name", mixing.TABLE)
def test_the_same_seeds_mix_alike_and_others_do_not(name):
    first, again, other = (
        mixed(seeds, **{name: 1.0})[0] for seeds in (SEEDS, SEEDS, SEEDS + np.array([1, 0]))
    )
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize("name", mixing.TABLE)
def test_probability(name):
    seeds = np.stack([np.full(250, 3), np.arange(250)], 1).astype(np.int64)
    images, _ = mixed(seeds, count=250, **{name: 0.3})
    changed = (images[..., 0] != np.arange(250)[:, None, None]).any((1, 2)).mean()
    # Four deviations; a rectangle may be too small to hold a pixel, a partner have no rare class.
    assert abs(changed - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 250) + 0.01


def test_copy_paste_takes_all_of_the_rare_classes_and_nothing_else():
    images, _ = mixed(copy_paste=1.0)
    original = batch()[1]
    for own, image in enumerate(images):
        taken = image[..., 0] != own
        partner = int(image[..., 0][taken][0])
        assert (taken == RARE[original[partner]]).all()


def test_classmix_takes_half_of_the_classes_whole():
    seeds, sizes = np.stack([np.full(200, 3), np.arange(200)], 1).astype(np.int64), []
    partner = batch()[1][:1]
    classes = np.unique(partner[partner != 255])
    often = np.zeros(256)
    for seed in seeds:
        (mask,) = mixing.classmix(tf.constant(seed), tf.constant(partner), VALUES)
        inside, outside = np.unique(partner[0][mask]), np.unique(partner[0][~mask.numpy()])
        assert not set(inside) & set(outside) and 255 in outside
        sizes.append(len(inside))
        often[inside] += 1
    assert set(sizes) == {len(classes) // 2}
    # Each class is in half of the mixes (of an odd number, in a little less), four deviations allowed.
    share = (len(classes) // 2) / len(classes)
    assert np.abs(often[classes] / 200 - share).max() < 4 * np.sqrt(share * (1 - share) / 200)


def test_classmix_of_one_class_changes_nothing():
    (mask,) = mixing.classmix((1, 2), tf.zeros([1, 4, 5], tf.uint8), VALUES)
    assert not mask.numpy().any()


def test_cutmix_is_a_rectangle_that_covers_a_random_share():
    partner, whole, clipped = tf.zeros([1, 100, 200], tf.uint8), [], 0

    def area(index):
        (mask,) = mixing.cutmix(tf.stack([tf.constant(3, tf.int64), index]), partner, VALUES)
        return mask

    for mask in tf.data.Dataset.range(400).map(area).as_numpy_iterator():
        height, width = mask.any(1).sum(), mask.any(0).sum()
        assert mask.sum() == height * width
        if mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any():
            clipped += 1
        else:
            assert abs(width - 2 * height) <= 2
        whole.append(mask.mean())
    # A side s, as a share of its axis, with its middle anywhere covers s - s^2/4 of it in the mean.
    side = np.sqrt(1 - (np.arange(1000) + 0.5) / 1000)
    expected = ((side - side**2 / 4) ** 2).mean()
    assert abs(np.mean(whole) - expected) < 4 * np.std(whole) / 20
    assert 0 < clipped < 400


def test_mosaic_is_four_parts_around_a_centre_in_the_middle_half():
    for number in range(50):
        masks = [mask.numpy() for mask in mixing.mosaic((4, number), tf.zeros([3, 40, 80], tf.uint8), VALUES)]
        own = ~np.logical_or.reduce(masks)
        assert (own.astype(int) + sum(mask.astype(int) for mask in masks) == 1).all()
        row, column = own.any(1).sum(), own.any(0).sum()
        assert 10 <= row <= 30 and 20 <= column <= 60
        right, below, both = masks
        assert own[:row, :column].all() and right[:row, column:].all()
        assert below[row:, :column].all() and both[row:, column:].all()


def test_partners_are_the_others_evenly():
    def partner(index):
        seed = tf.stack([tf.constant(3, tf.int64), index])
        return mixing._partners(seed, "cutmix", 1, tf.constant(2), tf.constant(5))[0]

    counts = np.bincount(list(tf.data.Dataset.range(2000).map(partner).as_numpy_iterator()), minlength=5)
    assert counts[2] == 0
    # Chi-square with 3 degrees of freedom: 11.3 is exceeded once in a hundred seeds.
    assert ((np.delete(counts, 2) - 500) ** 2 / 500).sum() < 11.3


def test_a_batch_of_one_stays_as_it_is():
    for name in mixing.TABLE:
        images, labels = mixed(SEEDS[:1], count=1, **{name: 1.0})
        assert (images == batch(1)[0]).all() and (labels == batch(1)[1]).all()


def test_off_returns_the_tensors_themselves():
    images, labels = map(tf.constant, batch())
    found = mixing.mix(images, labels, SEEDS, Augment(), VALUES)
    assert found[0] is images and found[1] is labels
