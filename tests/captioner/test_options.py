"""Options that make no sense are refused."""

import math

import pytest

from captioner.options import OptionError, Options


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("beam", 0),
        ("length_penalty", math.nan),
        ("length_penalty", math.inf),
        ("length_penalty", 1000.0),
        ("min_length", -1),
        ("min_length", 25),  # more than max_length
        ("max_length", 0),
        ("no_repeat_ngram", -1),
        ("temperature", 0.0),
        ("temperature", -1.0),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("top_p", math.nan),
        ("seed", 2**64),
        ("alternatives", -1),
        ("matching", -0.1),
        ("matching", 100.1),
        ("matching", math.nan),
        ("difference", -0.1),
        ("difference", 1.1),
    ],
)
def test_options_that_make_no_sense_are_refused_by_their_field(field: str, value: float) -> None:
    with pytest.raises(OptionError, match=f"^{field} is ") as caught:
        Options(**{field: value})  # type: ignore[arg-type]
    assert caught.value.field == field
