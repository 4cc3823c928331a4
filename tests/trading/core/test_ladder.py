"""The ladder's rule: at which prices a slot may buy beside what other slots hold and buy."""

from dataclasses import replace
from decimal import Decimal as D
from itertools import pairwise
from random import Random

import pytest

from trading.core import ladder
from trading.core.decisions import Cancel, PlaceBuy, Triggers
from trading.core.ladder import Rung
from trading.core.money import buy_price
from trading.core.orders import Order, OrderStatus, Side
from trading.core.position import Position
from trading.strategies import naive, trailing

STEP, TICK, OFFSET = D("0.01"), D("0.01"), D("0.001")


def held(price: str, slot: int = 1) -> Rung:
    return Rung(slot, D(price), is_held=True)


def is_open(price: str, slot: int = 2) -> Rung:
    return Rung(slot, D(price), is_held=False)


def rests(market: str, *rungs: Rung) -> Triggers | None:
    """What wakes a slot that would buy 0.1 % below the market; None where it buys."""
    buy = PlaceBuy(buy_price(D(market), OFFSET, TICK), D(1), "")
    found = ladder.rest(buy, D(market), rungs, STEP, TICK)
    return None if found is None else found[1]


@pytest.mark.parametrize(
    ("price", "rungs", "slot"),
    [
        ("3000", (), None),
        ("2970", (held("3000"),), None),  # a step below, exactly
        ("2970.01", (held("3000"),), 1),
        ("3100", (held("3000"),), 1),  # nobody buys above what is held
        ("2970", (held("3000"), held("2960", 3)), 3),  # the lowest counts
        ("2970", (is_open("3000"),), None),
        ("2980", (is_open("3000"),), 2),
        ("3010", (is_open("3000"),), 2),
        ("3031", (is_open("3000"),), None),  # the market has risen: it will buy before that one
        ("3031", (is_open("3000"), held("3035")), 1),
    ],
)
def test_slot_keeps_its_distance(price: str, rungs: tuple[Rung, ...], slot: int | None) -> None:
    found = ladder.in_the_way(D(price), rungs, STEP)
    assert (found and found.slot) == slot


def test_slot_that_rests_is_woken_where_its_buy_stands_on_free_ground() -> None:
    triggers = rests("2990", held("3000"))
    assert triggers is not None
    assert triggers.below is not None
    assert triggers.above is None
    # At the trigger it buys where the ladder allows it, to a tick; a little above it does not.
    assert rests(str(triggers.below), held("3000")) is None
    assert D("2970") - TICK <= buy_price(triggers.below, OFFSET, TICK) <= D("2970")
    assert rests(str(triggers.below + 2 * TICK), held("3000")) is not None


def test_it_is_told_in_words() -> None:
    buy = PlaceBuy(D("2990"), D(1), "")
    wait, _ = ladder.rest(buy, D("2990"), [held("3000")], STEP, TICK) or (None, None)
    assert wait is not None
    assert wait.reason == "ladder step, 1 %: slot 1's buy at 3000 is in the way, this slot buys at 2970 or below"
    wait, _ = ladder.rest(buy, D("2990"), [is_open("3000")], STEP, TICK) or (None, None)
    assert wait is not None
    assert wait.reason == (
        "ladder step, 1 %: slot 2's buy at 3000 is in the way, this slot buys at 2970 or below, "
        "or at 3030.31 or above as long as that has not filled"
    )


def test_beside_an_open_buy_alone_it_is_woken_by_a_rise_too() -> None:
    triggers = rests("3000", is_open("2997"))
    assert triggers is not None
    assert triggers.above is not None
    assert rests(str(triggers.above), is_open("2997")) is None
    assert rests(str(triggers.above - 2 * TICK), is_open("2997")) is not None


def test_several_open_buys_are_passed_on_either_side() -> None:
    # Between 2997 and 2960 there is no room for a step on both sides.
    triggers = rests("3000", is_open("2997"), is_open("2960", 3))
    assert triggers is not None
    assert triggers.below is not None
    assert D("2930.40") - TICK <= buy_price(triggers.below, OFFSET, TICK) <= D("2930.40")


def test_price_without_room_below_has_no_trigger_there() -> None:
    buy = PlaceBuy(D("0.02"), D(1), "")
    found = ladder.rest(buy, D("0.02"), [held("0.01")], STEP, TICK)
    assert found is not None
    assert found[1] == Triggers()


@pytest.mark.parametrize("seed", range(20))
def test_whatever_fills_no_two_slots_bought_within_a_step(seed: int) -> None:
    """Slots buy where they may, the market wanders, buys fill and positions are sold, in any order."""
    chance, market = Random(seed), D(3000)
    rungs: dict[int, Rung] = {}
    bought = 0
    for _ in range(600):
        market = (market * (1 + D(round(chance.gauss(0, 0.004), 6)))).quantize(TICK)
        slot = chance.randint(1, 5)
        mine = rungs.get(slot)
        if mine is None:
            price = buy_price(market, OFFSET, TICK)
            others = [rung for rung in rungs.values() if rung.slot != slot]
            if ladder.in_the_way(price, others, STEP) is None:
                rungs[slot] = Rung(slot, price, is_held=False)
        elif mine.is_held and market > mine.price * D("1.003"):
            del rungs[slot]
        for rung in list(rungs.values()):
            if not rung.is_held and market < rung.price:
                rungs[rung.slot] = replace(rung, is_held=True)
                bought += 1
        prices = sorted(rung.price for rung in rungs.values())
        assert all(low <= high * (1 - STEP) for low, high in pairwise(prices)), prices
        if not any(rung.is_held for rung in rungs.values()) and len(rungs) < 5:
            # Never a deadlock: some price near the market, or a known one, is free.
            found = rests(str(market), *rungs.values())
            assert found is None or found != Triggers()
    assert bought > 2


def test_buy_whose_ground_is_gone_is_withdrawn() -> None:
    order = Order("a", Side.BUY, D("2990"), D(1), OrderStatus.NEW)
    position = Position((order,), budget=D(3000))
    assert ladder.withdrawal(position, [held("3100"), is_open("2991")], STEP) is None
    found = ladder.withdrawal(position, [held("3000")], STEP)
    assert found == Cancel(order, "ladder step, 1 %: slot 1's buy at 3000")
    for other in (
        replace(order, executed=D("0.1"), status=OrderStatus.PARTIALLY_FILLED),
        replace(order, status=OrderStatus.SUBMITTING),
        replace(order, cancel_reason="reprice"),
        replace(order, side=Side.SELL),
    ):
        assert ladder.withdrawal(replace(position, orders=(other,)), [held("3000")], STEP) is None


def test_strategies_with_a_rebuy_interval_have_a_ladder() -> None:
    assert ladder.step_of(naive.Settings()) == D("0.005")
    assert ladder.step_of(trailing.Settings(rebuy_interval=D("0.02"))) == D("0.02")
    assert ladder.step_of(naive.Settings(rebuy_interval=None)) is None
    assert ladder.step_of(object()) is None
