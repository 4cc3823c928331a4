"""An HTTP server that answers as a test says: with any status and body, with half of one, or by hanging up."""

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qsl

from hedgehog_project.ports import HOST

# What is done with the connection once the request was read; True where it may carry another one.
Answer = Callable[[socket.socket], bool]


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    method: str
    path: str
    params: dict[str, str]  # of the query string and of the body together


class ScriptedServer:
    """Each request takes the next of `answers`. On a free port of 127.0.0.1; use it as a context manager.

    With `context` it speaks TLS.
    """

    def __init__(self, *answers: Answer, context: ssl.SSLContext | None = None) -> None:
        self.answers = list(answers)
        self._context = context
        self.requests: list[Request] = []
        self._listener = socket.create_server((HOST, 0))
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        return f"http{'s' if self._context else ''}://{HOST}:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits on it
            each.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # The test is over.
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        if self._context is not None:
            try:
                connection = self._context.wrap_socket(connection, server_side=True)
            except OSError:
                return  # The client does not trust the certificate.
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            while self.answers:
                if self.answers[0] is hang_up_at_once:
                    self.answers.pop(0)(connection)
                    return
                first = lines.readline().split()
                if not first:
                    return
                headers = {}
                while (line := lines.readline().strip()) != b"":
                    name, _, value = line.partition(b":")
                    headers[name.lower()] = value.strip()
                body = lines.read(int(headers.get(b"content-length", 0))).decode()
                path, _, query = first[1].decode().partition("?")
                self.requests.append(Request(first[0].decode(), path, dict(parse_qsl(f"{query}&{body}"))))
                if not self.answers.pop(0)(connection):
                    return


def answer(status: int, body: Any = None, *, text: str = "", **headers: object) -> Answer:
    """A whole answer; `body` as JSON, or `text` as it is. Header names with _ for -."""

    def send(connection: socket.socket) -> bool:
        content = text.encode() if body is None else json.dumps(body).encode()
        connection.sendall(_head(status, len(content), headers) + content)
        return True

    return send


def cut_off(status: int, text: str, missing: int = 100) -> Answer:
    """An answer that ends before its end."""

    def send(connection: socket.socket) -> bool:
        connection.sendall(_head(status, len(text) + missing, {}) + text.encode())
        return False

    return send


def reset(connection: socket.socket) -> bool:
    """The connection is reset after the request was read: it may have been carried out."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return False


def hang_up_at_once(connection: socket.socket) -> bool:
    """The connection is reset before the request is read."""
    # At once, the reset could meet a client that still connects: then nothing was sent, which is another case.
    time.sleep(0.05)
    return reset(connection)


def hang_up(connection: socket.socket) -> bool:
    """The connection is closed properly, without an answer."""
    return False


def silent(seconds: float) -> Answer:
    """No answer for so long, then the connection is closed."""

    def wait(connection: socket.socket) -> bool:
        time.sleep(seconds)
        return False

    return wait


def _head(status: int, length: int, headers: dict[str, object]) -> bytes:
    fields = {"Content-Type": "application/json", "Content-Length": length} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Scripted\r\n{lines}\r\n".encode()
