"""Which strategies there are: those that ship, and those of the modules that HEDGEHOG_STRATEGIES names."""

import importlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from django.conf import settings

from trading.core import naive
from trading.core.strategy import Strategy
from trading.strategies import trailing
from trading.strategies.typed import NotTyped, typed

log = logging.getLogger(__name__)

OWN: tuple[Strategy, ...] = (naive, trailing)
NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


class UnknownStrategy(LookupError):
    """No strategy of this name is here: its module was taken out of HEDGEHOG_STRATEGIES, or can't be imported."""


@dataclass(frozen=True)
class Known:
    """The strategies by name, and in one line each what is wrong with a module that was named."""

    strategies: Mapping[str, Strategy]
    problems: tuple[str, ...]


@cache
def known() -> Known:
    """Imports the modules, once a process. A module that can't be used is left out."""
    found: dict[str, Strategy] = {each.name: each for each in OWN}
    problems = []
    for module in settings.HEDGEHOG_STRATEGIES:
        try:
            strategy = _usable(module)
            if strategy.name in found:
                raise NotUsable(f"the name {strategy.name!r} is taken")
        except NotUsable as error:
            problems.append(f"{module}: {error}")
            log.error("strategy not loaded: %s: %s", module, error)
        else:
            found[strategy.name] = strategy
    return Known(MappingProxyType(found), tuple(problems))


def find(name: str) -> Strategy:
    """Raises UnknownStrategy in words for people."""
    try:
        return known().strategies[name]
    except KeyError:
        raise UnknownStrategy(f"there is no strategy {name!r}: is its module named in HEDGEHOG_STRATEGIES?") from None


def may_ask_for_more(name: str) -> bool:
    """Whether traders of this strategy ask for others beside them: those that read a rebuy_interval."""
    strategy = known().strategies.get(name)
    return strategy is None or any(each.name == "rebuy_interval" for each in typed(strategy.Settings))


class NotUsable(Exception):
    """Why a module is no strategy."""


def _usable(module: str) -> Strategy:
    try:
        found = importlib.import_module(module)
    except Exception as error:  # whatever a stranger's module raises is its owner's to read
        raise NotUsable(f"can't be imported: {type(error).__name__}: {error}") from error
    name = getattr(found, "name", None)
    if not isinstance(name, str):
        raise NotUsable('it has no name: write name = "..."')
    if not NAME.fullmatch(name):
        raise NotUsable(f"its name {name!r} is not of small letters, digits and _ (at most 32)")
    for function in ("decide", "triggers"):
        if not callable(getattr(found, function, None)):
            raise NotUsable(f"it has no function {function}")
    try:
        typed(getattr(found, "Settings", type(None)))
    except NotTyped as error:
        raise NotUsable(str(error)) from None
    return found


def about(strategy: Strategy) -> str:
    """The first sentence of its module's docstring, or of its class's."""
    text = " ".join((strategy.__doc__ or "").split("\n\n")[0].split())
    text = text.partition(": ")[2] or text
    return text[:1].upper() + text[1:]
