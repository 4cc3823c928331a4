"""Commands that act by hand: in numbers first, asked once more on real money, one clear line where they can't."""

from collections.abc import Iterator
from decimal import Decimal as D
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from console.management import by_hand
from hedgehog_project.venues import Venue
from tests.support.exchanges.scripted_exchange import ScriptedExchange
from tests.support.holders import SEEN, holder_of, last_order, trades_at
from tests.trading.conftest import make_symbol
from trading.core.events import Recheck
from trading.core.journal import Source
from trading.core.orders import OrderStatus, OrderType, Side
from trading.core.strategy import TraderState
from trading.models import Instruction, JournalEntry, Order, Switch, Symbol, Trader, TradingSettings
from trading.models.switch import TradingMode
from trading.risk import kill_switch
from trading.traders import acting

pytestmark = pytest.mark.django_db(transaction=True)

RECHECK = Recheck("told", is_urgent=True, source=Source.PERSON)


@pytest.fixture
def exchange() -> ScriptedExchange:
    return ScriptedExchange(money={"USDT": D(10_000), "ETH": D(1)})


@pytest.fixture(autouse=True)
def market(monkeypatch: pytest.MonkeyPatch) -> None:
    trades_at(D(3000), monkeypatch)
    monkeypatch.setattr(by_hand, "LOOK_S", 0.01)


@pytest.fixture
def symbol(db: None, redis_client: object) -> Symbol:
    return make_symbol(max_slots=2)


@pytest.fixture
def holder(symbol: Symbol, exchange: ScriptedExchange) -> Trader:
    return holder_of(symbol, 1, exchange)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, exchange: ScriptedExchange) -> Iterator[list[D]]:
    """Whoever is woken looks at once, as a worker would; each IOC order gets the part that the list says, or all."""
    parts: list[D] = []

    def look(pk: int) -> None:
        acting.wake(pk, RECHECK, exchange)
        for order in Order.objects.filter(trader=pk, type__in=(OrderType.IOC, OrderType.MARKET), status="NEW"):
            part = parts.pop() if parts else order.quantity
            if part:
                acting.hear(exchange.fill(order.client_order_id, part), Source.REPORT, exchange)
            if part != order.quantity:
                acting.hear(exchange.end(order.client_order_id, OrderStatus.EXPIRED), Source.REPORT, exchange)

    monkeypatch.setattr("trading.by_hand.saying._wake", lambda pk, *_: look(pk))
    yield parts


def run(*command: str) -> str:
    out = StringIO()
    call_command(*command, "--by", "anna", stdout=out)
    return out.getvalue()


def test_a_dry_run_says_in_numbers_what_it_would_do(holder: Trader) -> None:
    said = run("sell", "ethusdt#1", "--dry-run")
    assert "cancels sell 0.0666 at 3006" in said
    assert "at worst, at 2985: 198.80 USDT less 0.20 commission and 199.80 cost: -1.20 USDT, -0.60 %" in said
    assert said.endswith("Dry run: nothing was changed.\n")
    assert (Instruction.objects.count(), Trader.objects.get(pk=holder.pk).told) == (0, None)


def test_sell_waits_for_the_outcome_and_shows_it(holder: Trader, worker: list[D]) -> None:
    said = run("sell", "ETHUSDT#1", "--reason", "it falls")
    assert said.endswith("Sold.\n")
    assert Trader.objects.get(pk=holder.pk).state == TraderState.FINISHED
    told = JournalEntry.objects.filter(trader=holder, source=Source.PERSON).first()
    assert told is not None
    assert (told.event, told.reason) == ("anna: it falls", "it falls")


def test_what_could_not_be_sold_is_said_and_the_command_fails(holder: Trader, worker: list[D]) -> None:
    worker.append(D("0.0200"))
    with pytest.raises(CommandError, match=r"^Not all was sold: ETHUSDT #1\. Repeat it, or add --at-any-price\.$"):
        run("sell", "ETHUSDT#1")


def test_where_nobody_looks_it_says_what_is_left_and_fails(holder: Trader) -> None:
    with pytest.raises(CommandError, match=r"^Not done yet, the traders go on: ETHUSDT #1: waiting for the sell"):
        run("sell", "ETHUSDT#1", "--timeout", "0")
    assert Trader.objects.get(pk=holder.pk).told is not None


def test_without_a_slot_everything_is_sold_and_buys_are_paused(holder: Trader, worker: list[D]) -> None:
    assert "Buys of ETHUSDT are paused until `manage.py resume ETHUSDT`." in run("sell", "ETHUSDT")
    assert TradingSettings.objects.get().paused_by == "anna"
    assert run("resume", "ETHUSDT").startswith("ETHUSDT: its traders buy again")
    assert TradingSettings.objects.get().paused_by == ""


def test_sell_at_a_price_offers_it(holder: Trader, exchange: ScriptedExchange, worker: list[D]) -> None:
    assert "It stays until somebody takes it." in run("sell", "ETHUSDT#1", "--price", "2999.5")
    assert (last_order(holder, Side.SELL).price, last_order(holder, Side.SELL).status) == (
        D("2999.5"),
        OrderStatus.NEW,
    )


def test_cancel_pauses_and_resume_ends_that(symbol: Symbol, exchange: ScriptedExchange, worker: list[D]) -> None:
    trader = Trader.born(TradingSettings.objects.get(), Venue.MOCK, 1)
    acting.wake(trader.pk, SEEN, exchange)
    assert run("cancel", "ETHUSDT#1").endswith("Cancelled and paused.\n")
    assert last_order(trader).status == OrderStatus.CANCELED
    assert run("resume", "ETHUSDT#1").endswith("resumed.\n")
    assert Trader.objects.get(pk=trader.pk).pause == ""


def test_buy_begins_one_more_trader(symbol: Symbol, worker: list[D]) -> None:
    assert run("buy", "ETHUSDT").endswith("Bought.\n")
    assert Trader.objects.get().state == TraderState.SELLING


def test_a_buy_that_nobody_filled_fails(symbol: Symbol, worker: list[D]) -> None:
    worker.append(D(0))
    with pytest.raises(
        CommandError, match=r"^Nothing was bought: `manage.py why ETHUSDT` says what the trader waits for\.$"
    ):
        run("buy", "ETHUSDT")


def test_takeover_begins_a_trader_with_that_cost(
    symbol: Symbol, exchange: ScriptedExchange, worker: list[D], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.management.commands.takeover.exchange_at", exchange)
    said = run("takeover", "ETHUSDT", "0.5", "--cost-each", "2850")
    assert "cost 1425.00 USDT, 2850 each" in said
    trader = Trader.objects.get()
    assert (trader.budget, last_order(trader, Side.SELL).quantity) == (D("1425"), D("0.5"))


def test_move_says_what_it_would_bring(holder: Trader, worker: list[D]) -> None:
    said = run("move", "ETHUSDT#1", "--target", "3100", "--stop", "2900")
    assert "target: at 3100: 206.46 USDT less 0.21 commission and 199.80 cost: +6.45 USDT, +3.23 %" in said
    trader = Trader.objects.get(pk=holder.pk)
    assert (trader.target, trader.stop) == (D(3100), D(2900))
    run("move", "ETHUSDT#1", "--target", "none")
    assert Trader.objects.get(pk=holder.pk).target is None


def test_pause_after_the_cycle_closes_the_slot_and_resume_opens_it(holder: Trader, worker: list[D]) -> None:
    run("pause", "ETHUSDT#1", "--after-cycle")
    assert run("resume", "ETHUSDT#1") == "Slot 1 of ETHUSDT is open again.\n"


def test_pause_all_is_for_one_trader(holder: Trader, worker: list[D]) -> None:
    with pytest.raises(CommandError, match="name its slot, such as ETHUSDT#1"):
        run("pause", "ETHUSDT", "--all")
    run("pause", "ETHUSDT#1", "--all")
    assert Trader.objects.get(pk=holder.pk).pause == "all"


def test_flatten_gets_out_of_everything(holder: Trader, worker: list[D]) -> None:
    said = run("flatten", "--at-any-price")
    assert "in all about 199.60 USDT, a result of -0.20 USDT" in said
    assert said.endswith("Out of everything at mock.\n")
    assert Switch.row().mode == TradingMode.REDUCING
    assert not Trader.objects.filter(holds=True, finished_at=None).exists()


def test_flatten_of_a_symbol_leaves_trading_as_it_is(holder: Trader, worker: list[D]) -> None:
    assert run("flatten", "ETHUSDT").endswith("Out of everything of these.\n")
    assert Switch.row().is_active


def test_the_same_key_again_does_nothing(holder: Trader, worker: list[D]) -> None:
    run("pause", "ETHUSDT#1", "--key", "k1")
    version = Trader.objects.get(pk=holder.pk).version
    run("pause", "ETHUSDT#1", "--key", "k1")
    assert (Instruction.objects.count(), Trader.objects.get(pk=holder.pk).version) == (1, version)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("sell", "DOGEUSDT#1"), "DOGEUSDT was never turned on"),
        (("sell", "ETHUSDT#9"), "ETHUSDT has no running trader in slot 9 at mock"),
        (("sell", "ETHUSDT#x"), "write its slot as in ETHUSDT#1"),
        (("cancel", "ETHUSDT#1"), "has no open buy"),
        (("move", "ETHUSDT"), "Name a trader by its slot"),
        (("buy", "ETHUSDT#1"), "Name the symbol alone"),
        (("resume", "ETHUSDT#2"), "Nor is a trader in it paused"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(holder: Trader, command: tuple[str, ...], why: str) -> None:
    with pytest.raises(CommandError, match=why) as raised:
        run(*command)
    assert "\n" not in str(raised.value)
    assert Instruction.objects.count() == 0


def test_a_halt_says_what_to_do(holder: Trader) -> None:
    kill_switch.halt("ben", "", TradingMode.HALTED)
    with pytest.raises(CommandError, match=r"`manage.py halt --reduce` lets sales pass"):
        run("sell", "ETHUSDT#1")


def test_real_money_is_asked_about_once_more(symbol: Symbol, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    command = by_hand.ByHand(stdout=StringIO())
    options = {"dry_run": False, "yes": False}
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)

    def yes(question: str) -> str:
        asked.append(question)
        return "y"

    monkeypatch.setattr("builtins.input", yes)
    assert command.goes_on(Venue.MOCK, [], options)
    assert asked == []
    assert command.goes_on(Venue.LIVE, ["sells 1 ETH"], options)
    assert asked == ["Real money. Do it? [y/N] "]
    monkeypatch.setattr("builtins.input", lambda question: "")
    with pytest.raises(CommandError, match="Nothing was changed"):
        command.goes_on(Venue.LIVE, [], options)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(CommandError, match="run it in a terminal, or with --yes"):
        command.goes_on(Venue.LIVE, [], options)
    assert command.goes_on(Venue.LIVE, [], options | {"yes": True})


def said_of(*command: str) -> str:
    out = StringIO()
    call_command(*command, stdout=out)
    return out.getvalue()


def test_a_command_that_is_repeated_by_its_key_says_so_and_does_nothing(
    holder: Trader, worker: list[D], exchange: ScriptedExchange
) -> None:
    assert "Sold." in said_of("sell", "ETHUSDT", "--key", "k1", "--by", "anna")
    assert "`manage.py resume ETHUSDT`" in said_of("sell", "ETHUSDT", "--key", "k2", "--dry-run")
    call_command("resume", "ETHUSDT", stdout=StringIO())
    later = holder_of(holder.symbol, 2, exchange)
    again = said_of("sell", "ETHUSDT", "--key", "k1", "--by", "anna")
    assert "That was done already" in again
    assert "Sold." not in again
    assert Trader.objects.get(pk=later.pk).told is None
    with pytest.raises(CommandError, match="belongs to something else"):
        call_command("pause", "ETHUSDT#2", "--key", "k1", stdout=StringIO())


@pytest.mark.parametrize("number", ["1e30", "1e25", "1e999999", "1e-999999", "NaN", "-1"])
def test_a_number_that_no_row_holds_is_refused_in_a_line(holder: Trader, number: str) -> None:
    for command in (
        ("sell", "ETHUSDT#1", "--price", number),
        ("move", "ETHUSDT#1", "--target", number),
        ("takeover", "ETHUSDT", number, "--cost", "1"),
        ("takeover", "ETHUSDT", "0.5", f"--cost-each={number}"),
    ):
        with pytest.raises(
            CommandError, match=r"a number such as 2985\.5|expected one argument|arguments are required"
        ):
            call_command(*command, "--dry-run", stdout=StringIO())
