"""A bug that is planted nowhere would be caught by nobody, and a stand-in that nobody calls changes nothing."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.simulation.mutants import hunting
from tests.simulation.run import Outcome
from tests.simulation.surroundings import line
from tests.simulation.surroundings.patches import NothingToReplaceError, Patches, our_modules
from trading import leader
from trading.risk import gate


@pytest.fixture
def patches() -> Iterator[Patches]:
    patches = Patches()
    yield patches
    patches.undo()


@cache
def _read_in(module: str) -> tuple[set[str], set[str]]:
    """The names that a module's code reads, and the attributes."""
    nodes = list(ast.walk(ast.parse(Path(str(sys.modules[module].__file__)).read_text())))
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return names, {node.attr for node in nodes if isinstance(node, ast.Attribute)}


def _is_read(where: Any, name: str) -> bool:
    """Whether any code of ours reads it there: by its name in that module, or as an attribute of whatever has it."""
    if isinstance(where, ModuleType) and name in _read_in(where.__name__)[0]:
        return True
    readers = [module.__name__ for module in (*our_modules(), line)]
    return any(name in _read_in(module)[1] for module in readers)


@pytest.mark.parametrize("bug", hunting.MUTANTS)
def test_each_bug_replaces_what_code_of_ours_reads(bug: str, patches: Patches) -> None:
    hunting.MUTANTS[bug](patches)
    assert patches.replaced
    for found in patches.replaced:
        assert any(_is_read(where, name) for where, name in found), f"nobody reads {found}"


def test_what_was_planted_is_gone_afterwards() -> None:
    patches, original = Patches(), leader.fill_slots
    patches.set(leader, "fill_slots", lambda: 0)
    patches.everywhere(gate.last_look, lambda order: None)
    patches.undo()
    assert leader.fill_slots is original


def test_a_name_that_is_gone_cannot_be_replaced(patches: Patches) -> None:
    with pytest.raises(NothingToReplaceError, match=r"trading\.leader has no renamed_long_ago"):
        patches.set(leader, "renamed_long_ago", None)
    with pytest.raises(NothingToReplaceError):
        patches.everywhere(object(), None)


def test_a_bug_that_cannot_be_planted_counts_as_one_that_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hunting.MUTANTS, "outdated", lambda patches: patches.set(leader, "renamed_long_ago", None))
    assert hunting.hunt(("outdated", 1, None)) == (
        "outdated",
        None,
        "it can't be planted: trading.leader has no renamed_long_ago",
    )


def test_a_seed_that_fails_without_a_bug_as_well_does_not_catch_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bug = next(iter(hunting.CONDITIONS))
    monkeypatch.setattr(hunting, "run", lambda seed, conditions: Outcome(seed, "R8: whatever is planted"))
    assert hunting.hunt((bug, 1, None)) == (bug, None, "seed 0 fails without it: R8: whatever is planted")


def test_only_planted_bugs_have_conditions_of_their_own() -> None:
    assert hunting.CONDITIONS.keys() <= hunting.MUTANTS.keys()
