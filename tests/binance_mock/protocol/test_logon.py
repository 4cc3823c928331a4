"""Being logged on to the WebSocket API: for Ed25519 keys only, and then without signatures."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from Crypto.PublicKey import ECC, RSA

from hedgehog_project.venues.keys import private_key
from tests.binance_mock import running
from tests.binance_mock.running import KEY, Mock, call
from tests.support.machine.processes import Processes

ED25519 = ECC.generate(curve="Ed25519")


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    """A mock whose account has an Ed25519 key."""
    folder = tmp_path_factory.mktemp("logon")
    processes = Processes(folder)
    public = ED25519.public_key().export_key(format="PEM")
    try:
        mock = running.start(processes, folder / "home", MOCK_PUBLIC_KEY=public)
        mock.trade("3000")
        yield mock
    finally:
        processes.stop_all()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_who_is_logged_on_trades_and_listens_without_signing(signed: Mock) -> None:
    key = private_key(KEY, str(ED25519.export_key(format="PEM")))
    socket = signed.socket("/ws-api/v3")
    assert call(socket, "account.status", {"timestamp": now_ms()})["error"]["code"] == -2014
    status = call(socket, "session.logon", key.signed({}, now_ms()))["result"]
    assert (status["apiKey"], status["userDataStream"]) == (KEY, False)
    assert status["authorizedSince"] >= status["connectedSince"]
    assert call(socket, "userDataStream.subscribe")["result"] == {"subscriptionId": 0}
    assert call(socket, "session.status")["result"]["userDataStream"] is True
    order = {"symbol": "ETHUSDT", "side": "SELL", "type": "MARKET", "quantity": "1", "timestamp": now_ms()}
    assert call(socket, "order.place", order)["result"]["status"] == "FILLED"
    # Somebody else's signature is wrong also here.
    wrong = call(socket, "account.status", {"apiKey": KEY, "timestamp": now_ms(), "signature": "AAAA"})
    assert wrong["error"]["code"] == -1022
    assert call(socket, "session.logout")["result"]["apiKey"] is None
    assert call(socket, "session.subscriptions")["result"] == []
    assert call(socket, "account.status", {"timestamp": now_ms()})["error"]["code"] == -2014
    socket.close()


def test_logging_out_ends_the_events_that_came_from_being_logged_on(signed: Mock) -> None:
    key = private_key(KEY, str(ED25519.export_key(format="PEM")))
    socket = signed.socket("/ws-api/v3")
    call(socket, "session.logon", key.signed({}, now_ms()))
    call(socket, "userDataStream.subscribe")
    socket.send('{"id": 1, "method": "session.logout"}')
    assert running.events(socket, 1)[0]["e"] == "eventStreamTerminated"
    socket.close()


def test_other_keys_cannot_log_on(mock: Mock, processes: Processes, home: Path) -> None:
    assert call(mock.socket("/ws-api/v3"), "session.logon", running.signed_params())["error"]["code"] == -4056
    pair = RSA.generate(2048)
    public = pair.public_key().export_key().decode()
    other = running.start(processes, home, MOCK_PUBLIC_KEY=public)
    key = private_key(KEY, pair.export_key().decode())
    socket = other.socket("/ws-api/v3")
    refused = call(socket, "session.logon", key.signed({}, now_ms()))["error"]
    assert refused == {"code": -4056, "msg": "RSA API key is not supported."}
    assert call(socket, "account.status", key.signed({}, now_ms()))["status"] == 200
    socket.close()
