"""Pages as ASGI: each sync page in a thread of a pool, as under a threaded server; streams on the event loop itself.

Django's own ASGI handler gives each request a new thread, and a new connection to the database with it. Here threads
stay, and keep theirs; so many pages are made at a time, and a slow one holds up no other.
"""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from typing import Any, BinaryIO
from urllib.parse import quote

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Pages made at a time.
THREADS = 8
# A request's body: kept in memory up to this, and refused above that.
IN_MEMORY, MAX_BODY = 1_000_000, 50_000_000
# Bytes of a page that its reader has not taken yet; a page that is made faster waits.
MAX_UNSENT = 1_000_000


class Application:
    """`pages` by WSGI; and by their paths what answers on the event loop, where nothing may block."""

    def __init__(self, pages: Wsgi, on_the_loop: Mapping[str, Asgi]) -> None:
        self._pages = pages
        self._on_the_loop = dict(on_the_loop)
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="page")
        # Called when the server ends, on the event loop.
        self.at_shutdown: list[Callable[[], None]] = []

    def answer(self, path: str, by: Asgi) -> None:
        """What asks for this path is answered on the event loop."""
        self._on_the_loop[path] = by

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"only HTTP is served, not {scope['type']}")
        answer = self._on_the_loop.get(scope["path"])
        if answer is not None:
            await answer(scope, receive, send)
            return
        # Closed by the thread that reads it, which goes on where the reader has gone.
        body: Any = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
        length = await _read(receive, body)
        if length is None or length > MAX_BODY:
            body.close()
            if length is not None:
                await respond(send, 413, f"Larger than {MAX_BODY:,} bytes.\n")
            return
        body.seek(0)
        loop = asyncio.get_running_loop()
        page = _Page(scope, send, loop)
        await loop.run_in_executor(self.threads, page.make, self._pages, body, length)


async def respond(send: Send, status: int, text: str) -> None:
    """A whole answer of a line of text."""
    body = text.encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def healthz(scope: Scope, receive: Receive, send: Send) -> None:
    """Says that the web server answers, however many pages are being made."""
    await respond(send, 200, "ok\n")


async def _read(receive: Receive, body: Any) -> int | None:
    """The length of the request's body, which is then in the file as far as it is not too long; None: gone."""
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        length += len(chunk)
        if length <= MAX_BODY:
            body.write(chunk)
        if not message.get("more_body", False):
            return length


class _Page:
    """One page on its way, from the thread that makes it to the loop that sends it."""

    def __init__(self, scope: Scope, send: Send, loop: asyncio.AbstractEventLoop) -> None:
        self._scope, self._send, self._loop = scope, send, loop
        self._start: dict[str, Any] | None = None

    def make(self, pages: Wsgi, body: BinaryIO, length: int) -> None:
        """In a thread: calls the application and sends what it gives, chunk by chunk."""
        held: bytes | None = None
        with closing(body):
            result: Any = pages(environ_of(self._scope, body, length), self._start_response)
            with closing(result) if hasattr(result, "close") else nullcontext():
                for chunk in result:
                    if held is not None:
                        self._pass_on(held, more=True)
                    held = chunk
                self._pass_on(held or b"", more=False)

    def _start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        self._start = {
            "type": "http.response.start",
            "status": int(status[:3]),
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        }

    def _pass_on(self, body: bytes, more: bool) -> None:
        passing = self._pass(body, more)
        try:
            passed = asyncio.run_coroutine_threadsafe(passing, self._loop)
        except RuntimeError:
            passing.close()  # The server has ended.
            raise
        while True:
            try:
                return passed.result(timeout=1.0)
            except TimeoutError:
                # A loop that has ended never tells.
                if self._loop.is_closed():
                    raise

    async def _pass(self, body: bytes, more: bool) -> None:
        if self._start is not None:
            await self._send(self._start)
            self._start = None
        await self._send({"type": "http.response.body", "body": body, "more_body": more})
        while more and unsent(self._scope) > MAX_UNSENT:
            await asyncio.sleep(0.05)


def unsent(scope: Scope) -> int:
    """Bytes that wait in this process for the reader to take them; 0 where the server does not tell."""
    transport = scope.get("transport")
    return 0 if transport is None or transport.is_closing() else int(transport.get_write_buffer_size())


def environ_of(scope: Scope, body: BinaryIO, length: int) -> dict[str, Any]:
    """A request as WSGI has it (PEP 3333)."""
    host, port = scope.get("server") or ("127.0.0.1", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "RAW_URI": (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": str(host),
        "SERVER_PORT": str(port),
        "CONTENT_LENGTH": str(length),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        # Pages need not find out whether this server streams.
        "HEDGEHOG_STREAMS": True,
    }
    if client := scope.get("client"):
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = str(client[0]), str(client[1])
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if "_" in name or name == "content-length":
            # One with an underscore would pass for another: X_Forwarded_For for X-Forwarded-For.
            continue
        key = name.replace("-", "_").upper()
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        environ[key] = f"{environ[key]},{value}" if key in environ and key != "CONTENT_TYPE" else value
    return environ
