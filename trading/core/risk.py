"""The old name of trading.core.filters, for one release."""

from typing import TYPE_CHECKING

from trading.core import old_names

if not TYPE_CHECKING:  # A type checker should miss the old names.
    NAMES = {"Rules": "SymbolFilters", "refusal": "violation", "too_far": "too_far"}
    __getattr__ = old_names.of(__name__, NAMES, "trading.core.filters")
