"""Deeds by hand on pages: what is asked, in numbers, and that a press does what the command does, once."""

from decimal import Decimal as D

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from console.admin import deeds
from tests.console.admin.test_admin import words_of
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.holders import holder_of, trades_at
from tests.trading.conftest import make_symbol
from trading.by_hand import plans
from trading.core.strategy import TraderState
from trading.models import Instruction, Switch, Symbol, Trader, TradingSettings

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> ScriptedExchange:
    found = ScriptedExchange(money={"USDT": D(10_000), "ETH": D(1)})
    monkeypatch.setattr(deeds, "exchange_at", lambda venue: found)
    return found


@pytest.fixture(autouse=True)
def market(monkeypatch: pytest.MonkeyPatch) -> None:
    trades_at(D(2950), monkeypatch)


@pytest.fixture
def symbol(db: None, redis_client: object) -> Symbol:
    return make_symbol(max_slots=2)


@pytest.fixture
def holder(symbol: Symbol, exchange: ScriptedExchange) -> Trader:
    """It bought at 2997, and its sell rests."""
    return holder_of(symbol, 1, exchange)


def of_trader(trader: Trader, name: str) -> str:
    return reverse("admin:trading_trader_hand", args=(trader.pk, name))


def of_symbol(symbol: Symbol, name: str) -> str:
    return reverse("admin:trading_symbol_hand", args=(symbol.pk, name))


def asked(client: Client, url: str, **sent: str) -> str:
    return words_of(client.get(url, sent).content.decode())


def test_selling_says_what_it_cancels_sells_and_loses(holder: Trader, admin_client: Client) -> None:
    shown = asked(admin_client, of_trader(holder, "sell"))
    plan = plans.plan_sale(holder)
    assert plan.expected is not None
    assert "Cancels its sell" in shown
    assert f"Sells {plan.quantity} ETH at the market, not under 2,935.25 ; what cannot be sold" in shown
    assert f"Realised loss −{abs(plan.expected.result):.2f} USDT" in shown
    assert "At the last price of 2,950, 2 s ago. At the lowest price allowed the loss would be" in shown
    assert not Instruction.objects.exists()


def test_a_press_tells_the_trader_and_a_second_one_changes_nothing(holder: Trader, admin_client: Client) -> None:
    for _ in range(2):
        answer = admin_client.post(of_trader(holder, "sell"), {"key": "abc", "why": "news"}, follow=True)
    told = Trader.objects.get(pk=holder.pk).told
    assert told is not None
    assert (told["deed"], told["by"]) == ("SELL", "admin") or told["deed"].lower() == "sell"
    row = Instruction.objects.get()
    assert (row.key, row.why, row.by) == ("abc", "news", "admin")
    assert "That was done already: nothing was changed." in words_of(answer.content.decode())


def test_what_is_typed_is_asked_anew_and_rubbish_is_refused(holder: Trader, admin_client: Client) -> None:
    assert "not under 2,655.00" in asked(admin_client, of_trader(holder, "sell"), slippage="10")
    assert "Offers" in asked(admin_client, of_trader(holder, "sell"), price="3100")
    for rubbish in ("x", "-1", "1e999", "NaN"):
        assert "is not an amount" in asked(admin_client, of_trader(holder, "sell"), price=rubbish)
        answer = admin_client.post(of_trader(holder, "sell"), {"price": rubbish}, follow=True)
        assert "is not an amount" in words_of(answer.content.decode())
    assert not Instruction.objects.exists()


def test_moving_target_and_stop(holder: Trader, admin_client: Client) -> None:
    shown = asked(admin_client, of_trader(holder, "move"), target="3050", stop="2900")
    assert "Offers what it holds at 3050" in shown
    assert "Gets out at the market where a trade is at 2900 or below" in shown
    admin_client.post(of_trader(holder, "move"), {"target": "3050", "stop": "2900"})
    row = Trader.objects.get(pk=holder.pk)
    assert (row.target, row.stop) == (D(3050), D(2900))


def test_pausing_asks_nothing_on_play_money(holder: Trader, admin_client: Client) -> None:
    page = admin_client.get(reverse("admin:trading_trader_change", args=(holder.pk,))).content.decode()
    assert f'<form method="post" action="{of_trader(holder, "pause")}">' in page
    assert "It has no open buy." in page  # why cancelling rests
    admin_client.post(of_trader(holder, "pause"))
    page = admin_client.get(reverse("admin:trading_trader_change", args=(holder.pk,))).content.decode()
    assert of_trader(holder, "resume") in page
    admin_client.post(of_trader(holder, "resume"))
    assert Instruction.objects.count() == 2


def test_real_money_is_asked_about_and_wants_the_permission_to_buy(holder: Trader, client: Client) -> None:
    Trader.objects.update(venue="live")
    Switch.objects.update_or_create(pk=1, defaults={"venue": "live"})
    operator = User.objects.create_user("olga", is_staff=True)
    names = ["view_trader", "change_trader", "view_symbol", "change_symbol"]
    operator.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(operator)
    page = client.get(reverse("admin:trading_trader_change", args=(holder.pk,))).content.decode()
    assert f'data-question href="{of_trader(holder, "pause")}"' in page
    assert "REAL MONEY Binance" in asked(client, of_trader(holder, "sell"))
    assert client.get(of_symbol(holder.symbol, "buy")).status_code == 403
    assert client.post(of_trader(holder, "resume")).status_code == 403


def test_who_may_not_act_can_not(holder: Trader, client: Client) -> None:
    client.force_login(User.objects.create_user("reader", is_staff=True))
    for url in (of_trader(holder, "sell"), of_symbol(holder.symbol, "sell")):
        assert client.post(url).status_code == 403
    assert not Instruction.objects.exists()


def test_everything_of_a_symbol(holder: Trader, admin_client: Client) -> None:
    shown = asked(admin_client, of_symbol(holder.symbol, "sell"))
    assert "Sell everything of ETHUSDT?" in shown
    assert "Cancels 1 open order" in shown
    assert "Pauses ETHUSDT: nothing is bought until you resume it" in shown
    answer = admin_client.post(of_symbol(holder.symbol, "sell"), follow=True)
    assert "1 trader told to sell." in words_of(answer.content.decode())
    assert TradingSettings.objects.get().paused_by == "admin"


def test_buying_and_taking_over(holder: Trader, admin_client: Client) -> None:
    symbol = holder.symbol
    assert "Begins a trader in slot 2" in asked(admin_client, of_symbol(symbol, "buy"))
    admin_client.post(of_symbol(symbol, "buy"))
    assert Trader.objects.get(slot=2).told is not None

    shown = asked(admin_client, of_symbol(symbol, "takeover"), quantity="0.5", cost="1400")
    assert "Gives 0.5 ETH of the account to a new trader" in shown
    answer = admin_client.post(of_symbol(symbol, "takeover"), {"quantity": "0.5", "cost": "1400"}, follow=True)
    assert "Take over 0.5 ETH that cost 1400 USDT." in words_of(answer.content.decode())
    assert Trader.objects.get(slot=3).state == TraderState.HOLDING
    answer = admin_client.post(of_symbol(symbol, "takeover"), {"quantity": "50", "cost": "1400"}, follow=True)
    assert "the account at mock has" in words_of(answer.content.decode())


def test_out_of_everything(holder: Trader, admin_client: Client) -> None:
    url = reverse("admin:trading_switch_hand", args=("mock", "flatten"))
    shown = asked(admin_client, url)
    assert "Denies all buys, at every venue, until someone resumes" in shown
    assert "Sells at the market what 1 trader hold" in shown
    admin_client.post(url, {"why": "crash"})
    assert Switch.row().mode == "reducing"
    assert admin_client.get(reverse("admin:trading_switch_hand", args=("nowhere", "flatten"))).status_code == 404
