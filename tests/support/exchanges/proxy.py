"""Stands between a process of ours and an exchange: hands everything on, until a test wants something to be lost."""

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from hedgehog_project.ports import HOST

# Whether a request (method, path without its query) is meant.
Which = Callable[[str, str], bool]


def nothing(method: str, path: str) -> bool:
    return False


def placing(method: str, path: str) -> bool:
    return (method, path) == ("POST", "/api/v3/order")


def own_trades(method: str, path: str) -> bool:
    return path == "/api/v3/myTrades"


class Proxy:
    """On a free port of 127.0.0.1; use it as a context manager. Change what is lost while it runs."""

    def __init__(self, to_port: int) -> None:
        self.to_port = to_port
        self.swallow: Which = nothing  # never reaches the exchange, and nobody answers
        self.withhold: Which = nothing  # reaches the exchange, whose answer is kept back
        self.break_down: Which = nothing  # is answered with an error page
        self.caught = threading.Event()  # something was swallowed, or withheld once the exchange had answered
        self._over = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                proxy._handle(self)

            do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - the names that http.server asks for

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        # Its own close() would wait for those that are held.
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def heal(self) -> None:
        """From now on nothing is lost any more. What was is never handed on."""
        self.swallow = self.withhold = self.break_down = nothing
        self.caught.clear()

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        about = (request.command, request.path.partition("?")[0])
        if self.break_down(*about):
            self._answer(request, 500, b"<html>out of order</html>")
            return
        if self.swallow(*about):
            self._hold(request)
            return
        is_withheld = self.withhold(*about)
        connection = http.client.HTTPConnection(HOST, self.to_port, timeout=10)
        try:
            connection.request(request.command, request.path, body or None, dict(request.headers))
            response = connection.getresponse()
            status, content = response.status, response.read()
        finally:
            connection.close()
        if is_withheld:
            self._hold(request)
            return
        self._answer(request, status, content)

    def _hold(self, request: BaseHTTPRequestHandler) -> None:
        self.caught.set()
        self._over.wait(60)
        request.close_connection = True

    @staticmethod
    def _answer(request: BaseHTTPRequestHandler, status: int, content: bytes) -> None:
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)
