"""The tests' own surroundings: what the other tests rely on."""

import os
import sys
from pathlib import Path

import psycopg
import pytest
import redis
from django.conf import settings

from tests.support.environment import ROOT
from tests.support.machine.postgres import Cluster
from tests.support.machine.processes import Processes
from tests.support.pages.chromium import Browser


def test_nothing_of_the_developer_is_used() -> None:
    assert settings.HEDGEHOG_HOME != ROOT / "var"
    assert settings.HEDGEHOG_HOME.name.startswith("hedgehog-tests-")
    assert settings.BINANCE_API_KEY == ""


def test_redis_is_empty_and_of_the_run(redis_client: "redis.Redis") -> None:
    assert redis_client.dbsize() == 0
    redis_client.set("a", "b")
    assert redis_client.get("a") == b"b"


def test_a_process_that_ends_too_late_fails_with_its_log(processes: Processes) -> None:
    process = processes.start(sys.executable, "-c", "import time; print('here I am'); time.sleep(60)")
    with pytest.raises(AssertionError, match="here I am"):
        processes.wait_for(lambda: not process.is_running, timeout_s=1)
    process.kill()
    assert not process.is_running


def test_processes_leave_nothing_behind(tmp_path: Path) -> None:
    started = Processes(tmp_path)
    process = started.start(
        sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    )
    started.stop_all()
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_a_postgresql_database_is_made_for_a_test(postgres: Cluster) -> None:
    first, second = postgres.create(), postgres.create()
    assert first != second
    with psycopg.connect(first) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_the_browser_sees_what_scripts_draw_and_what_they_throw(chromium: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p></p><script>document.querySelector('p').innerText = 'drawn'; throw Error('oops')</script>")
    chromium.open(page.as_uri())
    assert chromium.text == "drawn"
    assert "oops" in str(chromium.errors)
    assert chromium.screenshot(tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
