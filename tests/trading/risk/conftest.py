"""What the tests of the limits share."""

from collections.abc import Iterator

import pytest

from trading.waking import enqueue


@pytest.fixture(autouse=True)
def refreshed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The venues whose balances somebody wants to know now; without a worker that asks them."""
    venues: list[str] = []
    monkeypatch.setattr(enqueue, "refresh_balances_once", venues.append)
    yield venues
