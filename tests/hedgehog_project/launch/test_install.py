"""What make shows while pip works: a line that moves on a terminal, one that stands elsewhere, no traceback."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.environment import ROOT

INSTALL = ROOT / "hedgehog_project" / "launch" / "install.py"
# In the place of an environment's Python: says what pip says, and does what the file tells it to.
PIP = """#!/bin/sh
echo "Collecting Django==5.2.19 (from -r requirements.txt (line 3))"
echo "  Downloading Django.whl (8 MB)"
echo "Processing /wheels/markdown_it_py-4.3.0-py3-none-any.whl (from -r requirements.txt (line 5))"
. ./ends
"""
SAID = "\r\x1b[KInstalling requirements.txt into venv: "


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    python = tmp_path / "venv" / "bin" / "python"
    python.write_text(PIP)
    python.chmod(0o755)
    (tmp_path / "requirements.txt").write_text(
        "# Two.\nDjango==5.2.19 \\\n    --hash=sha256:0a\nmarkdown-it-py==4.3.0 \\\n    # via x\n"
    )
    (tmp_path / "ends").write_text("echo Installing collected packages: rich, Django\n")
    return tmp_path


def install(folder: Path, **options: object) -> "subprocess.Popen[str]":
    command = [sys.executable, str(INSTALL), "venv", "requirements.txt"]
    return subprocess.Popen(command, cwd=folder, text=True, **options)  # type: ignore[call-overload, no-any-return]


def test_on_a_terminal_it_says_how_far_it_is(folder: Path) -> None:
    ours, theirs = pty.openpty()
    assert install(folder, stdout=theirs).wait(30) == 0
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    os.close(theirs)
    steps = ("1 of 2: Django", "2 of 2: markdown_it_py", "writing files", "done.\r\n")
    assert shown == "Installing requirements.txt into venv" + "".join(SAID + step for step in steps)


def test_elsewhere_it_is_one_line(folder: Path) -> None:
    out, _ = install(folder, stdout=subprocess.PIPE).communicate(timeout=30)
    assert out == "Installing requirements.txt into venv.\n"


def test_where_pip_fails_its_words_are_shown(folder: Path) -> None:
    (folder / "ends").write_text("echo ERROR: no such hash; exit 7\n")
    failed = install(folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _, errors = failed.communicate(timeout=30)
    assert failed.returncode == 7
    assert errors.endswith("(line 5))\nERROR: no such hash\n")


def test_ctrl_c_ends_it_with_pip_and_without_a_traceback(folder: Path) -> None:
    (folder / "ends").write_text("echo $$ >pid; exec sleep 60\n")
    started = install(folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (folder / "pid").exists() or not (folder / "pid").read_text():
        assert started.poll() is None
    started.send_signal(signal.SIGINT)
    out, errors = started.communicate(timeout=30)
    assert (started.returncode, out, errors) == (130, "Installing requirements.txt into venv.\n\n", "")
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), 0)
