"""The strip of first steps and the glossary: what they know, and what each reader folds away."""

import re
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from console import glossary
from console.admin import first_evening
from streamer.models import StreamedSymbol
from tests.support.rows import make_cycle, make_trader
from trading.models import Symbol
from trading.waking.prices import LastTrade

OVERVIEW = "/admin/"
STEP = re.compile(r'<li class="(hh-\w+)?"[^>]*>.*?<b>(?:<a [^>]*>)?([^<]+)', re.DOTALL)


def steps(client: Client) -> dict[str, str]:
    """Each step's title, and whether it is done or next."""
    page = client.get(OVERVIEW).content.decode().partition("hh-evening")[2].partition("</section>")[0]
    return {title: state for state, title in STEP.findall(page)}


@pytest.mark.django_db
def test_steps_know_what_has_been_done(
    symbol: Symbol, admin_client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert steps(admin_client) == {"Watch it trade": "hh-next", "Try real prices": "", "Testnet, then live": ""}
    make_trader(symbol)
    assert "Traders wait for a price" in admin_client.get(OVERVIEW).content.decode()
    make_cycle(symbol, "0.1")
    assert steps(admin_client)["Watch it trade"] == "hh-done"
    assert steps(admin_client)["Try real prices"] == "hh-next"
    settings.MARKET = "live"
    # Not done before a price has come.
    assert steps(admin_client)["Try real prices"] == "hh-next"
    assert "No price has come from Binance yet" in admin_client.get(OVERVIEW).content.decode()
    StreamedSymbol.objects.create(market="live", symbol="ETHUSDT", is_on=True)
    price = {"ETHUSDT": LastTrade(Decimal(3000), 1.0)}
    monkeypatch.setattr(first_evening.prices, "last_trades", lambda names, venue: price)
    assert steps(admin_client)["Testnet, then live"] == "hh-next"
    settings.TESTNET_API_KEY, settings.TESTNET_API_SECRET = "key", "secret"
    assert steps(admin_client) == {}


@pytest.mark.django_db
def test_the_strip_stays_folded_for_whoever_folds_it(symbol: Symbol, admin_client: Client, client: Client) -> None:
    assert admin_client.post("/admin/fold/first-evening/", {"fold": "1"}).status_code == 302
    page = admin_client.get(OVERVIEW).content.decode()
    assert "First steps" in page and steps(admin_client) == {}
    client.force_login(User.objects.create_superuser("other"))
    assert steps(client)["Watch it trade"] == "hh-next"
    admin_client.post("/admin/fold/first-evening/")
    assert steps(admin_client)["Watch it trade"] == "hh-next"
    client.logout()
    assert "/login/" in client.post("/admin/fold/first-evening/")["Location"]


@pytest.mark.django_db
def test_the_glossary_has_every_term_of_the_document(symbol: Symbol, admin_client: Client) -> None:
    page = admin_client.get("/admin/glossary/").content.decode()
    text = glossary.FILE.read_text()
    rows = [line for line in text.splitlines() if line.startswith("| **")]
    entries = [entry for section in glossary.sections() for entry in section.entries]
    assert len(entries) == len(rows) > 40
    for name in re.findall(r"\*\*(.+?)\*\*", "\n".join(row.split(" | ")[0] for row in rows)):
        assert f'id="{glossary.anchor_of(name)}"' in page
    assert "<code>profit_interval</code>" in page
    anchors = re.findall(r'<b id="([^"]+)"', page)
    assert len(anchors) == len(set(anchors))
    content = page.partition('class="hh-terms"')[2]
    assert "**" not in content and "](" not in content
    assert "/admin/glossary/#take-profit" in admin_client.get("/admin/find/", {"q": "take pr"}).content.decode()
