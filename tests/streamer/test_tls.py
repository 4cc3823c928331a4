"""The same over TLS, where bytes may be decrypted but not yet read, and readable but not yet data."""

import dataclasses
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.streamer.conftest import HURRIED, Stage, until
from tests.streamer.exchange import Exchange
from tests.support.machine.certificate import new_certificate


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return new_certificate(tmp_path)


@pytest.fixture
def stage(certificate: Path, redis_client: "redis.Redis") -> Iterator[Stage]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    exchange = Exchange(context)
    built = Stage(exchange, redis_client)
    yield built
    built.stop()
    exchange.stop()


def test_trades_come_through_tls(stage: Stage, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBSOCKET_CLIENT_CA_BUNDLE", str(certificate))
    feed = stage.stream("ETHUSDT", timeouts=dataclasses.replace(HURRIED, connect_s=0.3))
    time.sleep(0.6)  # Session tickets make the socket readable though no data comes: nothing may wait for it.
    feed.follow({"ETHUSDT", "BTCUSDT"})
    until(lambda: stage.exchange.messages, within_s=0.5)
    stage.exchange.send('{"k":"' + "x" * 100_000 + '"}')
    stage.exchange.send_trades(*range(1, 300))
    until(lambda: stage.ids() == list(range(1, 300)))
    assert feed.connections[0].reconnects == 0


def test_a_certificate_that_nobody_vouches_for_is_refused(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.stream("ETHUSDT", connected=False)
    until(lambda: "certificate" in caplog.text.lower())
    assert stage.exchange.connections() == 0
