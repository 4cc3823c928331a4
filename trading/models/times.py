"""Times of rows as core has them: whole milliseconds since 1970."""

from datetime import UTC, datetime, timedelta

from django.utils import timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def now_ms() -> int:
    return ms_of(timezone.now())


def ms_of(at: datetime) -> int:
    """Rounded down: what was due at some moment is due in its millisecond."""
    return (at - _EPOCH) // _MS


def at_of(ms: int) -> datetime:
    return _EPOCH + ms * _MS
