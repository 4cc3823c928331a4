"""What migrations make of rows that an older version has left."""

from collections.abc import Iterator
from decimal import Decimal as D
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from trading.models import TradingSettings
from trading.strategies import naive, trailing

SEVEN = (
    *("buy_down_interval", "profit_interval", "rebuy_interval", "retarget_interval", "stop_loss_interval"),
    *("trailing_stop_interval", "exit_slippage"),
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]


def at(name: str) -> Any:
    """The models as they were after this migration, in a database that stands there."""
    executor = MigrationExecutor(connection)
    executor.migrate([("trading", name)])
    return MigrationExecutor(connection).loader.project_state([("trading", name)]).apps


@pytest.fixture(autouse=True)
def back_again() -> Iterator[None]:
    yield
    call_command("migrate", verbosity=0)


def test_the_one_rate_of_a_listing_stands_for_all_four_until_the_venue_is_asked_anew() -> None:
    apps = at("0010_denied_orders")
    symbol = apps.get_model("trading", "Symbol").objects.create(name="ETHUSDT", base_asset="ETH", quote_asset="USDT")
    now = timezone.now()
    apps.get_model("trading", "Listing").objects.create(
        symbol=symbol, venue="mock", status="TRADING", tick_size=D("0.01"), step_size=D("0.0001"),
        maker_fee=D("0.00075"), fee_asked_at=now, refreshed_at=now,
    )  # fmt: skip
    listing = at("0011_commission_rates").get_model("trading", "Listing").objects.get()
    rates = [listing.buy_maker_fee, listing.buy_taker_fee, listing.sell_maker_fee, listing.sell_taker_fee]
    assert rates == [D("0.00075")] * 4
    assert listing.fee_asked_at is None


def test_commissions_that_counted_as_nothing_for_want_of_a_pair_are_unknown_from_now_on() -> None:
    apps = at("0010_denied_orders")
    model = {name: apps.get_model("trading", name).objects for name in ("Symbol", "Trader", "Order", "Fill")}
    symbol = model["Symbol"].create(name="SHIBDOGE", base_asset="SHIB", quote_asset="DOGE")
    now = timezone.now()

    def cycle(slot: int, asset: str, worth: str | None, **values: object) -> int:
        trader = model["Trader"].create(symbol=symbol, venue="mock", slot=slot, budget=D(1), **values)
        order = model["Order"].create(
            trader=trader, symbol=symbol, venue="mock", side="BUY", price=D(1), quantity=D(1),
            client_order_id=f"hh-{slot}", status="FILLED", executed=D(1),
        )  # fmt: skip
        model["Fill"].create(
            order=order, trade_id=slot, price=D(1), quantity=D(1), quote=D(1), commission=D("0.001"),
            commission_asset=asset, commission_quote=None if worth is None else D(worth), traded_at=now,
        )  # fmt: skip
        return int(trader.pk)

    ended = {"state": "FINISHED", "finished_at": now, "profit": D("0.49")}
    nothing = cycle(1, "BNB", "0", **ended)
    cycle(2, "BNB", "0.3", **ended)
    cycle(3, "SHIB", None, **ended)
    cycle(4, "BNB", "0", state="HOLDING")
    cycle(5, "BNB", None, state="HOLDING")

    apps = at("0011_commission_rates")
    traders = apps.get_model("trading", "Trader").objects.filter(has_unvalued_fees=True)
    assert list(traders.values_list("pk", flat=True)) == [nothing]  # A cycle under way says so when it ends.
    fills = apps.get_model("trading", "Fill").objects.order_by("trade_id")
    assert list(fills.values_list("trade_id", "commission_quote", "is_unvaluable")) == [
        (1, None, True), (2, D("0.3"), False), (3, None, False), (4, None, True), (5, None, False),
    ]  # fmt: skip


def test_the_columns_of_a_strategy_s_settings_become_texts_and_columns_again() -> None:
    before, after = "0017_equity_of_leftovers", "0018_strategy_settings_in_one_place"
    apps = at(before)
    symbols, rows = (apps.get_model("trading", name).objects for name in ("Symbol", "TradingSettings"))

    def row(name: str, **values: object) -> None:
        rows.create(symbol=symbols.create(name=name, base_asset=name[:3], quote_asset="USDT"), **values)

    row("ETHUSDT")
    row(
        "BTCUSDT", buy_down_interval=D("0.00000001"), profit_interval=D("0.1"), rebuy_interval=None,
        retarget_interval=D("0.02"), stop_loss_interval=D("0.5"), exit_slippage=D("0.003"),
    )  # fmt: skip
    # What stood among the texts weighed more than the column of its name.
    row("BNBUSDT", strategy="trailing", strategy_settings={"trail_interval": "0.01", "profit_interval": "0.007"})
    columns = {each["symbol__name"]: each for each in rows.values("symbol__name", *SEVEN)}

    texts = dict(
        at(after).get_model("trading", "TradingSettings").objects.values_list("symbol__name", "strategy_settings")
    )
    plain = {"buy_down_interval": "0.0005", "profit_interval": "0.0005", "rebuy_interval": "0.005"}
    plain |= dict.fromkeys(SEVEN[3:], "")
    assert texts["ETHUSDT"] == plain
    assert texts["BTCUSDT"] == {
        "buy_down_interval": "0.00000001", "profit_interval": "0.1", "rebuy_interval": "",
        "retarget_interval": "0.02", "stop_loss_interval": "0.5", "trailing_stop_interval": "",
        "exit_slippage": "0.003",
    }  # fmt: skip
    assert texts["BNBUSDT"] == plain | {"trail_interval": "0.01", "profit_interval": "0.007"}
    kept = {each.symbol.name: each.by()[1] for each in TradingSettings.objects.select_related("symbol")}
    assert kept["ETHUSDT"] == naive.Settings()
    assert kept["BNBUSDT"] == trailing.Settings(trail_interval=D("0.01"), profit_interval=D("0.007"))

    TradingSettings.objects.filter(symbol__name="ETHUSDT").update(
        strategy_settings={"profit_interval": "", "rebuy_interval": "", "buy_down_interval": "much"}
    )
    rows = at(before).get_model("trading", "TradingSettings").objects
    again = {each["symbol__name"]: each for each in rows.values("symbol__name", *SEVEN)}
    assert again["BTCUSDT"] == columns["BTCUSDT"]
    assert again["BNBUSDT"] == columns["BNBUSDT"] | {"profit_interval": D("0.007")}
    assert rows.get(symbol__name="BNBUSDT").strategy_settings == {"trail_interval": "0.01"}
    # What a column can't hold has its default.
    assert again["ETHUSDT"] == columns["ETHUSDT"] | {"rebuy_interval": None}
