"""Keeps Django away from tables that are not there: those of models that only give a page its place."""

from typing import Any


class NoTables:
    """For DATABASE_ROUTERS. `dumpdata` and its kin ask it which models have rows at all; their permissions stay."""

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool | None:
        model = hints.get("model")
        return False if model is not None and not model._meta.managed else None
