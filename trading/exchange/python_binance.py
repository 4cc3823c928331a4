"""python-binance's REST client, without what its package imports beside it.

The face of the package imports its asynchronous clients, and they import aiohttp: with the reader of dates in words
that is 14 MB and a tenth of a second for each process that places orders. They are loaded when somebody uses them.
"""

import sys
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any


def _put_off(package: str) -> None:
    """Makes the package known, so that its modules can be imported. Its face is loaded when it is looked into."""
    spec = find_spec(package)
    if package in sys.modules or spec is None or spec.loader is None:
        return
    module: ModuleType = module_from_spec(spec)
    load = spec.loader.exec_module

    def loaded(name: str) -> Any:
        del module.__dict__["__getattr__"]
        load(module)
        return getattr(module, name)

    module.__dict__["__getattr__"] = loaded
    sys.modules[package] = module


for package in ("binance", "dateparser"):
    _put_off(package)

from binance.client import Client  # noqa: E402
from binance.exceptions import BinanceAPIException, BinanceRequestException  # noqa: E402

__all__ = ["BinanceAPIException", "BinanceRequestException", "Client"]
