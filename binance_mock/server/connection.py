"""One WebSocket connection from the server's side: pings, its 24 hours, and frames written in batches.

Frames are built here and written to the transport at once, many in one system call: a batch of trades costs about as
much as one. Compression is never offered, so each frame is complete in itself.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterable

from aiohttp import WSCloseCode, WSMsgType, web

PING_EVERY_S = 20.0
# A client that has not answered a ping for this long is gone.
PONG_WITHIN_S = 60.0
LIFE_S = 24 * 3600.0
# A client that reads so slowly that this much waits for it is cut off, as Binance does.
MAX_WAITING_BYTES = 16 * 2**20
# What a request's id may be if it is a text.
REQUEST_ID = r"^[a-zA-Z0-9-_]{1,36}$"


def is_request_id(value: object) -> bool:
    """Whether a request may have this id: an integer, a short text, or null."""
    if isinstance(value, str):
        return re.fullmatch(REQUEST_ID, value, re.ASCII) is not None
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def text_frame(payload: bytes) -> bytes:
    """A complete, unmasked WebSocket text frame (RFC 6455, 5.2)."""
    length = len(payload)
    if length < 126:
        return b"\x81" + length.to_bytes(1, "big") + payload
    if length < 2**16:
        return b"\x81\x7e" + length.to_bytes(2, "big") + payload
    return b"\x81\x7f" + length.to_bytes(8, "big") + payload


class Connection:
    """Use: `await open()`, iterate over `messages()`, and `close()` from wherever the server stops."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=2**20, timeout=2.0)
        self._transport: asyncio.WriteTransport | None = None
        self._pong_at = time.monotonic()
        self._is_frozen = False
        # A fault ends it soon, or has made it useless.
        self.is_doomed = False
        self.opened_ms = time.time_ns() // 1_000_000

    async def open(self) -> web.WebSocketResponse:
        await self._socket.prepare(self._request)
        transport = self._request.transport
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        return self._socket

    def send(self, payloads: Iterable[bytes]) -> None:
        """Writes a text frame for each payload; nothing where the client is gone."""
        self.write(b"".join(map(text_frame, payloads)))

    def write(self, frames: bytes) -> None:
        """Writes complete frames; nothing where the client is gone."""
        transport = self._transport
        if transport is None or transport.is_closing() or self._socket.closed or self._is_frozen:
            return
        if transport.get_write_buffer_size() > MAX_WAITING_BYTES:
            transport.abort()
            return
        transport.write(frames)

    async def messages(self) -> AsyncIterator[str]:
        """What the client says, until it leaves or its time is up. Counts pongs as messages: yields "" for them."""
        keeper = asyncio.create_task(self._keep())
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    yield message.data
                elif message.type is WSMsgType.PING:
                    await self._socket.pong(message.data)
                    yield ""
                elif message.type is WSMsgType.PONG:
                    self._pong_at = time.monotonic()
                    yield ""
        finally:
            keeper.cancel()
            await self.close()

    async def _keep(self) -> None:
        """Pings the client, and ends the connection when it is silent or its time is up."""
        ends = time.monotonic() + LIFE_S
        while time.monotonic() < ends:
            await asyncio.sleep(min(PING_EVERY_S, max(0.0, ends - time.monotonic())))
            if time.monotonic() - self._pong_at > PONG_WITHIN_S:
                if self._transport is not None:
                    self._transport.abort()
                return
            if self._is_frozen:
                continue
            await self._socket.ping(str(time.time_ns() // 1_000_000).encode())
        await self.close()

    def cut(self) -> None:
        """Ends the connection without a close frame: the client sees 1006."""
        self.is_doomed = True
        if self._transport is not None:
            self._transport.abort()

    def freeze(self) -> None:
        """Half-open from now on: nothing is read or written, until pongs have been missing for long enough."""
        self._is_frozen = self.is_doomed = True
        if isinstance(self._transport, asyncio.Transport):
            self._transport.pause_reading()

    def announce_shutdown(self, now_ms: int) -> None:
        """Says that the server is about to close the connection."""
        raise NotImplementedError

    def end_subscription(self, now_ms: int) -> None:
        """Says that no events come any more, on a connection that stays. Only the account's events end so."""
        raise NotImplementedError

    async def close(self, code: int = WSCloseCode.GOING_AWAY, reason: str = "") -> None:
        self.is_doomed = True
        if self._is_frozen:
            self.cut()
            return
        if not self._socket.closed:
            await self._socket.close(code=code, message=reason.encode())
