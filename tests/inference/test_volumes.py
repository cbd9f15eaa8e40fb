"""NIfTI in, NIfTI out: the slices' labels lie in the volume as its own values do."""

from pathlib import Path

import keras
import numpy as np
import pytest

from kerseg import modelfile
from kerseg.core.info import Channels, Layout
from kerseg.inference.prediction import predict
from kerseg.modelfile import ModelCard

nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")


@pytest.mark.parametrize("axis", [None, 0])
def test_a_volume_comes_back_with_its_affine(tmp_path: Path, axis: int | None):
    values = np.random.default_rng(0).integers(0, 2, (6, 7, 5)).astype(np.int16) * 1000
    # Axes to the left, to the top, to the back: the reader turns them.
    affine = np.array([[-0.7, 0, 0, 90], [0, 0, -0.7, 120], [0, 3, 0, 4], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / "scan.nii.gz")
    image = keras.Input((None, None, 1))
    conv = keras.layers.Conv2D(2, 1)
    model = keras.Model(image, conv(image))
    conv.set_weights([np.array([[[[0.0, 1.0]]]]), np.array([0.0, -100.0])])  # class 1 above 100 of 255
    card = ModelCard(
        architecture="enet",
        class_names=("air", "bone"),
        palette=((0, 0, 0), (255, 255, 255)),
        channels=Channels(("ct",), ((0.0, 1000.0),), Layout(axis)),
    )
    modelfile.save(model, tmp_path / "best.keras", card)
    out = tmp_path / "out"
    report = predict(tmp_path / "best.keras", tmp_path / "scan.nii.gz", output=out, save=("index",))
    assert report.failed == ()
    assert len(report.written) == (7 if axis is None else 6)
    found = nibabel.load(out / "index" / "scan.nii.gz")
    np.testing.assert_array_equal(found.get_fdata(), values > 400)
    np.testing.assert_allclose(found.affine, affine)
    assert found.get_data_dtype() == np.uint8
    # It is a result: replaced, and no volume to predict.
    again = predict(tmp_path / "best.keras", [tmp_path / "scan.nii.gz", out], output=out, save=("index",))
    assert len(again.written) == len(report.written)
    nibabel.save(nibabel.Nifti1Image(values, affine), out / "index" / "scan.nii.gz")
    refused = predict(tmp_path / "best.keras", tmp_path / "scan.nii.gz", output=out, save=("index",))
    assert refused.written == ()
    assert "scan.nii.gz exists and is not a result of kerseg predict" in refused.failed[0].reason
