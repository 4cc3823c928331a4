"""JSON and texts from outside: read so that they can be stored, logged and sent on, or refused with one error."""

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

# Whoever decodes by msgspec, for speed, meets one of these: no JSON, no UTF-8, out of range, nested too deep.
UNREADABLE = (ValueError, RecursionError, OverflowError)

# Exchanges nest five deep. What is nested deeper than Python's own limit can't be read, and what comes near to it
# can't be written again: into the database, into a task, into a log.
MAX_DEPTH = 64
_LONGEST_INTEGER = 20
_REPLACED = "\N{REPLACEMENT CHARACTER}"
# Half a character, which no encoding writes, and the one that PostgreSQL does not keep.
_UNSTORABLE = re.compile("[\ud800-\udfff\0]")
_ESCAPED = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_TEXT_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


class Unreadable(ValueError):
    """No JSON that anybody could go on with. The text is for people, and repeats nothing of it."""


def storable(text: str) -> str:
    """The text without what a database or an encoding would stumble over."""
    return _UNSTORABLE.sub(_REPLACED, text)


def one_line(error: BaseException) -> str:
    """An error's words without their line breaks. What must not show is still in them: hiding.py."""
    return " ".join(str(error).split())


def quotable(body: str, max_chars: int = 200) -> str:
    """What an answer says, in a line for people; empty where it is a page of HTML, which its status says as well."""
    text = " ".join(body.split())
    return "" if text.startswith("<") else text[:max_chars]


def sentence(text: str) -> str:
    """Other people's words with a full stop, unless they end a sentence by themselves."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def whole_number(text: str) -> int | None:
    """The number in a header, such as a count or seconds to wait; None where it is none that anybody could mean."""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def read_json(data: bytes | str, parse_float: Callable[[str], Any] | None = None) -> Any:
    """The value of a JSON text; all texts in it are storable. Raises Unreadable.

    Bytes that are no UTF-8 are replaced. What is no number, or an integer of more than 64 bits, is refused.
    """
    text = data.decode(errors="replace") if isinstance(data, bytes) else storable(data)
    if _is_too_deep(text):
        raise Unreadable(f"nested deeper than {MAX_DEPTH}")
    try:
        value = json.loads(text, parse_float=parse_float or _float, parse_int=_integer, parse_constant=_refuse)
    except Unreadable:
        raise
    except UNREADABLE as error:
        raise Unreadable(
            f"not JSON ({error.msg})" if isinstance(error, json.JSONDecodeError) else "not JSON"
        ) from None
    # Only an escape can stand for what is not storable: the rest of the text is.
    return _cleaned(value) if _ESCAPED.search(text) else value


def _is_too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for found in _TEXT_OR_BRACKET.finditer(text):
        match found[0]:
            case "[" | "{":
                depth += 1
                if depth > MAX_DEPTH:
                    return True
            case "]" | "}":
                depth -= 1
    return False


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER or not -(2**63) <= int(digits) < 2**63:
        raise Unreadable("contains an integer of more than 64 bits")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise Unreadable("contains a number that is too large")
    return number


def _refuse(constant: str) -> NoReturn:
    raise Unreadable(f"contains {constant}, which is not a number")


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    if isinstance(value, dict):
        return {storable(name): _cleaned(each) for name, each in value.items()}
    return value
