"""`manage.py COMMAND --help` without what the command works with: that takes three times as long as all else.

Its module is imported with stand-ins for our rows and for libraries. Where its options need one of them after all,
such as for a list of choices, nothing is said here, and the command is asked as Django does it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from django.core.management import BaseCommand

from hedgehog_project.arguments import hide_djangos

# What is not imported, but for the commands in it.
_OURS = ("trading", "console", "streamer", "binance_mock", "history")
# numpy cannot be imported a second time.
PUT_OFF = (*_OURS, "celery", "kombu", "redis", "django.db.models", "numpy", "pyarrow")


class NeedsIt(Exception):
    """Somebody looks into a stand-in."""


class _AnyClass(type):
    """The class of whatever a stand-in holds. It may stand in annotations, decorate, be a base, and be called."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _anything(name)

    def __getitem__(cls, _: Any) -> Any:
        return cls

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return _anything(cls.__name__)

    def _needed(cls, *_: Any) -> Any:
        raise NeedsIt(cls.__name__)

    __iter__ = __str__ = __repr__ = __format__ = __len__ = __bool__ = __contains__ = __int__ = __float__ = _needed


def _anything(name: str) -> Any:
    return _AnyClass(name, (), {})


class _StandIns:
    """Finds and loads them, as Python asks for modules."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        is_put_off = any(name == each or name.startswith(f"{each}.") for each in PUT_OFF)
        if not is_put_off or name in _OURS or ".management" in name:
            return None
        return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _anything(name)


@contextmanager
def _stand_ins() -> Iterator[None]:
    """What is imported meanwhile is forgotten afterwards: it knows the stand-ins."""
    before = set(sys.modules)
    finder: Any = _StandIns()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in set(sys.modules) - before:
            del sys.modules[name]


def text(program: str, name: str, package: str) -> str | None:
    """The help of an app's command; None where it can't be told without all of it."""
    try:
        with _stand_ins():
            command: BaseCommand = import_module(f"{package}.management.commands.{name}").Command()
            hide_djangos(command)
            return command.create_parser(program, name).format_help()
    except Exception:  # noqa: BLE001 whatever it is, the command itself shows it, if it is one
        return None
