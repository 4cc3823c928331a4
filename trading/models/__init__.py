"""What is remembered. The database is the truth; Redis, the broker and every process may forget."""

from trading.models.journal import JournalEntry
from trading.models.orders import Fill, Order
from trading.models.orphans import Orphan
from trading.models.reconciliations import FillMark, Reconciliation
from trading.models.switch import Switch
from trading.models.symbols import Listing, Symbol, TradingSettings
from trading.models.traders import Trader

__all__ = [
    "Fill",
    "FillMark",
    "JournalEntry",
    "Listing",
    "Order",
    "Orphan",
    "Reconciliation",
    "Switch",
    "Symbol",
    "Trader",
    "TradingSettings",
]
