"""Which fault is injected now, counted; and mixes of them. No exchange, no wire."""

import contextlib
import json
import random

import pytest

from binance_mock.faults import words
from binance_mock.faults.faults import ENDED_KEPT, BadFault, Fault, Faults, Occasion
from binance_mock.faults.kinds import GROUPS, KINDS, Hook
from binance_mock.faults.mix import MAX, MIN, random_mix
from binance_mock.server.faults.frames import broken
from tests.support.environment import ROOT

NOW = 1_700_000_000_000
PLACED = Occasion("ETHUSDT", "BUY", "POST order")


def injected(faults: Faults, occasions: int = 1, now_ms: int = NOW, occasion: Occasion = PLACED) -> list[str]:
    """The kinds that are injected into requests, one after the other; "-" where none is."""
    found = [faults.inject(Hook.BEFORE, occasion, now_ms) for _ in range(occasions)]
    return [fault.kind.name if fault else "-" for fault in found]


def turned_on(faults: Faults, kind: str, **settings: object) -> Fault:
    return faults.turn_on({"kind": kind, **settings}, NOW)


def test_a_fault_with_nothing_set_is_injected_once() -> None:
    faults = Faults()
    turned_on(faults, "balance_2010")
    assert injected(faults, 3) == ["balance_2010", "-", "-"]
    assert not faults.watches(Hook.BEFORE)


def test_a_fault_that_lasts_lasts_for_its_usual_time() -> None:
    faults = Faults()
    turned_on(faults, "user_silent")
    assert faults.inject(Hook.USER_EVENT, Occasion(), NOW + 29_999)
    assert not faults.inject(Hook.USER_EVENT, Occasion(), NOW + 30_000)
    assert faults.all(NOW + 40_000)[0].ended_ms == NOW + 30_000


def test_a_fault_with_a_probability_stays_until_it_is_turned_off() -> None:
    faults = Faults()
    turned_on(faults, "balance_2010", probability=0.5, seed=1)
    assert injected(faults, 200).count("balance_2010") == pytest.approx(100, abs=25)
    assert faults.turn_off("balance_2010", NOW)
    assert injected(faults, 50) == ["-"] * 50


def test_the_injections_of_a_fault_do_not_depend_on_the_others() -> None:
    def of_the_second(first_probability: float) -> list[int]:
        faults = Faults()
        turned_on(faults, "balance_2010", probability=first_probability, seed=1)
        second = turned_on(faults, "duplicate_2010", probability=0.5, seed=2)
        luck = []
        for _ in range(50):
            before = second.chance.getstate()
            injected(faults)
            assert second.chance.getstate() != before
            luck.append(hash(second.chance.getstate()))
        return luck

    assert of_the_second(0.1) == of_the_second(0.9)


def test_the_oldest_of_two_is_injected_and_the_other_is_not_counted() -> None:
    faults = Faults()
    first, second = turned_on(faults, "balance_2010", count=2), turned_on(faults, "duplicate_2010", count=2)
    assert injected(faults, 4) == ["balance_2010"] * 2 + ["duplicate_2010"] * 2
    assert (first.injected, second.injected) == (2, 2)


@pytest.mark.parametrize(
    ("kind", "endpoint", "met", "spared"),
    [
        ("never_arrives", "", ["POST order", "DELETE order"], ["GET order", "GET account"]),
        ("balance_2010", "", ["POST order"], ["DELETE order", "POST order/test"]),
        ("key_2015", "", ["POST order", "GET ping"], []),
        ("http_502_before", "any", ["GET account", "POST order"], []),
        ("http_502_before", "order", ["GET order", "POST order", "DELETE order"], ["GET openOrders"]),
        ("http_502_before", "get openOrders", ["GET openOrders"], ["DELETE openOrders"]),
    ],
)
def test_a_fault_applies_to_its_endpoints(kind: str, endpoint: str, met: list[str], spared: list[str]) -> None:
    faults = Faults()
    turned_on(faults, kind, endpoint=endpoint, count=100)
    assert [injected(faults, occasion=Occasion(endpoint=each)) for each in met] == [[kind]] * len(met)
    assert [injected(faults, occasion=Occasion(endpoint=each)) for each in spared] == [["-"]] * len(spared)


def test_ended_faults_are_kept_but_not_without_bound() -> None:
    faults = Faults()
    for _ in range(ENDED_KEPT + 20):
        turned_on(faults, "balance_2010")
        injected(faults)
    assert [fault.id for fault in faults.all(NOW)] == list(range(ENDED_KEPT + 20, 20, -1))


def test_a_kind_that_is_misspelt_is_told_from_the_near_ones() -> None:
    with pytest.raises(BadFault, match="Did you mean timeout_1007_after, timeout_1007_before"):
        turned_on(Faults(), "timeout_1007")
    with pytest.raises(BadFault, match=r"See `manage.py faults list`"):
        turned_on(Faults(), "zzz")


def test_every_kind_has_a_group_a_sentence_and_something_that_it_applies_to() -> None:
    for kind in KINDS.values():
        assert kind.group in GROUPS
        assert kind.text.endswith(".")
        assert kind.applies_to


def test_every_kind_is_in_the_documentation() -> None:
    text = (ROOT / "docs" / "mock-exchange.md").read_text()
    assert [name for name in KINDS if f"`{name.removesuffix('_before').removesuffix('_after')}`" not in text] == []


def test_every_kind_can_be_turned_on_with_nothing_set() -> None:
    faults = Faults()
    for name in KINDS:
        fault = turned_on(faults, name).shown(NOW)
        assert words.settings(fault)
        assert json.loads(json.dumps(fault)) == fault


@pytest.mark.parametrize("seed", range(50))
def test_a_mix_can_be_turned_on_and_is_the_same_from_the_same_seed(seed: int) -> None:
    mix = random_mix(seed, 20)
    assert mix == random_mix(seed, 20)
    assert MIN <= len(mix) <= MAX
    faults = Faults()
    for wanted in mix:
        fault = faults.turn_on(wanted, NOW)
        assert fault.for_s is not None
        assert fault.for_s <= 20
    assert faults.on(NOW + 20_000) == []
    assert "key_2015" not in [wanted["kind"] for wanted in mix]


def test_mixes_leave_no_kind_out() -> None:
    seen = {wanted["kind"] for seed in range(300) for wanted in random_mix(seed)}
    assert seen == {kind.name for kind in KINDS.values() if kind.in_mix}


def test_a_broken_payload_is_broken() -> None:
    true = {"e": "trade", "t": 17, "p": "3000.00000000", "m": False}
    payload = json.dumps(true).encode()
    shapes = set()
    for seed in range(200):
        seen = broken(payload, random.Random(seed))
        try:
            fields = json.loads(seen)
        except ValueError:
            shapes.add("no text" if seen[0] == 0xFF else "cut off")
            continue
        shapes.add("wrong type")
        assert {name: type(value) for name, value in fields.items()} != {n: type(v) for n, v in true.items()}
    assert shapes == {"no text", "cut off", "wrong type"}


def test_a_broken_list_is_no_list_any_more() -> None:
    payload = json.dumps([{"s": "ETHUSDT"}, {"s": "BTCUSDT"}]).encode()
    for seed in range(50):
        with contextlib.suppress(ValueError):
            assert not isinstance(json.loads(broken(payload, random.Random(seed))), list)


@pytest.mark.parametrize(("ms", "said"), [(1_400, "1 s"), (119_000, "119 s"), (121_000, "2 min"), (7_200_000, "2 h")])
def test_spans_are_said_as_people_say_them(ms: int, said: str) -> None:
    assert words.span(ms) == said
