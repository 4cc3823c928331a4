"""`manage.py faults` against a running mock exchange, and without one."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from binance_mock.faults.kinds import KINDS
from hedgehog_project.ports import free_port
from tests.binance_mock.running import KEY, SECRET, Mock


@pytest.fixture
def shown(mock: Mock, settings: Any) -> Iterator[Mock]:
    settings.MOCK_PORT, settings.MOCK_API_KEY, settings.MOCK_API_SECRET = mock.port, KEY, SECRET
    mock.clear_faults()
    yield mock
    mock.clear_faults()


@pytest.fixture
def nobody(settings: Any) -> None:
    """No mock exchange runs."""
    settings.MOCK_PORT, settings.MOCK_API_KEY, settings.MOCK_API_SECRET = free_port(), KEY, SECRET


def faults(*arguments: str) -> str:
    out = StringIO()
    call_command("faults", *arguments, stdout=out, no_color=True)
    return out.getvalue()


def test_kinds_are_listed_without_an_exchange(nobody: None) -> None:
    said = faults("list")
    for kind in KINDS.values():
        assert f"  {kind.name} " in said
        assert kind.text in said


def test_a_fault_is_turned_on_shown_and_turned_off(shown: Mock) -> None:
    said = faults("on", "overloaded_1008", "--probability", "1", "--count", "3", "--for", "60", "--seed", "5")
    assert "overloaded_1008 is on, max 3 times, for 60 s, seed 5" in said
    shown.get("ping")
    assert "injected once, last 0 s ago, remaining: 2 times, " in faults("show")
    assert "overloaded_1008 is off, injected once" in faults("off", "overloaded_1008")
    assert faults("show").startswith("No fault is on.\nEnded:\n")
    assert faults("off") == "No fault was on.\n"


def test_it_is_narrowed_down(shown: Mock) -> None:
    arguments = ("--symbol", "ethusdt", "--side", "sell", "--endpoint", "POST order", "--delay-ms", "50")
    assert "once, ETHUSDT, SELL, POST order, delay_ms=50, seed " in faults("on", "accepted_late", *arguments)


def test_a_mix_from_a_seed_is_the_same_mix(shown: Mock) -> None:
    def kinds(said: str) -> list[str]:
        return [line.partition(": ")[2] for line in said.splitlines()[:-1]]

    first = faults("mix", "--seed", "3", "--for", "5")
    assert first.splitlines()[-1] == "This was mix --seed 3."
    faults("off", "all")
    assert kinds(faults("mix", "--seed", "3", "--for", "5")) == kinds(first)
    assert len(kinds(first)) >= 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("on", "answer_lots"), "Unknown fault 'answer_lots'. Did you mean answer_lost"),
        (("on", "answer_lost", "--count", "many"), "count must be a whole number"),
        (("on", "answer_lost", "--delay-ms", "1"), "answer_lost has no setting 'delay_ms'"),
        (("mix", "--for", "nan"), "--for takes a number of seconds"),
        (("off", "answer_lost"), "No fault answer_lost is on."),
        (("off", "9999"), "No fault 9999 is on."),
    ],
)
def test_what_can_not_be_is_one_line(shown: Mock, arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said) as raised:
        faults(*arguments)
    assert "\n" not in str(raised.value)


def test_no_exchange_is_one_line(nobody: None) -> None:
    for arguments in (("show",), ("on", "answer_lost"), ("off",), ("mix",)):
        with pytest.raises(CommandError, match="The mock exchange does not answer at"):
            faults(*arguments)
