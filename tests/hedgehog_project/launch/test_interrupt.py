"""Ctrl-C while something of ours still imports or prepares: exit code 130, and not a word of a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hedgehog_project.interrupt import INTERRUPTED
from hedgehog_project.ports import free_port
from tests.support.environment import LAUNCHER, ROOT
from tests.support.machine.processes import Processes

# Python imports it before anything else. It presses Ctrl-C when a module of this name is about to be imported.
PRESSES = """
import os, signal, sys

class Presses:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["PRESS_AT"]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Presses())
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "sitecustomize.py").write_text(PRESSES)
    ports = {name: str(free_port()) for name in ("WEB_PORT", "FLOWER_PORT", "MOCK_PORT")}
    return {
        **os.environ,
        **ports,
        "DJANGO_SETTINGS_MODULE": "hedgehog_project.settings",
        "HEDGEHOG_HOME": str(tmp_path / "home"),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "PYTHONPATH": str(tmp_path),
    }


def pressed(command: list[str], environment: dict[str, str], at: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**environment, "PRESS_AT": at},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "module",
    [
        "pathlib",
        "celery",
        "redis",
        "hedgehog_project.cli",
        "hedgehog_project.settings",
        "django.db.models",
        "trading.models.symbols",
        "console.management.commands.status",
        "console.figures",
    ],
)
def test_while_a_command_is_imported_it_ends_without_a_word(environment: dict[str, str], module: str) -> None:
    ended = pressed(["manage.py", "status"], environment, module)
    assert (ended.returncode, ended.stdout, ended.stderr) == (INTERRUPTED, "", "")


def test_while_the_checks_of_a_command_import_the_admin_it_ends_without_a_word(environment: dict[str, str]) -> None:
    """Only the addresses import it: `status`, which does not check them, never does."""
    ended = pressed(["manage.py", "check"], environment, "console.admin.symbols")
    assert (ended.returncode, ended.stdout, ended.stderr) == (INTERRUPTED, "", "")


@pytest.mark.parametrize(
    "module",
    [
        "pathlib",
        "celery",
        "django.contrib.auth",
        "hedgehog_project.launch.preflight",
        "hedgehog_project.settings",
        "trading.models.symbols",
        "trading.migrations.0004_orphans_and_reconciliations",
        "trading.management.commands.setup",
    ],
)
def test_while_make_run_prepares_it_ends_without_a_traceback(environment: dict[str, str], module: str) -> None:
    ended = pressed(["-m", LAUNCHER], environment, module)
    assert ended.returncode == INTERRUPTED
    assert ended.stdout + ended.stderr == ""


def test_after_an_end_in_the_middle_of_the_migrations_the_next_start_goes_on(
    environment: dict[str, str], tmp_path: Path
) -> None:
    pressed(["-m", LAUNCHER], environment, "trading.management.commands.setup")
    pressed(["manage.py", "migrate"], environment, "trading.migrations.0004_orphans_and_reconciliations")
    migrated = pressed(["manage.py", "migrate", "--verbosity=0"], environment, "nothing")
    assert (migrated.returncode, migrated.stderr) == (0, "")


def test_while_a_command_works_it_ends_without_a_traceback(processes: Processes) -> None:
    reading = processes.manage("shell", "-c", "import time; print('here', flush=True); time.sleep(60)")
    processes.wait_for(lambda: "here" in reading.output, 20)
    reading.signal(signal.SIGINT)
    assert reading.wait(5) == INTERRUPTED
    assert "Traceback" not in reading.output


def test_who_imports_a_part_of_the_project_keeps_his_own_handler() -> None:
    script = (
        "import signal; signal.signal(2, signal.default_int_handler)\n"  # As in a shell: a job behind has it ignored.
        "import hedgehog_project; assert signal.getsignal(2) is signal.default_int_handler"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
