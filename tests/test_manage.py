"""manage.py: with a Python that lacks what Hedgehog needs, and its help, which loads next to nothing."""

import json
import subprocess
import sys
from functools import cache

import pytest

from hedgehog_project import installed
from hedgehog_project.arguments import DJANGOS
from tests.support.environment import ROOT
from trading.books.profit import By
from trading.models.symbols import TradingStatus

# What the help of each command of ours is, asked quickly and as Django does it; by its name.
BOTH = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "hedgehog_project.settings"
import django
from hedgehog_project import cli, quick_help
of = {name: app for name, app in cli.commands().items() if app.partition(".")[0] in cli.OURS}
quick = {name: quick_help.text("manage.py", name, app) for name, app in of.items()}
left = sorted({"trading.models", "console.figures", "celery"} & sys.modules.keys())
django.setup()
utility = cli.Commands(["manage.py"])
whole = {name: utility.fetch_command(name).create_parser("manage.py", name).format_help() for name in of}
print(json.dumps([quick, whole, left]))
"""


@pytest.mark.parametrize("command", ["status", "halt"])
def test_with_another_python_it_says_which_to_use(command: str) -> None:
    # -S: without the environment's packages.
    ended = subprocess.run(
        [sys.executable, "-S", "manage.py", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "Run `make run` first, and use .venv/bin/python manage.py" in line


@cache
def python(script: str) -> str:
    asked = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
    return asked.stdout


def test_a_commands_help_is_told_without_its_rows_and_as_it_is() -> None:
    quick, whole, left = json.loads(python(BOTH))
    told = {name: text for name, text in quick.items() if text is not None}
    assert told == {name: whole[name] for name in told}
    # Those are asked themselves: their options are made of what they work with.
    assert whole.keys() - told.keys() <= {"faults", "setup", "buy", "sell", "flatten", "history"}
    assert left == [], "stand-ins are forgotten"


def test_it_shows_a_commands_own_options_and_django_s_are_taken_all_the_same() -> None:
    for name, text in json.loads(python(BOTH))[1].items():
        assert [option for option in DJANGOS if option in text] == [], name
    asked = subprocess.run(
        [sys.executable, "manage.py", "trade", "--traceback", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (asked.returncode, asked.stderr) == (0, "")
    assert "{on,off,shutdown}" in asked.stdout
    assert "--traceback" not in asked.stdout


def test_choices_that_are_written_out_are_all_there_are() -> None:
    _, whole, _ = json.loads(python(BOTH))
    assert f"{{{','.join(TradingStatus.values)}}}" in whole["trade"]
    assert f"{{{','.join(by.value for by in By)}}}" in whole["profit"]


def test_commands_that_answer_people_load_no_page_and_have_all_that_they_need() -> None:
    assert len({tuple(installed.apps_of(name)) for name in installed.QUICK}) == 1, "one process shows it for all"
    script = f"""
import os, sys
os.environ |= {{"DJANGO_SETTINGS_MODULE": "hedgehog_project.settings", "HEDGEHOG_PROCESS": "status"}}
import django
from hedgehog_project import cli
django.setup()
for name in {sorted(installed.QUICK)}:
    cli.Commands(["manage.py"]).fetch_command(name).check(tags=cli.CHECKS)
print(*sorted(name for name in sys.modules if name in ("unfold", "console.admin", "hedgehog_project.urls")))
"""
    assert python(script).strip() == ""
