"""What is read of JSON from outside can be kept and sent on, and what can't be read is refused with one error."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgehog_project.outside import MAX_DEPTH, Unreadable, read_json, sentence, storable, whole_number
from tests.fuzz.conftest import BOUNDED
from tests.fuzz.hostile import VALUES, can_be_kept, hostile
from tests.fuzz.test_frames import JSON, REPORT, encoded


@BOUNDED
@given(st.binary(max_size=200) | st.text(max_size=60) | encoded(JSON) | hostile(REPORT))
def test_what_is_read_can_be_kept(data: bytes | str) -> None:
    try:
        value = read_json(data)
    except Unreadable as error:
        assert str(error)
        assert len(str(error)) < 200
        return
    assert can_be_kept(value)


@BOUNDED
@given(JSON.filter(lambda value: can_be_kept_as_it_is(value)))
def test_ordinary_json_is_read_as_it_is(value: Any) -> None:
    assert read_json(json.dumps(value)) == value


def can_be_kept_as_it_is(value: Any) -> bool:
    try:
        return can_be_kept(value) and all(abs(each) < 2**63 for each in numbers(value))
    except ValueError:
        return False


def numbers(value: Any) -> list[int]:
    inner = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return [value] if isinstance(value, int) else [each for one in inner for each in numbers(one)]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:12].decode(errors="replace") + f"…{len(value)}")
def test_each_hostile_value_is_read_or_refused(value: bytes) -> None:
    try:
        assert can_be_kept(read_json(b'{"msg":' + value + b"}"))
    except Unreadable:
        return


def test_nesting_is_bounded_and_brackets_in_texts_are_none() -> None:
    read_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    with pytest.raises(Unreadable, match="nested deeper"):
        read_json("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))
    # Texts that look as if they closed what is open do not.
    with pytest.raises(Unreadable, match="nested deeper"):
        read_json('["]]]]", ' * 200 + "1" + "]" * 200)
    assert read_json(json.dumps(["[" * 1000, '\\"[[']))


def test_of_a_key_that_comes_twice_the_last_one_counts() -> None:
    assert read_json('{"a": 1, "a": 2}') == {"a": 2}


def test_whole_characters_stay_and_halves_are_replaced() -> None:
    assert read_json(r'"\ud83d\ude00"') == "😀"
    assert read_json(r'{"\ud83d": "\ude00 and \u0000"}') == {"�": "� and �"}
    assert read_json(r'"\\ud800"') == r"\ud800"
    assert storable("a\ud800b\0c") == "a�b�c"


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0), ("5900", 5900), ("", None), ("-1", None), ("٣", None), ("9" * 5_000, None)]
)
def test_a_header_holds_a_number_or_none(text: str, number: int | None) -> None:
    assert whole_number(text) == number


@pytest.mark.parametrize(
    ("text", "told"),
    [("disk full", "disk full."), ("Refused.", "Refused."), ("Is it running?", "Is it running?"), ("No!", "No!")],
)
def test_a_sentence_ends_once(text: str, told: str) -> None:
    assert sentence(text) == told
