"""Packages whose faces import more than anybody here uses: a face is loaded when somebody looks into it."""

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any


def put_off(package: str) -> None:
    """Makes the package known, so that its modules can be imported. Does nothing where it is loaded, or missing."""
    if package in sys.modules:
        return
    above, _, _ = package.rpartition(".")
    folders = None
    if above:
        # find_spec() of a package in a package loads the outer one.
        outer = find_spec(above)
        if outer is None:
            return
        folders = outer.submodule_search_locations
    spec = PathFinder.find_spec(package, folders)
    if spec is None or spec.loader is None:
        return
    module: ModuleType = module_from_spec(spec)
    load = spec.loader.exec_module

    def loaded(name: str) -> Any:
        del module.__dict__["__getattr__"]
        load(module)
        return getattr(module, name)

    module.__dict__["__getattr__"] = loaded
    sys.modules[package] = module
