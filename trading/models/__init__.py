"""What is remembered. The database is the truth; Redis, the broker and every process may forget."""

from trading.models.account import AccountValue, BalanceCheck, Every, ExpectedBalance, ToldBy, Transfer
from trading.models.archive import ArchiveFile
from trading.models.balances import Balance
from trading.models.equity import Equity
from trading.models.installations import Installation, OtherInstallation, Run
from trading.models.instructions import Instruction
from trading.models.journal import JournalEntry
from trading.models.logins import WrongPasswords
from trading.models.orders import Fill, Order
from trading.models.orphans import Orphan
from trading.models.pages import FoldedPart, SavedFilter
from trading.models.profiles import Profile
from trading.models.protections import AccountProtections, DeniedOrder, HighWater, SymbolProtections
from trading.models.reconciliations import FillMark, Reconciliation
from trading.models.switch import Switch
from trading.models.symbols import Listing, ListingProblem, Symbol, TradingSettings
from trading.models.totals import CycleTotal
from trading.models.traders import Leftover, Slot, Trader

__all__ = [
    "AccountProtections",
    "AccountValue",
    "ArchiveFile",
    "Balance",
    "BalanceCheck",
    "CycleTotal",
    "DeniedOrder",
    "Equity",
    "Every",
    "ExpectedBalance",
    "Fill",
    "FillMark",
    "FoldedPart",
    "HighWater",
    "Installation",
    "Instruction",
    "JournalEntry",
    "Leftover",
    "Listing",
    "ListingProblem",
    "Order",
    "Orphan",
    "OtherInstallation",
    "Profile",
    "Reconciliation",
    "Run",
    "SavedFilter",
    "Slot",
    "Switch",
    "Symbol",
    "SymbolProtections",
    "ToldBy",
    "Trader",
    "TradingSettings",
    "Transfer",
    "WrongPasswords",
]
