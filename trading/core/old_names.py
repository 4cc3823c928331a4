"""Old names of what strategies use. Each works for one release, with a warning that `manage.py check` shows."""

import ast
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

# Who has used which in this process, for people. Python itself shows a DeprecationWarning to hardly anybody.
used: set[str] = set()


# The old names of each module that has some, and where each is now.
renamed: dict[str, dict[str, str]] = {}


def warn(old: str, new: str) -> None:
    """To be called by what has the old name, or by a module's look-up of it."""
    user = sys._getframe(2).f_globals.get("__name__", "?")
    used.add(f"{user} uses {old}, which is now {new}")
    warnings.warn(f"{old} is now {new}", DeprecationWarning, stacklevel=3)


def of(module: str, names: Mapping[str, str], home: str = "") -> Callable[[str], Any]:
    """The `__getattr__` of a module that has renamed these; of one whose names have moved `home`, too."""

    renamed[module] = {old: f"{home or module}.{new}" for old, new in names.items()}

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn(f"{module}.{name}", f"{home or module}.{names[name]}")
        return getattr(import_module(home or module), names[name])

    return find


def used_in(module: str, source: str) -> set[str]:
    """As in `used`, by what is written there: also what is used in a function that has not run yet."""
    found: set[str] = set()
    called: dict[str, str] = {}  # modules with old names, by what they are called there
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        return found  # It was changed after it had been imported.
    for node in nodes:
        if isinstance(node, ast.Import):
            called |= {each.asname: each.name for each in node.names if each.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            called |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
            found |= {f"{node.module}.{each.name}" for each in node.names}
    for node in nodes:
        if isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value)
            found.add(f"{called.get(owner, owner)}.{node.attr}")
    known = {f"{owner}.{old}": new for owner, names in renamed.items() for old, new in names.items()}
    uses = {f"{module} uses {old}, which is now {known[old]}" for old in found & known.keys()}
    if any(name.endswith(".has_told_rebuy") for name in found):
        uses.add(f"{module} uses Position.has_told_rebuy, which is now has_requested_slot")
    return uses
