"""websocket-client's socket, read in large pieces: a system call per batch of frames instead of three per frame."""

import selectors
import ssl
import time
from collections import deque

import websocket

# A TLS record is at most 16 KiB; plain sockets give what they have.
PIECE_BYTES = 64 * 1024
# Binance disconnects a client that sends more; pongs count (web-socket-streams.md, "Websocket Limits").
MESSAGES_PER_S = 5
# The first byte of a text frame that is not a fragment.
FINAL_TEXT = 0x81


class FrameSocket(websocket.WebSocket):
    """Hands out all frames that have arrived, and counts what it sends.

    Frames of one piece, final and unmasked (all that exchanges send as data) are cut out of the buffer here.
    Everything else (pings, closes, fragments) goes websocket-client's own way, reading from the same buffer.
    """

    def __init__(self, patience_s: float) -> None:
        """`patience_s`: how long each step of connecting, and the rest of a begun frame, may take."""
        super().__init__(skip_utf8_validation=True, enable_multithread=False)
        self.settimeout(patience_s)
        self._patience_s = patience_s
        self._more = False
        self._buffer = b""
        self._at = 0
        self.heard_at = time.monotonic()
        self._sent_at: deque[float] = deque(maxlen=MESSAGES_PER_S)

    def connect(self, url: str, **options: object) -> None:
        # A redirect is not followed: what is signed would go to somebody else.
        super().connect(url, **{"redirect_limit": 0, **options})
        # From here on whoever reads waits with select(), together with its other reasons to wake up.
        self.sock.setblocking(False)

    def has_pending(self) -> bool:
        """Whether there is something to read that select() does not see: here, or decrypted but not yet taken."""
        pending = getattr(self.sock, "pending", None)
        return self._more or (pending is not None and pending() > 0)

    def frames(self) -> list[bytes]:
        """The data frames that have arrived completely; empty where there were only control frames or parts.

        Does not wait, but for the rest of a control frame or fragment that has begun.
        Raises websocket.WebSocketException, OSError.
        """
        if not self._more and not self._fill():
            return []
        self._more = False
        found: list[bytes] = []
        while True:
            buffer, at, end = self._buffer, self._at, len(self._buffer)
            while end - at >= 2 and buffer[at] == FINAL_TEXT:
                length = buffer[at + 1]
                start = at + 2
                if length > 125:
                    if length > 126 or end - at < 4:  # longer than 64 KiB, or masked; or not here yet
                        break
                    length = buffer[at + 2] << 8 | buffer[at + 3]
                    start = at + 4
                if start + length > end:
                    break
                at = start + length
                found.append(buffer[start:at])
            self._at = at
            if end - at < 2 or (buffer[at] == FINAL_TEXT and buffer[at + 1] <= 126):
                return found
            if found:  # What comes now may be a close: give out first what came before it.
                self._more = True
                return found
            found += self._other_frame()

    def _other_frame(self) -> list[bytes]:
        """Reads one frame, or one fragmented message, the slow way; websocket-client answers pings meanwhile."""
        opcode, frame = self.recv_data_frame(control_frame=True)
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            code = int.from_bytes(frame.data[:2], "big") if frame.data else 1005
            raise websocket.WebSocketConnectionClosedException(f"closed by the exchange with {code}")
        return [frame.data] if opcode in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY) else []

    def _fill(self) -> bool:
        """Takes what the socket has. False where it has nothing."""
        if self.sock is None:
            raise websocket.WebSocketConnectionClosedException("the connection is closed")
        try:
            piece = self.sock.recv(PIECE_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        if not piece:
            raise websocket.WebSocketConnectionClosedException("the exchange dropped the connection")
        self.heard_at = time.monotonic()
        self._buffer = self._buffer[self._at :] + piece
        self._at = 0
        return True

    def _recv(self, bufsize: int) -> bytes:
        """Where websocket-client gets its bytes from."""
        while self._at == len(self._buffer) and not self._fill():
            with selectors.DefaultSelector() as selector:
                selector.register(self.sock, selectors.EVENT_READ)
                if not selector.select(self._patience_s):
                    raise websocket.WebSocketTimeoutException("incomplete frame")
        piece = self._buffer[self._at : self._at + bufsize]
        self._at += len(piece)
        return piece

    def send(self, payload: bytes | str, opcode: int = websocket.ABNF.OPCODE_TEXT) -> int:
        self._sent_at.append(time.monotonic())
        return int(super().send(payload, opcode))

    def may_send_in_s(self) -> float:
        """How long a message must wait so that the exchange's limit holds, with one kept free for a pong."""
        free = MESSAGES_PER_S - 1
        if len(self._sent_at) < free:
            return 0.0
        return max(0.0, self._sent_at[-free] + 1.0 - time.monotonic())
