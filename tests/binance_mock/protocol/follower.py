"""A local order book, kept as Binance documents it."""

from decimal import Decimal
from typing import Any

Side = dict[str, str]


class Follower:
    """web-socket-streams.md, "How to manage a local order book correctly", step by step."""

    def __init__(self) -> None:
        self.update_id: int | None = None
        self.bids: Side = {}
        self.asks: Side = {}
        self._buffered: list[dict[str, Any]] = []

    def event(self, event: dict[str, Any]) -> None:
        assert event["b"] or event["a"], "an empty event"
        if self.update_id is None:
            self._buffered.append(event)
        else:
            self._apply(event)

    def snapshot(self, snapshot: dict[str, Any]) -> None:
        """A reply of GET depth; one that is too old for the events, or not needed any more, changes nothing."""
        last_id = snapshot["lastUpdateId"]
        if self.update_id is not None or (self._buffered and last_id < self._buffered[0]["U"]):
            return
        self.update_id = last_id
        self.bids, self.asks = dict(snapshot["bids"]), dict(snapshot["asks"])
        for event in self._buffered:
            if event["u"] > last_id:
                self._apply(event)

    def _apply(self, event: dict[str, Any]) -> None:
        assert self.update_id is not None
        if event["u"] < self.update_id:
            return
        assert event["U"] <= self.update_id + 1, "events are missing"
        for side, changed in ((self.bids, event["b"]), (self.asks, event["a"])):
            for price, size in changed:
                if Decimal(size):
                    side[price] = size
                else:
                    side.pop(price, None)
        self.update_id = event["u"]

    @property
    def best(self) -> tuple[Decimal, Decimal]:
        """Bid and ask."""
        return max(map(Decimal, self.bids)), min(map(Decimal, self.asks))
