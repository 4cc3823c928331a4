"""Settings of strategies: read from their dataclass, kept as text, and refused in words."""

from dataclasses import dataclass, field, make_dataclass
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.strategies.typed import BadSettings, NotTyped, from_texts, to_texts, typed


@dataclass(frozen=True)
class Wishes:
    interval: D = field(
        default=D("0.01"), metadata={"label": "Interval", "above": D(0), "below": D("0.5"), "percent": True}
    )
    maximum: D | None = field(default=None, metadata={"label": "Maximum", "help": "In quote.", "at_least": D(10)})
    tries: int = field(default=3, metadata={"label": "Tries", "at_least": 1, "at_most": 9})
    is_patient: bool = field(default=True, metadata={"label": "Patient"})


AMOUNTS = st.decimals(D("0.00000001"), D("0.49999999"), places=8)


@given(
    st.builds(
        Wishes,
        AMOUNTS,
        st.none() | st.decimals(D(10), D("92233720367"), places=8),
        st.integers(1, 9),
        st.booleans(),
    )
)
def test_text_and_back_is_the_same_to_the_last_decimal(wishes: Wishes) -> None:
    texts = to_texts(wishes)
    assert all(isinstance(text, str) for text in texts.values())
    assert from_texts(Wishes, texts) == wishes


def test_what_was_never_written_has_its_default_and_what_is_gone_is_left_out() -> None:
    assert from_texts(Wishes, {"tries": "4", "of_an_older_version": "1"}) == Wishes(tries=4)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("interval", "0", "Must be above 0 % and below 50 %."),
        ("interval", "0.5", "Must be above 0 % and below 50 %."),
        ("interval", "0.000000001", "Max 6 decimal places."),
        ("interval", "NaN", "NaN is not a number."),
        ("interval", "Infinity", "Infinity is not a number."),
        ("interval", "much", "'much' is not a number."),
        ("interval", "", "This field is required."),
        ("maximum", "1e999999999", "Out of range."),
        ("maximum", "1" * 41, f"'{'1' * 40}' is not a number."),
        ("maximum", "10.0000000000000000000000000000000001", "Max 8 decimal places."),
        ("maximum", "9.99", "Must be at least 10."),
        ("tries", "10", "Must be at least 1 and at most 9."),
        ("tries", "1.5", "'1.5' is not a whole number."),
        ("is_patient", "maybe", "'maybe' must be true or false."),
    ],
)
def test_what_cannot_be_is_told_in_words(name: str, text: str, told: str) -> None:
    with pytest.raises(BadSettings) as caught:
        from_texts(Wishes, {name: text})
    assert caught.value.problems == {name: told}


def test_what_two_fields_must_keep_between_them_is_told_too() -> None:
    @dataclass(frozen=True)
    class Pair:
        low: int = field(default=1, metadata={"label": "Low"})
        high: int = field(default=2, metadata={"label": "High"})

        def __post_init__(self) -> None:
            if self.low > self.high:
                raise ValueError("Low is above high.")

    with pytest.raises(BadSettings, match="Low is above high"):
        from_texts(Pair, {"low": "3"})


def test_mistake_in_comparing_two_fields_is_told_too() -> None:
    @dataclass(frozen=True)
    class Pair:
        low: int = field(default=1, metadata={"label": "Low"})
        high: int | None = field(default=2, metadata={"label": "High"})

        def __post_init__(self) -> None:
            assert self.low < self.high  # type: ignore[operator]

    with pytest.raises(BadSettings, match="TypeError: '<' not supported between instances of 'int' and 'NoneType'"):
        from_texts(Pair, {"high": ""})


def settings_of(kind: Any, **values: Any) -> type:
    return make_dataclass("Settings", [("each", kind, field(**values))], frozen=True)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (object, "not a dataclass"),
        (make_dataclass("Settings", []), "not frozen"),
        (settings_of(float, default=1.0, metadata={"label": "L"}), "must be Decimal, int or bool"),
        (settings_of(str, default="", metadata={"label": "L"}), "must be Decimal, int or bool"),
        (settings_of(D | int, default=1, metadata={"label": "L"}), "must be Decimal, int or bool"),
        (settings_of("Nowhere", default=1, metadata={"label": "L"}), "cannot be read"),
        (settings_of(int, default=1), "no label"),
        (settings_of(int, metadata={"label": "L"}), "no default"),
        (settings_of(D, default=1, metadata={"label": "L"}), "the default of Settings.each is not of type Decimal"),
        (
            settings_of(int, default=1, metadata={"label": "L", "above": D(0)}),
            "a bound of Settings.each is not of type int",
        ),
        (settings_of(int, default=1, metadata={"label": "L", "below": 1}), "breaks its own bounds: Must be below 1"),
        (settings_of(int, default=1, metadata={"label": "L", "max": 1}), "unknown metadata: max"),
        (settings_of(int, default=1, metadata={"label": "L", "percent": True}), "percent needs a fraction"),
        (settings_of("D | 3", default=D(1), metadata={"label": "L"}), "cannot be read"),
    ],
)
def test_a_class_that_no_form_can_be_made_of_says_why(settings: type, told: str) -> None:
    with pytest.raises(NotTyped, match=told):
        typed(settings)
