"""Nothing acknowledged is lost, whichever way the exchange ends; and it says clearly why it can't begin."""

import json
import sqlite3
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from binance_mock.engine.ledger import Ledger
from binance_mock.engine.orders import Changes, MarketTrade
from binance_mock.state.exchange import open_exchange
from binance_mock.state.store import TRADES_KEPT, Store, StoreFailed
from hedgehog_project.ports import free_port
from tests.binance_mock import running
from tests.binance_mock.running import Mock
from tests.binance_mock.support import INFO, NOW, amounts, limit, market
from tests.support.machine.processes import Processes


def place_until_it_dies(mock: Mock, acknowledged: list[dict[str, Any]]) -> None:
    order = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    try:
        while True:
            # Every third order is filled at once.
            price = "3100" if len(acknowledged) % 3 == 2 else "2900"
            answer = mock.signed("POST", "order", **order, price=price).json()
            if "orderId" in answer:
                acknowledged.append(answer)
            if len(acknowledged) % 150 == 0:
                mock.signed("DELETE", "openOrders", symbol="ETHUSDT")
    except requests.RequestException:
        return


def test_kill_9_loses_no_acknowledged_order_and_ids_go_on_rising(processes: Processes, home: Path) -> None:
    mock = running.start(processes, home, MOCK_ORDERS_PER_10S=100_000)
    mock.trade("3000")
    acknowledged: list[dict[str, Any]] = []
    for _ in range(3):
        before = len(acknowledged)
        thread = threading.Thread(target=place_until_it_dies, args=(mock, acknowledged))
        thread.start()
        while len(acknowledged) < before + 50:
            time.sleep(0.01)
        mock.process.kill()
        thread.join()
        mock.restart()
        client = mock.client()
        for order in acknowledged[before:]:
            kept = client.get_order(symbol="ETHUSDT", orderId=order["orderId"])
            assert kept["clientOrderId"] == order["clientOrderId"]
            assert Decimal(str(kept["executedQty"])) >= Decimal(str(order["executedQty"]))
    ids = [order["orderId"] for order in acknowledged]
    assert ids == sorted(set(ids))
    trades = mock.get("historicalTrades", symbol="ETHUSDT", fromId=1, limit=1000)
    assert [trade["id"] for trade in trades] == list(range(1, len(trades) + 1))
    fills = [fill["tradeId"] for order in acknowledged for fill in order["fills"]]
    assert set(fills) <= {fill["id"] for fill in mock.client().get_my_trades(symbol="ETHUSDT", limit=1000)}
    locked = sum(Decimal(order["price"]) * Decimal(order["origQty"]) for order in mock.state()["openOrders"])
    assert Decimal(mock.client().get_asset_balance("USDT")["locked"]) == locked


def test_a_market_that_trades_by_itself_goes_on_where_kill_9_left_it(processes: Processes, home: Path) -> None:
    mock = running.start(processes, home, MARKET="simulated")
    seen: list[int] = []
    for _ in range(2):
        socket = mock.socket("/ws/ethusdt@trade")
        while not seen or len(seen) % 40:
            seen.append(int(str(socket.recv()).partition('"t":')[2].partition(",")[0]))
        mock.process.kill()
        socket.close()
        mock.restart()
        price = Decimal(mock.get("ticker/price", symbol="ETHUSDT")["price"])
        assert abs(price / 3000 - 1) < Decimal("0.05")
        kept = mock.get("historicalTrades", symbol="ETHUSDT", fromId=seen[-1], limit=1000)
        # What was published had been saved, and nothing lies between.
        assert [trade["id"] for trade in kept][:1] == [seen[-1]]
        seen.append(int(kept[-1]["id"]))
    first, last = seen[0], seen[-1]
    kept = mock.get("historicalTrades", symbol="ETHUSDT", fromId=first, limit=1000)
    ids = [trade["id"] for trade in kept if trade["id"] <= last]
    assert ids == list(range(first, last + 1))


def test_no_closed_candle_changes_over_ten_times_kill_9(processes: Processes, home: Path) -> None:
    mock = running.start(processes, home, MARKET="simulated")
    known: dict[tuple[str, int], list[Any]] = {}

    def note_closed() -> None:
        for interval in ("1s", "1m", "5m", "1h", "1d"):
            now_ms = mock.get("time")["serverTime"]
            for row in mock.get("klines", symbol="ETHUSDT", interval=interval, limit=1000):
                if row[6] < now_ms:
                    assert known.setdefault((interval, row[0]), row) == row

    first_ms = mock.get("time")["serverTime"]
    for _ in range(10):
        socket = mock.socket("/ws/ethusdt@kline_1s")
        frames = [json.loads(socket.recv())["k"] for _ in range(5)]
        note_closed()
        # The stream shows what REST shows.
        for each in (frame for frame in frames if frame["x"]):
            shown = [each[name] for name in ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B")]
            assert shown == known["1s", each["t"]]
        mock.process.kill()
        socket.close()
        mock.restart()
        note_closed()
    trades: list[dict[str, Any]] = mock.get("historicalTrades", symbol="ETHUSDT", fromId=1, limit=1000)
    while len(page := mock.get("historicalTrades", symbol="ETHUSDT", fromId=trades[-1]["id"] + 1, limit=1000)):
        trades += page
    for interval, length_ms in (("1s", 1_000), ("1m", 60_000), ("5m", 300_000)):
        for (kind, opens_ms), row in known.items():
            if kind == interval and opens_ms >= first_ms:
                within = [each for each in trades if opens_ms <= each["time"] < opens_ms + length_ms]
                assert (row[8], Decimal(row[5])) == (len(within), sum(Decimal(each["qty"]) for each in within))
    five, minutes = ([row for (kind, _), row in known.items() if kind == each] for each in ("5m", "1m"))
    for row in five:
        parts = [each for each in minutes if row[0] <= each[0] <= row[6]]
        if len(parts) == 5:
            assert row[8] == sum(each[8] for each in parts)


def test_a_restart_finds_balances_orders_and_prices_as_they_were(processes: Processes, home: Path) -> None:
    mock = running.start(processes, home)
    mock.trade("3000")
    mock.client().order_limit_buy(symbol="ETHUSDT", quantity="1", price="2990.00")
    mock.trade("2980", "0.4")
    before = mock.state()
    assert mock.process.stop() == 0
    mock.restart()
    after = mock.state()
    for part in ("balances", "openOrders", "lastPrices", "fees"):
        assert after[part] == before[part]
    mock.trade("2980")
    assert mock.state()["openOrders"] == []


def test_it_says_goodbye_on_every_connection_and_ends_within_two_seconds(processes: Processes, home: Path) -> None:
    mock = running.start(processes, home)
    sockets = {path: mock.socket(path) for path in ("/ws/ethusdt@trade", "/stream?streams=ethusdt@trade")}
    user = mock.user_events()
    began = time.monotonic()
    assert mock.process.stop() == 0
    assert time.monotonic() - began < 2
    said = [str(socket.recv()) for socket in (*sockets.values(), user)]
    assert all('"e":"serverShutdown"' in each for each in said)
    assert said[1].startswith('{"stream":"!serverShutdown","data":')
    assert said[2].startswith('{"event":')
    for socket in (*sockets.values(), user):
        socket.close()


# --- the store by itself ---------------------------------------------------------------------------


def test_old_public_trades_fall_away_and_the_newest_stay(tmp_path: Path) -> None:
    exchange = open_exchange(Store(tmp_path / "file"), INFO, amounts(USDT="1000"), NOW)
    batch = [MarketTrade("ETHUSDT", Decimal(3000), Decimal(1), True)] * 2_500
    for second in range(10):
        exchange.trade(batch, NOW + 1_000 * second)
    kept = exchange.store.trades("ETHUSDT", from_id=1, limit=100_000)
    assert TRADES_KEPT <= len(kept) < TRADES_KEPT + 2_500
    assert kept[-1].trade_id == 25_000


def test_the_trades_of_a_second_that_is_not_over_stay_however_many(tmp_path: Path) -> None:
    exchange = open_exchange(Store(tmp_path / "file"), INFO, amounts(USDT="1000"), NOW)
    for _ in range(10):
        exchange.trade([MarketTrade("ETHUSDT", Decimal(3000), Decimal(1), True)] * 2_500, NOW)
    exchange.store.close()
    again = open_exchange(Store(tmp_path / "file"), INFO, {}, NOW)
    (candle,) = again.charts.candles("ETHUSDT", "1s", NOW, limit=1)
    assert (candle.count, candle.base) == (25_000, Decimal(25_000))


def test_a_full_disk_keeps_nothing_of_the_operation_and_is_reported(tmp_path: Path) -> None:
    store = Store(tmp_path / "file")
    exchange = open_exchange(store, INFO, amounts(USDT="100000"), NOW)
    exchange.trade([MarketTrade("ETHUSDT", Decimal(3000), Decimal(1), True)], NOW)
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count={pages + 1}")
    placed = 0
    with pytest.raises(StoreFailed, match="full"):
        for placed in range(1_000):
            exchange.place(limit("BUY", "2000", "0.01") if placed % 2 else market("BUY", "0.01"), NOW)
            exchange.trade([MarketTrade("ETHUSDT", Decimal(1999), Decimal(9), True)] * 50, NOW)
    store.close()
    again = Store(tmp_path / "file")
    assert len(again.orders("ETHUSDT", from_id=1, start_ms=None, end_ms=None, limit=5000)) in (placed, placed + 1)
    assert all(holding.missing == 0 for holding in again.ledger().holdings.values())


def test_after_a_failed_write_nothing_is_kept_or_told(tmp_path: Path) -> None:
    store = Store(tmp_path / "file")
    exchange = open_exchange(store, INFO, amounts(USDT="100000"), NOW)
    store._connection.execute("PRAGMA query_only=ON")
    with pytest.raises(StoreFailed, match="readonly"):
        exchange.place(limit("BUY", "2000", "0.01"), NOW)
    # Even if the disk recovers: the engine has an order that the file has not.
    store._connection.execute("PRAGMA query_only=OFF")
    with pytest.raises(StoreFailed, match="earlier failure"):
        exchange.place(limit("BUY", "2000", "0.01"), NOW)
    store.close()
    assert Store(tmp_path / "file").open_orders() == []


def test_a_disk_that_fills_up_ends_the_exchange_with_one_clear_line(processes: Processes, home: Path) -> None:
    home.mkdir()
    file = home / "ETHUSDT-x.csv"
    file.write_text("".join(f"{i},3000,1,3000,{NOW + i},True,True\n" for i in range(20_000)))
    environment: dict[str, Any] = {"HEDGEHOG_HOME": home, "MOCK_PORT": free_port(), "MARKET": f"replay:{file}@1000"}
    # No file may grow beyond 1.5 MB: a disk that is full, but without a disk of its own.
    command = f"ulimit -f 1500 && exec {sys.executable} manage.py mock_exchange"
    process = processes.start("bash", "-c", command, **environment)
    processes.wait_for(lambda: "Mock exchange on" in process.output, 20)
    requests.get(f"http://127.0.0.1:{environment['MOCK_PORT']}/api/v3/depth?symbol=ETHUSDT", timeout=5)
    assert process.wait(20) == 1
    assert "cannot be written" in process.tail.splitlines()[-1]
    assert "Traceback" not in process.output


def test_amounts_are_kept_to_the_last_unit(tmp_path: Path) -> None:
    deposits = amounts(USDT="9999999999.99999999", BTC="0.00000001", ETH="123456789.12345678")
    store = Store(tmp_path / "file")
    open_exchange(store, INFO, deposits, NOW)
    store.close()
    assert {asset: h.free for asset, h in Store(tmp_path / "file").ledger().holdings.items()} == deposits


def test_only_one_exchange_may_have_the_file(tmp_path: Path) -> None:
    first = Store(tmp_path / "file")
    with pytest.raises(StoreFailed, match="locked"):
        Store(tmp_path / "file")
    first.save(Changes(marks={"a": "b"}), Ledger())
    assert first.marks()["a"] == "b"


@pytest.mark.parametrize(("has_own_port", "has_own_home"), [(False, False), (True, False), (False, True)])
def test_a_second_one_says_in_one_line_that_there_is_one(
    processes: Processes, home: Path, tmp_path: Path, has_own_port: bool, has_own_home: bool
) -> None:
    mock = running.start(processes, home)
    port, folder = free_port() if has_own_port else mock.port, tmp_path / "other" if has_own_home else home
    second = processes.run("mock_exchange", MOCK_PORT=port, HEDGEHOG_HOME=folder, MARKET="manual")
    assert second.returncode == 1
    (line,) = second.stderr.splitlines()
    assert ("Is another mock exchange running?" if has_own_home else "another mock exchange runs already") in line
    assert mock.state()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"This is no database at all. " * 100, "not a database"), (None, "unable to open")],
)
def test_a_broken_file_is_one_clear_line_and_an_exit_code(
    processes: Processes, home: Path, content: bytes | None, said: str
) -> None:
    home.mkdir()
    file = home / "mock_exchange.sqlite3"
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)
    ended = processes.run("mock_exchange", HEDGEHOG_HOME=home, MOCK_PORT=free_port(), MARKET="manual")
    assert ended.returncode == 1
    assert said in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr


def test_a_file_of_another_version_is_not_touched(tmp_path: Path) -> None:
    Store(tmp_path / "file").close()
    with sqlite3.connect(tmp_path / "file") as connection:
        connection.execute("UPDATE marks SET value = '99' WHERE name = 'format'")
    connection.close()
    with pytest.raises(StoreFailed, match="another version"):
        Store(tmp_path / "file")
