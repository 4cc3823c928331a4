"""The parameters of one request: read by name, checked as Binance checks them, none left unread."""

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from binance_mock.engine.errors import Refused, bad_combination, illegal, mandatory, not_valid, too_precise
from binance_mock.engine.rules import SymbolStatus
from hedgehog_project.outside import read_json

_AMOUNT = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_NUMBER = r"^[0-9]{1,20}$"
# As Binance writes it, in Java's syntax, and in Python's: symbols need not be ASCII.
_SYMBOL = r"^[\w\-._&&[^a-z]]{1,50}$"
_SYMBOLS = r'^\["[\w\-._&&[^a-z]]{1,50}"(,"[\w\-._&&[^a-z]]{1,50}"){0,}\]$'
_IS_SYMBOL = re.compile(r"(?:[^\Wa-z]|[-.]){1,50}")
_CLIENT_ID = r"^[a-zA-Z0-9-_]{1,36}$"
# They concern the request itself and are read by whoever checks its signature.
ENVELOPE = frozenset({"timestamp", "recvWindow", "signature", "apiKey", "returnRateLimits"})

_LONGEST_LOOKUP_MS = 24 * 3_600_000

E = TypeVar("E", bound=StrEnum)


class Params:
    """Each method raises Refused where the parameter is missing or malformed."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._read: set[str] = set()

    def raw(self, name: str) -> str | None:
        self._read.add(name)
        return self._values.get(name)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, legal: str, *, required: bool = False) -> str | None:
        value = self.raw(name)
        if not value:
            if required:
                raise mandatory(name)
            if value is not None:
                raise Refused(-1105, f"Parameter '{name}' was empty.")
            return None
        if re.fullmatch(legal, value, re.ASCII) is None:
            raise illegal(name, legal)
        return value

    def symbol(self) -> str:
        if not self.raw("symbol"):
            raise mandatory("symbol")
        return self.symbol_or_none() or ""

    def symbol_or_none(self) -> str | None:
        symbol = self.raw("symbol")
        if symbol == "":
            raise Refused(-1105, "Parameter 'symbol' was empty.")
        if symbol is not None and _IS_SYMBOL.fullmatch(symbol) is None:
            raise illegal("symbol", _SYMBOL)
        return symbol

    def symbols(self) -> list[str] | None:
        """The symbols of `symbol`, or of `symbols` (a JSON list); None where neither is there."""
        if "symbol" in self and "symbols" in self:
            raise bad_combination()
        if "symbols" not in self:
            symbol = self.symbol_or_none()
            return [symbol] if symbol else None
        try:
            symbols = read_json(self.raw("symbols") or "")
        except ValueError:
            raise illegal("symbols", _SYMBOLS) from None
        if not isinstance(symbols, list) or not symbols or not all(isinstance(each, str) for each in symbols):
            raise illegal("symbols", _SYMBOLS)
        if len(set(symbols)) < len(symbols):
            raise Refused(-1151, "Symbol is present multiple times in the list.")
        return symbols

    def names(self, name: str) -> list[str]:
        """One name, or a JSON list of names; empty where there is none."""
        value = self.raw(name) or "[]"
        try:
            names = read_json(value) if value.startswith("[") else [value]
        except ValueError:
            raise not_valid(name) from None
        return [str(each) for each in names]

    def symbol_status(self) -> str | None:
        """Which symbols are asked for (enums.md, "Symbol status")."""
        status = self.choice("symbolStatus", SymbolStatus, Refused(-1122, "Invalid symbolStatus."))
        return status.value if status else None

    def client_id(self, name: str) -> str | None:
        return self.text(name, _CLIENT_ID)

    def amount(self, name: str, *, required: bool = False) -> Decimal | None:
        """An amount of at most eight decimals."""
        value = self.text(name, _AMOUNT, required=required)
        if value is None:
            return None
        if len(value.partition(".")[2].rstrip("0")) > 8:
            raise too_precise(name)
        return Decimal(value)

    def number(self, name: str, *, required: bool = False) -> int | None:
        value = self.text(name, _NUMBER, required=required)
        if value is None:
            return None
        if int(value) >= 2**63:
            raise Refused(-1108, f"Parameter '{name}' overflowed.")
        return int(value)

    def flag(self, name: str) -> bool | None:
        value = self.raw(name)
        if value is None or value in ("true", "false"):
            return None if value is None else value == "true"
        raise not_valid(name)

    def limit(self, default: int, maximum: int) -> int:
        """More than the maximum is answered with the maximum, as Binance does."""
        value = self.number("limit")
        if value == 0:
            raise not_valid("limit")
        return default if value is None else min(value, maximum)

    def time_ms(self, name: str) -> int | None:
        """A time in ms; microseconds are understood as well."""
        value = self.number(name)
        return value if value is None or value < 10**14 else value // 1000

    def zone_ms(self) -> int:
        """`timeZone`, such as "-1:00", "05:45" or "8": how far east of UTC, from -12 to +14 hours."""
        value = self.raw("timeZone") or "0"
        found = re.fullmatch(r"([+-]?)([0-9]{1,2})(?::([0-9]{2}))?", value, re.ASCII)
        if found is None:
            raise not_valid("timeZone")
        minutes = int(found[2]) * 60 + int(found[3] or 0)
        minutes = -minutes if found[1] == "-" else minutes
        if not -12 * 60 <= minutes <= 14 * 60:
            raise not_valid("timeZone")
        return minutes * 60_000

    def choice(self, name: str, kind: type[E], refused: Refused, *, required: bool = False) -> E | None:
        value = self.raw(name)
        if not value:
            if required:
                raise mandatory(name)
            return None
        try:
            return kind(value)
        except ValueError:
            raise refused from None

    def finish(self) -> None:
        """Raises Refused (-1104) where a parameter was sent that nobody asked for. Call before anything is done."""
        sent = self._values.keys() - ENVELOPE
        if unread := sent - self._read:
            raise Refused(
                -1104,
                "Not all sent parameters were read; "
                f"read '{len(sent) - len(unread)}' parameter(s) but was sent '{len(sent)}'.",
            )


def check_lookup(start_ms: int | None, end_ms: int | None) -> None:
    """Raises Refused (-1127) where more of the account's past is asked for at once than Binance looks up."""
    if start_ms is not None and end_ms is not None and end_ms - start_ms > _LONGEST_LOOKUP_MS:
        raise Refused(-1127, "More than 24 hours between startTime and endTime.")
