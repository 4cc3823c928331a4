"""The web server: pages in threads, streams and /healthz on the loop."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from hedgehog_project.web import serving
from hedgehog_project.web.serving import THREADS, Application, Asgi, Receive, Scope, Send, healthz
from tests.support.pages.server import PageServer

Start = Callable[..., Any]
RUNNING = threading.Semaphore(0)
GO_ON = threading.Event()


def pages(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    """Some pages that tell what they were given."""
    match environ["PATH_INFO"]:
        case "/slow":
            RUNNING.release()
            assert GO_ON.wait(10)
            start("200 OK", [("Content-Type", "text/plain")])
            return [b"slow"]
        case "/echo":
            start("201 Created", [("X-Thread", threading.current_thread().name)])
            return [environ["wsgi.input"].read()]
        case "/told":
            start("200 OK", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
            names = (
                "HTTP_X_FORWARDED_FOR",
                "HTTP_COOKIE",
                "QUERY_STRING",
                "REMOTE_ADDR",
                "CONTENT_TYPE",
                "HTTP_HOST",
            )
            return [f"{name}={environ.get(name)}\n".encode() for name in names]
        case "/pieces":
            start("200 OK", [])
            return (bytes([65 + n]) * 1000 for n in range(20))
    start("404 Not Found", [])
    return []


@pytest.fixture
def server() -> Iterator[PageServer]:
    GO_ON.clear()
    with PageServer(Application(pages, {"/healthz": healthz, "/ever": ever()})) as running:
        yield running
        GO_ON.set()


def ever() -> Asgi:
    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first\n", "more_body": True})
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"

    return stream


def test_a_page_is_given_its_request_whole(server: PageServer) -> None:
    answer = requests.post(f"{server.url}/echo", data=b"x" * 3_000_000, timeout=5)
    assert (answer.status_code, len(answer.content)) == (201, 3_000_000)
    assert answer.headers["X-Thread"].startswith("page")
    assert requests.get(f"{server.url}/nothing", timeout=5).status_code == 404


def test_what_a_page_is_told_of_its_request(server: PageServer) -> None:
    headers = {"X-Forwarded-For": "10.0.0.1", "X_Forwarded_For": "6.6.6.6", "Cookie": "c=3", "Content-Type": "text/x"}
    answer = requests.get(f"{server.url}/told?a=%C3%A4&b=2", headers=headers, timeout=5)
    assert answer.text.splitlines() == [
        "HTTP_X_FORWARDED_FOR=10.0.0.1",
        "HTTP_COOKIE=c=3",
        "QUERY_STRING=a=%C3%A4&b=2",
        "REMOTE_ADDR=127.0.0.1",
        "CONTENT_TYPE=text/x",
        f"HTTP_HOST={server.url.removeprefix('http://')}",
    ]
    assert answer.cookies.get_dict() == {"a": "1", "b": "2"}


def test_a_page_of_many_pieces_arrives_in_order(server: PageServer) -> None:
    text = requests.get(f"{server.url}/pieces", timeout=5).text
    assert text == "".join(chr(65 + n) * 1000 for n in range(20))


def test_too_large_a_body_is_refused(server: PageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MAX_BODY", 1000)
    assert requests.post(f"{server.url}/echo", data=b"x" * 1001, timeout=5).status_code == 413
    assert requests.post(f"{server.url}/echo", data=b"x" * 1000, timeout=5).status_code == 201


def test_slow_pages_hold_up_neither_each_other_nor_healthz(server: PageServer) -> None:
    with ThreadPoolExecutor(THREADS) as readers:
        slow = [readers.submit(requests.get, f"{server.url}/slow", timeout=10) for _ in range(THREADS)]
        # All of them are being made at once.
        assert all(RUNNING.acquire(timeout=5) for _ in range(THREADS))
        assert requests.get(f"{server.url}/healthz", timeout=2).text == "ok\n"
        GO_ON.set()
        assert {each.result().text for each in slow} == {"slow"}


def test_streams_take_no_thread(server: PageServer) -> None:
    streams = [requests.get(f"{server.url}/ever", stream=True, timeout=5) for _ in range(THREADS + 5)]
    threads = threading.active_count()
    begun = time.monotonic()
    assert requests.get(f"{server.url}/pieces", timeout=5).status_code == 200
    assert time.monotonic() - begun < 2
    assert threading.active_count() <= threads + 1
    for stream in streams:
        assert next(stream.iter_lines()) == b"first"
        stream.close()
