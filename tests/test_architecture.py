"""Which room may know which: DESIGN's arrows, kept by reading every import."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("hedgehog_project", "streamer", "trading", "binance_mock")
LONGEST_FILE = 1000

# Where a module is that may not import any of what stands beside it. A package stands for all it holds.
FORBIDDEN = {
    "hedgehog_project": ("streamer", "trading", "binance_mock"),
    "streamer": ("trading", "binance_mock"),
    "binance_mock": ("trading", "streamer.models"),
    "trading": ("binance_mock",),
    "trading.exchange": (
        "trading.traders.acting",
        "trading.leader",
        "trading.dispatch",
        "trading.tasks",
        "console.admin",
    ),
    "trading.models": (
        "trading.traders.acting",
        "trading.leader",
        "trading.dispatch",
        "trading.tasks",
        "console.admin",
    ),
    "trading.strategies": (
        "trading.models",
        "trading.exchange",
        "trading.traders.acting",
        "trading.tasks",
        "console.admin",
    ),
    "trading.traders.acting": ("trading.leader", "trading.dispatch", "trading.tasks", "console.admin"),
    "trading.leader": ("trading.dispatch", "trading.tasks", "trading.standby", "console.admin"),
    "trading.dispatch": ("trading.leader", "trading.tasks", "console.admin"),
    "trading.limits": (
        "trading.traders.acting",
        "trading.leader",
        "trading.dispatch",
        "trading.tasks",
        "console.admin",
    ),
    "trading.accounting": (
        "trading.traders.acting",
        "trading.leader",
        "trading.dispatch",
        "trading.tasks",
        "console.admin",
    ),
    "trading.books": ("trading.leader", "trading.dispatch", "trading.tasks", "console.admin"),
    "trading.tasks": ("trading.standby", "console.admin"),
    "trading.standby": ("console.admin",),
}

# Imports inside functions, with the reason for each.
LATE_IMPORTS: dict[tuple[str, str], str] = {}


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


def test_the_imports_are_read() -> None:
    assert any(found.target == "hedgehog_project.redis.connect" for found in ALL)
    assert {found.module.partition(".")[0] for found in ALL} == set(ROOMS)


@pytest.mark.parametrize("package", FORBIDDEN)
def test_the_arrows_point_one_way(package: str) -> None:
    against = [
        str(found)
        for found in ALL
        if within(found.module, package) and any(within(found.target, other) for other in FORBIDDEN[package])
    ]
    assert against == []


def test_the_core_is_pure() -> None:
    """Standard library only, and nothing of it that tells the time, makes chance or reaches out."""
    impure = {"time", "random", "secrets", "socket", "os", "subprocess", "threading", "asyncio", "logging", "urllib"}
    allowed = sys.stdlib_module_names - impure
    wrong = [
        str(found)
        for found in ALL
        if within(found.module, "trading.core")
        and not within(found.target, "trading.core")
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


def test_no_file_is_too_long() -> None:
    long = [
        str(path) for path in files(*ROOMS, "tests", "bench") if len(path.read_text().splitlines()) > LONGEST_FILE
    ]
    assert long == []
