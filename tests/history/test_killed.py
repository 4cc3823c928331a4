"""kill -9 and Ctrl-C in the middle of a download: nothing is lost, nothing is there twice, the next start ends it."""

import random
import signal
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from history.archive import Kind
from history.columns import Trades, joined
from history.shelf import Shelf
from tests.support.archive import ArchiveServer, Bucket, recorded, spread
from tests.support.machine import migrated
from tests.support.machine.processes import Processes

KILLS = 20
ETH = recorded("ETHUSDT-trades-2019")
MONTHS = [date(2024, month, 1 + day) for month in (1, 2, 3) for day in range(25)]
PARTS = spread(ETH, MONTHS)


def bucket_of_three_months() -> Bucket:
    """The first as a month that lacks what its days have, the second by its days, the third as a month."""
    bucket = Bucket(piece=400, slow_s=0.01)
    january = [row for day, rows in PARTS.items() if day.month == 1 for row in rows]
    bucket.put("ETHUSDT", "trades", "2024-01", [*january[:60], *january[64:]])
    for day, rows in PARTS.items():
        if day.month < 3:
            bucket.put("ETHUSDT", "trades", day.isoformat(), rows)
    bucket.put("ETHUSDT", "trades", "2024-03", [row for day, rows in PARTS.items() if day.month == 3 for row in rows])
    return bucket


def settings_for(server: ArchiveServer, home: Path) -> dict[str, Any]:
    return {
        "HEDGEHOG_HOME": str(home),
        "ARCHIVE_URL": server.url,
        "ARCHIVE_LISTING_URL": server.listing_url,
        # Nobody listens there: no hole is left for the exchange.
        "LIVE_REST_URL": "http://127.0.0.1:9",
        "LIVE_WS_API_URL": "ws://127.0.0.1:9/ws-api/v3",
        "LIVE_STREAM_URL": "ws://127.0.0.1:9",
    }


COMMAND = ("history", "download", "ETHUSDT", "--from", "2024-01", "--to", "2024-03")


def read_all(home: Path) -> list[int]:
    """All ids that are kept now. Every file must be readable, with rising ids that its footer tells."""
    shelf = Shelf(home)
    parts = []
    for piece in shelf.pieces("ETHUSDT", Kind.TRADES):
        trades = shelf.read(piece, Trades)
        assert (piece.rows, piece.first_id, piece.last_id) == (len(trades), trades.id[0], trades.id[-1])
        parts.append(trades)
    found: list[int] = joined(parts).id.tolist() if parts else []
    return found


@pytest.mark.timeout(300)
def test_kill_9_at_any_moment_loses_nothing_and_doubles_nothing(processes: Processes, tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed={seed}")
    moments = random.Random(seed)
    home = tmp_path / "home"
    migrated.prepare(processes, home)
    killed = 0
    with ArchiveServer(bucket_of_three_months()) as server:
        environment = settings_for(server, home)
        before: list[int] = []
        while killed < KILLS:
            process = processes.manage(*COMMAND, **environment)
            asked = len(server.bucket.requests)
            give_up = time.monotonic() + 30
            # Until it has begun to ask: what is before that is Python's own start.
            while len(server.bucket.requests) == asked and process.is_running and time.monotonic() < give_up:
                time.sleep(0.01)
            time.sleep(moments.uniform(0, 0.8))
            if not process.is_running:
                assert process.exit_code == 0, process.tail
                assert read_all(home) == [int(row[0]) for row in ETH]
                for path in [*(home / "history").rglob("*.parquet"), *(home / "history").rglob("asked.json")]:
                    path.unlink()  # All anew: there are kills left.
                before = []
                continue
            process.kill()
            killed += 1
            now = read_all(home)
            assert now == sorted(set(now)), f"seed={seed}"
            assert set(before) <= set(now), f"seed={seed}"
            print(f"kill {killed}: {len(now)} trades kept")
            before = now
        server.bucket.slow_s = 0.0
        done = processes.run(*COMMAND, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_all(home) == [int(row[0]) for row in ETH], f"seed={seed}"
    assert list((home / "history" / "incoming").glob("*.part")) == []


def test_ctrl_c_ends_it_at_once_and_the_next_start_goes_on(processes: Processes, tmp_path: Path) -> None:
    home = tmp_path / "home"
    migrated.prepare(processes, home)
    with ArchiveServer(bucket_of_three_months()) as server:
        environment = settings_for(server, home)
        server.bucket.slow_s = 0.3
        process = processes.manage(*COMMAND, **environment)
        processes.wait_for(lambda: list(home.glob("history/incoming/*.part")), 30)
        began = time.monotonic()
        process.signal(signal.SIGINT)
        assert process.wait(10) == 130, process.tail
        assert time.monotonic() - began < 5
        assert "Traceback" not in process.output
        server.bucket.slow_s = 0.0
        done = processes.run(*COMMAND, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_all(home) == [int(row[0]) for row in ETH]
