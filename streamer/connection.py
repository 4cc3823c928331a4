"""Keeps one WebSocket connection alive for as long as it is wanted: a thread with a loop of its own."""

import logging
import random
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import websocket

from hedgehog_project.venues.codes import told_to_wait_s
from hedgehog_project.venues.rate_limits import LONGEST_BAN_S
from streamer.frame_socket import FrameSocket

log = logging.getLogger(__name__)

# A lively socket is read so often at most: its frames then come, and go on, several at a time, at a fraction of
# the cost. A frame that comes alone never waits.
PACE_S = 0.002
# A batch of this size is worth its cost by itself: the next is read at once.
LARGE_BATCH = 50


@dataclass(frozen=True)
class Timeouts:
    """How long a connection waits for what, in seconds."""

    connect_s: float = 10.0  # for each step of connecting, and for the rest of a frame that has begun
    silence_s: float = 10.0  # without any frame, although we pinged: the connection is dead
    quiet_s: float = 60.0  # without data, although pings come: connect anew; doubles while that brings nothing
    quiet_max_s: float = 960.0
    life_s: float = (23 * 60 + 50) * 60.0  # Binance closes after 24 h
    backoff_first_s: float = 0.25
    backoff_max_s: float = 10.0
    refused_max_s: float = 1.0  # nobody listens there: no attempt that the exchange counts
    refused_tries: int = 60  # of which so many in a row, then the usual backoff: it may be away for hours
    starts_s: float = 10.0  # nobody listens there yet: it may be starting along with us, which is worth no warning
    proven_s: float = 10.0  # a connection that lasted so long begins the backoff anew


class ConnectionLost(Exception):
    """The connection must be made anew. `wait_s`: not before so many seconds; None for the usual backoff."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Connection:
    """What must be done for one connection; `run` is the body of its thread. Subclasses say what it is for.

    Only the thread itself touches the socket. Others call `wake` and `stop`.
    """

    def __init__(self, name: str, timeouts: Timeouts, headers: Mapping[str, str] | None = None) -> None:
        """`headers`: of every handshake."""
        self.name = name
        self._headers = headers or {}
        self.reconnects = 0
        self._timeouts = timeouts
        self._quiet_s = timeouts.quiet_s
        self._failures = 0
        self._refused = 0  # in a row
        self._born = 0.0
        self._made = time.monotonic()
        self._was_open = False
        self._stopping = threading.Event()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)

    # --- what subclasses say --------------------------------------------------------------------
    def url(self) -> str | None:
        """Where to connect; None while there is nothing to connect for."""
        raise NotImplementedError

    def opened(self, ws: FrameSocket) -> None:
        """Called once the handshake is done. May raise ConnectionLost."""

    def received(self, ws: FrameSocket, payloads: list[bytes]) -> None:
        """Called with each batch of frames. May raise ConnectionLost."""
        raise NotImplementedError

    def tend(self, ws: FrameSocket) -> float:
        """Called after each batch and each wake-up; says in how many seconds at the latest to call again."""
        return 3600.0

    def is_quiet_odd(self) -> bool:
        """Whether a connection without data is a sign that something is wrong."""
        return True

    # --- for other threads ----------------------------------------------------------------------
    def wake(self) -> None:
        """Makes `tend` be called soon."""
        try:
            self._waker.send(b"x")
        except BlockingIOError:
            return  # It is full of wake-ups already.

    def stop(self) -> None:
        self._stopping.set()
        self.wake()

    # --- the loop -------------------------------------------------------------------------------
    def run(self) -> None:
        """Connects, reads and connects again until `stop`. Raises only what is a bug."""
        while not self._stopping.is_set():
            url = self.url()
            if url is None:
                self._pause(3600.0)
                continue
            self._born = time.monotonic()
            try:
                self._live(url)
            except ConnectionLost as lost:
                self._lost(str(lost), lost.wait_s)
            except websocket.WebSocketBadStatusException as error:
                told_s = told_to_wait_s(error.status_code, 0, "", error.resp_headers or {})
                self._lost(f"the exchange answered with status {error.status_code}", told_s)
            except websocket.WebSocketTimeoutException:
                self._lost("time-out", None)
            except ConnectionRefusedError as error:
                self._refuses(_in_words(error))
            except (websocket.WebSocketException, OSError) as error:  # ssl.SSLError is an OSError
                self._lost(_in_words(error), None)

    def _live(self, url: str) -> None:
        """One connection, from the handshake on. Returns when stopped; raises where it is lost."""
        ws = FrameSocket(self._timeouts.connect_s)
        try:
            _connect(ws, url, self._headers)
            ws.heard_at = self._born = time.monotonic()
            self._was_open = True
            self.opened(ws)
            with selectors.DefaultSelector() as selector:
                selector.register(ws.sock, selectors.EVENT_READ)
                selector.register(self._woken, selectors.EVENT_READ)
                self._read(ws, selector)
            ws.send_close()
        finally:
            ws.shutdown()

    def _read(self, ws: FrameSocket, selector: selectors.BaseSelector) -> None:
        """Hands frames on and pings, until stopped. Raises where the connection is lost."""
        data_at, pace_until, is_pinged = self._born, 0.0, False
        due_s = self.tend(ws)
        while not self._stopping.is_set():
            now = time.monotonic()
            alarm_s = self._watch(now, ws.heard_at, data_at)
            ping_in_s = ws.heard_at + self._timeouts.silence_s / 2 - now
            if ping_in_s <= 0 and not is_pinged:
                ws.ping()
            is_pinged = ping_in_s <= 0
            limits = [due_s, alarm_s] if is_pinged else [due_s, alarm_s, ping_in_s]
            if self._wait(ws, selector, max(0.0, min(limits))) and (payloads := _paced(ws, pace_until)):
                data_at = time.monotonic()
                pace_until = data_at + PACE_S if len(payloads) < LARGE_BATCH else 0.0
                self._quiet_s = self._timeouts.quiet_s
                self.received(ws, payloads)
            due_s = self.tend(ws)

    def _watch(self, now: float, heard_at: float, data_at: float) -> float:
        """Seconds until one of the watchdogs would bite. Raises ConnectionLost when one does."""
        timeouts = self._timeouts
        if now - heard_at >= timeouts.silence_s:
            raise ConnectionLost(f"no message for {timeouts.silence_s:g} s")
        if now - self._born >= timeouts.life_s:
            raise ConnectionLost("planned reconnect before the exchange closes it", wait_s=0.0)
        alarms = [heard_at + timeouts.silence_s, self._born + timeouts.life_s]
        if self.is_quiet_odd():
            if now - data_at >= self._quiet_s:
                quiet_s, self._quiet_s = self._quiet_s, min(timeouts.quiet_max_s, self._quiet_s * 2)
                raise ConnectionLost(f"no data for {quiet_s:g} s", wait_s=0.0)
            alarms.append(data_at + self._quiet_s)
        return min(alarms) - now

    def _wait(self, ws: FrameSocket, selector: selectors.BaseSelector, wait_s: float) -> bool:
        """Waits for bytes or a wake-up. True where there are bytes."""
        if ws.has_pending():
            return True
        readable = False
        for key, _ in selector.select(min(wait_s, 3600.0)):
            if key.fileobj is self._woken:
                self._forget_wakes()
            else:
                readable = True
        return readable

    def _pause(self, wait_s: float) -> None:
        """Waits until the time is over or somebody stops or wakes this connection while it has nothing to do."""
        until = time.monotonic() + wait_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._stopping.is_set():
                left_s = until - time.monotonic()
                if left_s <= 0:
                    return
                if selector.select(left_s):
                    self._forget_wakes()
                    if wait_s >= 3600.0:
                        return

    def _forget_wakes(self) -> None:
        try:
            while self._woken.recv(4096):
                pass
        except BlockingIOError:
            return

    def _lost(self, reason: str, told_s: float | None) -> None:
        """Says so and waits: as long as told, else longer from failure to failure."""
        if time.monotonic() - self._born >= self._timeouts.proven_s:
            self._failures = 0
        wait_s = self._backoff_s(self._failures, self._timeouts.backoff_max_s)
        # "At once" only behind a connection that has lasted: nobody can make us reconnect in a tight loop.
        if told_s or (told_s == 0.0 and self._failures == 0):
            wait_s = min(told_s, LONGEST_BAN_S)
        self._failures += 1
        self._refused = 0
        self._wait_to_reconnect(reason, wait_s)

    def _refuses(self, reason: str) -> None:
        """As when it is lost, but sooner for a while. No failure of the connection that comes after it."""
        is_new = self._refused < self._timeouts.refused_tries
        max_s = self._timeouts.refused_max_s if is_new else self._timeouts.backoff_max_s
        self._refused += 1
        is_starting = not self._was_open and time.monotonic() < self._made + self._timeouts.starts_s
        level = logging.DEBUG if is_starting else logging.WARNING
        self._wait_to_reconnect(reason, self._backoff_s(self._refused - 1, max_s), level)

    def _backoff_s(self, failures: int, max_s: float) -> float:
        return min(max_s, self._timeouts.backoff_first_s * 2.0 ** min(failures, 16)) * random.uniform(0.5, 1.0)

    def _wait_to_reconnect(self, reason: str, wait_s: float, level: int = logging.WARNING) -> None:
        self.reconnects += 1
        log.log(level, "reconnect connection=%s reason=%r wait_s=%.2f", self.name, reason, wait_s)
        self._pause(wait_s)


def _paced(ws: FrameSocket, pace_until: float) -> list[bytes]:
    """What has come, and what comes until then."""
    if (early_s := pace_until - time.monotonic()) > 0:
        time.sleep(early_s)
    return ws.frames()


def _connect(ws: FrameSocket, url: str, headers: Mapping[str, str]) -> None:
    try:
        ws.connect(url, header=dict(headers))
    except OSError:
        raise  # Some of ssl's are ValueErrors as well.
    except ValueError:
        # A proxy's address may hold a password: nothing of it is repeated.
        raise ConnectionLost("the address of the exchange or of a proxy is invalid") from None


def _in_words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {error.verify_message}"
    return str(error) or type(error).__name__
