"""Trades by hand, as columns."""

import numpy as np

from history.columns import UNITS, Trades

# 2024-01-15, 00:00 UTC.
MIDNIGHT_US = 1_705_276_800_000_000


def trades(*ids: int, begins_us: int = MIDNIGHT_US, step_us: int = 1_000_000) -> Trades:
    """With these ids; what else they are follows from the id: one each second."""
    id = np.array(ids, np.int64)
    return Trades(id, 100 * UNITS + id % 7 * 1000, id % 5 * 10 + 1, begins_us + id * step_us, id % 2 == 0)
