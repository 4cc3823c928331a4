"""Two installations on one key, and a copied home: real processes, one mock exchange, and coins of the user's own."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from decimal import Decimal
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from hedgehog_project.venues import Venue
from tests.e2e.books import set_up, turn_off, turn_on
from tests.support.exchanges.market import MockExchange, Swings
from tests.support.machine.stack import SERVICES, Stack
from trading.core.strategy import TraderState
from trading.exchange.errors import Throttled
from trading.identity.runs import MARGIN
from trading.models import Fill, Installation, Order, Orphan, OtherInstallation, Run, Trader
from trading.reconciliation.audit import audit

START = {"USDT": Decimal(10_000), "ETH": Decimal(1)}
SETTINGS = {"max_slots": 1, "buy_down_interval": "0.001", "profit_interval": "0.001", "rebuy_interval": None}
# All but the exchange, which both share.
PROCESSES = [name for name in SERVICES if name != "mock_exchange"]
SEED = 8


class Two:
    """Two installations on one key of one mock exchange."""

    def __init__(self, folder: Path) -> None:
        environment = {
            "MARKET": "manual",
            "HEDGEHOG_SYMBOLS": "ETHUSDT",
            "MOCK_BALANCES": "USDT:10000,ETH:1",
            "MOCK_ORDERS_PER_10S": 1_000,
        }
        for name in ("a", "b"):
            (folder / name).mkdir()
        self.a = Stack(folder / "a", "", **environment)
        self.b = Stack(folder / "b", "", MOCK_PORT=self.a.mock.port, **environment)
        self.b.mock = self.a.mock

    @property
    def both(self) -> tuple[Stack, Stack]:
        return self.a, self.b

    def wait_for(self, condition: Callable[[Stack], object], timeout_s: float, what: str, *stacks: Stack) -> None:
        """Until it is true of these, or of both."""
        for stack in stacks or self.both:
            with stack.looked_into():
                stack.wait_for(lambda: condition(stack), timeout_s, what)  # noqa: B023 it is called in here

    def each(self, do: Callable[[], object]) -> None:
        for stack in self.both:
            with stack.looked_into():
                do()

    def stop(self) -> None:
        self.b.stop()
        self.a.stop()


@pytest.fixture
def two(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Two]:
    with ExitStack() as until_the_end:
        two = Two(tmp_path)
        until_the_end.callback(two.stop)
        until_the_end.enter_context(django_db_blocker.unblock())
        two.a.prepare()
        with two.a.looked_into():
            set_up(SETTINGS)
        two.a.start()
        two.a.wait_until_up()
        yield two


def swings(mock: MockExchange) -> Swings:
    return Swings(mock, {"ETHUSDT": Decimal(3000)}, SEED)


def has_cycles(count: int, since: float = 0.0) -> Callable[[Stack], bool]:
    def look(stack: Stack) -> bool:
        ended = Trader.objects.filter(state=TraderState.FINISHED)
        return sum(1 for trader in ended if trader.finished_at and trader.finished_at.timestamp() > since) >= count

    return look


def is_at_rest(stack: Stack) -> bool:
    return not Order.objects.filter(status="SUBMITTING").exists()


def orders(stack: Stack) -> set[str]:
    with stack.looked_into():
        return set(Order.objects.values_list("client_order_id", flat=True))


def count_buys(stack: Stack) -> int:
    with stack.looked_into():
        return Order.objects.filter(side="BUY").count()


def moved(stack: Stack) -> dict[str, Decimal]:
    """What this one's books say that it has moved on the account."""
    found = {"ETH": Decimal(0), "USDT": Decimal(0)}
    with stack.looked_into():
        for fill in Fill.objects.select_related("order"):
            sign = 1 if fill.order.side == "BUY" else -1
            found["ETH"] += sign * fill.quantity
            found["USDT"] -= sign * fill.quote
            found[fill.commission_asset] -= fill.commission
    return found


def assert_nobody_lost_a_coin(two: Two) -> None:
    """The account is what both books together say, to the last unit: nothing was sold twice, or was the user's."""
    held = {asset: free + locked for asset, (free, locked) in two.a.mock.client().balances().items()}
    for asset, start in START.items():
        assert held[asset] == start + sum(moved(stack)[asset] for stack in two.both)
    for stack in two.both:
        assert moved(stack)["ETH"] >= 0


def differences(stack: Stack) -> list[str]:
    """What the audit finds in the end; what is under way may settle first."""
    give_up = time.monotonic() + 40
    with stack.looked_into():
        while True:
            wait_s = 2.0
            try:
                found = [str(each) for each in audit(Venue.MOCK, stack.mock.client())]
                if not found or time.monotonic() > give_up:
                    return found
            except Throttled as error:
                wait_s += error.wait_s
            look_at = time.monotonic() + wait_s
            stack.wait_for(lambda: time.monotonic() > look_at, wait_s + 10, "the next look")  # noqa: B023


def manage(stack: Stack, *arguments: str) -> str:
    ended = stack.processes.run(*arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.timeout(240)
def test_two_installations_on_one_key_leave_each_other_alone(two: Two) -> None:
    two.b.prepare()
    with two.b.looked_into():
        set_up(SETTINGS)
    two.b.start(*PROCESSES)
    two.b.wait_until_up()
    with swings(two.a.mock):
        two.wait_for(has_cycles(3), 120, "three cycles of each")
        two.each(turn_off)
        two.wait_for(is_at_rest, 30, "nothing on its way")
    for stack in two.both:
        manage(stack, "reconcile")
        assert differences(stack) == []
        with stack.looked_into():
            assert not Orphan.objects.exists()
            assert not Order.objects.filter(is_claimed=True).exists()
    assert not orders(two.a) & orders(two.b)
    assert_nobody_lost_a_coin(two)
    identities = []
    for stack in two.both:
        with stack.looked_into():
            identities.append(Installation.own().identity)
    for stack, other in zip(two.both, reversed(identities), strict=True):
        assert f"Another Hedgehog (identity {other}) trades on this key" in manage(stack, "orphans")
        told = json.loads(stack.processes.run("status", "--json").stdout)
        assert [(each["identity"], each["is_copy"]) for each in told["other_installations"]] == [(other, False)]


def copy_home(two: Two) -> None:
    """The database, as `cp` of a stopped home would bring it."""
    two.b.home.mkdir(parents=True, exist_ok=True)
    name = "hedgehog.sqlite3"
    with closing(sqlite3.connect(two.a.home / name)) as source, closing(sqlite3.connect(two.b.home / name)) as target:
        source.backup(target)


def has_run(stack: Stack) -> bool:
    """For so long that what others place is surely none of its own."""
    began_at = Run.objects.filter(is_over=False).order_by("-id").values_list("began_at", flat=True).first()
    return began_at is not None and time.time() > began_at.timestamp() + MARGIN.total_seconds() + 2


def has_noticed(stack: Stack) -> bool:
    return OtherInstallation.objects.filter(identity=Installation.own().identity).exists()


def start_the_copy(two: Two) -> None:
    copy_home(two)
    two.b.prepare()  # which changes nothing but that another run begins
    two.b.start(*PROCESSES)
    two.b.wait_until_up()
    two.wait_for(has_run, 60, "a run that is no longer young")


@pytest.mark.timeout(240)
def test_what_was_bought_before_a_home_was_copied_is_sold_once(two: Two) -> None:
    """The buy rests in both books when it fills, and the user has a coin that a second sale would take."""
    mock = two.a.mock

    def buys(stack: Stack) -> bool:
        mock.trade("ETHUSDT", "3000", "0.001")
        return Order.objects.filter(side="BUY", status="NEW").exists()

    two.wait_for(buys, 30, "a resting buy", two.a)
    start_the_copy(two)
    mock.trade("ETHUSDT", "2990")
    two.wait_for(lambda _: Order.objects.filter(side="SELL", status="NEW").exists(), 20, "its sale", two.a)
    two.wait_for(has_noticed, 20, "the copy knows of the other one", two.b)
    bought = {"BUY": "FILLED"}
    two.wait_for(lambda _: dict(Order.objects.values_list("side", "status")) == bought, 5, "only the buy", two.b)
    began = time.monotonic()
    two.wait_for(lambda _: time.monotonic() > began + 8, 20, "the time in which it would sell")
    with two.b.looked_into():
        assert dict(Order.objects.values_list("side", "status")) == bought
    mock.trade("ETHUSDT", "3010")
    free, locked = mock.client().balances()["ETH"]
    assert free + locked >= START["ETH"]
    # The copy becomes another one, and has nothing to do with these coins any more.
    manage(two.b, "identity", "new", "--yes")
    two.each(turn_off)
    for stack in two.both:
        two.wait_for(is_at_rest, 30, "nothing on its way", stack)
        assert differences(stack) == []


@pytest.mark.timeout(360)
def test_copies_notice_each_other_and_a_person_says_which_one_lives_on(two: Two) -> None:
    with swings(two.a.mock):
        two.wait_for(has_cycles(1), 90, "a first cycle", two.a)
    start_the_copy(two)
    # Who hears of the other first buys nothing any more, and is never heard of: both buy before they hear.
    two.a.mock.fault("reports_delayed", delay_ms=5_000)
    with swings(two.a.mock):
        two.wait_for(has_noticed, 120, "each notices the other")
        two.a.mock.clear_faults()
        bought = [count_buys(stack) for stack in two.both]
        began = time.monotonic()
        two.wait_for(lambda _: time.monotonic() > began + 8, 20, "some time in which nobody buys")
    for stack, before in zip(two.both, bought, strict=True):
        assert count_buys(stack) == before
        with stack.looked_into():
            assert "a copy of this installation is running" in " ".join(
                Trader.objects.values_list("waits_for", flat=True)
            )
        assert stack.processes.run("orphans").stdout.startswith("A copy of this installation")

    told = manage(two.b, "identity", "new", "--yes")
    assert "New identity: " in told
    two.a.processes.run("identity", "keep", "--yes")  # which may leave orphans for a person, and says so then
    with two.a.looked_into():
        numbers = list(Orphan.objects.filter(resolution="UNRESOLVED").values_list("pk", flat=True))
    for number in numbers:
        two.a.processes.run("orphans", "adopt", str(number))
    since = time.time()
    two.each(turn_on)
    with swings(two.a.mock):
        two.wait_for(has_cycles(1, since), 120, "a cycle of each since then")
        two.each(turn_off)
        two.wait_for(is_at_rest, 30, "nothing on its way")
    for stack in two.both:
        assert differences(stack) == []
        with stack.looked_into():
            assert not OtherInstallation.objects.filter(identity=Installation.own().identity).exists()
