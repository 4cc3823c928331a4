"""What the streamer is measured beside: other WebSocket clients, which read and decode the same frames.

They publish nothing. One that is not installed is left out; requirements-dev.txt names them all.
"""

import asyncio
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import aiohttp
import msgspec
import websocket

from streamer.frames import _Combined

GIVE_UP_S = 30
STREAM = "/stream?streams=ethusdt@trade"

_decode = msgspec.json.Decoder(_Combined).decode


class Count:
    """Decodes frames, counts them, and measures from the first one on: connecting is no part of it."""

    def __init__(self, count: int) -> None:
        self._left = self._count = count
        self._cpu = time.process_time()
        self._wall = 0

    def take(self, payload: bytes | memoryview | str) -> bool:
        """True with the last one."""
        _decode(payload)
        if self._left == self._count:
            self._wall = time.time_ns()
        self._left -= 1
        return self._left == 0

    def connected(self) -> None:
        self._cpu = time.process_time()

    def spent(self) -> dict[str, float]:
        return {"cpu_s": time.process_time() - self._cpu, "wall_s": (time.time_ns() - self._wall) / 1e9}


def websocket_client(url: str, count: int) -> dict[str, float]:
    """Without UTF-8 validation. The slowest."""
    counted = Count(count)
    ws = websocket.create_connection(f"{url}{STREAM}", skip_utf8_validation=True)
    counted.connected()
    while not counted.take(ws.recv_data()[1]):
        pass
    return counted.spent()


def with_aiohttp(url: str, count: int) -> dict[str, float]:
    counted = Count(count)

    async def read() -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}{STREAM}") as ws:
            counted.connected()
            async for message in ws:
                if counted.take(message.data):
                    return

    asyncio.run(read())
    return counted.spent()


def picows(url: str, count: int) -> dict[str, float]:
    """Written in Cython: the fastest."""
    library = import_module("picows")
    counted = Count(count)

    class Listener(library.WSListener):  # type: ignore[misc, name-defined]
        def on_ws_frame(self, transport: object, frame: object) -> None:
            if counted.take(frame.get_payload_as_memoryview()):  # type: ignore[attr-defined]
                transport.disconnect()  # type: ignore[attr-defined]

    async def read() -> None:
        transport, _ = await library.ws_connect(Listener, f"{url}{STREAM}")
        counted.connected()
        await transport.wait_disconnected()

    asyncio.run(read())
    return counted.spent()


def unicorn(url: str, count: int) -> dict[str, float]:
    """unicorn-binance-websocket-api, on picows as well; its threads and statistics are part of it."""
    library = import_module("unicorn_binance_websocket_api")
    counted, is_done = Count(count), []

    def take(payload: str) -> None:
        if counted.take(payload):
            is_done.append(True)

    with library.BinanceWebSocketApiManager(
        websocket_base_uri=f"{url}/", websocket_library="picows", warn_on_update=False, disable_colorama=True,
        process_stream_data=take, high_performance=True,
    ) as manager:  # fmt: skip
        manager.create_stream(["trade"], ["ethusdt"])
        give_up = time.monotonic() + GIVE_UP_S
        while not is_done:
            time.sleep(0.005)
            if time.monotonic() > give_up:
                raise SystemExit("unicorn has not read all of them")
        return counted.spent()


# From the fastest to the slowest, by the module that each needs.
PEERS: dict[str, tuple[str, Callable[[str, int], dict[str, float]]]] = {
    "picows": ("picows", picows),
    "aiohttp": ("aiohttp", with_aiohttp),
    "unicorn": ("unicorn_binance_websocket_api", unicorn),
    "websocket-client": ("websocket", websocket_client),
}


def installed() -> list[str]:
    return [name for name, (module, _) in PEERS.items() if find_spec(module)]
