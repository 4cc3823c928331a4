"""A strategy's settings, read from their dataclass: what a form asks for, and the text that a database keeps.

A field's metadata says what people see and may write:

    label, help         for its form
    above, below        exclusive bounds
    at_least, at_most   inclusive ones
    percent             True: a fraction (0.01) that people read and write in per cent (1)
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import Any

from trading.core.money import EXACT, plain

Value = Decimal | int | bool | None
KINDS = (Decimal, int, bool)
METADATA = frozenset({"label", "help", "above", "below", "at_least", "at_most", "percent"})
# What the database and the exchange keep of an amount.
PLACES = 8
MAX = Decimal(92233720368)
# More than any number has that can be kept.
_MAX_LETTERS = 40


class BadSettings(ValueError):
    """Settings that a strategy can't work with; `problems` says by field what is wrong, in words for people."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in problems.items()))
        self.problems = dict(problems)


class NotTyped(TypeError):
    """A class of settings that no form can be made of; the text says why."""


@dataclass(frozen=True)
class Typed:
    """One setting. `kind` is Decimal, int or bool; `is_optional`: it may be left empty (None)."""

    name: str
    kind: type
    default: Value
    label: str
    help: str
    is_optional: bool = False
    is_percent: bool = False
    above: Decimal | int | None = None
    below: Decimal | int | None = None
    at_least: Decimal | int | None = None
    at_most: Decimal | int | None = None

    def problem(self, value: Value) -> str | None:
        """What is wrong with a value of the right kind; None where nothing is."""
        if value is None:
            return None if self.is_optional else "This field is required."
        if isinstance(value, Decimal):
            if not value.is_finite():
                return f"{value} is not a number."
            if not -MAX < value < MAX:
                return "Out of range."
            if _places(value) > PLACES:
                return f"Max {PLACES - 2 if self.is_percent else PLACES} decimal places."
        if isinstance(value, bool) or self._keeps_bounds(value):
            return None
        bounds = (
            ("above", self.above),
            ("at least", self.at_least),
            ("below", self.below),
            ("at most", self.at_most),
        )
        words = [f"{word} {self.shown(bound)}" for word, bound in bounds if bound is not None]
        return f"Must be {' and '.join(words)}."

    def _keeps_bounds(self, value: Decimal | int) -> bool:
        return not (
            (self.above is not None and value <= self.above)
            or (self.at_least is not None and value < self.at_least)
            or (self.below is not None and value >= self.below)
            or (self.at_most is not None and value > self.at_most)
        )

    def shown(self, value: Value) -> str:
        """The value as people read it."""
        if value is None:
            return "–"
        if isinstance(value, bool):
            return "yes" if value else "no"
        if self.is_percent:
            return f"{plain(Decimal(value).scaleb(2))} %"
        return plain(Decimal(value))

    def value(self, text: str) -> Value:
        """What `text` has written. Raises ValueError in words for people."""
        if text == "":
            return None
        if self.kind is bool:
            if text not in ("true", "false"):
                raise ValueError(f"{text!r} must be true or false.")
            return text == "true"
        try:
            if len(text) > _MAX_LETTERS:
                raise ValueError
            return int(text) if self.kind is int else Decimal(text)
        except (ValueError, InvalidOperation):
            raise ValueError(
                f"{text[:_MAX_LETTERS]!r} is not a {'whole ' if self.kind is int else ''}number."
            ) from None


def text_of(value: Value) -> str:
    """A value as the database keeps it: exact, and empty for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return plain(value) if isinstance(value, Decimal) else str(value)


def typed(settings: type) -> tuple[Typed, ...]:
    """The fields of a class of settings, in their order. Raises NotTyped where no form can be made of it."""
    if not isinstance(settings, type) or not dataclasses.is_dataclass(settings):
        raise NotTyped("Settings is not a dataclass")
    return _fields_of(settings)


@cache
def _fields_of(settings: Any) -> tuple[Typed, ...]:
    if not settings.__dataclass_params__.frozen:
        raise NotTyped("Settings is not frozen: write @dataclass(frozen=True)")
    try:
        hints = typing.get_type_hints(settings)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        raise NotTyped(f"the types of Settings cannot be read: {error}") from None
    return tuple(_typed(field, hints[field.name]) for field in dataclasses.fields(settings))


def to_texts(settings: Any) -> dict[str, str]:
    """An instance of a class of settings, as the database keeps it."""
    return {each.name: text_of(getattr(settings, each.name)) for each in typed(type(settings))}


def from_texts(settings: type, texts: Mapping[str, str]) -> Any:
    """The instance that `to_texts` has written. Raises BadSettings.

    What a newer module no longer knows is left out, and what it has new has its default.
    """
    return _made(settings, tuple((name, str(text)) for name, text in texts.items()))


# Each look at a trader asks for the settings that it had the last time, and nothing can change an instance.
@lru_cache(maxsize=1_000)
def _made(settings: type, written: tuple[tuple[str, str], ...]) -> Any:
    texts = dict(written)
    values: dict[str, Value] = {}
    problems: dict[str, str] = {}
    for each in typed(settings):
        if each.name not in texts:
            values[each.name] = each.default
            continue
        try:
            value = values[each.name] = each.value(texts[each.name])
        except ValueError as error:
            problems[each.name] = str(error)
            continue
        problem = each.problem(value)
        if problem:
            problems[each.name] = problem
    if problems:
        raise BadSettings(problems)
    try:
        return settings(**values)
    except ValueError as error:  # Its own __post_init__ compares what the bounds of one field can't.
        raise BadSettings({"__all__": str(error)}) from None
    except Exception as error:  # A mistake in it, such as comparing what was left empty, is its author's to read.
        raise BadSettings({"__all__": f"invalid combination of settings: {type(error).__name__}: {error}"}) from error


def _typed(field: dataclasses.Field[Any], hint: Any) -> Typed:
    name, metadata = field.name, dict(field.metadata)
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) or typing.get_origin(hint) else (hint,)
    kind = next((each for each in kinds if each in KINDS), None)
    if kind is None or not set(kinds) <= {kind, type(None)}:
        raise NotTyped(f"Settings.{name} must be Decimal, int or bool, with or without None")
    if unknown := sorted(set(metadata) - METADATA):
        raise NotTyped(f"Settings.{name} has unknown metadata: {', '.join(unknown)}")
    if "label" not in metadata:
        raise NotTyped(f"Settings.{name} has no label in metadata")
    if metadata.get("percent") and kind is not Decimal:
        raise NotTyped(f"Settings.{name} is not a Decimal: percent needs a fraction")
    if field.default is dataclasses.MISSING:
        raise NotTyped(f"Settings.{name} has no default")
    if field.default is not None and type(field.default) is not kind:
        raise NotTyped(f"the default of Settings.{name} is not of type {kind.__name__}")
    bounds = {bound: metadata.get(bound) for bound in ("above", "below", "at_least", "at_most")}
    if any(type(bound) is not kind for bound in bounds.values() if bound is not None):
        raise NotTyped(f"a bound of Settings.{name} is not of type {kind.__name__}")
    made = Typed(
        name,
        kind,
        field.default,
        str(metadata["label"]),
        str(metadata.get("help", "")),
        is_optional=type(None) in kinds,
        is_percent=bool(metadata.get("percent", False)),
        **bounds,
    )
    if problem := made.problem(field.default):
        raise NotTyped(f"the default of Settings.{name} breaks its own bounds: {problem}")
    return made


def _places(value: Decimal) -> int:
    exponent = value.normalize(EXACT).as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
