"""Files of the past: bytes a trade, and how fast they are written and read, beside plain arrays in the same run."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from history import folding
from history.columns import Trades, names_of
from history.kinds import Kind
from history.periods import parse
from history.shelf import Shelf

ROWS = 1_000_000
BEGINS_US = 1_704_067_200_000_000  # 2024-01-01
ROUNDS = 3


def made() -> Trades:
    """A walk of the price in ticks, sizes as they are seen, a trade each 2.6 s: as a busy symbol's."""
    random = np.random.default_rng(1)
    price = (300_000 + np.cumsum(random.integers(-2, 3, ROWS))) * 1_000_000
    quantity = np.maximum(1, (random.lognormal(0, 1.3, ROWS) * 1000)).astype(np.int64) * 10_000
    time_us = BEGINS_US + np.cumsum(random.integers(0, 5_000, ROWS)) * 1000
    return Trades(np.arange(ROWS), price, quantity, time_us, random.integers(0, 2, ROWS).astype(np.bool_))


def best(act: Callable[[], object]) -> float:
    """CPU seconds of the quickest round."""
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        act()
        found.append(time.process_time() - began)
    return min(found)


def main() -> None:
    trades = made()
    with tempfile.TemporaryDirectory(prefix="hedgehog-bench-") as folder:
        shelf, plain = Shelf(Path(folder)), Path(folder) / "plain.npz"
        columns = {name: getattr(trades, name) for name in names_of(Trades)}
        wrote = best(lambda: shelf.put("ETHUSDT", Kind.TRADES, parse("2024-01"), trades, ()))
        (piece,) = shelf.pieces("ETHUSDT", Kind.TRADES)
        floor_wrote = best(lambda: np.savez(plain, **columns))
        read = best(lambda: shelf.read(piece, Trades))
        floor_read = best(lambda: [value.sum() for value in np.load(plain).values()])
        footer = best(lambda: shelf.pieces("ETHUSDT", Kind.TRADES))
        minutes = best(lambda: list(folding.candles([trades], "1m")))
        size, floor_size = piece.path.stat().st_size, plain.stat().st_size
    print(f"{'':24}{'ours':>12}{'plain arrays':>14}{'ratio':>8}")
    for what, ours, floor in (
        ("bytes a trade", size / ROWS, floor_size / ROWS),
        ("write, ns a trade", wrote / ROWS * 1e9, floor_wrote / ROWS * 1e9),
        ("read all, ns a trade", read / ROWS * 1e9, floor_read / ROWS * 1e9),
    ):
        print(f"{what:24}{ours:12.2f}{floor:14.2f}{ours / floor:8.2f}")
    print(f"footer {footer * 1e3:.2f} ms; candles of one minute {minutes / ROWS * 1e9:.0f} ns a trade")


if __name__ == "__main__":
    main()
