"""A site with one of everything, and the addresses of all its pages."""

from datetime import timedelta
from decimal import Decimal

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from hedgehog_project.venues import Venue
from tests.console.test_overview import publish
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.pages.chromium import Browser
from tests.support.rows import make_cycle, make_order, make_story, make_trader
from tests.trading.conftest import make_symbol
from trading.books import account
from trading.core.denials import Rule
from trading.core.orders import OrderStatus, Side
from trading.models import (
    AccountProtections,
    Balance,
    DeniedOrder,
    Equity,
    OtherInstallation,
    Reconciliation,
    Symbol,
    Trader,
)
from trading.models.orphans import Orphan
from trading.schedule import make_schedule
from trading.symbols import turning

# Pages of their own, besides those that each kind of rows has.
NAMED = ("admin:index", "admin:trading_profit", "admin:password_change", "glossary")
# A symbol's tabs and what asks before deeds.
OF_SYMBOL = ("chart", "traders", "orders", "profit", "why")
DEEDS_OF_SYMBOL, DEEDS_OF_TRADER = ("buy", "sell", "takeover"), ("sell", "move", "cancel")
LONG = "the exchange answered -2010: Account has insufficient balance for requested action, after 3 attempts"


def populate() -> User:
    """Rows as a day of trading leaves them, long ones as well; the superuser who looks at them."""
    admin_user = User.objects.create_superuser("admin", password="admin")
    make_schedule()
    symbol = make_symbol(max_slots=3)
    make_symbol("1000SATSUSDT")
    turning.set_streaming(symbol, True)
    publish("ETHUSDT", "3000.10000000")
    make_story(symbol)
    make_trader(symbol, 2, error=LONG, failures=3, retry_at=timezone.now() + timedelta(minutes=1))
    for profit in ("0.25", "-0.05000001", "12.5"):
        trader = make_cycle(symbol, profit)
        make_order(trader, status=OrderStatus.FILLED, executed=Decimal("0.0667"), exchange_order_id=77 + trader.pk)
        make_order(trader, Side.SELL, OrderStatus.CANCELED, reason=LONG)
    make_order(Trader.objects.get(slot=2), status=OrderStatus.SUBMITTING)
    _others(symbol)
    account.measure(Venue.MOCK, {"USDT": (Decimal("9800.5"), Decimal(200))}, timezone.now(), ScriptedExchange())
    LogEntry.objects.create(
        user=admin_user,
        content_type=ContentType.objects.get_for_model(symbol),
        object_id=str(symbol.pk),
        object_repr=str(symbol),
        action_flag=CHANGE,
        change_message="Trading turned on.",
    )
    return admin_user


def _others(symbol: Symbol) -> None:
    Group.objects.create(name="watchers")
    AccountProtections.objects.create(venue=Venue.MOCK, max_exposure=Decimal(5000), max_drawdown=Decimal("0.05"))
    Balance.objects.create(
        venue=Venue.MOCK, asset="USDT", free=Decimal("9800.5"), locked=Decimal(200), asked_at=timezone.now()
    )
    now = timezone.now()
    DeniedOrder.objects.create(
        venue=Venue.MOCK, symbol=symbol, rule=Rule.DAILY_LOSS, day=now.date(), count=12,
        reason=LONG, last_at=now, denies_until=now + timedelta(minutes=1),
    )  # fmt: skip
    amounts = ("realised", "unrealised", "equity", "held_cost", "held_value", "budget")
    for hours in range(3):
        at = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours)
        values = {name: Decimal("12.70009999") - hours for name in amounts}
        Equity.objects.create(venue=Venue.MOCK, asset="USDT", hour=at, measured_at=now, **values)
    OtherInstallation.objects.create(venue=Venue.MOCK, identity="zzzz", last_order="hh-zzzz-77-b-0123456789abcdef")
    Reconciliation.objects.create(venue=Venue.MOCK, orders=3, left=1, text=f"orphan hh-77-b-1: {LONG}")
    Orphan.objects.create(
        venue=Venue.MOCK,
        symbol="ETHUSDT",
        client_order_id="hh-77-b-0123456789abcdef01234567",
        exchange_order_id=4711,
        side=Side.BUY,
        price=Decimal("2997.00"),
        quantity=Decimal("0.0667"),
        status=OrderStatus.NEW,
        why=LONG,
    )


def addresses(user: User) -> list[str]:
    """Each page that the admin has for this user: lists, forms to add and to change, histories, deletions."""
    request = HttpRequest()
    request.user = user
    found = [reverse(name) for name in NAMED] + _of_one()
    for model, page in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        if page.has_view_permission(request):
            found.append(reverse(f"{name}_changelist"))
        if page.has_add_permission(request):
            found.append(reverse(f"{name}_add"))
        # Those of the mock exchange have no table.
        row = model._default_manager.order_by("pk").first() if model._meta.app_label != "binance_mock" else None
        if row is not None:
            parts = ["change", "history", *(["delete"] if page.has_delete_permission(request, row) else [])]
            found += [reverse(f"{name}_{part}", args=(row.pk,)) for part in parts]
    return found


def main_pages() -> list[str]:
    """Those that are open all day: looked at on every screen, by light and in the dark."""
    symbol, trader = Symbol.objects.get(name="ETHUSDT"), Trader.objects.get(slot=1, finished_at=None)
    names = ("admin:index", "admin:trading_profit", "admin:trading_balance_changelist")
    return [
        *(reverse(name) for name in names),
        reverse("admin:trading_symbol_chart", args=(symbol.pk,)),
        reverse("admin:trading_symbol_change", args=(symbol.pk,)),
        reverse("admin:trading_trader_change", args=(trader.pk,)),
        reverse("admin:trading_trader_hand", args=(trader.pk, "sell")),
    ]


def _of_one() -> list[str]:
    """The pages of one symbol and of one trader."""
    symbol, trader = Symbol.objects.get(name="ETHUSDT"), Trader.objects.get(slot=1, finished_at=None)
    return [
        *(reverse(f"admin:trading_symbol_{name}", args=(symbol.pk,)) for name in OF_SYMBOL),
        *(reverse("admin:trading_symbol_hand", args=(symbol.pk, name)) for name in DEEDS_OF_SYMBOL),
        *(reverse("admin:trading_trader_hand", args=(trader.pk, name)) for name in DEEDS_OF_TRADER),
        reverse("admin:trading_switch_hand", args=(Venue.MOCK.value, "flatten")),
    ]


def log_in(browser: Browser, live_server: LiveServer) -> list[str]:
    """The addresses of all pages, in the browser of a superuser."""
    user = populate()
    client = Client()
    client.force_login(user)
    browser.set_cookie("sessionid", client.cookies["sessionid"].value, live_server.url)
    return addresses(user)
