"""Which trade may be published, which is old, which is missing: the order of one symbol's ids."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.sequence import ANEW_AFTER_MS, Gap, Sequence, Verdict
from streamer.topics import TradeEvent


def trade(trade_id: int, ms: int | None = None, event_ms: int | None = None) -> TradeEvent:
    ms = 1_000_000 + trade_id if ms is None else ms
    return TradeEvent("ETHUSDT", trade_id, "1", "1", ms, ms if event_ms is None else event_ms, True)


def at(last: int) -> Sequence:
    sequence = Sequence()
    sequence.resume(trade(last))
    return sequence


def ids(trades: list[TradeEvent]) -> list[int]:
    return [event.trade_id for event in trades]


def test_the_first_trade_of_a_new_topic_is_published_whatever_its_id() -> None:
    assert Sequence().offer(trade(12345)) is Verdict.PUBLISH


@pytest.mark.parametrize("trade_id", [10, 9, 1])
def test_a_trade_seen_before_is_old(trade_id: int) -> None:
    assert at(10).offer(trade(trade_id)) is Verdict.OLD


def test_a_trade_behind_a_gap_is_held() -> None:
    sequence = at(10)
    assert sequence.offer(trade(13)) is Verdict.HELD
    assert sequence.run() == []
    assert sequence.gap == Gap(11, 12)
    assert sequence.offer(trade(14)) is Verdict.HELD
    assert sequence.offer(trade(13)) is Verdict.OLD


def test_late_frames_close_a_gap_by_themselves() -> None:
    sequence = at(10)
    sequence.offer(trade(12))
    sequence.run()
    gap = sequence.gap
    assert gap is not None
    assert sequence.offer(trade(11)) is Verdict.HELD
    assert ids(sequence.run()) == [11, 12]
    assert sequence.gap is None
    assert sequence.close(gap, [trade(11)]) == []
    assert sequence.offer(trade(13)) is Verdict.PUBLISH


def test_what_was_found_comes_before_what_was_held() -> None:
    sequence = at(10)
    for trade_id in (13, 14):
        sequence.offer(trade(trade_id))
        sequence.run()
    assert sequence.gap is not None
    assert ids(sequence.close(sequence.gap, [trade(12), trade(11)])) == [11, 12, 13, 14]
    assert sequence.offer(trade(15)) is Verdict.PUBLISH


def test_a_gap_that_cannot_be_filled_is_left_behind() -> None:
    sequence = at(10)
    sequence.offer(trade(13))
    sequence.run()
    assert sequence.gap is not None
    assert ids(sequence.close(sequence.gap, [])) == [13]
    assert sequence.offer(trade(11)) is Verdict.OLD


def test_a_second_gap_opens_behind_the_first() -> None:
    sequence = at(10)
    for trade_id in (13, 16):
        sequence.offer(trade(trade_id))
        sequence.run()
    assert sequence.gap == Gap(11, 12)
    assert ids(sequence.close(sequence.gap, [trade(11), trade(12)])) == [11, 12, 13]
    assert sequence.gap == Gap(14, 15)


def test_a_lower_id_at_a_later_time_begins_anew() -> None:
    sequence = at(5000)
    assert sequence.offer(trade(3, ms=2_000_000)) is Verdict.ANEW
    assert sequence.offer(trade(4, ms=2_000_001)) is Verdict.PUBLISH


def test_ids_anew_forget_an_open_gap() -> None:
    sequence = at(5000)
    sequence.offer(trade(5005))
    sequence.run()
    gap = sequence.gap
    assert gap is not None
    assert sequence.offer(trade(3, ms=2_000_000)) is Verdict.ANEW
    assert sequence.close(gap, [trade(5001)]) == []
    assert sequence.held == {}


def test_a_replayed_market_with_old_trade_times_begins_anew_by_the_exchanges_clock() -> None:
    sequence = at(5000)
    later_ms = 1_005_000 + ANEW_AFTER_MS
    assert sequence.offer(trade(3, ms=5, event_ms=later_ms)) is Verdict.OLD
    assert sequence.offer(trade(3, ms=5, event_ms=later_ms + 1)) is Verdict.ANEW


def test_a_repeated_trade_with_a_time_out_of_order_does_not_begin_anew() -> None:
    sequence = Sequence()
    sequence.offer(trade(1, ms=105))
    sequence.offer(trade(2, ms=104))
    assert sequence.offer(trade(1, ms=105)) is Verdict.OLD


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_lost_doubled_and_shuffled_frames_come_out_once_and_in_order(seed: int, count: int) -> None:
    chance = random.Random(seed)
    frames = [trade(i) for i in range(1, count + 1) if chance.random() > 0.2] + [trade(count + 1)]
    frames += [event for event in frames if chance.random() < 0.2]
    frames = sorted(frames, key=lambda event: event.trade_id + chance.uniform(0, 4))
    sequence = at(0)
    published: list[int] = []
    for event in frames:
        verdict = sequence.offer(event)
        assert verdict is not Verdict.ANEW
        if verdict is Verdict.PUBLISH:
            published.append(event.trade_id)
        elif verdict is Verdict.HELD:
            published += ids(sequence.run())
        if sequence.gap is not None and chance.random() < 0.3:
            gap = sequence.gap
            found = [trade(i) for i in range(gap.first, gap.last + 1) if chance.random() < 0.9]
            published += ids(sequence.close(gap, found))
    while sequence.gap is not None:
        published += ids(sequence.close(sequence.gap, []))
    assert published == sorted(set(published))
    assert published[-1] == count + 1
    assert not sequence.held
