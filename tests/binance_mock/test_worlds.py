"""Each world has an account of its own, and going back finds it as it was; what is for another is refused."""

from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from binance_mock.market.replay import ReplayMarket
from binance_mock.state.store import Store, StoreFailed
from hedgehog_project.venues import WORLD_HEADER, Venue
from hedgehog_project.venues.account_files import file_of
from hedgehog_project.venues.keys import hmac_key
from hedgehog_project.venues.worlds import world_of
from tests.binance_mock import running
from tests.binance_mock.market.test_markets import at, write
from tests.binance_mock.running import KEY, SECRET
from tests.binance_mock.support import NOW
from tests.support.machine.processes import Processes
from trading.exchange.binance import BinanceExchange
from trading.exchange.errors import KeyRejected


def account(mock: running.Mock) -> tuple[Any, Any]:
    state = mock.state()
    return state["balances"], [order["clientOrderId"] for order in state["openOrders"]]


def test_each_world_finds_its_account_as_it_was(processes: Processes, home: Path, tmp_path: Path) -> None:
    mock = running.start(processes, home)
    mock.trade("3000")
    simulated = {"symbol": "ETHUSDT", "side": "BUY", "timeInForce": "GTC", "type": "LIMIT", "quantity": "1"}
    mock.signed("POST", "order", **simulated, price="2900", newClientOrderId="of-simulated")
    before = account(mock)
    mock.process.stop()
    path = write(tmp_path / "ETHUSDT-mine.csv", at(NOW, NOW + 1, NOW + 2))
    of_replay = running.start(processes, home, MARKET=f"replay:{path}@1000")
    assert account(of_replay)[1] == []
    assert of_replay.state()["market"] == "replay"
    of_replay.signed("POST", "order", **simulated, price="50", newClientOrderId="of-replay")
    assert account(of_replay)[1] == ["of-replay"]
    of_replay.process.stop()
    mock.restart()
    assert account(mock) == before
    names = {path.name for path in home.glob("*.sqlite3")}
    assert names == {"mock_exchange.sqlite3", file_of(world_of(f"replay:{path}"))}


def test_what_is_for_another_world_is_refused(processes: Processes, home: Path) -> None:
    mock = running.start(processes, home)
    mock.trade("3000")
    key = hmac_key(KEY, SECRET)
    assert BinanceExchange(mock.url, key, {WORLD_HEADER: "mock/simulated"}).open_orders() == []
    with pytest.raises(KeyRejected, match="runs mock/simulated now, not mock/paper"):
        BinanceExchange(mock.url, key, {WORLD_HEADER: "mock/paper"}).open_orders()
    for path in ("/ws-api/v3", "/ws/ethusdt@trade"):
        with pytest.raises(websocket.WebSocketBadStatusException, match="401"):
            websocket.create_connection(
                f"ws://127.0.0.1:{mock.port}{path}", header={WORLD_HEADER: "mock/paper"}, timeout=5
            )
    # Other tools know of no worlds.
    assert requests.get(f"{mock.url}/api/v3/ping", timeout=5).ok


def test_an_account_belongs_to_one_world(tmp_path: Path) -> None:
    store = Store(tmp_path / "file")
    store.belongs_to("mock/simulated")
    store.belongs_to("mock/simulated")
    with pytest.raises(StoreFailed, match="is the account of mock/simulated, not of mock/paper"):
        store.belongs_to("mock/paper")


def test_files_of_worlds_have_names_of_their_own() -> None:
    worlds = [Venue.MOCK, Venue("mock/paper"), Venue("mock/replay:ETHUSDT-2024-1a2b3c")]
    assert [file_of(world) for world in worlds] == [
        "mock_exchange.sqlite3",
        "mock_exchange.paper.sqlite3",
        "mock_exchange.replay.ETHUSDT-2024-1a2b3c.sqlite3",
    ]


class TestReplay:
    """A replay goes on where it was: else its prices would jump with each start."""

    def prices(self, market: ReplayMarket, count: int) -> list[str]:
        market.activate("ETHUSDT", None, 0, 0)
        return [str(trade.price) for trade in market.until(10**9, count)]

    @pytest.mark.parametrize("head", ["", "id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch\n", "no trade\n"])
    def test_a_restart_goes_on_behind_the_trade_that_was_kept_last(self, tmp_path: Path, head: str) -> None:
        path = write(tmp_path / "ETHUSDT-x.csv", head + at(*range(NOW, NOW + 5)))
        market = ReplayMarket(path, 1)
        assert self.prices(market, 2) == ["100", "101"]
        again = ReplayMarket(path, 1, market.marks())
        assert self.prices(again, 5) == ["102", "103", "104", "100", "101"]
        assert self.prices(ReplayMarket(path, 1, again.marks()), 1) == ["102"]

    def test_one_that_was_played_to_its_end_begins_again(self, tmp_path: Path) -> None:
        path = write(tmp_path / "ETHUSDT-x.csv", at(NOW, NOW + 1))
        market = ReplayMarket(path, 1)
        self.prices(market, 2)
        assert self.prices(ReplayMarket(path, 1, market.marks()), 2) == ["100", "101"]

    def test_what_was_read_and_not_given_yet_is_not_lost(self, tmp_path: Path) -> None:
        path = write(tmp_path / "ETHUSDT-x.csv", at(NOW, NOW + 60_000))
        market = ReplayMarket(path, 1)
        market.activate("ETHUSDT", None, 0, 0)
        assert len(market.until(10, 5)) == 1
        assert self.prices(ReplayMarket(path, 1, market.marks()), 1) == ["101"]
