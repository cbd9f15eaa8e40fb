"""Weights of kerseg's own models: FCN's stages, another data set, what does not fit."""

import keras
import numpy as np
import pytest

from kerseg import modelfile, models
from kerseg.errors import WeightsError
from kerseg.weights import load


def saved(path, name, classes=3, **options):
    model = models.build(name, num_classes=classes, **options)
    for variable in model.weights:
        variable.assign(np.random.default_rng(len(variable.shape)).normal(size=variable.shape))
    modelfile.save(model, path, modelfile.blank_card(classes))
    return model


def weights(model, layer):
    return model.get_layer(layer).get_weights()


def test_fcn_s_stages_start_from_one_another(tmp_path):
    coarse = saved(tmp_path / "32s.keras", "fcn_32s", width=2)
    middle = models.build("fcn_16s", num_classes=3, width=2)
    loaded = load(middle, tmp_path / "32s.keras", say=lambda _: None)
    assert loaded.random == ("score_pool4/kernel", "score_pool4/bias") and not loaded.skipped
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3)).astype("uint8")
    # The new score starts at zero, so the finer net starts with the coarser one's prediction. Not near the
    # borders: there the two upsample from differently cropped maps.
    new, old = (keras.ops.convert_to_numpy(keras.ops.stop_gradient(m(image))) for m in (middle, coarse))
    assert np.abs(new - old).max() < 0.2 * np.abs(old).max()
    for layer in "fc7", "score_fr":
        for mine, theirs in zip(weights(middle, layer), weights(coarse, layer), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    modelfile.save(middle, tmp_path / "16s.keras", modelfile.blank_card(3))
    fine = models.build("fcn_8s", num_classes=3, width=2)
    loaded = load(fine, tmp_path / "16s.keras", say=lambda _: None)
    assert loaded.random == ("score_pool3/kernel", "score_pool3/bias")


def test_another_number_of_classes_starts_the_scores_anew(tmp_path):
    theirs = saved(tmp_path / "enet.keras", "enet", classes=3, width=8)
    said = []
    model = models.build("enet", num_classes=5, width=8)
    loaded = load(model, tmp_path / "enet.keras", say=said.append)
    assert set(loaded.random) == {"logits/kernel", "logits/bias"}
    assert "other number of classes, so these start anew: logits/kernel, logits/bias" in said[0]
    np.testing.assert_array_equal(weights(model, "initial_conv")[0], weights(theirs, "initial_conv")[0])


def test_enet_of_0_1_says_that_its_asymmetric_convolutions_are_others(tmp_path):
    saved(tmp_path / "enet.keras", "enet", width=8, asymmetric_bias=False)
    said = []
    loaded = load(models.build("enet", num_classes=3, width=8), tmp_path / "enet.keras", say=said.append)
    pairs = [f"bottleneck{stage}_{block}_conv" for stage in (2, 3) for block in (3, 7)]
    assert set(loaded.skipped) == {f"{pair}_{step}/kernel" for pair in pairs for step in ("5x1", "1x5")}
    anew = {"wide/kernel", "tall/kernel", "tall/bias"}
    assert set(loaded.random) == {f"{pair}_{weight}" for pair in pairs for weight in anew}
    assert "8 skipped: bottleneck2_3_conv_5x1/kernel" in said[0] and "12 start anew: " in said[0]
    old = models.build("enet", num_classes=3, width=8, asymmetric_bias=False)
    assert not load(old, tmp_path / "enet.keras", say=said.append).random


def test_multi_scale_and_single_scale_share_their_weights(tmp_path):
    saved(tmp_path / "one.keras", "deeplab_v2", backbone="vgg16", width=2)
    model = models.build("deeplab_v2", num_classes=3, backbone="vgg16", width=2, multi_scale=True)
    assert not load(model, tmp_path / "one.keras", say=lambda _: None).random


@pytest.mark.parametrize("channels", [1, 2, 4, 6, 13])
def test_other_channels_get_the_mean_of_the_kernels(tmp_path, channels):
    theirs = saved(tmp_path / "unet.keras", "unet", width=4)
    said = []
    model = models.build("unet", num_classes=3, width=4, input_shape=(None, None, channels))
    loaded = load(model, tmp_path / "unet.keras", say=said.append)
    assert "down1_conv1/kernel" in loaded.loaded and not loaded.random and not loaded.skipped
    note = f"3 channels there, {channels} here, so these have the mean of the channels, times 3/{channels}: "
    assert f"{note}down1_conv1/kernel" in said[0]
    old, new = weights(theirs, "down1_conv1")[0], weights(model, "down1_conv1")[0]
    for channel in range(channels):
        np.testing.assert_allclose(new[:, :, channel], old.mean(2) * 3 / channels, rtol=1e-5)
    # Where all channels are alike, nothing has changed but the rounding.
    grey = np.random.default_rng(0).integers(0, 256, (1, 32, 48, 1)).astype("float32")
    before, after = (
        keras.ops.convert_to_numpy(m(np.repeat(grey, count, -1)))
        for m, count in ((theirs, 3), (model, channels))
    )
    np.testing.assert_allclose(after, before, atol=1e-4 * np.abs(before).max())


def test_other_channels_back_to_rgb(tmp_path):
    saved(tmp_path / "a.keras", "unet", width=4, input_shape=(None, None, 5))
    model = models.build("unet", num_classes=3, width=4)
    assert not load(model, tmp_path / "a.keras", say=lambda _: None).random
    five = np.random.default_rng(4).normal(size=(3, 3, 5, 4))
    np.testing.assert_allclose(
        weights(model, "down1_conv1")[0], np.repeat(five.mean(2, keepdims=True) * 5 / 3, 3, 2), rtol=1e-5
    )


def test_mistakes_are_answered(tmp_path):
    saved(tmp_path / "enet.keras", "enet", width=8)
    with pytest.raises(WeightsError, match=r"enet\.keras .*of another architecture: unet has 2 of its \d+ v"):
        load(models.build("unet", num_classes=3, width=4), tmp_path / "enet.keras")
    with pytest.raises(
        WeightsError, match=r"enet\.keras .*does not fit: \S+ is \(.*\) there and \(.*\) here"
    ):
        load(models.build("enet", num_classes=3, width=16), tmp_path / "enet.keras")
