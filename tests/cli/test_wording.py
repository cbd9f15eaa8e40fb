"""One message, named in Python and as flags."""

import pytest

from kerseg.cli.wording import as_flags


@pytest.mark.parametrize(
    ("python", "flags"),
    [
        ("`crop_size` takes two", "--crop-size takes two"),
        ("`augment.flip_vertical` is", "--augment.flip-vertical is"),
        ("`model_options.stride_in`: no", "--model-options.stride_in: no"),
        ("give `skip_bad=True`", "give --skip-bad"),
        ("give `label_values=(0, 255)`", "give --label-values 0 255"),
        ("give `class_names=('a b', 'c')`", "give --class-names 'a b' c"),
        ("give `value_range=(LOW, HIGH)`", "give --value-range LOW HIGH"),
        ("give `output=DIR`", "give --output DIR"),
        ("`runner='beam'` and `palette=['camvid']`", "--runner beam and --palette camvid"),
        ("`model_options={'backbone': 'vgg16'}`", "--model-options.backbone vgg16"),
        ("`kerseg.train(resume='runs/a b')`", "kerseg train --resume 'runs/a b'"),
        # What is no option of any verb stays.
        ("Expected `int`, see `kerseg list models`", "Expected `int`, see `kerseg list models`"),
        ("`colour_size` `kerseg.models.build(3)` ``", "`colour_size` `kerseg.models.build(3)` ``"),
    ],
)
def test_options_become_flags(python: str, flags: str) -> None:
    assert as_flags(python) == flags


def test_only_the_options_that_are_asked_for() -> None:
    assert as_flags("`size` of `crop_size`", {"crop_size"}) == "`size` of --crop-size"
