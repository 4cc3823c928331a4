"""Adds trades to their topics in Redis: commands packed here, sent in pipelines over one connection."""

import hiredis
import redis
from redis._parsers.base import BaseParser

from streamer.sequence import Gap
from streamer.topics import GAP_KEY_S, TRADES_KEPT, TradeEvent, encode_trade, gap_key, trade_topic

# Replies of so many commands fit into the buffers between us and Redis.
PIPELINE = 1000
PIECE_BYTES = 64 * 1024
# Errors that the same command would meet again for ever: that one trade is given up, the others go on.
_HOPELESS = ("WRONGTYPE", "NOPERM", "no permissions")


class RedisRefuses(redis.RedisError):
    """Redis answers but takes nothing: out of memory, read-only, cannot save … It may take it later."""


class TopicPacker:
    """Packs the commands for one topic. Lengths are in bytes: a symbol need not be ASCII."""

    def __init__(self, market: str, symbol: str) -> None:
        topic = trade_topic(market, symbol)
        key = f"${len(topic.encode())}\r\n{topic}\r\n"
        kept = str(TRADES_KEPT)
        self._add = f"*8\r\n$4\r\nXADD\r\n{key}$6\r\nMAXLEN\r\n$1\r\n~\r\n${len(kept)}\r\n{kept}\r\n$"
        self.delete = f"*2\r\n$3\r\nDEL\r\n{key}"
        gap = gap_key(market, symbol)
        self._gap_key = f"${len(gap.encode())}\r\n{gap}\r\n"

    def add(self, trade: TradeEvent, shift_ms: int) -> str:
        """XADD under the trade's own id. `shift_ms` makes the exchange's time that of the clock that hosts share."""
        value = encode_trade(trade, trade.event_ms + shift_ms)
        entry_id = f"{trade.trade_id}-0"
        return f"{self._add}{len(entry_id)}\r\n{entry_id}\r\n$1\r\nt\r\n${len(value)}\r\n{value}\r\n"

    def gap(self, gap: Gap | None) -> str:
        """SETEX of the key that tells of an open gap; DEL where none is open any more."""
        if gap is None:
            return f"*2\r\n$3\r\nDEL\r\n{self._gap_key}"
        kept, value = str(GAP_KEY_S), f"{gap.first}-{gap.last}"
        return f"*4\r\n$5\r\nSETEX\r\n{self._gap_key}${len(kept)}\r\n{kept}\r\n${len(value)}\r\n{value}\r\n"


class RedisWriter:
    """Sends packed commands. All of them may be sent again: their ids are given, a second time changes nothing."""

    def __init__(self, client: "redis.Redis") -> None:
        self._pool = client.connection_pool
        self._connection = self._pool.make_connection()

    def send(self, commands: list[str]) -> list[str]:
        """Sends all and reads all replies; returns what was given up, in Redis's words.

        Raises redis.RedisError where not all was taken: send the same list again later.
        """
        given_up: list[str] = []
        try:
            for start in range(0, len(commands), PIPELINE):
                part = commands[start : start + PIPELINE]
                self._connection.send_packed_command(["".join(part).encode()], check_health=False)
                given_up += self._read_replies(len(part))
        except (redis.ConnectionError, redis.TimeoutError, redis.InvalidResponse):
            self.close()
            raise
        return given_up

    def close(self) -> None:
        self._connection.disconnect()

    def _read_replies(self, count: int) -> list[str]:
        """All replies of one pipeline, cut apart here: redis-py's own way costs several times as much for each."""
        given_up = []
        refused = None
        # Errors in redis-py's words, as everywhere else.
        reader = hiredis.Reader(protocolError=redis.InvalidResponse, replyError=BaseParser.parse_error)
        while count:
            reply = reader.gets()
            if reply is False:
                reader.feed(self._receive())
                continue
            if isinstance(reply, hiredis.PushNotification):
                continue  # No reply: Redis says something by itself.
            count -= 1
            # "equal or smaller": it was published before, by us or by another streamer. That is fine.
            if isinstance(reply, redis.ResponseError) and "equal or smaller" not in str(reply):
                if isinstance(reply, redis.exceptions.NoPermissionError) or str(reply).startswith(_HOPELESS):
                    given_up.append(str(reply))
                else:
                    refused = reply
        if refused is not None:
            raise RedisRefuses(f"{type(refused).__name__}: {refused}")
        return given_up

    def _receive(self) -> bytes:
        """What has come of the replies; waits for something. Raises redis.ConnectionError, redis.TimeoutError."""
        try:
            received: bytes = self._connection._sock.recv(PIECE_BYTES)  # type: ignore[attr-defined]
        except TimeoutError as error:
            raise redis.TimeoutError("Redis does not answer in time") from error
        except OSError as error:
            raise redis.ConnectionError(f"the connection to Redis is lost: {error}") from error
        if not received:
            raise redis.ConnectionError("Redis has closed the connection")
        return received
