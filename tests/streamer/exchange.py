"""A small exchange that does what a test tells it to: Binance's surfaces as far as a streamer sees them."""

import asyncio
import json
import ssl
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from aiohttp import WSMsgType, web

from hedgehog_project.ports import HOST
from hedgehog_project.venues import Endpoints
from hedgehog_project.venues.keys import hmac_key

T = TypeVar("T")


def trade(trade_id: int, symbol: str = "ETHUSDT", price: str = "100.00", ms: int | None = None) -> dict[str, Any]:
    """The data of a trade frame. Its time rises with its id unless given."""
    ms = 1_700_000_000_000 + trade_id if ms is None else ms
    return {"e": "trade", "E": ms, "s": symbol, "t": trade_id, "p": price, "q": "0.5", "T": ms, "m": True, "M": True}


def combined(data: dict[str, Any]) -> str:
    return json.dumps({"stream": f"{str(data['s']).lower()}@trade", "data": data})


class Exchange:
    """Serves in a thread. Attributes say how it behaves, and what it has seen."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        # How it behaves.
        self.answers_handshakes = True
        self.handshake_status = 101
        self.answers_pings = True
        self.answers_subscriptions = True
        self.symbols = {"ETHUSDT": "TRADING", "BTCUSDT": "TRADING", "OLDUSDT": "BREAK"}
        self.history: list[dict[str, Any]] = []
        self.aggregates: list[dict[str, Any]] = []
        self.history_status = 200
        self.history_delay_s = 0.0
        self.clock_off_s = 0.0
        self._wall_ahead_s = time.time() - time.monotonic()
        self.user_answers: list[Callable[[dict[str, Any]], dict[str, Any]]] = []
        # What it has seen.
        self.paths: list[str] = []
        self.messages: list[tuple[float, dict[str, Any]]] = []
        self.pings = 0
        self.pongs: list[bytes] = []
        self.rest_calls: list[str] = []
        self._sockets: dict[str, list[web.WebSocketResponse]] = {"stream": [], "user": []}
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._started.wait(5)

    @property
    def endpoints(self) -> Endpoints:
        address = f"{HOST}:{self.port}"
        s = "s" if self._tls else ""
        return Endpoints(
            f"http{s}://{address}",
            f"ws{s}://{address}/ws-api/v3",
            f"ws{s}://{address}",
            hmac_key("the-key", "the-secret"),
        )

    def now_ms(self) -> int:
        """The exchange's time. It is nothing to it what a test sets this process's wall clock to."""
        return round((time.monotonic() + self._wall_ahead_s + self.clock_off_s) * 1000)

    # --- orders of the test ---------------------------------------------------------------------
    def send(self, *payloads: str | bytes, to: str = "stream") -> None:
        for payload in payloads:
            text = payload if isinstance(payload, str) else None
            for socket in list(self._sockets[to]):
                self._do(socket.send_str(text) if text is not None else socket.send_bytes(payload))  # type: ignore[arg-type]

    def send_trades(self, *trade_ids: int, symbol: str = "ETHUSDT") -> None:
        self.send(*(combined(trade(trade_id, symbol)) for trade_id in trade_ids))

    def ping(self, data: bytes) -> None:
        for socket in list(self._sockets["stream"]):
            self._do(socket.ping(data))

    def close(self, code: int, of: str = "stream") -> None:
        """Closes all connections with a code; 1006: drops them without one."""
        for socket in list(self._sockets[of]):
            if code == 1006:
                transport = socket._req.transport  # type: ignore[union-attr]
                self._loop.call_soon_threadsafe(transport.abort)  # type: ignore[union-attr]
            else:
                asyncio.run_coroutine_threadsafe(socket.close(code=code), self._loop)

    def connections(self, of: str = "stream") -> int:
        return len(self._sockets[of])

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    # --- serving --------------------------------------------------------------------------------
    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        application = web.Application()
        application.router.add_get("/stream", self._stream)
        application.router.add_get("/ws-api/v3", self._user)
        application.router.add_get("/api/v3/{name}", self._rest)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, HOST, 0, ssl_context=self._tls)
        self._loop.run_until_complete(site.start())
        self.port: int = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path_qs)
        while not self.answers_handshakes:
            await asyncio.sleep(0.02)
        if self.handshake_status != 101:
            return web.Response(status=self.handshake_status, headers={"Retry-After": "1"})
        return await self._listen(request, "stream")

    async def _user(self, request: web.Request) -> web.WebSocketResponse:
        return await self._listen(request, "user")

    async def _listen(self, request: web.Request, surface: str) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self._sockets[surface].append(socket)
        try:
            async for message in socket:
                if message.type == WSMsgType.PING:
                    self.pings += 1
                    if self.answers_pings:
                        await socket.pong(message.data)
                elif message.type == WSMsgType.PONG:
                    self.pongs.append(bytes(message.data))
                elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    asked = json.loads(message.data)
                    self.messages.append((time.monotonic(), asked))
                    answer = self._answer(surface, asked)
                    if answer is not None:
                        await socket.send_str(json.dumps(answer))
        finally:
            self._sockets[surface].remove(socket)
        return socket

    def _answer(self, surface: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        if surface == "user":
            if asked["method"] == "time":
                return {"id": asked["id"], "status": 200, "result": {"serverTime": int(time.time() * 1000) + 60_000}}
            if self.user_answers:
                return {"id": asked["id"], **self.user_answers.pop(0)(asked)}
            return {"id": asked["id"], "status": 200, "result": {"subscriptionId": 0}}
        return {"result": None, "id": asked["id"]} if self.answers_subscriptions else None

    async def _rest(self, request: web.Request) -> web.Response:
        name, query = request.match_info["name"], request.query
        if name == "time":
            return web.json_response({"serverTime": self.now_ms()})
        self.rest_calls.append(request.path_qs)
        limit = int(query.get("limit", 500))
        if name == "historicalTrades":
            await asyncio.sleep(self.history_delay_s)
            if self.history_status != 200:
                return web.json_response(
                    {"code": -2014, "msg": "API-key format invalid."}, status=self.history_status
                )
            rows = [row for row in self.history if row["id"] >= int(query["fromId"])]
            return web.json_response(rows[:limit])
        if name == "aggTrades":
            if "fromId" not in query:
                return web.json_response(self.aggregates[-limit:])
            rows = [row for row in self.aggregates if row["a"] >= int(query["fromId"])]
            return web.json_response(rows[:limit])
        if name == "exchangeInfo":
            symbols = [{"symbol": symbol, "status": status} for symbol, status in self.symbols.items()]
            if "symbol" in query:
                symbols = [entry for entry in symbols if entry["symbol"] == query["symbol"]]
                if not symbols:
                    return web.json_response({"code": -1121, "msg": "Invalid symbol."}, status=400)
            return web.json_response({"symbols": symbols})
        return web.json_response({"code": -1, "msg": "unknown"}, status=404)


def historical(*trade_ids: int) -> list[dict[str, Any]]:
    """Rows of historicalTrades."""
    rows = []
    for trade_id in trade_ids:
        data = trade(trade_id)
        rows.append(
            {
                "id": trade_id,
                "price": data["p"],
                "qty": data["q"],
                "quoteQty": "50.00",
                "time": data["T"],
                "isBuyerMaker": True,
                "isBestMatch": True,
            }
        )
    return rows
