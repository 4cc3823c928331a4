"""A mock exchange as a process of its own, and plain ways to talk to it."""

import hashlib
import hmac
import json
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import websocket
from binance.client import Client

from hedgehog_project.exec_with_parent import NAME
from hedgehog_project.ports import free_port
from tests.support.machine.processes import Process, Processes

KEY, SECRET = "test-key", "test-secret"


@dataclass
class Mock:
    processes: Processes
    port: int
    home: Path
    settings: Mapping[str, object]
    process: Process
    session: requests.Session

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def restart(self) -> None:
        self.process = launch(self.processes, self.port, self.home, self.settings)

    def client(self) -> Client:
        """An unmodified python-binance client whose address is this exchange."""
        kind = type("MockClient", (Client,), {"API_URL": f"{self.url}/api", "MARGIN_API_URL": f"{self.url}/sapi"})
        return kind(KEY, SECRET, ping=False)

    def get(self, path: str, **params: Any) -> Any:
        return self.session.get(f"{self.url}/api/v3/{path}", params=params, timeout=5).json()

    def signed(self, method: str, path: str, **params: Any) -> requests.Response:
        """A signed request with everything in the query string."""
        query = urllib.parse.urlencode({**params, "timestamp": time.time_ns() // 1_000_000})
        return self.send(method, path, f"{query}&signature={sign(query)}")

    def send(self, method: str, path: str, query: str = "", body: str = "", key: str = KEY) -> requests.Response:
        """A request whose query and body go out as they are."""
        headers = {"X-MBX-APIKEY": key, "Content-Type": "application/x-www-form-urlencoded"}
        request = requests.Request(method, f"{self.url}/api/v3/{path}", headers=headers, data=body or None).prepare()
        request.url = f"{request.url}?{query}" if query else request.url
        return self.session.send(request, timeout=5)

    def trade(self, price: str, quantity: str = "1000", symbol: str = "ETHUSDT") -> dict[str, Any]:
        body = {"symbol": symbol, "price": price, "quantity": quantity}
        return self.control("trade", body)

    def control(self, what: str, body: Any = None) -> dict[str, Any]:
        answer = self.session.post(f"{self.url}/mock/{what}", json=body, headers={"X-MBX-APIKEY": KEY}, timeout=5)
        assert answer.status_code == 200, answer.text
        answered: dict[str, Any] = answer.json()
        return answered

    def fault(self, kind: str, **settings: Any) -> dict[str, Any]:
        """Turns a fault on."""
        return self.control("faults", {"kind": kind, **settings})

    def faults(self) -> list[dict[str, Any]]:
        """All faults, on or ended."""
        faults: list[dict[str, Any]] = self.session.get(f"{self.url}/mock/faults", timeout=5).json()["faults"]
        return faults

    def clear_faults(self) -> None:
        self.session.delete(f"{self.url}/mock/faults", headers={"X-MBX-APIKEY": KEY}, timeout=5).raise_for_status()

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.session.get(f"{self.url}/mock/state", timeout=5).json()
        return state

    def socket(self, path: str) -> "websocket.WebSocket":
        url = f"ws://127.0.0.1:{self.port}{path}"
        return websocket.create_connection(url, timeout=5, skip_utf8_validation=True)

    def user_events(self) -> "websocket.WebSocket":
        """A socket subscribed to the account's events."""
        socket = self.socket("/ws-api/v3")
        reply = call(socket, "userDataStream.subscribe.signature", signed_params())
        assert reply["status"] == 200, reply
        return socket


def sign(payload: str) -> str:
    return hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()


def signed_params(**params: Any) -> dict[str, Any]:
    """Parameters of a WebSocket API request, signed."""
    params = {**params, "apiKey": KEY, "timestamp": time.time_ns() // 1_000_000}
    return {**params, "signature": sign("&".join(f"{name}={params[name]}" for name in sorted(params)))}


def call(socket: "websocket.WebSocket", method: str, params: Any = None, request_id: Any = 1) -> dict[str, Any]:
    """The reply to a request; events that come before it are skipped."""
    socket.send(json.dumps({"id": request_id, "method": method, "params": params or {}}))
    while True:
        message: dict[str, Any] = json.loads(socket.recv())
        if "id" in message:
            return message


def events(socket: "websocket.WebSocket", count: int) -> list[dict[str, Any]]:
    return [json.loads(socket.recv())["event"] for _ in range(count)]


def launch(processes: Processes, port: int, home: Path, settings: Mapping[str, object]) -> Process:
    process = processes.manage(
        "mock_exchange",
        **{NAME: "mock_exchange", "MOCK_PORT": port, "HEDGEHOG_HOME": home},
        **{"MOCK_API_KEY": KEY, "MOCK_API_SECRET": SECRET, **settings},
    )
    processes.wait_for(lambda: "Mock exchange on" in process.output or not process.is_running, 20, "the mock")
    assert process.is_running, process.tail
    return process


def start(processes: Processes, home: Path, **settings: object) -> Mock:
    """A mock exchange, ready to answer; `settings` are environment variables. MARKET is manual unless given."""
    port = free_port()
    named: dict[str, object] = {"MARKET": "manual", "MOCK_BALANCES": "USDT:100000,ETH:10,BTC:1", **settings}
    return Mock(processes, port, home, named, launch(processes, port, home, named), requests.Session())
