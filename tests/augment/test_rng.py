"""Random numbers by seed and name."""

import numpy as np
import tensorflow as tf

from kerseg.augment import rng

SEED = (3, 17)


def seeds(count):
    return tf.data.Dataset.range(count).map(lambda index: tf.stack([tf.constant(3, tf.int64), index]))


def test_pinned():
    # Were these to change, no earlier run could be repeated.
    drawn = [float(rng.uniform(SEED, name, 0.0, 1.0)) for name in ("scale", "hue")]
    np.testing.assert_allclose(drawn, [0.39146245, 0.7482742], rtol=1e-6)
    assert int(rng.integer(SEED, "rows", 1000)) == 363
    assert int(rng.bits(SEED, "examples")) == 5118521438848035970


def test_stream_index_and_name_all_matter():
    drawn = {float(rng.uniform(seed, name, 0.0, 1.0)) for seed in ((0, 0), (0, 1), (1, 0)) for name in "ab"}
    assert len(drawn) == 6


def test_any_int64_is_a_seed():
    drawn = {int(rng.bits(seed, "a")) for seed in ((-1, 0), (2**63 - 1, 0), (-(2**63), 0), (0, -1))}
    assert len(drawn) == 4


def test_the_global_seed_has_no_say():
    tf.random.set_seed(1)
    first = float(rng.uniform(SEED, "a", 0.0, 1.0))
    tf.random.set_seed(2)
    assert float(rng.uniform(SEED, "a", 0.0, 1.0)) == first


def test_uniform_is_even_and_neighbours_have_nothing_in_common():
    pairs = seeds(4000).map(lambda s: [rng.uniform(s, "a", -2.0, 2.0), rng.uniform(s, "b", -2.0, 2.0)])
    first, second = np.array(list(pairs.as_numpy_iterator())).T
    counts, _ = np.histogram(first, 10, (-2, 2))
    # Chi-square with 9 degrees of freedom: 21.7 is exceeded once in a hundred seeds.
    assert counts.sum() == 4000 and ((counts - 400) ** 2 / 400).sum() < 21.7
    for one, other in ((first, second), (first[1:], first[:-1])):
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.05


def test_integers_reach_both_ends_evenly():
    drawn = list(seeds(3000).map(lambda s: rng.integer(s, "a", 3)).as_numpy_iterator())
    assert (np.abs(np.bincount(drawn) - 1000) < 90).all() and len(set(drawn)) == 3
    assert int(rng.integer(SEED, "a", 1)) == 0


def test_normal_is_normal():
    drawn = rng.normal(SEED, "a", [100, 400]).numpy()
    # 40,000 draws: the deviation of their mean is 0.005, of their deviation 0.0035.
    assert abs(drawn.mean()) < 0.02 and abs(drawn.std() - 1) < 0.014
    # Within one, two and three deviations.
    for bound, share in ((1, 0.6827), (2, 0.9545), (3, 0.9973)):
        assert abs((np.abs(drawn) < bound).mean() - share) < 4 * np.sqrt(share * (1 - share) / drawn.size)
    np.testing.assert_array_equal(rng.normal(SEED, "a", tf.constant([100, 400])), drawn)


def test_chance():
    drawn = list(seeds(2000).map(lambda s: rng.chance(s, "a", 0.2)).as_numpy_iterator())
    assert abs(np.mean(drawn) - 0.2) < 0.036
    assert not bool(rng.chance(SEED, "a", 0.0)) and bool(rng.chance(SEED, "a", 1.0))


def test_eager_is_graph():
    inside = list(seeds(4).map(lambda s: rng.uniform(s, "a", 0.0, 1.0, [3])).as_numpy_iterator())
    outside = [rng.uniform((3, index), "a", 0.0, 1.0, [3]).numpy() for index in range(4)]
    np.testing.assert_array_equal(inside, outside)
