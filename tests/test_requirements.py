"""What the code imports is named in requirements*.in, and requirements*.txt are made from those."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RUN, DEV = "requirements", "requirements-dev"
OURS = {"console", "trading", "binance_mock", "streamer", "history", "candles", "hedgehog_project"}
FOR_DEVELOPERS = {"tests", "bench"}


def normal(name: str) -> str:
    """As package indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def named(file: str) -> dict[str, str]:
    """Packages with their versions, of a .in file and of what it includes."""
    text = (ROOT / f"{file}.in").read_text()
    own = re.findall(r"^([\w.-]+)(?:\[\w+\])?==([^\s;]+)", text, re.MULTILINE)
    found = {normal(name): version for name, version in own}
    return (named(RUN) if file != RUN else {}) | found


def locked(file: str) -> dict[str, list[str]]:
    """Packages with the hashes of their files."""
    text = (ROOT / f"{file}.txt").read_text()
    blocks = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    return {
        normal(block.partition("==")[0])
        + "=="
        + re.split(r"[\s;]", block.partition("==")[2], maxsplit=1)[0]: re.findall(
            r"--hash=sha256:([0-9a-f]{64})", block
        )
        for block in blocks
    }


def imported(*folders: str) -> set[str]:
    found = set[str]()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Import(names=names):
                    found |= {alias.name.partition(".")[0] for alias in names}
                case ast.ImportFrom(module=str(module), level=0):
                    found.add(module.partition(".")[0])
    return found - sys.stdlib_module_names - OURS - FOR_DEVELOPERS


@pytest.mark.parametrize(("folders", "file"), [(OURS, RUN), (FOR_DEVELOPERS, DEV)])
def test_every_package_that_is_imported_is_named(folders: set[str], file: str) -> None:
    packages, known = packages_distributions(), named(file)
    missing = {
        module
        for module in imported(*folders)
        if not any(normal(package) in known for package in packages.get(module, ()))
    }
    assert missing == set()


@pytest.mark.parametrize("file", [RUN, DEV])
def test_what_is_named_is_locked_at_its_version_with_hashes(file: str) -> None:
    packages = locked(file)
    assert {f"{name}=={version}" for name, version in named(file).items()} - set(packages) == set()
    assert [package for package, hashes in packages.items() if not hashes] == []


def test_tests_run_with_what_runs_elsewhere() -> None:
    assert set(locked(RUN)) - set(locked(DEV)) == set()


@pytest.mark.parametrize("file", [RUN, DEV])
def test_no_lock_file_names_an_index(file: str) -> None:
    assert re.search(r"://|^--(?!hash)", (ROOT / f"{file}.txt").read_text(), re.MULTILINE) is None
