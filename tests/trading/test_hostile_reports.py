"""Reports that nobody should send, all the way into the books: what can't be booked is noted on its trader."""

import pytest
import redis
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgehog_project.venues import Venue
from tests.fuzz.conftest import BOUNDED
from tests.fuzz.hostile import can_be_kept, hostile
from tests.fuzz.test_frames import REPORT, bent, encoded
from tests.support.rows import make_order
from trading import tasks
from trading.dispatch import Dispatcher, _own_report
from trading.models import JournalEntry, Order, Trader

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


@settings(parent=BOUNDED, max_examples=150)
@given(data=st.data())
def test_what_cannot_be_booked_is_noted_on_its_trader_and_nothing_else_breaks(
    data: st.DataObject, trader: Trader, redis_client: "redis.Redis"
) -> None:
    Dispatcher(redis_client, "test").listen_to({}, [Venue.MOCK])
    with transaction.atomic():
        order = make_order(trader)
        whole = {**REPORT, "c": order.client_order_id, "q": str(order.quantity), "p": str(order.price)}
        event = _own_report(data.draw(hostile(whole) | encoded(bent(whole))))
        if event is not None:
            try:
                tasks.report(trader.pk, "ETHUSDT", Venue.MOCK, "1-0", event)
            except Exception as error:  # noqa: BLE001 -- whatever it is
                # The stream hands it on again. Meanwhile a person sees why.
                after = Trader.objects.get(pk=trader.pk)
                assert type(error).__name__ in after.error
                assert can_be_kept(after.error)
        assert Order.objects.get(pk=order.pk).quantity == order.quantity
        assert all(can_be_kept([each.event, each.reason]) for each in JournalEntry.objects.filter(trader=trader))
        transaction.set_rollback(True)
