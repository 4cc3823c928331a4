"""Every way in which a request or its answer can be lost, with real sockets: what proves that nothing was sent."""

import contextlib
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from hedgehog_project.ports import HOST, free_port
from tests.support.environment import ROOT
from tests.support.exchanges.clients import client_of, limit_order
from tests.support.exchanges.scripted_http import (
    Answer,
    ScriptedServer,
    answer,
    cut_off,
    hang_up,
    hang_up_at_once,
    reset,
    silent,
)
from tests.support.machine.certificate import new_certificate
from trading.exchange import binance
from trading.exchange.binance import BinanceExchange
from trading.exchange.errors import ExchangeError, NotSent, OutcomeUnknown

CALLS: dict[str, Callable[[BinanceExchange], object]] = {
    "placing": lambda client: client.place(limit_order()),
    "asking": lambda client: client.order("ETHUSDT", "hh-1-b-1"),
    "cancelling": lambda client: client.cancel("ETHUSDT", "hh-1-b-1"),
}
ORDER = '{"symbol":"ETHUSDT","clientOrderId":"hh-1-b-1","orderId":7,"status":"NEW"'
HTML = "<html><body>Bad Gateway</body></html>"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for timeout in ("CONNECT_TIMEOUT_S", "READ_TIMEOUT_S", "ANSWER_TIMEOUT_S"):
        monkeypatch.setattr(binance, timeout, 0.3)


def failure(url: str, call: str) -> ExchangeError:
    with pytest.raises(ExchangeError) as raised:
        CALLS[call](client_of(url))
    assert str(raised.value).strip()
    return raised.value


def raw(*pieces: bytes) -> Answer:
    """Sends these bytes as they are, and closes."""

    def send(connection: socket.socket) -> bool:
        for piece in pieces:
            connection.sendall(piece)
        return False

    return send


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
LOST = [
    pytest.param(hang_up_at_once, id="reset before the request was read"),
    pytest.param(reset, id="reset after the request was read"),
    pytest.param(hang_up, id="closed without an answer"),
    pytest.param(silent(0.6), id="no answer in time"),
    pytest.param(raw(b"HTTP/1.1 200 OK\r\nContent-Le"), id="cut off in the header"),
    pytest.param(raw(b"no HTTP at all\r\n\r\n"), id="no HTTP"),
    pytest.param(cut_off(200, ORDER), id="cut off in the body"),
    pytest.param(raw(CHUNKED, b'10\r\n{"symbol"'), id="cut off in a chunk"),
    pytest.param(raw(CHUNKED, b"zz\r\n"), id="broken chunk"),
    pytest.param(answer(200, text=ORDER, Content_Encoding="gzip"), id="broken compression"),
    pytest.param(answer(200, text=HTML), id="200 with HTML"),
    pytest.param(answer(502, text=HTML), id="502 with HTML"),
    pytest.param(answer(404, text=HTML), id="404 with HTML"),
    pytest.param(answer(200, text=""), id="empty body"),
    pytest.param(answer(200, text="[" * 100_000), id="nested too deeply"),
    pytest.param(answer(500, text="[" * 100_000), id="error that is nested too deeply"),
    pytest.param(answer(200, body=[]), id="JSON that is no object"),
    pytest.param(answer(200, text=ORDER + "}"), id="fields missing"),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("lost", LOST)
def test_request_that_may_have_been_carried_out_has_an_unknown_outcome(lost: Answer, call: str) -> None:
    with ScriptedServer(*[lost] * 3) as server:
        assert type(failure(server.url, call)) is OutcomeUnknown
        tries = 3 - len(server.answers)
    # Only a question is asked again.
    assert tries == (3 if call == "asking" else 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", CALLS)
def test_redirect_is_not_followed_with_the_key_and_the_signed_request(status: int, call: str) -> None:
    with ScriptedServer(*[answer(200, {})] * 9) as elsewhere:
        to_there = answer(status, text="", Location=f"{elsewhere.url}/api/v3/order")
        with ScriptedServer(*[to_there] * 3) as server:
            assert type(failure(server.url, call)) is OutcomeUnknown
        assert elsewhere.requests == []


class TestNothingWasSent:
    """Safe to try again: the connection was never made."""

    @pytest.mark.parametrize("call", CALLS)
    def test_refused_connection(self, call: str) -> None:
        error = failure(f"http://{HOST}:{free_port()}", call)
        assert (type(error), str(error)) == (NotSent, "Exchange unreachable: connection failed")

    @pytest.mark.parametrize("scheme", ["http", "https"])
    @pytest.mark.parametrize("call", CALLS)
    def test_name_that_does_not_resolve(self, call: str, scheme: str) -> None:
        error = failure(f"{scheme}://nowhere.invalid", call)
        assert (type(error), "(DNS)" in str(error)) == (NotSent, True)

    @pytest.mark.parametrize("scheme", ["http", "https"])
    @pytest.mark.parametrize("call", CALLS)
    def test_connection_that_nobody_takes(self, call: str, scheme: str) -> None:
        with full_queue() as port:
            error = failure(f"{scheme}://{HOST}:{port}", call)
        assert (type(error), "timed out" in str(error)) == (NotSent, True)

    @pytest.mark.parametrize("call", CALLS)
    def test_certificate_that_nobody_vouches_for(self, tls: Callable[..., ScriptedServer], call: str) -> None:
        with tls(answer(200, {})) as server:
            error = failure(server.url, call)
            assert server.requests == []
        assert (type(error), "certificate" in str(error)) == (NotSent, True)

    @pytest.mark.usefixtures("trusted")
    def test_certificate_of_somebody_else(self, tls: Callable[..., ScriptedServer]) -> None:
        with tls(answer(200, {})) as server:
            error = failure(server.url.replace(HOST, "localhost"), "placing")
            assert server.requests == []
        assert (type(error), "certificate" in str(error)) == (NotSent, True)

    @pytest.mark.parametrize("call", CALLS)
    @pytest.mark.parametrize(
        "behaviour",
        [
            pytest.param(lambda connection: connection.close(), id="closed in the handshake"),
            pytest.param(reset, id="reset in the handshake"),
            pytest.param(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad\r\n\r\n"), id="no TLS there"),
            pytest.param(lambda connection: None, id="handshake never answered"),
        ],
    )
    def test_handshake_that_fails(self, behaviour: Callable[[socket.socket], object], call: str) -> None:
        with listener(behaviour) as port:
            assert type(failure(f"https://{HOST}:{port}", call)) is NotSent

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_proxy_that_is_away(self, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(f"{scheme}_proxy", f"http://{HOST}:{free_port()}")
        error = failure(f"{scheme}://exchange.invalid", "placing")
        assert (type(error), "proxy" in str(error)) == (NotSent, True)

    def test_proxy_that_does_not_let_through(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with ScriptedServer(answer(403, text=HTML)) as proxy:
            monkeypatch.setenv("https_proxy", proxy.url)
            assert type(failure("https://exchange.invalid", "placing")) is NotSent


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("lost", [reset, hang_up, silent(0.6), cut_off(200, ORDER)])
def test_over_tls_a_request_that_was_sent_has_an_unknown_outcome(
    tls: Callable[..., ScriptedServer], lost: Answer
) -> None:
    with tls(lost) as server:
        assert type(failure(server.url, "placing")) is OutcomeUnknown
        assert [request.method for request in server.requests] == ["POST"]


@pytest.mark.usefixtures("trusted")
def test_connection_is_kept_over_tls(tls: Callable[..., ScriptedServer]) -> None:
    accepted: set[int] = set()

    def count(connection: socket.socket) -> bool:
        accepted.add(id(connection))
        return answer(200, [])(connection)

    with tls(count, count) as server:
        client = client_of(server.url)
        assert client.open_orders() == client.open_orders() == []
    assert len(accepted) == 1


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return new_certificate(tmp_path)


@pytest.fixture
def tls(certificate: Path) -> Callable[..., ScriptedServer]:
    """Makes a scripted server that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return lambda *answers: ScriptedServer(*answers, context=context)


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))


@contextlib.contextmanager
def full_queue() -> Iterator[int]:
    """The port of a listener whose queue is full: who connects now hears nothing."""
    with contextlib.ExitStack() as open_sockets:
        server = open_sockets.enter_context(socket.socket())
        server.bind((HOST, 0))
        server.listen(0)
        for _ in range(3):
            waiting = open_sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def listener(behaviour: Callable[[socket.socket], object]) -> AbstractContextManager[int]:
    """The port of a server that does this with every connection."""

    @contextlib.contextmanager
    def listening() -> Iterator[int]:
        kept: list[socket.socket] = []
        with socket.create_server((HOST, 0)) as server:

            def accept() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        connection, _ = server.accept()
                        kept.append(connection)
                        with contextlib.suppress(OSError):
                            behaviour(connection)

            thread = threading.Thread(target=accept, daemon=True)
            thread.start()
            yield server.getsockname()[1]
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)
        for connection in kept:
            connection.close()

    return listening()


def test_python_binance_is_whole_for_who_asks_and_its_other_clients_are_not_loaded_before() -> None:
    script = (
        "import sys\n"
        "from trading.exchange.python_binance import Client\n"
        "assert not {'aiohttp', 'binance.async_client', 'dateparser.date'} & set(sys.modules)\n"
        "import binance\n"
        "assert binance.Client is Client and binance.AsyncClient.__module__ == 'binance.async_client'\n"
        "from binance.helpers import date_to_milliseconds\n"
        "assert date_to_milliseconds('January 01, 2017 UTC') == 1483228800000\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
