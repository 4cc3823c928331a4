"""Databases as the first start makes them. All migrations take seconds, so SQLite's file is made once and copied."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.machine.processes import Processes

FILE = "hedgehog.sqlite3"


@cache
def _template() -> Path:
    """A migrated SQLite file, for as long as this process lives."""
    folder = Path(tempfile.mkdtemp(prefix="hedgehog-migrated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    ended = Processes(folder).run("migrate", "--verbosity=0", HEDGEHOG_HOME=folder, DATABASE_URL="")
    assert ended.returncode == 0, ended.stderr
    return folder / FILE


def prepare(processes: Processes, home: Path, **settings: object) -> None:
    """Migrates the database that the settings name and sets it up, without an admin user."""
    given: dict[str, Any] = {**processes.environment, "HEDGEHOG_HOME": home, **settings}
    if given.get("DATABASE_URL") or (home / FILE).exists():
        ended = processes.run("migrate", "--verbosity=0", **given)
        assert ended.returncode == 0, ended.stderr
    else:
        home.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_template(), home / FILE)
    ended = processes.run("setup", "--no-admin", **given)
    assert ended.returncode == 0, ended.stderr
