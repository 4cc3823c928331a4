"""Who is told what, and from where a page goes on that was away."""

import asyncio

import pytest

from console.live import hub as hub_module
from console.live.hub import Frame, Full, Hub, Page, merge_bars


@pytest.fixture
def loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.close()  # Nobody waits here.
    return loop


def page(loop: asyncio.AbstractEventLoop, *topics: str) -> Page:
    return Page(frozenset(topics), loop)


def test_the_first_page_begins_the_reading_and_only_it(loop: asyncio.AbstractEventLoop) -> None:
    begun: list[Hub] = []
    hub = Hub(begun.append)
    first, second = page(loop, "sym.A"), page(loop, "sym.B")
    hub.join(first)
    hub.join(second)
    assert (len(begun), hub.topics()) == (1, frozenset({"sym.A", "sym.B"}))
    hub.leave(first)
    hub.leave(second)
    assert hub.topics() == frozenset()
    hub.join(first)
    assert len(begun) == 2


def test_a_page_is_told_of_its_topics_alone_and_of_each_frame_once(loop: asyncio.AbstractEventLoop) -> None:
    hub = Hub(lambda hub: None)
    one, other = page(loop, "sym.A"), page(loop, "sym.B")
    hub.join(one)
    hub.join(other)
    hub.tell({"sym.A": Frame(values={"price": ("1", None)}), "sym.B": Frame(changed={"sym.B"})})
    assert hub.take(one)[1] == Frame(values={"price": ("1", None)})
    assert hub.take(one)[1] == Frame()
    assert hub.take(other)[1] == Frame(changed={"sym.B"})


def test_what_was_missed_is_one_frame_the_later_text_wins_and_trades_add_up(loop: asyncio.AbstractEventLoop) -> None:
    hub = Hub(lambda hub: None)
    one = page(loop, "sym.A")
    hub.join(one)
    hub.tell({"sym.A": Frame({"price": ("1", None), "total": ("+1", 1)}, {"A": [[7, 1.0, 1.0, 1.0, 1.0, 2.0]]})})
    hub.tell(
        {"sym.A": Frame({"price": ("3", None)}, {"A": [[7, 3.0, 3.0, 3.0, 3.0, 1.0], [8, 2.0, 2.0, 2.0, 2.0, 5.0]]})}
    )
    _, frame = hub.take(one)
    assert frame.values == {"price": ("3", None), "total": ("+1", 1)}
    assert frame.bars == {"A": [[7, 1.0, 3.0, 1.0, 3.0, 3.0], [8, 2.0, 2.0, 2.0, 2.0, 5.0]]}


def test_a_page_that_comes_back_goes_on_where_it_was(loop: asyncio.AbstractEventLoop) -> None:
    hub = Hub(lambda hub: None)
    stays, goes = page(loop, "sym.A"), page(loop, "sym.A")
    assert not hub.join(stays)
    assert not hub.join(goes)
    hub.tell({"sym.A": Frame({"price": ("1", None)})})
    event_id, _ = hub.take(goes)
    hub.leave(goes)
    hub.tell({"sym.A": Frame({"price": ("2", None)})})
    back = page(loop, "sym.A")
    assert hub.join(back, event_id)
    assert hub.take(back)[1].values == {"price": ("2", None)}


@pytest.mark.parametrize(
    "last_event_id", ["", "nonsense", "00000000-1", "{epoch}-999", "{epoch}-0", "{epoch}-" + "1" * 5_000]
)
def test_a_page_that_was_away_for_too_long_needs_the_whole_state(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch, last_event_id: str
) -> None:
    monkeypatch.setattr(hub_module, "KEPT", 3)
    hub = Hub(lambda hub: None)
    stays = page(loop, "sym.A")
    hub.join(stays)
    for number in range(5):
        hub.tell({"sym.A": Frame({"price": (str(number), None)})})
    late = page(loop, "sym.A")
    assert not hub.join(late, last_event_id.replace("{epoch}", hub.epoch))
    assert hub.take(late)[1] == Frame()


def test_after_a_time_without_readers_nobody_goes_on(loop: asyncio.AbstractEventLoop) -> None:
    hub = Hub(lambda hub: None)
    one = page(loop, "sym.A")
    hub.join(one)
    event_id, _ = hub.take(one)
    hub.leave(one)
    assert not hub.join(page(loop, "sym.A"), event_id)


def test_one_page_too_many_is_to_poll(loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "MAX_PAGES", 1)
    hub = Hub(lambda hub: None)
    hub.join(page(loop, "sym.A"))
    with pytest.raises(Full):
        hub.join(page(loop, "sym.A"))


def test_trades_of_one_second_are_one_bar() -> None:
    bars = [[1, 5.0, 6.0, 4.0, 5.0, 1.0]]
    merge_bars(bars, [[1, 7.0, 7.0, 7.0, 7.0, 0.5], [3, 2.0, 2.0, 2.0, 2.0, 1.0]])
    assert bars == [[1, 5.0, 7.0, 4.0, 7.0, 1.5], [3, 2.0, 2.0, 2.0, 2.0, 1.0]]
