"""What each process of `make run` loads: all that it needs, and of pages nothing where it shows none."""

import json
import os
import subprocess
import sys
from functools import cache

import pytest

from hedgehog_project import installed
from hedgehog_project.processes import NAMES
from tests.support.environment import ROOT

# What each runs, by the module in which it begins.
BEGINS = {
    "mock_exchange": "binance_mock.management.commands.mock_exchange",
    "streamer": "streamer.management.commands.stream",
    "dispatcher": "trading.management.commands.dispatch",
    "worker": "trading.tasks",
    "worker_exits": "trading.tasks",
    "beat": "hedgehog_project.beat",
    "standby": "trading.management.commands.standby",
}
PAGES = {"unfold", "console", "django.contrib.admin", "hedgehog_project.urls"}
SCRIPT = """
import importlib, json, sys
import django
from django.core.checks import run_checks
django.setup()
importlib.import_module(sys.argv[1])
problems = [str(problem) for problem in run_checks()]
print(json.dumps([problems, sorted(sys.modules)]))
"""


@cache
def loaded(process: str) -> tuple[list[str], frozenset[str]]:
    """What its checks say, and the modules that it has loaded when it begins."""
    settings = {"HEDGEHOG_PROCESS": process, "DJANGO_SETTINGS_MODULE": "hedgehog_project.settings"}
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT, BEGINS[process]],
        cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    problems, modules = json.loads(told.stdout)
    return problems, frozenset(modules)


@pytest.mark.parametrize("process", BEGINS)
def test_one_that_shows_nothing_begins_and_is_checked_without_anything_to_show(process: str) -> None:
    problems, modules = loaded(process)
    assert problems == []
    assert modules & PAGES == set()
    assert modules.isdisjoint({"binance.client", "gunicorn", "flower"}), "imported where it is used"


def test_who_queues_no_task_loads_no_celery() -> None:
    for process in ("streamer", "mock_exchange"):
        assert "celery" not in loaded(process)[1], process


def test_all_but_the_mock_exchange_leave_aiohttp_alone() -> None:
    assert [process for process in BEGINS if "aiohttp" in loaded(process)[1]] == ["mock_exchange"]


@pytest.mark.parametrize("process", BEGINS)
def test_nothing_that_trades_loads_what_reads_the_past(process: str) -> None:
    """170 MB on the disk, a fifth of a second and 50 MB of memory, for those alone who look back."""
    assert loaded(process)[1].isdisjoint({"numpy", "pyarrow"})


def test_the_web_server_loads_it_where_a_page_needs_it() -> None:
    loads = "import django, sys; django.setup(); import hedgehog_project.urls"
    script = f"{loads}; print({{'numpy', 'pyarrow'}} & {{*sys.modules}})"
    settings = {"HEDGEHOG_PROCESS": "web", "DJANGO_SETTINGS_MODULE": "hedgehog_project.settings"}
    told = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "set()\n"


def test_whoever_trades_has_all_rows_that_belong_to_traders() -> None:
    for process in ("dispatcher", "worker", "worker_exits", "standby"):
        assert {"trading", "streamer", "hedgehog_project"} <= set(installed.apps_of(process))


@pytest.mark.parametrize("process", ["", "web", "flower", "a_command"])
def test_any_other_process_loads_everything(process: str) -> None:
    assert installed.apps_of(process) == list(installed.EVERYTHING)
    assert installed.shows_pages(process)


def test_only_processes_of_make_run_load_less() -> None:
    less = {name for name in NAMES if not installed.shows_pages(name)}
    assert less == set(BEGINS)
