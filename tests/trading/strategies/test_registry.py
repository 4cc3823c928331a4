"""Which strategies there are, and what is said of a module that is none."""

import sys
from decimal import getcontext
from pathlib import Path

import pytest
from django.core.management.base import BaseCommand
from pytest_django import Settings

from tests.support.machine.processes import Processes
from trading.core import old_names, steps
from trading.strategies import registry
from trading.strategies.checks import check_strategies

WHOLE = """
from dataclasses import dataclass
name = "mine"
@dataclass(frozen=True)
class Settings: ...
def decide(position, event, filters, settings): ...
def triggers(position, filters, settings): ...
"""


@pytest.fixture(autouse=True)
def fresh(request: pytest.FixtureRequest) -> None:
    registry.known.cache_clear()
    request.addfinalizer(registry.known.cache_clear)
    old_names.used.clear()
    request.addfinalizer(old_names.used.clear)


def write(folder: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, **sources: str) -> None:
    """Modules of these names, all named in the setting."""
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(folder))
    settings.HEDGEHOG_STRATEGIES = list(sources)


def test_hedgehogs_own_are_always_there() -> None:
    assert list(registry.known().strategies) == ["naive", "trailing"]
    assert check_strategies() == []


def test_a_module_that_is_named_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    write(tmp_path, monkeypatch, settings, strategy_of_mine=WHOLE)
    assert registry.find("mine").name == "mine"
    assert check_strategies() == []


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import nowhere_at_all", "cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
        (WHOLE.replace('name = "mine"', ""), "a name is missing"),
        (WHOLE.replace('"mine"', "7"), "a name is missing"),
        (WHOLE.replace('"mine"', '"Mine!"'), "the name 'Mine!' must be lower-case letters"),
        (WHOLE.replace('"mine"', '"naive"'), "the name 'naive' is taken"),
        (WHOLE.replace("def decide", "def decided"), "function decide is missing"),
        (WHOLE.replace("def triggers", "def triggered"), "function triggers is missing"),
        ("def decide(:", "cannot be imported: SyntaxError: invalid syntax (strategy_of_mine.py, line 1)"),
        ("raise ValueError('one\\ntwo')", "cannot be imported: ValueError: one two"),
        ("import sys; sys.exit('bye')", "cannot be imported: SystemExit: bye"),
        (
            WHOLE.replace("position, event, filters", "position, filters"),
            "function decide must take (position,",
        ),
        (
            WHOLE.replace("triggers(position,", "triggers(position, event,"),
            "function triggers must take (",
        ),
        (WHOLE.replace("class Settings", "class Other"), "class Settings is missing"),
        (WHOLE.replace("@dataclass(frozen=True)", ""), "Settings is not a dataclass"),
        (
            WHOLE.replace("Settings: ...", "Settings:\n  def __post_init__(self):\n    raise ValueError('Never.')"),
            "invalid defaults in Settings: Never.",
        ),
        (WHOLE.replace("(frozen=True)", ""), "Settings is not frozen"),
        (WHOLE.replace("class Settings: ...", "class Settings:\n  size: float = 1.0"), "Settings.size must be"),
    ],
)
def test_a_module_that_is_no_strategy_is_left_out_and_told_in_one_line(
    source: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    write(tmp_path, monkeypatch, settings, strategy_of_mine=source)
    (found,) = check_strategies()
    assert found.msg.startswith(f"HEDGEHOG_STRATEGIES: strategy_of_mine: {told}")
    assert "\n" not in found.msg
    assert set(registry.known().strategies) == {"naive", "trailing"}


def test_module_that_is_no_strategy_keeps_nobody_from_halting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, monkeypatch, settings, strategy_of_mine="def decide(:")
    BaseCommand().check()  # what `manage.py halt` does first; it raises SystemCheckError for errors
    assert "strategy_of_mine: cannot be imported: SyntaxError" in capsys.readouterr().err


def test_module_that_hangs_when_it_is_imported_keeps_no_process_from_starting(
    tmp_path: Path, processes: Processes
) -> None:
    (tmp_path / "strategy_of_mine.py").write_text("while True: pass")
    started = {"HEDGEHOG_STRATEGIES": "strategy_of_mine", "PYTHONPATH": tmp_path}
    ended = processes.run("shell", "-c", "print('up')", timeout_s=30, **started)
    assert ended.stdout.endswith("up\n"), ended.stderr


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_module_that_uses_old_names_is_a_strategy_and_the_check_tells_the_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    old = "from trading.core.risk import Rules\nfrom trading.core.steps import buy_under as buy, percent\n"
    write(tmp_path, monkeypatch, settings, strategy_of_mine=old + WHOLE)
    assert [each.msg for each in check_strategies()] == [
        "strategy_of_mine uses trading.core.risk.Rules, which is now trading.core.filters.SymbolFilters.",
        "strategy_of_mine uses trading.core.steps.buy_under, which is now trading.core.steps.buy_below.",
    ]
    assert registry.find("mine").buy is steps.buy_below  # type: ignore[attr-defined]


def test_a_module_that_makes_decimals_compute_differently_changes_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    write(tmp_path, monkeypatch, settings, coarse="import decimal\ndecimal.getcontext().prec = 4\n" + WHOLE)
    before = getcontext().prec
    assert registry.find("mine").name == "mine"
    assert getcontext().prec == before


def test_the_check_reads_old_names_in_functions_that_have_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    later = """
from trading.core import steps

def later(position):
    import trading.core.events
    from trading.core.risk import refusal
    class Mine: leave = 1
    Mine.leave, steps.buy_below
    return position.has_told_rebuy, steps.buy_under, trading.core.events.Nudged
"""
    write(tmp_path, monkeypatch, settings, strategy_of_mine=WHOLE + later)
    assert [each.msg for each in check_strategies()] == [
        "strategy_of_mine uses Position.has_told_rebuy, which is now has_requested_slot.",
        "strategy_of_mine uses trading.core.events.Nudged, which is now trading.core.events.Recheck.",
        "strategy_of_mine uses trading.core.risk.refusal, which is now trading.core.filters.violation.",
        "strategy_of_mine uses trading.core.steps.buy_under, which is now trading.core.steps.buy_below.",
    ]


def test_two_of_one_name_the_first_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    write(tmp_path, monkeypatch, settings, first_of_mine=WHOLE, second_of_mine=WHOLE)
    (found,) = check_strategies()
    assert "second_of_mine: the name 'mine' is taken" in found.msg
    assert registry.find("mine").__name__ == "first_of_mine"  # type: ignore[attr-defined]


def test_one_whose_module_cannot_be_imported_here_is_told_from_one_that_is_not_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, monkeypatch, settings, strategy_of_mine="def decide(:")
    with pytest.raises(registry.UnknownStrategy, match=r"strategy_of_mine cannot be used here; `manage.py check`"):
        registry.find("mine")
    assert caplog.text == ""  # The check has shown it; of a worker nobody sees that.
    registry.log_problems()
    assert "strategy not loaded: strategy_of_mine: cannot be imported: SyntaxError" in caplog.text


def test_an_unknown_name_says_where_to_look() -> None:
    with pytest.raises(registry.UnknownStrategy, match=r"unknown strategy 'gone'.*HEDGEHOG_STRATEGIES"):
        registry.find("gone")
