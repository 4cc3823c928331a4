"""Whether `make run` runs in a home: who finds nothing running says so in one line."""

import os
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from hedgehog_project import run_lock
from hedgehog_project.launch import preflight
from tests.support.commands import said
from trading.models import Switch


@pytest.fixture
def home(tmp_path: Path, settings: Settings) -> Path:
    """A home in which it has ended, with nothing that answers."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lock").touch()
    settings.HEDGEHOG_HOME = tmp_path
    settings.REDIS_URL, settings.MOCK_PORT = "redis://127.0.0.1:1/0", 1
    return tmp_path


def stopped(home: Path) -> str:
    return f"Hedgehog is not running in {home}. Start it with `make run`."


def test_it_is_told_once_it_has_ended_and_not_where_it_runs_or_never_ran(tmp_path: Path) -> None:
    assert run_lock.told(tmp_path) == ""
    (tmp_path / "run").mkdir()
    with preflight.only_one(tmp_path, os.getpid()):
        assert run_lock.told(tmp_path) == ""
    assert run_lock.told(tmp_path) == stopped(tmp_path)


@pytest.mark.django_db
def test_status_says_it_first_and_nothing_of_what_follows_from_it(home: Path) -> None:
    told = said("status")
    assert told.startswith(stopped(home))
    for false in ("unknown: Redis does not answer", "can still exit", "Redis is down"):
        assert false not in told


@pytest.mark.django_db
@pytest.mark.parametrize("command", [("faults", "show"), ("reconcile", "mock"), ("audit", "mock")])
def test_who_asks_the_mock_exchange_is_told(home: Path, command: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as refused:
        call_command(*command)
    assert str(refused.value) == stopped(home)


@pytest.mark.django_db
def test_after_a_resume_no_trader_is_said_to_check(home: Path) -> None:
    Switch.objects.update_or_create(pk=1, defaults={"mode": "halted"})
    told = said("resume")
    assert stopped(home) in told
    assert "checking" not in told
