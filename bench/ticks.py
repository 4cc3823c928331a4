"""Publishes trades of many symbols at a real rate, as a streamer does.

    python -m bench.ticks SYMBOLS PER_SECOND SECONDS

A process of its own, so that what dispatch takes can be told from it.
"""

import random
import sys
import time

from hedgehog_project.redis import new_client
from streamer.topics import TradeEvent, encode_trade, trade_topic

# The streamer's.
PACE_S = 0.002


def names(count: int) -> list[str]:
    return [f"A{number:03}USDT" for number in range(count)]


def publish(symbols: int, per_second: int, seconds: float) -> None:
    """Every symbol's trades come by chance, at prices between 3000 and 3010."""
    client, dice = new_client(), random.Random(1)
    topics = [(name, trade_topic("mock", name)) for name in names(symbols)]
    began = time.monotonic()
    sent = 0
    while (passed := time.monotonic() - began) < seconds:
        pipeline = client.pipeline(transaction=False)
        while sent < passed * per_second:
            sent += 1
            name, topic = dice.choice(topics)
            ms = round(time.time() * 1000)
            event = TradeEvent(name, sent, f"{3000 + sent % 1000 / 100:.2f}", "0.0420", ms, ms, False, ms)
            pipeline.xadd(topic, {"t": encode_trade(event)}, id=f"{sent}-0", maxlen=10_000, approximate=True)
        pipeline.execute()
        time.sleep(PACE_S)


if __name__ == "__main__":
    publish(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
