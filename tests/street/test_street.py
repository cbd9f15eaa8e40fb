"""The drawn data set: the same from the same seed, well-formed, and no toy."""

import numpy as np
import pytest
from PIL import Image

from kerseg import street
from kerseg.data.sources.folder import Folder
from kerseg.errors import ConfigError, DataError
from kerseg.street.canvas import Camera, Canvas, Thing, Weather, rectangle

SIZE = (64, 96)


def scenes(count, size=SIZE, seed=0):
    return [street.scene(np.random.default_rng((seed, i)), size) for i in range(count)]


@pytest.fixture(scope="module")
def many():
    """Images (n, height, width, 3) and labels (n, height, width) of 40 streets."""
    pairs = scenes(40)
    return np.stack([image for image, _ in pairs]), np.stack([label for _, label in pairs])


def weather(**changes):
    values = {
        "zenith": np.full(3, 100.0),
        "haze": np.full(3, 200.0),
        "visibility": 1e9,
        "sun": np.array([0.0, 1.0, 0.0]),
        "ambient": 0.5,
        "clouds": 0.0,
        "exposure": 1.0,
        "tint": np.ones(3),
        "dusk": False,
    }
    return Weather(**values | changes)


def canvas(**changes):
    """A canvas of 40x60 pixels, its camera 1.5 m above the ground, looking along z from the origin."""
    camera = {
        "position": np.array([0.0, 1.5, 0.0]),
        "yaw": 0.0,
        "roll": 0.0,
        "focal": 90.0,
        "centre": (90, 60),
    }
    return Canvas((40, 60), Camera(**camera | changes), weather())


def test_the_folder_is_what_convert_reads(tmp_path):
    street.draw(tmp_path / "s", train=3, val=2, size=SIZE)
    files = {str(path.relative_to(tmp_path / "s")) for path in (tmp_path / "s").rglob("*.*")}
    assert files == {
        "classes.txt",
        *(f"train/images/street_{i:04d}.jpg" for i in range(3)),
        *(f"train/labels/street_{i:04d}.png" for i in range(3)),
        *(f"val/images/street_{i:04d}.jpg" for i in range(2)),
        *(f"val/labels/street_{i:04d}.png" for i in range(2)),
    }
    source = Folder(
        train_image_path=tmp_path / "s/train/images",
        train_label_path=tmp_path / "s/train/labels",
        palette=(str(tmp_path / "s/classes.txt"),),
    )
    assert source.classes.names == street.CLASS_NAMES
    assert source.classes.palette == street.PALETTE
    pair = source.splits()["train"][1]
    label = np.asarray(Image.open(pair.label))
    np.testing.assert_array_equal(source.read_label(pair.label), label)
    assert np.asarray(Image.open(pair.image)).shape == (*SIZE, 3)
    assert label.shape == SIZE and label.dtype == np.uint8
    assert set(np.unique(label)) <= {*range(len(street.CLASS_NAMES)), 255}


def test_an_image_follows_from_the_seed_alone(tmp_path):
    ticks = []
    street.draw(tmp_path / "a", train=2, val=1, size=SIZE, seed=5, progress=lambda: ticks.append(1))
    street.draw(tmp_path / "b", train=1, val=2, size=SIZE, seed=5, workers=1)
    street.draw(tmp_path / "c", train=1, val=1, size=SIZE, seed=6)
    assert len(ticks) == 3

    def first(folder, split):
        images, labels = (tmp_path / folder / split / kind for kind in ("images", "labels"))
        return (images / "street_0000.jpg").read_bytes(), (labels / "street_0000.png").read_bytes()

    assert first("a", "train") == first("b", "train")
    assert first("a", "val") == first("b", "val")
    assert first("a", "train") != first("a", "val")
    assert first("a", "train") != first("c", "train")


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(DataError, match=r"the folder is not empty\. Give another one"):
        street.draw(tmp_path, train=1, val=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("size", [(31, 96), (96, 16)])
def test_too_small_an_image_is_refused_before_anything_is_written(size, tmp_path):
    with pytest.raises(ConfigError, match=r"of 32 pixels or more\. Received: \("):
        street.draw(tmp_path / "s", train=1, val=1, size=size)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (120, 40)])
def test_any_size_can_be_drawn(size):
    (image, label), *_ = scenes(1, size)
    assert image.shape == (*size, 3) and label.shape == size


def test_every_class_takes_part(many):
    _, labels = many
    share = np.bincount(labels.ravel(), minlength=256) / labels.size
    assert share[: len(street.CLASS_NAMES)].min() > 0.02
    assert 0.02 < share[255] < 0.15
    present = [(labels == index).any(axis=(1, 2)).mean() for index in range(len(street.CLASS_NAMES))]
    assert min(present) > 0.5


def test_neighbours_of_two_classes_are_parted_by_ignored_pixels(many):
    _, labels = many
    # Where nothing is ignored in a 2x2 window, nearly always one class fills it: edges are 255.
    windows = np.stack([labels[:, :-1, :-1], labels[:, 1:, :-1], labels[:, :-1, 1:], labels[:, 1:, 1:]])
    known = (windows != 255).all(axis=0)
    mixed = known & (windows.min(axis=0) != windows.max(axis=0))
    assert mixed.sum() < 0.02 * known.sum()


def test_colour_alone_does_not_tell_the_classes(many):
    """The best a table of colours can do: each of 16^3 colours gets its most frequent class."""
    images, labels = many
    half = len(images) // 2
    codes = (images // 16).astype(int) @ np.array([256, 16, 1])
    known = labels != 255
    votes = np.zeros((16**3, len(street.CLASS_NAMES)), int)
    np.add.at(votes, (codes[:half][known[:half]], labels[:half][known[:half]]), 1)
    guess = votes.argmax(axis=1)[codes[half:]]
    truth = labels[half:]
    ious = []
    for index in range(len(street.CLASS_NAMES)):
        both = ((guess == index) & (truth == index)).sum()
        either = ((guess == index) & known[half:] | (truth == index)).sum()
        ious.append(both / either)
    assert np.mean(ious) < 0.35


def test_images_differ_in_light_and_layout(many):
    images, labels = many
    brightness = images.mean(axis=(1, 2, 3))
    assert brightness.std() > 10
    sky = (labels == Thing.SKY).mean(axis=(1, 2))
    assert sky.std() > 0.05
    assert len({label.tobytes() for label in labels}) == len(labels)


def test_the_camera_projects_as_a_pinhole():
    camera = canvas().camera
    # 2 m to the right and at eye height, 10 m away: 90 * 2 / 10 = 18 pixels right of the centre.
    np.testing.assert_allclose(camera.pixels(camera.view([[2.0, 1.5, 10.0]])), [[108, 60]])
    # On the ground 1.5 m below: 90 * 1.5 / 10 = 13.5 pixels below the horizon.
    np.testing.assert_allclose(camera.pixels(camera.view([[0.0, 0.0, 10.0]])), [[90, 73.5]])
    turned = canvas(yaw=np.pi / 2).camera
    np.testing.assert_allclose(turned.view([10.0, 1.5, 0.0]), [0, 0, 10], atol=1e-9)


@pytest.mark.parametrize(("yaw", "roll"), [(0.0, 0.0), (0.4, 0.0), (-0.7, 0.1)])
def test_the_ground_under_a_pixel_projects_back_onto_it(yaw, roll):
    camera = canvas(yaw=yaw, roll=roll).camera
    x, z, depth = camera.ground(60, 40)
    row, column = 35, 12
    point = np.array([x[row, column], 0.0, z[row, column]])
    np.testing.assert_allclose(camera.view(point)[2], depth[row, column])
    np.testing.assert_allclose(camera.pixels(camera.view(point)), [3 * (column + 0.5), 3 * (row + 0.5)])
    assert np.isinf(depth[0]).all()


def test_what_is_behind_the_camera_is_not_painted():
    paper = canvas()
    paper.polygon([(-1, 0, -5), (1, 0, -5), (0, 2, -5)], (255, 0, 0), Thing.CAR)
    assert not np.asarray(paper.image).any()
    assert not (np.asarray(paper.labels) == Thing.CAR).any()


def test_a_shape_that_passes_the_camera_is_cut_and_not_mirrored():
    paper = canvas()
    road = [(-2, 0, -50), (2, 0, -50), (2, 0, 50), (-2, 0, 50)]
    paper.polygon(road, (90, 90, 90), Thing.ROAD)
    painted = np.asarray(paper.labels) == Thing.ROAD
    assert painted[-1, 90] and not painted[:61].any()
    assert painted.sum(axis=1)[-1] > painted.sum(axis=1)[70] > 0


def test_a_box_shows_the_sides_that_face_the_camera():
    paper = canvas()
    bottom, top = rectangle((6, 10), (4, 4), 0.0), rectangle((6, 10), (4, 4), 3.0)
    sides = paper.box(bottom, top, np.array([200.0, 0, 0]), Thing.BUILDING)
    facing = {tuple(np.round(side.mean(axis=0)[[0, 2]], 6)) for side in sides}
    assert facing == {(6.0, 8.0), (4.0, 10.0)}
