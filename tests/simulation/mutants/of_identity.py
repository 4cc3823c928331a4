"""Bugs planted in whose an order is: what could be written in good faith of two installations on one key."""

from tests.simulation.surroundings.patches import Patches
from trading.core.orders import OrderReport
from trading.exchange import order_ids
from trading.identity import copies
from trading.identity.names import Names
from trading.identity.runs import Runs, When
from trading.identity.verdicts import Judge, Verdict, Whose


def claims_a_strangers_order(patches: Patches) -> None:
    """By the trader's number alone, which every installation counts from 1."""
    verdict, own = Judge.verdict, Names.is_ours

    def of_its_trader(judge: Judge, report: OrderReport) -> Verdict:
        return verdict(judge, report) if own(judge.names, report.client_order_id) else Verdict(Whose.OURS)

    patches.set(Names, "is_ours", lambda names, key: order_ids.read(key) is not None)
    patches.set(Judge, "verdict", of_its_trader)


def claims_an_order_of_a_living_copy(patches: Patches) -> None:
    patches.set(Runs, "when", lambda runs, placed_at: When.NOT_RUNNING)


def buys_on_while_a_copy_is_alive(patches: Patches) -> None:
    patches.set(copies, "denial", lambda trader, side: None)


PLANTED = (claims_a_strangers_order, claims_an_order_of_a_living_copy, buys_on_while_a_copy_is_alive)
