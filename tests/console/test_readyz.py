"""/readyz: 200 while everything gets on, else 503 with what does not; and the overview page says the same."""

from typing import Any

import pytest
import redis
from django.db import OperationalError
from django.test import Client

from console import readyz as health
from tests.console.test_overview import publish
from tests.support.heartbeats import all_well, in_tens, plant
from tests.support.rows import make_fill, make_order, make_trader
from trading.models import Switch, Symbol, TradingSettings
from trading.models.symbols import TradingStatus
from trading.symbols import turning

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


@pytest.fixture
def well(symbol: Symbol, redis_client: "redis.Redis") -> "redis.Redis":
    all_well(redis_client)
    turning.set_streaming(symbol, True)
    publish("ETHUSDT", "3000")
    return redis_client


def readyz(client: Client) -> tuple[int, list[dict[str, str]]]:
    answer = client.get("/readyz")
    body = answer.json()
    assert body["ready"] is (answer.status_code == 200)
    assert set(body["checked"]) >= {each["about"] for each in body["findings"]}
    return answer.status_code, [{**each, "text": in_tens(each["text"])} for each in body["findings"]]


def test_it_is_ready_when_everything_gets_on(client: Client, well: "redis.Redis") -> None:
    assert readyz(client) == (200, [])
    assert client.get("/healthz").content == b"ok\n"


def test_a_host_that_is_gone_and_a_leader_that_hangs_are_findings(client: Client, well: "redis.Redis") -> None:
    plant(well, "worker", "garage", age_s=30)
    well.delete("progress")
    assert readyz(client) == (
        503,
        [
            {"about": "host", "text": "No heartbeat from the host garage for 30 s: worker ran there."},
            {"about": "leader", "text": "The leader has not finished a run yet."},
        ],
    )


def test_prices_that_do_not_come_are_a_finding(client: Client, well: "redis.Redis") -> None:
    well.delete("trade_events:mock:ETHUSDT")
    assert readyz(client) == (503, [{"about": "prices", "text": "No price of ETHUSDT yet."}])
    publish("ETHUSDT", "3000", age_s=130)
    assert readyz(client) == (503, [{"about": "prices", "text": "No price of ETHUSDT for 2 min."}])
    TradingSettings.objects.update(status=TradingStatus.OFF)
    assert readyz(client) == (200, [])


def test_without_redis_and_without_a_database_it_still_answers(
    client: Client, well: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health.health, "look", lambda: None)
    code, found = readyz(client)
    assert (code, [each["about"] for each in found]) == (503, ["redis"])

    def away(*_: object) -> None:
        raise OperationalError("the server is away")

    monkeypatch.setattr(Switch, "current", away)
    code, found = readyz(client)
    assert (code, [each["about"] for each in found]) == (503, ["database"])
    assert "the server is away" in found[0]["text"]


def test_whoever_asks_without_a_login_reads_no_secret_of_the_databases_words(
    client: Client, well: "redis.Redis", settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denies(*_: object) -> None:
        raise OperationalError(f"password authentication failed for {settings.SECRET_KEY}")

    monkeypatch.setattr(Switch, "current", denies)
    _, found = readyz(client)
    assert found[0]["text"] == "The database does not answer: password authentication failed for <secret>"


def test_the_overview_page_tells_it_in_red(admin_client: Client, well: "redis.Redis", symbol: Symbol) -> None:
    make_fill(make_order(make_trader(symbol)))
    plant(well, "worker", "garage", age_s=30)
    page = in_tens(admin_client.get("/admin/").content.decode())
    assert "No heartbeat from the host garage for 30 s: worker ran there." in page
    assert "Leader last finished " in page
    assert "Last fill <span" in page
