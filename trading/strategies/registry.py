"""Which strategies there are: those that ship, and those of the modules that HEDGEHOG_STRATEGIES names."""

import importlib
import inspect
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache
from types import MappingProxyType
from typing import Any

from django.conf import settings

from trading.core.strategy import Strategy
from trading.strategies import naive, trailing
from trading.strategies.typed import BadSettings, NotTyped, Typed, from_texts, typed

log = logging.getLogger(__name__)

OWN: tuple[Strategy, ...] = (naive, trailing)
# What a symbol begins with. Its settings are offered for many symbols at once, and profiles name them.
FIRST: Strategy = naive
COMMON: Mapping[str, Typed] = MappingProxyType({each.name: each for each in typed(naive.Settings)})
TAKES = {"decide": ("position", "event", "filters", "settings"), "triggers": ("position", "filters", "settings")}
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
        else:
            found[strategy.name] = strategy
    return Known(MappingProxyType(found), tuple(problems))


def log_problems() -> None:
    """For a process that shows no system checks, which tell the same to everybody else."""
    for problem in known().problems:
        log.error("strategy not loaded: %s", problem)


def find(name: str) -> Strategy:
    """Raises UnknownStrategy in words for people."""
    try:
        return known().strategies[name]
    except KeyError:
        problems = known().problems
        where = "is its module listed in HEDGEHOG_STRATEGIES?"
        if problems:
            modules = ", ".join(problem.partition(":")[0] for problem in problems)
            where = f"of HEDGEHOG_STRATEGIES, {modules} cannot be used here; `manage.py check` shows why"
        raise UnknownStrategy(f"unknown strategy {name!r}: {where}") from None


def worst_exit(strategy: Strategy, settings: Any) -> Decimal | None:
    """The lowest part of a buy's price at which its traders may have to sell, where one of ours says so."""
    says: Callable[[Any], Decimal | None] | None = getattr(strategy, "worst_exit", None) if ships(strategy) else None
    return None if says is None else says(settings)


def ships(strategy: Strategy) -> bool:
    """Whether it is one of ours."""
    return any(strategy is each for each in OWN)


class NotUsable(Exception):
    """Why a module is no strategy."""


def _usable(module: str) -> Strategy:
    try:
        with localcontext():  # How a module makes decimals compute is its own business.
            found = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # whatever a stranger's module raises is its owner's to read
        raise NotUsable(f"cannot be imported: {_in_a_line(error)}") from error
    name = getattr(found, "name", None)
    if not isinstance(name, str):
        raise NotUsable('a name is missing: write name = "..."')
    if not NAME.fullmatch(name):
        raise NotUsable(f"the name {name!r} must be lower-case letters, digits and _ (max 32)")
    for function, takes in TAKES.items():
        its = getattr(found, function, None)
        if not callable(its):
            raise NotUsable(f"function {function} is missing")
        if not _takes(its, len(takes)):
            raise NotUsable(f"function {function} must take ({', '.join(takes)})")
    made = getattr(found, "Settings", None)
    if made is None:
        raise NotUsable("class Settings is missing")
    try:
        typed(made)
        from_texts(made, {})
    except NotTyped as error:
        raise NotUsable(str(error)) from None
    except BadSettings as error:
        raise NotUsable(f"invalid defaults in Settings: {' '.join(error.problems.values())}") from None
    return found


def _takes(function: Callable[..., Any], count: int) -> bool:
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:
        return True  # Its signature can't be known, as of some that are written in C.
    return True


def _in_a_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def about(strategy: Strategy) -> str:
    """The first sentence of its module's docstring, or of its class's."""
    text = " ".join((strategy.__doc__ or "").split("\n\n")[0].split())
    text = text.partition(": ")[2] or text
    return text[:1].upper() + text[1:]
