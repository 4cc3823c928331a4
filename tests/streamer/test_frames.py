"""Every frame that comes is read for what it is, and none is a reason to stop."""

import gzip
import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.frames import Oddities, Reply, Shutdown, Unknown, decode, decode_all
from streamer.topics import TradeEvent, decode_trade, encode_trade
from tests.streamer.exchange import combined, trade
from tests.support.environment import ROOT


def as_fields(event: object) -> dict[str, Any]:
    assert isinstance(event, TradeEvent)
    return {name: getattr(event, name) for name in TradeEvent.__struct_fields__}


EXPECTED = {
    "made_ms": 0,
    "symbol": "ETHUSDT",
    "trade_id": 7,
    "price": "100.00",
    "quantity": "0.5",
    "trade_ms": 1_700_000_000_007,
    "event_ms": 1_700_000_000_007,
    "buyer_is_maker": True,
}


def test_a_combined_trade_is_read() -> None:
    assert as_fields(decode(combined(trade(7)).encode())) == EXPECTED


def test_a_raw_trade_is_read() -> None:
    assert as_fields(decode(json.dumps(trade(7)).encode())) == EXPECTED


@pytest.mark.parametrize(
    ("payload", "meaning"),
    [
        ('{"result":null,"id":1}', Reply(1, None)),
        ('{"result":["btcusdt@trade"],"id":"x"}', Reply("x", None)),
        ('{"error":{"code":2,"msg":"Invalid request"},"id":3}', Reply(3, "2 Invalid request")),
        ('{"code":2,"msg":"Invalid request","id":3}', Reply(3, "2 Invalid request")),
        ('{"e":"serverShutdown","E":1770123456789}', Shutdown()),
        ('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}', Shutdown()),
        ('{"stream":"a@depth","data":{"lastUpdateId":1,"bids":[],"asks":[]}}', Unknown("depth")),
        ('{"e":"aggTrade","s":"BNBBTC","a":1,"p":"1","q":"1","T":1,"E":1,"m":true}', Unknown("aggTrade")),
        (combined({**trade(1), "e": "blockTrade"}), Unknown("blockTrade")),
        (combined({**trade(1), "t": -1}), Unknown("broken trade")),
        (combined({**trade(1), "t": 2**64}), Unknown("broken trade")),
        (combined({**trade(1), "p": 1.5}), Unknown("broken trade")),
        (combined({**trade(1), "p": "NaN"}), Unknown("trade without a price")),
        (combined({**trade(1), "p": "-1"}), Unknown("trade without a price")),
        (combined({**trade(1), "p": "0.00"}), Unknown("trade without a price")),
        (combined({**trade(1), "p": "1,5"}), Unknown("trade without a price")),
        (combined({**trade(1), "q": ""}), Unknown("trade without a price")),
        ('{"stream":"a@trade","data":null}', Unknown("trade")),
        ('{"stream":"a@trade","da', Unknown("not JSON")),
        ("[1]", Unknown("not an object")),
        ("", Unknown("not JSON")),
        ("[" * 10_000, Unknown("not JSON")),
    ],
)
def test_what_is_no_trade_is_read_for_what_it_is(payload: str, meaning: object) -> None:
    assert decode(payload.encode()) == meaning


@given(st.binary(max_size=200))
def test_no_bytes_raise(payload: bytes) -> None:
    decode(payload)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            key: st.none() | st.integers() | st.text(max_size=5) | st.booleans() | st.lists(st.integers(), max_size=2)
            for key in (
                "e",
                "E",
                "s",
                "t",
                "p",
                "q",
                "T",
                "m",
                "id",
                "code",
                "msg",
                "error",
                "result",
                "data",
                "stream",
            )
        },
    ),
    st.booleans(),
)
def test_no_json_raises_and_every_trade_survives_its_topic(fields: dict[str, Any], as_trade: bool) -> None:
    data = {**trade(1), **fields, "e": "trade"} if as_trade else fields
    event = decode(json.dumps({"stream": "a@trade", "data": data}).encode())
    if isinstance(event, TradeEvent):
        assert as_fields(
            decode_trade(event.symbol, f"{event.trade_id}-0".encode(), encode_trade(event).encode())
        ) == (as_fields(event))


AMOUNTS = st.one_of(
    st.sampled_from(("1", "0.5", ".5", "5.", ".", "", "0", "0.00000000", "00.0", "1,2", "1,", ",1", "1.2.3", "1e3")),
    st.sampled_from((" 1", "1_0", "NaN", "inf", "１", "+1", "-1", "0" * 40 + "1", "1" * 41, f"0.{'0' * 37}1")),
    st.text("0123456789.,", max_size=45),
)  # fmt: skip


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), max_size=4))
def test_a_batch_is_read_as_its_frames_are_one_by_one(amounts: list[tuple[str, str]]) -> None:
    payloads = [combined({**trade(i + 1), "p": p, "q": q}).encode() for i, (p, q) in enumerate(amounts)]
    frames = [(payload, decode(payload)) for payload in payloads]
    trades, others = decode_all(payloads)
    assert trades == [frame for _, frame in frames if isinstance(frame, TradeEvent)]
    assert others == [(payload, frame) for payload, frame in frames if not isinstance(frame, TradeEvent)]


# What nkaz001/hftbacktest has recorded of the real Binance: tests/data/SOURCES.md.
RECORDED = sorted((ROOT / "tests" / "data" / "frames").glob("*.gz"))


@pytest.mark.parametrize("file", RECORDED, ids=lambda path: path.stem)
def test_all_recorded_frames_go_through(file: Path) -> None:
    with gzip.open(file) as lines:
        payloads = [line.split(b" ", 1)[1].strip() for line in lines]
    trades, others = decode_all(payloads)
    assert len(trades) == sum(b'"e":"trade"' in payload for payload in payloads) > 50
    ids = [event.trade_id for event in trades]
    assert ids == sorted(set(ids))
    kinds = Counter(frame.kind if isinstance(frame, Unknown) else repr(frame) for _, frame in others)
    assert set(kinds) <= {"bookTicker", "depthUpdate", "no event type"}  # the last: snapshots of the book


def test_documented_examples_are_read(recorded: Path) -> None:
    """Binance's own examples carry comments; without them the trade is one."""
    examples = json.loads((recorded / "samples" / "binance-spot-api-docs_web-socket-streams.json").read_text())
    text = next(example["text"] for example in examples if example["section"] == "Trade Streams")
    payload = "\n".join(line.partition("//")[0] for line in text.splitlines())
    assert as_fields(decode(payload.encode()))["trade_id"] == 12345


def test_an_odd_frame_is_logged_once_per_kind_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    oddities = Oddities("here")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            oddities.note("bookTicker", b"x" * 2000)
        oddities.note("kline", b"{}")
    assert oddities.counts == {"bookTicker": 3, "kline": 1}
    assert len(caplog.records) == 2
    assert 500 < len(caplog.records[0].getMessage()) < 600


def test_kinds_made_up_by_a_sender_do_not_fill_memory_or_log(caplog: pytest.LogCaptureFixture) -> None:
    oddities = Oddities("here")
    for i in range(1000):
        oddities.note(f"kind {i}", b"{}")
    assert oddities.total == 1000
    assert len(oddities.counts) <= Oddities.KINDS_MAX + 1
    assert len(caplog.records) <= Oddities.KINDS_MAX + 1
