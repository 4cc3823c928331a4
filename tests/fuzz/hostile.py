"""JSON that nobody should send: nested without end, half characters, numbers that are none, bytes without a text."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

# As they stand in the text, whatever Python can make of them.
VALUES = (
    b"[" * 100_000,
    b"[" * 500 + b"]" * 500,
    b'{"a":' * 500 + b"1" + b"}" * 500,
    b'{"a":' * 60 + b"1" + b"}" * 60,
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\xed\xa0\x80"',
    b'"\\u0000"',
    b'"\xff\xfe"',
    b'"\xc3"',
    b"9" * 5_000,
    b"9" * 30,
    b"-" + b"9" * 30,
    b"9223372036854775808",
    b"1e400",
    b"1e-400",
    b"0.1",
    b"NaN",
    b"-Infinity",
    b'"NaN"',
    b'"1e999999999"',
    b'"' + b"9" * 5_000 + b'"',
    b'"' + b"x" * 2**20 + b'"',
    b"[]",
    b"{}",
    b"true",
    b"null",
    b'""',
)


def written(fields: dict[str, Any], **raw: bytes) -> bytes:
    """The object with these values as they are; a name that it has already comes twice."""
    parts = [json.dumps(fields)[1:-1].encode()] if fields else []
    return b"{" + b",".join([*parts, *(f'"{name}":'.encode() + value for name, value in raw.items())]) + b"}"


@st.composite
def hostile(draw: st.DrawFn, whole: dict[str, Any], *names: str) -> bytes:
    """The message with one or two such values in place of its own, or beside it under the same name."""
    chosen = draw(st.lists(st.sampled_from([*whole, *names]), min_size=1, max_size=2, unique=True))
    raw = {name: draw(st.sampled_from(VALUES)) for name in chosen}
    kept = whole if draw(st.booleans()) else {name: value for name, value in whole.items() if name not in raw}
    return draw(st.sampled_from([written(kept, **raw), next(iter(raw.values()))]))


def can_be_kept(value: Any) -> bool:
    """Whether it can go into a task, a database's texts and a log."""
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    return not any("\0" in text for text in _texts(value))


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from _texts(each)
        case dict():
            for name, each in value.items():
                yield name
                yield from _texts(each)
