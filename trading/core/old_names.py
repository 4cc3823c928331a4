"""Old names of what strategies use. Each works for one release, with a warning that `manage.py check` shows."""

import sys
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

# Who has used which in this process, for people. Python itself shows a DeprecationWarning to hardly anybody.
used: set[str] = set()


def warn(old: str, new: str) -> None:
    """To be called by what has the old name, or by a module's look-up of it."""
    user = sys._getframe(2).f_globals.get("__name__", "?")
    used.add(f"{user} uses {old}, which is now {new}")
    warnings.warn(f"{old} is now {new}", DeprecationWarning, stacklevel=3)


def of(module: str, names: Mapping[str, str], home: str = "") -> Callable[[str], Any]:
    """The `__getattr__` of a module that has renamed these; of one whose names have moved `home`, too."""

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn(f"{module}.{name}", f"{home or module}.{names[name]}")
        return getattr(import_module(home or module), names[name])

    return find
