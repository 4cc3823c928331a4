"""Times in microseconds, for who asks for them: all is made in milliseconds and changed on its way."""

from typing import Any

from binance_mock.engine.errors import Refused

_OF_ANSWERS = frozenset(
    {"serverTime", "time", "updateTime", "transactTime", "workingTime", "openTime", "closeTime", "T"}
)
_KLINE_COLUMNS = 12
_KLINE_TIMES = (0, 6)
# Besides E, which every event has.
_OF_EVENTS = {
    "trade": "T", "aggTrade": "T", "avgPrice": "T", "24hrTicker": "OC", "1hTicker": "OC", "4hTicker": "OC",
    "1dTicker": "OC", "executionReport": "TOW", "balanceUpdate": "T", "outboundAccountPosition": "u",
}  # fmt: skip


def is_micro(unit: str | None) -> bool:
    """What `timeUnit` or X-MBX-TIME-UNIT asks for. Raises Refused (-1194)."""
    if unit is None or unit.upper() in ("MILLISECOND", "MICROSECOND"):
        return unit is not None and unit.upper() == "MICROSECOND"
    raise Refused(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")


def answer(value: Any) -> Any:
    """An answer of REST or the WebSocket API with its times in microseconds."""
    if isinstance(value, dict):
        return {
            name: each * 1000 if name in _OF_ANSWERS and isinstance(each, int) else answer(each)
            for name, each in value.items()
        }
    if not isinstance(value, list):
        return value
    if len(value) == _KLINE_COLUMNS and isinstance(value[0], int):
        return [each * 1000 if column in _KLINE_TIMES else each for column, each in enumerate(value)]
    return [answer(each) for each in value]


def event(value: Any) -> Any:
    """An event, or a list of them, with its times in microseconds."""
    if isinstance(value, list):
        return [event(each) for each in value]
    if not isinstance(value, dict):
        return value
    times = "E" + _OF_EVENTS.get(value.get("e", ""), "")
    changed = {name: each * 1000 if name in times and isinstance(each, int) else each for name, each in value.items()}
    if value.get("e") == "kline":
        candle = value["k"]
        changed["k"] = {**candle, "t": candle["t"] * 1000, "T": candle["T"] * 1000}
    return changed
