"""Which room may know which: DESIGN's arrows, kept by reading every import."""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FILE = 1000
# Flat files in one folder of tests, beside its face and its fixtures.
MAX_TESTS_IN_A_FOLDER = 12
FACES = {"__init__.py", "__main__.py", "conftest.py"}

# The house, from the top floor down: a room may import only what stands under it. docs/architecture.md tells of each.
FLOORS = (
    "console",
    "trading.management",
    "trading.standby",
    "trading.tasks",
    "trading.task_base",
    "trading.schedule",
    "trading.leader",
    "trading.set_clocks",
    "trading.dispatch",
    "trading.reconciliation",
    "trading.by_hand",
    "trading.traders",
    "trading.symbols",
    "trading.risk",
    "trading.identity",
    "trading.one_by_one",
    "trading.archive",
    "trading.books",
    "trading.waking",
    "trading.apps",
    "trading.migrations",
    "trading.models",
    "trading.strategies",
    "trading.exchange",
    "trading.core",
    "binance_mock.management",
    "binance_mock.server",
    "binance_mock.protocol",
    "binance_mock.admin",
    "binance_mock",
    "binance_mock.market",
    "binance_mock.state",
    "binance_mock.faults",
    "binance_mock.engine",
    "history",
    "streamer",
    "hedgehog_project.launch",
    "hedgehog_project",
    "candles",
)
ROOMS = sorted({floor.partition(".")[0] for floor in FLOORS})
# What stands under a room and is none of its business all the same, with the reason.
APART = {
    ("trading", "binance_mock"): "nobody who trades may know which exchange it is",
    ("console", "binance_mock"): "the mock exchange has pages of its own",
    ("binance_mock", "history"): "it is an exchange, and has a past of its own",
    ("trading", "history"): "who trades decides by what happens now",
    ("binance_mock", "streamer.models"): "it is an exchange, and no part of this installation",
    ("trading.models", "trading.exchange.client"): "rows call nobody",
    ("trading.strategies", "trading.exchange"): "strategies decide by what they are given",
}

# Imports inside functions, with the reason for each.
LATE_IMPORTS = {
    (
        "trading.exchange.client",
        "trading.exchange.binance.BinanceExchange",
    ): "python-binance: a third of each process's start",
    ("hedgehog_project.venues.keys", "hedgehog_project.venues.pem.PrivateKey"): "the crypto library: a fifth of it",
    ("binance_mock.configured", "hedgehog_project.venues.pem.PublicKey"): "the crypto library",
    ("history.admin.coverage", "history.index.check"): "numpy and pyarrow: for those alone who verify",
    ("history.admin.coverage", "history.index.follow"): "the same, to delete",
    ("history.admin.coverage", "history.shelf.Shelf"): "the same",
    ("console.management.commands.status", "console.management.watching.watch"): "rich: for those alone that watch",
}


@dataclass(frozen=True)
class Import:
    """One import: in which module, of what, on which line, and whether it stands inside a function."""

    module: str
    target: str
    line: int
    is_late: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_in(path: Path) -> Iterator[Import]:
    """All imports of a file; `from a import b` counts as a.b, which is a module or something in a."""
    module = name_of(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]

    def visit(node: ast.AST, is_late: bool) -> Iterator[Import]:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield Import(module, alias.name, node.lineno, is_late)
            case ast.ImportFrom(module=base, names=names, level=level):
                if level:
                    above = package.split(".")[: len(package.split(".")) - level + 1]
                    base = ".".join([*above, base] if base else above)
                for alias in names:
                    yield Import(module, f"{base}.{alias.name}", node.lineno, is_late)
        is_late = is_late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, is_late)

    yield from visit(ast.parse(path.read_text()), is_late=False)


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


ALL = [found for path in files(*ROOMS) for found in imports_in(path)]


# Folders of tests that no room has the name of: clients of others, files of the past, pages in a browser, processes
# that run Celery.
OWN_FOLDERS = {
    "binance_mock": {"clients"},
    "history": {"files"},
    "console": {"pages"},
    "hedgehog_project": {"celery_processes"},
}


def test_the_imports_are_read() -> None:
    assert any(found.target == "hedgehog_project.redis.connect" for found in ALL)
    assert {found.module.partition(".")[0] for found in ALL} == set(ROOMS)


def floor_of(name: str) -> int:
    """By the longest room that it stands in; under all of them where it is the folder around some."""
    found = [room for room in FLOORS if within(name, room)]
    return FLOORS.index(max(found, key=len)) if found else len(FLOORS)


def ours(name: str) -> bool:
    return name.partition(".")[0] in ROOMS


def test_every_module_stands_in_a_room_that_has_a_name() -> None:
    nameless = [name for name in map(name_of, files(*ROOMS)) if not any(within(name, room) for room in FLOORS)]
    assert [name for name in nameless if name != "trading"] == []


@pytest.mark.parametrize("room", FLOORS)
def test_a_room_imports_only_what_stands_under_it(room: str) -> None:
    level = FLOORS.index(room)
    against = [
        str(found)
        for found in ALL
        if ours(found.target) and floor_of(found.module) == level and floor_of(found.target) < level
    ]
    assert against == []


@pytest.mark.parametrize(("room", "other"), APART)
def test_rooms_that_are_apart_stay_so(room: str, other: str) -> None:
    against = [str(found) for found in ALL if within(found.module, room) and within(found.target, other)]
    assert against == [], APART[room, other]


def test_the_documentation_shows_the_same_floors() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = re.findall(r"^\| `([\w.]+)` \|", text[text.index("## Packages") :], re.MULTILINE)
    assert tuple(table) == FLOORS


@pytest.mark.parametrize("room", ["trading.core", "trading.risk.rules", "candles"])
def test_the_core_is_pure(room: str) -> None:
    """Standard library only, and nothing of it that tells the time, makes chance or reaches out. The arithmetic of
    risk limits imports nothing else but core.
    """
    impure = {"time", "random", "secrets", "socket", "os", "subprocess", "threading", "asyncio", "logging", "urllib"}
    allowed = sys.stdlib_module_names - impure
    wrong = [
        str(found)
        for found in ALL
        if within(found.module, room)
        and not within(found.target, room)
        and not (room == "trading.risk.rules" and within(found.target, "trading.core"))
        and found.target.partition(".")[0] not in allowed
    ]
    assert wrong == []


def test_only_the_exchange_knows_python_binance() -> None:
    wrong = [
        str(found)
        for found in ALL
        if within(found.target, "binance") and not within(found.module, "trading.exchange")
    ]
    assert wrong == []


def test_imports_stand_at_the_top() -> None:
    late = [found for found in ALL if found.is_late and (found.module, found.target) not in LATE_IMPORTS]
    assert [str(found) for found in late] == []


def test_no_folder_of_tests_is_crowded() -> None:
    folders = Counter(path.parent.relative_to(ROOT) for path in files("tests") if path.name not in FACES)
    assert {str(folder): count for folder, count in folders.items() if count > MAX_TESTS_IN_A_FOLDER} == {}


def test_tests_mirror_the_rooms() -> None:
    for room in ROOMS:
        inner = {path.name for path in (ROOT / room).iterdir() if (path / "__init__.py").exists()}
        tested = {path.name for path in (ROOT / "tests" / room).iterdir() if (path / "__init__.py").exists()}
        assert tested - inner == OWN_FOLDERS.get(room, set()), room


def test_no_file_is_too_long() -> None:
    long = [
        str(path) for path in files(*ROOMS, "tests", "bench") if len(path.read_text().splitlines()) > LONGEST_FILE
    ]
    assert long == []
