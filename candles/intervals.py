"""When candles open and close. Times are in ms since 1970, UTC."""

from datetime import UTC, datetime, timedelta

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
QUARTER_MS = 15 * MINUTE_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
# The length of each interval; "1M" is a calendar month.
INTERVALS = {
    "1s": SECOND_MS, "1m": MINUTE_MS, "3m": 3 * MINUTE_MS, "5m": 5 * MINUTE_MS, "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS, "1h": HOUR_MS, "2h": 2 * HOUR_MS, "4h": 4 * HOUR_MS, "6h": 6 * HOUR_MS, "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS, "1d": DAY_MS, "3d": 3 * DAY_MS, "1w": 7 * DAY_MS, "1M": 31 * DAY_MS,
}  # fmt: skip
# The candles that are kept. Each is made of the shorter ones, and every other interval of the longest that fits:
# a quarter of an hour is there for time zones, which are apart by so much.
LEVELS = (SECOND_MS, MINUTE_MS, QUARTER_MS, HOUR_MS, DAY_MS)
# 1970-01-01 was a Thursday; Binance's weeks begin on Mondays.
_FIRST_MONDAY = 4 * DAY_MS


def bounds(interval: str, time_ms: int, zone_ms: int = 0) -> tuple[int, int]:
    """When the candle around a time opens, and its last ms. Days begin when it is midnight `zone_ms` east of UTC."""
    if zone_ms:
        opens_ms, closes_ms = bounds(interval, time_ms + zone_ms)
        return opens_ms - zone_ms, closes_ms - zone_ms
    if interval == "1M":
        opens = datetime.fromtimestamp(time_ms // 1000, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        following = (opens + timedelta(days=32)).replace(day=1)
        return int(opens.timestamp() * 1000), int(following.timestamp() * 1000) - 1
    length = INTERVALS[interval]
    offset = _FIRST_MONDAY if interval == "1w" else 0
    opens_ms = (time_ms - offset) // length * length + offset
    return opens_ms, opens_ms + length - 1


def level_of(interval: str, zone_ms: int = 0) -> int:
    """The longest kept candles that those of an interval are made of."""
    length = DAY_MS if interval == "1M" else INTERVALS[interval]
    return max(level for level in LEVELS if length % level == 0 and zone_ms % level == 0)
