"""The markets: simulated, and replayed from real and from broken files."""

import gzip
import json
import logging
import statistics
import time
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from binance_mock.engine.orders import MarketTrade
from binance_mock.market.csv_trades import BadFile, TradeFile, symbol_of
from binance_mock.market.replay import LONGEST_PAUSE_MS, REPEAT_PAUSE_MS, ReplayMarket, read_spec
from binance_mock.market.simulated import SimulatedMarket
from binance_mock.state.listings import LISTINGS
from hedgehog_project.ports import free_port
from tests.binance_mock import running
from tests.binance_mock.support import NOW
from tests.support.machine.processes import Processes

# --- simulated ---------------------------------------------------------------------------------------


def simulate(symbol: str, seconds: int, seed: int = 1, last_id: int = 0) -> Iterator[tuple[int, MarketTrade]]:
    market = SimulatedMarket(seed)
    market.activate(symbol, None, last_id, NOW)
    for now_ms in range(NOW, NOW + seconds * 1000, 20):
        for trade in market.until(now_ms, 10_000):
            yield now_ms, trade


def test_the_same_seed_makes_the_same_market_and_a_restart_another() -> None:
    first, again = list(simulate("ETHUSDT", 30)), list(simulate("ETHUSDT", 30))
    assert first == again
    assert first != list(simulate("ETHUSDT", 30, seed=2))
    assert first != list(simulate("ETHUSDT", 30, last_id=600))


def test_a_market_that_was_held_up_does_not_make_up_for_it() -> None:
    market = SimulatedMarket(1)
    market.activate("ETHUSDT", None, 0, NOW)
    market.until(NOW + 1000, 10_000)
    later = NOW + 3_600_000
    assert len(market.until(later, 10_000)) < 20
    assert 100 < sum(len(market.until(now_ms, 10_000)) for now_ms in range(later, later + 10_000, 20)) < 400


@pytest.mark.parametrize("symbol", ["ETHUSDT", "XRPUSDT", "ETHBTC"])
def test_a_simulated_market_is_lively_and_stays_near_its_anchor(symbol: str) -> None:
    seconds = 600
    trades = [trade for _, trade in simulate(symbol, seconds)]
    listing = LISTINGS[symbol]
    assert 17 < len(trades) / seconds < 23
    assert all(trade.price % listing.tick == 0 and trade.quantity % listing.step == 0 for trade in trades)
    assert all(trade.price > 0 and trade.quantity > 0 for trade in trades)
    assert abs(statistics.mean(float(trade.price) for trade in trades) / float(listing.price) - 1) < 0.003
    assert max(abs(float(trade.price / listing.price) - 1) for trade in trades) < 0.04


@pytest.mark.parametrize("symbol", ["ETHUSDT", "BTCUSDT", "DOGEUSDT"])
def test_a_buyer_a_little_below_and_seller_a_little_above_finishes_a_cycle_about_every_half_minute(
    symbol: str,
) -> None:
    """Buys 0.1 % under the price, sells 0.3 % above the buy, and looks again 60 ms after a sale."""
    waits, began, ready = [], NOW, NOW
    buy = sell = None
    for now_ms, trade in simulate(symbol, 1800, seed=3):
        if sell is not None:
            if trade.price > sell:
                waits.append((now_ms - began) / 1000)
                buy, sell, began, ready = None, None, now_ms, now_ms + 60
        elif buy is not None:
            if trade.price < buy:
                sell = buy * Decimal("1.003")
        elif now_ms >= ready:
            buy = trade.price * Decimal("0.999")
    assert 5 < statistics.mean(waits) < 40
    assert max(waits) < 300


def test_only_symbols_that_somebody_cares_for_move(processes: Processes, home: Path) -> None:
    mock = running.start(processes, home, MARKET="simulated")
    mock.get("ticker/price", symbol="SOLUSDT")
    socket = mock.socket("/ws/solusdt@trade")
    for _ in range(5):
        socket.recv()
    socket.close()
    assert len(mock.get("trades", symbol="SOLUSDT")) > 5
    assert len(mock.get("trades", symbol="ADAUSDT")) == 1


# --- replay ------------------------------------------------------------------------------------------

ROW = "76112477,248.84000000,0.25634000,63.78764560,1558742400071,True,True"


@pytest.mark.parametrize(
    ("name", "rows", "first"),
    [
        ("BTCUSDT-trades-2024-08-08_09.csv.gz", 500, ("61837.63", "0.02", 1723161255342.0, True)),
        ("ETHUSDT-trades-2019.csv.gz", 500, ("248.84", "0.25634", 1558742400071.0, True)),
        ("ETHUSDT-trades-2024-08-08_09.csv.gz", 500, ("2683.8", "0.002", 1723161255611.0, True)),
        ("LTCUSDT-aggTrades-2025-06-21_22.csv.gz", 500, ("83.29", "0.107", 1750507467356.0, False)),
        ("TRXUSDT-trades-2025-03-04.csv.gz", 1_000, ("0.2312", "2619.4", 1741046401271.497, True)),
        ("XRPUSDT-trades-2019.csv.gz", 500, ("0.38286", "434.2", 1558742400339.0, True)),
    ],
)
def test_every_kind_of_recorded_file_is_read_whole(
    recorded: Path, name: str, rows: int, first: tuple[str, str, float, bool]
) -> None:
    file = TradeFile(recorded / "trades" / name)
    trades = iter(file)
    price, quantity, time_ms, buyer_is_maker = next(trades)
    assert (price, quantity, time_ms, buyer_is_maker) == (Decimal(first[0]), Decimal(first[1]), *first[2:])
    assert 1 + sum(1 for _ in trades) == rows
    assert file.broken == 0
    assert symbol_of(file.path) == name.partition("-")[0]


def write(path: Path, text: str) -> Path:
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(path.stem + ".csv", text)
    else:
        path.write_text(text)
    return path


def test_a_damaged_gzip_file_is_told_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "ETHUSDT-x.csv.gz"
    path.write_bytes(gzip.compress(b"x" * 1_000)[:10] + b"rubbish, and more of it")
    with pytest.raises(BadFile, match="cannot be read"):
        list(TradeFile(path))


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "zip"])
def test_plain_gzipped_and_zipped_files_are_read(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"ETHUSDT-trades-2019.{suffix}", f"{ROW}\n{ROW}\n")
    assert len(list(TradeFile(path))) == 2


@pytest.mark.parametrize(
    ("header", "row", "maker"),
    [
        ("id,price,qty,quote_qty,time,is_buyer_maker,is_best_match", ROW, True),
        (
            "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker,is_best_match",
            "1,248.84,0.25634,5,6,1558742400071,False,True",
            False,
        ),
        ("", "1,248.84,0.25634,5,6,1558742400071,true,true", True),
        ("time,side,quantity,price", "1558742400071,sell,0.25634,248.84", True),
        ("", "76112477,248.84,0.25634,63.7,1558742400071000,False,True", False),
    ],
)
def test_columns_are_found_with_and_without_a_header(tmp_path: Path, header: str, row: str, maker: bool) -> None:
    path = write(tmp_path / "ETHUSDT-x.csv", f"{header}\n{row}\n" if header else f"{row}\n")
    assert [tuple(trade) for trade in TradeFile(path)] == [
        (Decimal("248.84"), Decimal("0.25634"), 1558742400071.0, maker)
    ]


BROKEN = [
    "", "nonsense", "1,2,3", ROW.replace("248.84000000", "abc"), ROW.replace("248.84000000", "-1"),
    ROW.replace("0.25634000", "NaN"), ROW.replace("1558742400071", "yesterday"), ROW.replace("True", "perhaps"),
    ROW.replace("1558742400071", "12"), '"', "\x00\xff",
]  # fmt: skip


def test_broken_lines_are_logged_once_counted_and_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = [ROW, *BROKEN[1:9], ROW, BROKEN[10], ROW]
    path = write(tmp_path / "ETHUSDT-x.csv", "\n".join(lines) + "\n")
    file = TradeFile(path)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert len(list(file)) == 3
    assert file.broken == 9
    assert len(caplog.records) == 1
    assert "line 2" in caplog.text


@pytest.mark.parametrize(
    "text", ["", "id,price,qty,quote_qty,time,is_buyer_maker,is_best_match\n", "\n".join(BROKEN)]
)
def test_a_file_without_a_usable_line_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadFile):
        ReplayMarket(write(tmp_path / "ETHUSDT-x.csv", text), 1)


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(f"{ROW}\n".encode() * 1000)
    path = tmp_path / "ETHUSDT-x.csv.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadFile, match="cannot be read"):
        ReplayMarket(path, 1)
    (tmp_path / "ETHUSDT-x.zip").write_bytes(b"PK no zip")
    with pytest.raises(BadFile, match="cannot be read"):
        ReplayMarket(tmp_path / "ETHUSDT-x.zip", 1)


@pytest.mark.parametrize(
    ("spec", "speed"), [("f.csv", 1.0), ("f.csv@50", 50.0), ("f.csv@0.5", 0.5), ("a@b.csv@1000", 1000.0)]
)
def test_the_speed_stands_behind_the_file(spec: str, speed: float) -> None:
    path, found = read_spec(spec)
    assert (path.suffix, found) == (".csv", speed)


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "nan", "inf", "1e9", ""])
def test_an_absurd_speed_is_refused(speed: str) -> None:
    with pytest.raises(BadFile, match="speed"):
        read_spec(f"f.csv@{speed}")


def at(*times_ms: int) -> str:
    return "".join(f"{i},{100 + i},1,{100 + i},{time_ms},True,True\n" for i, time_ms in enumerate(times_ms))


def when(market: ReplayMarket, count: int) -> list[tuple[float, str]]:
    """(ms after the start, price) of the first trades of a replay."""
    market.activate("ETHUSDT", None, 0, 0)
    found: list[tuple[float, str]] = []
    now_ms = 0
    while len(found) < count:
        found += [(now_ms, str(trade.price)) for trade in market.until(now_ms, 100)]
        now_ms += 10
    return found[:count]


def test_a_replay_keeps_the_files_times_shortens_long_pauses_and_begins_again(tmp_path: Path) -> None:
    day = 86_400_000
    path = write(tmp_path / "ETHUSDT-x.csv", at(NOW, NOW + 500, NOW + 500, NOW + 500 + 7 * day))
    market = ReplayMarket(path, 10)
    third = 50 + LONGEST_PAUSE_MS / 10
    again = third + REPEAT_PAUSE_MS / 10
    assert when(market, 6) == [
        (0, "100"), (50, "101"), (50, "102"), (third, "103"), (again, "100"), (again + 50, "101"),
    ]  # fmt: skip
    assert market.repeats == 1


def test_a_replay_of_a_symbol_that_is_not_built_in_learns_its_ticks_from_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "PEPEUSDT-trades-x.csv", "1,0.00000710,1500,0.01,1558742400071,True,True\n")
    listing = ReplayMarket(path, 1).listing
    assert (listing.base, listing.quote, listing.tick, listing.step) == ("PEPE", "USDT", Decimal("1E-7"), Decimal(1))
    strange = ReplayMarket(write(tmp_path / "PEPEXYZ-trades-x.csv", f"{ROW}\n"), 1).listing
    assert (strange.symbol, strange.base, strange.quote) == ("PEPEXYZ", "PEPE", "XYZ")


def test_a_replay_over_the_wire_renumbers_trades_and_stamps_them_now(
    processes: Processes, tmp_path: Path, recorded: Path
) -> None:
    file = recorded / "trades" / "TRXUSDT-trades-2025-03-04.csv.gz"
    mock = running.start(processes, tmp_path / "home", MARKET=f"replay:{file}@200")
    statuses = {each["symbol"]: each["status"] for each in mock.get("exchangeInfo")["symbols"]}
    assert [symbol for symbol, status in statuses.items() if status == "TRADING"] == ["TRXUSDT"]
    socket = mock.socket("/ws/trxusdt@trade")
    trades = [json.loads(socket.recv()) for _ in range(200)]
    socket.close()
    assert [trade["t"] for trade in trades] == list(range(trades[0]["t"], trades[0]["t"] + 200))
    assert abs(trades[0]["T"] - time.time() * 1000) < 10_000
    refused = mock.signed("POST", "order", symbol="ETHUSDT", side="BUY", type="MARKET", quantity="1").json()
    assert (refused["code"], refused["msg"]) == (-2010, "Market is closed.")
    mock.process.kill()
    mock.restart()
    socket = mock.socket("/ws/trxusdt@trade")
    assert json.loads(socket.recv())["t"] > trades[-1]["t"]
    socket.close()


@pytest.mark.parametrize(
    ("market", "said"),
    [
        ("replay:no-such-dir/ETHUSDT-x.csv", "file not found"),
        ("replay:pyproject.toml", "must begin with the symbol"),
        ("replay:ETHUSDT-x.csv@0", "invalid replay speed"),
        ("replay:", "it must be simulated, live, manual or replay:FILE[@SPEED]"),
        ("dreamt", "it must be simulated, live, manual or replay:FILE[@SPEED]"),
    ],
)
def test_a_market_that_can_not_be_is_one_clear_line(processes: Processes, home: Path, market: str, said: str) -> None:
    home.mkdir()
    ended = processes.run("mock_exchange", HEDGEHOG_HOME=home, MOCK_PORT=free_port(), MARKET=market)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MOCK_BALANCES", "USDT", "is not a balance"),
        ("MOCK_BALANCES", "USDT:-5", "is not a balance"),
        ("MOCK_COMMISSION", "maker=1", "MOCK_COMMISSION: “maker=1” is not a rate"),
        ("MOCK_BALANCES", "USDT:1e400", "is not a balance"),
    ],
)
def test_a_setting_that_can_not_be_is_one_clear_line(
    processes: Processes, home: Path, name: str, value: str, said: str
) -> None:
    home.mkdir()
    environment: dict[str, Any] = {"HEDGEHOG_HOME": home, "MOCK_PORT": free_port(), "MARKET": "manual", name: value}
    ended = processes.run("mock_exchange", **environment)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr


def test_a_taken_port_is_one_clear_line(processes: Processes, home: Path, tmp_path: Path) -> None:
    mock = running.start(processes, home)
    other = tmp_path / "other"
    other.mkdir()
    ended = processes.run("mock_exchange", HEDGEHOG_HOME=other, MOCK_PORT=mock.port, MARKET="manual")
    assert ended.returncode == 1
    assert f"127.0.0.1:{mock.port}" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
