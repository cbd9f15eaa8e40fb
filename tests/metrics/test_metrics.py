"""Each metric against another implementation, to 1e-6, and against cases worked out by hand."""

from typing import Any

import numpy as np
import pytest
from scenes import CLASSES, NAMES, pooled, scene, seen
from scipy import ndimage
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, jaccard_score

from kerseg.errors import ConfigError
from kerseg.metrics import ALWAYS, METRICS, Meter, choose
from kerseg.metrics.category_iou import CITYSCAPES
from kerseg.metrics.confusion import count
from kerseg.metrics.measure import values

SCENES = [scene(seed, ignored=0.1) for seed in range(4)]
TRUTH = np.concatenate([label[label != 255] for label, _ in SCENES])
GUESS = np.concatenate([prediction[label != 255] for label, prediction in SCENES])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mean_iou", jaccard_score(TRUTH, GUESS, average="macro")),
        ("frequency_weighted_iou", jaccard_score(TRUTH, GUESS, average="weighted")),
        ("pixel_accuracy", accuracy_score(TRUTH, GUESS)),
        ("mean_pixel_accuracy", balanced_accuracy_score(TRUTH, GUESS)),
        ("dice", f1_score(TRUTH, GUESS, average="macro")),
    ],
)
def test_pooled_figures_agree_with_scikit_learn(name: str, expected: float):
    assert pooled(name, SCENES)[0] == pytest.approx(expected, abs=1e-9)


def test_figures_of_single_images_agree_with_scikit_learn():
    by_image, by_class = [], [[] for _ in NAMES]
    for label, prediction in SCENES:
        known = label != 255
        occurring = np.unique(label[known])
        iou = jaccard_score(label[known], prediction[known], labels=occurring, average=None)
        by_image.append(iou.mean())
        for index, value in zip(occurring, iou, strict=True):
            by_class[index].append(value)
    assert pooled("image_mean_iou", SCENES)[0] == pytest.approx(np.mean(by_image), abs=1e-9)
    expected = [np.mean(values) for values in by_class if values]
    assert pooled("class_image_iou", SCENES)[0] == pytest.approx(np.mean(expected), abs=1e-9)


def test_a_class_that_an_image_only_predicts_is_no_part_of_its_own_iou():
    pairs = [([[0, 0, 1, 1]], [[0, 0, 1, 2]])]
    assert pooled("image_mean_iou", pairs, "abc")[0] == pytest.approx((1 + 1 / 2) / 2)
    assert pooled("mean_iou", pairs, "abc")[0] == pytest.approx((1 + 1 / 2 + 0) / 3)


def cityscapes_category(matrix: np.ndarray, inside: list[int]) -> float:
    """The public formula, evalPixelLevelSemanticLabeling.getIouScoreForCategory: tp / (tp + fp + fn)."""
    outside = [index for index in range(len(matrix)) if index not in inside]
    tp = matrix[np.ix_(inside, inside)].sum()
    fn, fp = matrix[np.ix_(inside, outside)].sum(), matrix[np.ix_(outside, inside)].sum()
    return tp / (tp + fp + fn)


def test_category_iou_is_that_of_cityscapes():
    names = [name for group in CITYSCAPES.values() for name in group]
    random = np.random.default_rng(0)
    label, prediction = random.integers(0, 19, (2, 30, 30), np.uint8)
    prediction[:20] = label[:20]
    matrix = count(label, prediction, 19)
    expected = [
        cityscapes_category(matrix, [names.index(name) for name in group]) for group in CITYSCAPES.values()
    ]
    value, parts = pooled("category_iou", [(label, prediction)], names)
    assert parts == pytest.approx(expected, abs=1e-9)
    assert value == pytest.approx(np.mean(expected), abs=1e-9)
    assert METRICS.load("category_iou").part_names(names)[:2] == ("flat", "construction")


def test_category_iou_refuses_categories_that_do_not_fit():
    with pytest.raises(
        ConfigError, match=r"category_iou: the data has no class 'road', 'sidewalk', .*Its classes: a, b"
    ):
        pooled("category_iou", [([[0]], [[0]])], ("a", "b"))
    with pytest.raises(ConfigError, match=r"category_iou: a in more than one category"):
        pooled("category_iou", [([[0]], [[0]])], ("a", "b"), categories={"x": ["a"], "y": ["a", "b"]})


def eroded(mask: np.ndarray, times: int) -> np.ndarray:
    return ndimage.binary_erosion(mask, np.ones((3, 3)), times, border_value=0)


def test_boundary_iou_is_that_of_erosions():
    """The authors' mask_to_boundary, class by class: the mask less its erosion by a 3x3 square."""
    pairs, ratio = [scene(seed) for seed in range(3)], 0.05
    both, either = np.zeros(CLASSES), np.zeros(CLASSES)
    times = round(ratio * np.hypot(40, 56))
    assert times == 3
    for label, prediction in pairs:
        for index in range(CLASSES):
            true, guess = label == index, prediction == index
            true, guess = true & ~eroded(true, times), guess & ~eroded(guess, times)
            both[index] += (true & guess).sum()
            either[index] += (true | guess).sum()
    value, parts = pooled("boundary_iou", pairs, dilation_ratio=ratio)
    assert parts == pytest.approx(both / either, abs=1e-9)
    assert value == pytest.approx((both / either).mean(), abs=1e-9)


def test_boundary_iou_by_hand():
    label, prediction = np.zeros((2, 9, 12), np.uint8)
    label[:, 6:], prediction[:, 7:] = 1, 1
    # Bands of one pixel along edges and contour: class 0 is 6 and 7 columns wide, class 1 is 6 and 5.
    value, parts = pooled("boundary_iou", [(label, prediction)], "ab", dilation_ratio=0.01)
    # Class 0: both bands share the left column and the top and bottom rows of 6 pixels.
    shared0 = 9 + 2 * 5
    assert parts[0] == pytest.approx(shared0 / (26 + 28 - shared0))
    shared1 = 9 + 2 * 4
    assert parts[1] == pytest.approx(shared1 / (26 + 24 - shared1))
    assert value == pytest.approx(parts.mean())


@pytest.mark.parametrize("name", ["boundary_iou", "bf_score", "hd95", "nsd", "trimap_iou", "size_iou"])
def test_what_is_predicted_at_ignored_pixels_changes_nothing(name: str):
    label, prediction = SCENES[0]
    other = np.where(label == 255, (prediction + 1) % CLASSES, prediction)
    assert (other != prediction).any()
    first, second = (pooled(name, [(label, guess)]) for guess in (prediction, other))
    assert first[0] == second[0]
    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("name", METRICS)
def test_an_image_without_a_label_adds_nothing(name: str):
    options = {"categories": {"x": ["a"], "y": ["b"]}} if name == "category_iou" else {}
    metric = METRICS.load(name).with_options(options)
    chances = np.full((6, 7, CLASSES), 0.2, np.float32)
    found = metric(seen(np.full((6, 7), 255), np.ones((6, 7)), probabilities=chances))
    assert not found.numerator.any()
    assert not found.denominator.any()


@pytest.mark.parametrize("name", [name for name in METRICS if name not in ("category_iou", "confidence")])
def test_a_perfect_prediction_has_the_best_value(name: str):
    label, _ = SCENES[0]
    perfect = np.where(label == 255, 0, label)
    metric = METRICS.load(name)
    found = metric(seen(label, perfect, probabilities=np.eye(CLASSES, dtype=np.float32)[perfect]))
    value, _ = values(found)
    assert value == (1 if metric.higher_is_better else 0)


def csurka(label: np.ndarray, prediction: np.ndarray, near: float) -> float:
    """Boundary F1 of an image with a distance of all pairs of contour pixels."""

    def contour(mask: np.ndarray) -> np.ndarray:
        found = []
        for y, x in np.argwhere(mask):
            around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
            inside = [(a, b) for a, b in around if 0 <= a < mask.shape[0] and 0 <= b < mask.shape[1]]
            if not all(mask[place] for place in inside):
                found.append((y, x))
        return np.array(found)

    scores = []
    for index in np.unique(label):
        true, guess = contour(label == index), contour(prediction == index)
        distance = np.linalg.norm(true[:, None] - guess[None], axis=-1)
        recall, precision = (distance.min(axis=1) < near).mean(), (distance.min(axis=0) < near).mean()
        scores.append(2 * precision * recall / (precision + recall))
    return float(np.mean(scores))


def test_bf_score_is_that_of_all_pairs_of_contour_pixels():
    pairs = [scene(seed) for seed in range(2)]
    near = 0.03 * np.hypot(40, 56)
    expected = np.mean([csurka(*pair, near) for pair in pairs])
    assert 0.3 < expected < 0.95
    assert pooled("bf_score", pairs, tolerance=0.03)[0] == pytest.approx(expected, abs=1e-9)


def test_trimap_by_hand():
    label = np.array([[0] * 6 + [1] * 6] * 3)
    prediction = np.array([[0] * 4 + [1] * 8] * 3)
    # Within 2 pixels of the contour lie columns 4 to 7: of class 0 columns 4 and 5, both wrong.
    assert pooled("trimap_iou", [(label, prediction)], "ab", width=2)[1].tolist() == [0, 2 / 4]
    assert pooled("trimap_iou", [(label, prediction)], "ab", width=3)[1].tolist() == [1 / 3, 3 / 5]
    # The whole image: plain IoU.
    assert pooled("trimap_iou", [(label, prediction)], "ab", width=50)[1].tolist() == [4 / 6, 6 / 8]


def test_iou_by_object_size_by_hand():
    label, prediction = np.zeros((2, 20, 20), np.uint8)
    label[0:2, 0:2] = 1  # small, found, with two pixels too many
    prediction[0:2, 0:3] = 1
    label[5:9, 5:9] = 1  # large, half found
    prediction[5:7, 5:9] = 1
    prediction[15, 15] = 1  # small, of no object
    value, parts = pooled("size_iou", [(label, prediction)], "ab", areas=(5, 300))
    # Class 1: small 4 / (4 + 2 + 1), medium 8 / 16, class 0 is one large object of 380 pixels.
    outside, wrong = 400 - 4 - 16, 8
    assert parts == pytest.approx([4 / 7, 8 / 16, (outside - 3) / (outside + wrong)])
    assert value == pytest.approx(parts.mean())
    names = METRICS.load("size_iou").with_options({"areas": (5, 300)}).part_names("ab")
    assert names == ("below 5 px", "5 to 299 px", "300 px and more")


def test_a_region_over_two_objects_counts_with_the_one_it_shares_more_with():
    label = np.array([[1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1]])
    prediction = np.array([[0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1]])
    _, parts = pooled("size_iou", [(label, prediction)], "ab", areas=(5,))
    # Class 1: the small object 1 / 3; the large one 6 / (6 + 2). Class 0: small 0 / (2 + 2), no large one.
    assert parts == pytest.approx([(1 / 3 + 0) / 2, 6 / 8])


def test_calibration_error_by_hand():
    label = np.array([[0, 0, 1, 255]])
    chances = np.array([[[0.9, 0.1], [0.38, 0.62], [0.35, 0.65], [1, 0]]], np.float32)
    observation = seen(label, chances.argmax(-1), "ab", probabilities=chances)
    metric = METRICS.load("calibration_error").with_options({"bins": 5})
    value, parts = values(metric(observation))
    # Bin (0.8, 1]: confidence 0.9, right. Bin (0.6, 0.8]: 0.62, wrong, and 0.65, right.
    between = abs((0.62 + 0.65) / 2 - 1 / 2)
    assert parts == pytest.approx([np.nan] * 3 + [between, 0.1], abs=1e-6, nan_ok=True)
    assert value == pytest.approx((0.1 + 2 * between) / 3, abs=1e-6)
    value, parts = values(METRICS.load("confidence").with_options({"bins": 5})(observation))
    assert parts == pytest.approx([np.nan] * 3 + [0.635, 0.9], abs=1e-6, nan_ok=True)
    assert value == pytest.approx((0.62 + 0.65 + 0.9) / 3, abs=1e-6)
    assert METRICS.load("calibration_error").part_names("ab")[-1] == "0.933 to 1"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("boundary_iou", {"dilation_ratio": 0}, r"`dilation_ratio` is above 0, at most 1\. Received: 0\."),
        ("bf_score", {"tolerance": 2}, r"bf_score: `tolerance` is above 0, at most 1\. Received: 2\."),
        ("trimap_iou", {"width": -1}, r"`width` is above 0 pixels\. Received: -1\."),
        (
            "size_iou",
            {"areas": (9, 4)},
            r"`areas` are 1 pixel or more, each above the one before\. Received: \(9, 4\)",
        ),
        ("hd95", {"percentile": 0}, r"`percentile` is above 0, at most 100\. Received: 0\."),
        ("hd95", {"spacing": (1, 2, 3)}, r"`spacing` is 2 numbers above 0, .*Received: \(1, 2, 3\)\."),
        ("nsd", {"tolerance": -1}, r"nsd: `tolerance` is 0 or more\. Received: -1\."),
        ("calibration_error", {"bins": 0}, r"`bins` is 1 or more\. Received: 0\."),
    ],
)
def test_options_out_of_range_are_refused_before_the_first_image(name: str, options: Any, message: str):
    with pytest.raises(ConfigError, match=message):
        Meter(NAMES, choose([name], {name: options}))


def test_metrics_are_chosen_by_name():
    assert tuple(choose()) == ALWAYS
    assert tuple(choose(["hd95", "dice"])) == (*ALWAYS, "hd95")
    assert choose(["nsd"], {"tolerance": 3.0})["nsd"].options == {"tolerance": 3.0}
    both = choose(["nsd", "bf_score"], {"tolerance": 0.01, "nsd": {"tolerance": 3.0}})
    assert (both["nsd"].options, both["bf_score"].options) == ({"tolerance": 3.0}, {"tolerance": 0.01})
    with pytest.raises(ConfigError, match=r"`metrics`: There is no metric 'hd59'\. Did you mean 'hd95'\?"):
        choose(["hd59"])
    with pytest.raises(
        ConfigError, match=r"`metric_options.tolerence`: no metric .* Did you mean 'tolerance'\?"
    ):
        choose(["nsd"], {"tolerence": 3})
    with pytest.raises(
        ConfigError, match=r"`metric_options.nsd`: no metric of `metrics` .*They take: none\."
    ):
        choose([], {"nsd": {"tolerance": 3}})
    with pytest.raises(ConfigError, match=r"Received: 'far'"):
        choose(["nsd"], {"tolerance": "far"})


def test_every_metric_is_described_and_has_names_for_its_parts():
    for name in METRICS:
        assert METRICS.summary(name), name
        metric = METRICS.load(name)
        options = {"categories": {"x": ["a"], "y": ["b"]}} if name == "category_iou" else {}
        chances = np.full((40, 56, CLASSES), 0.2, np.float32)
        found = metric.with_options(options)(seen(*SCENES[0], probabilities=chances))
        assert len(found.weight) == len(metric.with_options(options).part_names(NAMES)), name
