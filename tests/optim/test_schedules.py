"""Learning rate schedules against their formulas."""

import math

import keras
import pytest

from kerseg.errors import ConfigError
from kerseg.optim.schedules import Schedule


def rates(schedule: Schedule, *steps: int) -> list[float]:
    return [float(keras.ops.convert_to_numpy(schedule(step))) for step in steps]


def test_poly_is_deeplabs() -> None:
    schedule = Schedule("poly", 0.01, 100, power=0.9)
    assert rates(schedule, 0, 50, 99) == pytest.approx([0.01, 0.01 * 0.5**0.9, 0.01 * 0.01**0.9], rel=1e-5)


def test_cosine_falls_to_zero() -> None:
    schedule = Schedule("cosine", 2.0, 100)
    assert rates(schedule, 0, 25, 50, 100) == pytest.approx(
        [2.0, 1 + math.cos(math.pi / 4), 1.0, 0.0], rel=1e-5, abs=1e-7
    )


def test_step_drops_at_each_multiple() -> None:
    schedule = Schedule("step", 1.0, 1000, epoch_steps=5, step_epochs=2.0, step_factor=0.1)
    assert rates(schedule, 9, 10, 19, 20) == pytest.approx([1.0, 0.1, 0.1, 0.01], rel=1e-5)


def test_constant_stays() -> None:
    assert rates(Schedule("constant", 0.3, 10), 0, 5, 99) == pytest.approx([0.3, 0.3, 0.3])


def test_the_warm_up_rises_linearly_and_the_fall_begins_after_it() -> None:
    schedule = Schedule("poly", 1.0, 14, warmup_steps=4, power=1.0)
    assert rates(schedule, 0, 1, 3) == pytest.approx([0.25, 0.5, 1.0])
    assert rates(schedule, 4, 9, 14) == pytest.approx([1.0, 0.5, 0.0])


def test_past_the_end_the_last_value_stays() -> None:
    assert rates(Schedule("cosine", 1.0, 10), 11, 1000) == pytest.approx([0.0, 0.0], abs=1e-7)


def test_a_schedule_is_rebuilt_from_its_config() -> None:
    schedule = Schedule("step", 0.5, 30, warmup_steps=3, epoch_steps=7, step_epochs=1.0, step_factor=0.5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert rates(again, 0, 5, 20) == rates(schedule, 0, 5, 20)


def test_wrong_names_and_lengths_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"There is no schedule 'pole'\. Did you mean 'poly'\?"):
        Schedule("pole", 1.0, 10)
    with pytest.raises(ConfigError, match=r"The warm-up \(11 steps\) is longer than the run \(10\)"):
        Schedule("poly", 1.0, 10, warmup_steps=11)


@pytest.mark.parametrize("total", [10, 100, 101])
def test_one_cycle_is_pytorchs(total: int) -> None:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.0)
    reference = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=total, cycle_momentum=False)
    expected = []
    for _ in range(total):
        expected.append(reference.get_last_lr()[0])
        optimizer.step()
        if len(expected) < total:
            reference.step()
    last = 1 / 25 / 1e4
    schedule = Schedule("one_cycle", 0.3, total, peak_at=0.3, first=1 / 25, last=last)
    assert rates(schedule, *range(total)) == pytest.approx(expected, rel=1e-4, abs=1e-7)
    assert rates(schedule, total + 5) == pytest.approx([0.3 * last], rel=1e-4)


@pytest.mark.parametrize("fall", ["poly", "cosine", "one_cycle", "constant"])
def test_steps_that_make_one_update_have_one_rate(fall: str) -> None:
    each, large = Schedule(fall, 0.3, 40, warmup_steps=8, every=4), Schedule(fall, 0.3, 10, warmup_steps=2)
    assert len(set(rates(each, 12, 13, 14, 15))) == 1
    if fall != "one_cycle":  # whose last step is the one before the end
        assert rates(each, *range(3, 40, 4)) == pytest.approx(rates(large, *range(10)), rel=1e-5, abs=1e-7)
