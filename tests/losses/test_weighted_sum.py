"""Sums of losses by name: what is read, what is refused, what they come to."""

import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest

from kerseg.errors import ConfigError
from kerseg.losses import Term, create, parse

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(1, 5, 6, 3)).astype("float32")
LABELS = RANDOM.integers(0, 3, (1, 5, 6))


@pytest.mark.parametrize(
    ("expression", "terms"),
    [
        ("dice", [(1.0, "dice")]),
        ("cross_entropy+0.5*dice", [(1.0, "cross_entropy"), (0.5, "dice")]),
        (" 2 * focal + 1e+1*dice+ .5*jaccard ", [(2.0, "focal"), (10.0, "dice"), (0.5, "jaccard")]),
    ],
)
def test_terms_are_read(expression: str, terms: list[tuple[float, str]]) -> None:
    assert parse(expression) == tuple(Term(*term) for term in terms)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "dice+2*fokal",
            r"`loss='dice\+2\*fokal'`: there is no loss 'fokal'\. Did you mean 'focal'\?",
        ),
        ("", r"`loss=''`: a term is empty\. Known: cross_entropy, ohem"),
        ("dice+", r"`loss='dice\+'`: a term is empty"),
        ("half*dice", r"the weight of the term 'half\*dice' is a number above 0, as in 0\.5\*dice"),
        ("-1*dice", r"the weight of the term '-1\*dice' is a number above 0"),
        ("nan*dice", r"the weight of the term 'nan\*dice' is a number above 0"),
        ("inf*dice", r"the weight of the term 'inf\*dice' is a number above 0"),
        ("dice+2*dice", r"has 'dice' twice: give it one weight"),
    ],
)
def test_a_wrong_term_is_named(expression: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(expression)


def test_reading_an_expression_does_not_wait_for_keras() -> None:
    code = "import sys, kerseg.losses as l; l.parse('dice+focal'); print('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_a_sum_is_the_sum_of_its_terms(differentiate: Any) -> None:
    loss = create("cross_entropy+0.5*lovasz_softmax", class_weights=(1.0, 2.0, 3.0))
    value, gradient = differentiate(loss)(LABELS, LOGITS)
    terms = [
        differentiate(create(name, class_weights=(1.0, 2.0, 3.0)))(LABELS, LOGITS)
        for name in ("cross_entropy", "lovasz_softmax")
    ]
    assert value == pytest.approx(terms[0][0] + 0.5 * terms[1][0], rel=1e-6)
    np.testing.assert_allclose(gradient, terms[0][1] + 0.5 * terms[1][1], rtol=1e-5, atol=1e-8)


def test_one_term_with_a_weight_is_weighed() -> None:
    whole, half = (float(create(name)(LABELS, LOGITS)) for name in ("dice", "0.5*dice"))
    assert half == pytest.approx(0.5 * whole, rel=1e-6)


def test_options_find_their_term() -> None:
    loss = create("dice+focal", options={"gamma": 3.0, "dice": {"smooth": 1.0}})
    assert (loss.losses[0].smooth, loss.losses[1].gamma) == (1.0, 3.0)


@pytest.mark.parametrize(
    ("expression", "options", "message"),
    [
        (
            "dice+jaccard",
            {"smooth": 1.0},
            r"dice and jaccard both have such an option\. Say whose: `loss_options\.dice",
        ),
        (
            "dice+focal",
            {"gama": 1.0},
            r"none of dice, focal has such an option\. Did you mean 'gamma'\? They take: smooth, gamma",
        ),
        (
            "dice+focal",
            {"dice": {"gamma": 1.0}},
            r"`loss_options\.gamma`: loss 'dice' has no such option",
        ),
    ],
)
def test_options_without_a_clear_owner_are_refused(
    expression: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        create(expression, options=options)


def test_a_sum_is_rebuilt_from_its_config() -> None:
    loss = create(
        "cross_entropy+0.5*focal", class_weights=(1.0, 2.0, 3.0), ignore_label=7, options={"gamma": 3.0}
    )
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert again.weights == [1.0, 0.5]
    assert again.losses[1].get_config() == loss.losses[1].get_config()
    assert float(again(LABELS, LOGITS)) == float(loss(LABELS, LOGITS))


def test_a_sum_passes_the_weight_map_to_the_term_that_needs_it() -> None:
    loss = create("boundary_weighted+dice")
    assert loss.needs_preparation
    y_true = loss.prepare(LABELS)
    terms = create("boundary_weighted")(y_true, LOGITS) + create("dice")(LABELS, LOGITS)
    assert float(loss(y_true, LOGITS)) == pytest.approx(float(terms), rel=1e-6)
    assert not create("dice+focal").needs_preparation
