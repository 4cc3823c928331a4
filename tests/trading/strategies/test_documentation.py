"""The strategy of docs/strategies.md is one, in forty lines, and its test passes."""

import dataclasses
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pytest_django import Settings

from tests.support.environment import ROOT
from trading.core import old_names, steps
from trading.core.strategy import Decision, Event, Position
from trading.strategies import registry
from trading.strategies.checks import check_strategies
from trading.strategies.typed import METADATA

TEXT = (ROOT / "docs" / "strategies.md").read_text()
FILES = dict(re.findall(r"^```python (\w+\.py)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL))


@pytest.fixture
def documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, source in FILES.items():
        (tmp_path / name).write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def documented_tests(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(source, "test_dip.py", "exec"), names)
    return {name: test for name, test in names.items() if name.startswith("test_")}


def test_the_documented_test_passes(documented: Path) -> None:
    tests = documented_tests(FILES["test_dip.py"])
    assert len(tests) == 3
    for test in tests.values():
        test()


def test_the_documented_strategy_is_known_by_its_name(
    documented: Path, settings: Settings, request: pytest.FixtureRequest
) -> None:
    settings.HEDGEHOG_STRATEGIES = ["dip"]
    registry.known.cache_clear()
    request.addfinalizer(registry.known.cache_clear)
    old_names.used.clear()
    assert check_strategies() == []
    assert registry.about(registry.find("dip")).startswith("Buys once the price has fallen slightly below")


def test_it_has_some_forty_lines() -> None:
    lines = [line for line in FILES["dip.py"].splitlines() if line.strip()]
    assert len(lines) <= 42


def told_under(heading: str) -> set[str]:
    return set(re.findall(r"`(\w+)[`(]", TEXT.partition(f"## {heading}\n")[2].partition("\n## ")[0]))


def test_each_decision_and_each_event_is_told() -> None:
    assert told_under("What decide may answer") >= {each.__name__ for each in get_args(Decision)}
    assert told_under("What decide sees") >= {each.__name__ for each in get_args(Event)}


def test_each_field_of_a_position_and_each_building_block_that_is_told_exists() -> None:
    fields = {each.name for each in dataclasses.fields(Position)} - {"has_tried_values", "carried_cost"}
    assert told_under("What decide sees") >= fields
    blocks = re.findall(
        r"^\| ((?:`\w+`(?:, )?)+) \|", TEXT.partition("| building block |")[2].partition("\n## ")[0], re.M
    )
    names = re.findall(r"`(\w+)`", " ".join(blocks))
    assert len(names) == 6
    assert all(callable(getattr(steps, name)) for name in names)


def test_each_key_of_the_metadata_is_told() -> None:
    told = set(re.findall(r"`(\w+)`", TEXT.partition("## Settings")[2].partition("##")[0]))
    assert told >= METADATA
