"""What migrations make of rows that an older version has left."""

from collections.abc import Iterator
from decimal import Decimal as D
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

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
