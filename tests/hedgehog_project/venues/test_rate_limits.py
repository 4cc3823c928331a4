"""The limits that all processes share: what it lets pass, what it keeps for exits, and what a header changes."""

import logging
import multiprocessing
import threading
from collections.abc import Iterator
from itertools import count

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from hedgehog_project.redis import connect
from hedgehog_project.venues import rate_limit_scripts
from hedgehog_project.venues import rate_limits as budget_module
from hedgehog_project.venues.rate_limits import ORDERS_1D, ORDERS_10S, Count, OverRateLimit, RateLimits, Reservation

# The first millisecond of a day, and so of a minute and of ten seconds.
NOON = 1_800_000_000_000 - 1_800_000_000_000 % 86_400_000
_hosts = count(1)


class Clock:
    def __init__(self) -> None:
        self.now_ms = NOON

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(budget_module, "_now_ms", clock)
    return clock


@pytest.fixture
def host(redis_client: "redis.Redis") -> str:
    return f"exchange-{next(_hosts)}"


@pytest.fixture
def limits(host: str, clock: Clock) -> RateLimits:
    return RateLimits(host, "account")


@pytest.fixture
def another(host: str, clock: Clock) -> RateLimits:
    """The same limits in another process: it shares nothing but Redis."""
    return RateLimits(host, "account")


@pytest.fixture
def no_redis(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody listens at Redis' address."""
    away = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(rate_limit_scripts, "_registered", away.register_script)
    yield
    rate_limit_scripts._redis._not_before, rate_limit_scripts._redis._is_away = 0.0, False


def weight_header(used: int) -> dict[str, str]:
    return {"x-mbx-used-weight-1m": str(used)}


def order_headers(used: int) -> dict[str, str]:
    return {"x-mbx-order-count-10s": str(used), "x-mbx-order-count-1d": str(used)}


def place(limits: RateLimits, headers: dict[str, str] | None = None, *, is_exit: bool = False) -> Reservation:
    taken = limits.reserve(1, is_exit=is_exit, places_order=True)
    limits.settle(taken, headers or {}, 1, 1)
    return taken


class TestWeight:
    def test_what_one_process_uses_is_gone_for_the_others(self, limits: RateLimits, another: RateLimits) -> None:
        limits.reserve(4800)
        with pytest.raises(
            OverRateLimit, match=r"4,800 of 6,000 request weight per minute used, 1,200 reserved for exits"
        ):
            another.reserve(1)

    def test_exits_pass_where_entries_have_to_wait(self, limits: RateLimits, another: RateLimits) -> None:
        limits.reserve(4800)
        another.reserve(1200, is_exit=True)
        with pytest.raises(OverRateLimit, match="6,000 of 6,000"):
            limits.reserve(1, is_exit=True)

    def test_next_minute_begins_anew_and_that_is_the_wait(self, limits: RateLimits, clock: Clock) -> None:
        clock.now_ms += 45_000
        limits.reserve(4800)
        with pytest.raises(OverRateLimit) as over:
            limits.reserve(1)
        assert over.value.wait_s == 15
        clock.now_ms += 15_000
        limits.reserve(4800)

    def test_refused_request_reserves_nothing(self, limits: RateLimits) -> None:
        limits.reserve(4000)
        for _ in range(3):
            with pytest.raises(OverRateLimit):
                limits.reserve(1000)
        assert limits.state().weight.used == 4000

    def test_header_tells_of_other_programs_at_the_same_address(
        self, limits: RateLimits, another: RateLimits
    ) -> None:
        limits.settle(limits.reserve(4), weight_header(4799), 4, 0)
        another.settle(another.reserve(1), weight_header(4800), 1, 0)
        with pytest.raises(OverRateLimit):
            another.reserve(1)

    def test_placing_that_weighed_nothing_is_given_back(self, limits: RateLimits) -> None:
        for _ in range(10):
            limits.settle(limits.reserve(1), weight_header(0), 1, 0)
        assert limits.state().weight.used == 0

    def test_late_lower_header_undoes_no_reservation(self, limits: RateLimits, another: RateLimits) -> None:
        early = limits.reserve(100)
        another.reserve(2000)  # Under way: the exchange has not counted it when it answers `early`.
        limits.settle(early, weight_header(100), 100, 0)
        assert limits.state().weight.used == 2100

    def test_of_overlapping_answers_the_higher_count_stands(self, limits: RateLimits, another: RateLimits) -> None:
        first, second = limits.reserve(20), another.reserve(40)
        limits.settle(first, weight_header(60), 20, 0)
        another.settle(second, weight_header(40), 40, 0)  # Counted before the first, but it comes later.
        assert limits.state().weight.used == 60

    def test_request_begun_after_a_header_replaces_it_even_with_a_lower_count(self, limits: RateLimits) -> None:
        limits.settle(limits.reserve(20), weight_header(500), 20, 0)
        limits.settle(limits.reserve(20), weight_header(40), 20, 0)  # As after a restart of the exchange.
        assert limits.state().weight.used == 40

    def test_lost_answer_has_cost_its_weight(self, limits: RateLimits) -> None:
        limits.settle(limits.reserve(20), {}, 20, 0)
        assert limits.state().weight.used == 20

    def test_request_that_never_left_costs_nothing(self, limits: RateLimits) -> None:
        limits.settle(limits.reserve(20), {}, 0, 0)
        assert limits.state().weight.used == 0

    def test_header_across_the_turn_of_the_minute_counts_for_neither(self, limits: RateLimits, clock: Clock) -> None:
        clock.now_ms += 59_990
        taken = limits.reserve(20)
        clock.now_ms += 20
        limits.settle(taken, weight_header(5900), 20, 0)
        assert limits.state().weight.used == 20

    @pytest.mark.parametrize("text", ["", "many", "-1", "1e9"])
    def test_header_that_is_no_number_is_none(self, limits: RateLimits, text: str) -> None:
        limits.settle(limits.reserve(20), {"x-mbx-used-weight-1m": text}, 20, 0)
        assert limits.state().weight.used == 20


class TestOrders:
    def test_entries_stop_before_the_limit_and_exits_at_it(self, limits: RateLimits, another: RateLimits) -> None:
        for _ in range(40):
            place(limits)
        with pytest.raises(OverRateLimit, match="40 of 50 unfilled orders per 10 s used, 10 reserved for exits"):
            place(another)
        for _ in range(10):
            place(another, is_exit=True)
        with pytest.raises(OverRateLimit, match="50 of 50"):
            place(limits, is_exit=True)

    def test_orders_under_way_count_too(self, limits: RateLimits, another: RateLimits) -> None:
        for _ in range(20):
            limits.reserve(1, places_order=True)
            another.reserve(1, places_order=True)
        with pytest.raises(OverRateLimit):
            limits.reserve(1, places_order=True)

    def test_fills_give_back_what_the_header_says(self, limits: RateLimits) -> None:
        for _ in range(200):
            place(limits, order_headers(3))
        assert limits.state().orders_10s.used == 3

    def test_requests_that_place_nothing_do_not_count(self, limits: RateLimits) -> None:
        for _ in range(40):
            place(limits)
        limits.reserve(1)
        assert limits.state().orders_10s.used == 40

    def test_another_account_has_orders_of_its_own_but_the_same_weight(self, host: str, limits: RateLimits) -> None:
        for _ in range(40):
            place(limits)
        neighbour = RateLimits(host, "neighbour")
        place(neighbour)
        assert (neighbour.state().orders_10s.used, neighbour.state().weight.used) == (1, 41)

    def test_refused_by_the_exchange_stops_entries_until_the_window_ends(
        self, limits: RateLimits, another: RateLimits, clock: Clock
    ) -> None:
        limits.orders_are_full(ORDERS_10S, is_exit=False)
        assert another.why_wait(is_exit=False) == (
            "40 of 50 unfilled orders per 10 s used, 10 reserved for exits",
            10.0,
        )
        assert another.why_wait(is_exit=True) is None
        another.reserve(4)
        clock.now_ms += 10_000
        assert another.why_wait(is_exit=False) is None

    def test_refused_exit_stops_exits_too(self, limits: RateLimits, another: RateLimits, clock: Clock) -> None:
        limits.orders_are_full(ORDERS_10S, is_exit=True)
        assert another.why_wait(is_exit=True) == ("50 of 50 unfilled orders per 10 s used", 10.0)
        another.reserve(1, is_exit=True)  # Cancelling and asking go on.
        clock.now_ms += 10_000
        assert another.why_wait(is_exit=True) is None

    def test_full_day_is_looked_at_again_before_it_ends(self, limits: RateLimits) -> None:
        limits.orders_are_full(ORDERS_1D, is_exit=True)
        reason, wait_s = limits.why_wait(is_exit=False) or ("", 0)
        assert ("unfilled orders per day" in reason, wait_s) == (True, 600)
        place(limits, order_headers(5), is_exit=True)
        assert limits.why_wait(is_exit=False) is None

    def test_asking_reserves_nothing(self, limits: RateLimits) -> None:
        for _ in range(100):
            assert limits.why_wait(is_exit=False) is None
        assert limits.state().orders_10s.used == 0


class TestStop:
    def test_stop_is_every_process_s_until_its_time(
        self, limits: RateLimits, another: RateLimits, clock: Clock
    ) -> None:
        limits.stop(clock.now_ms + 7_000, "Too many requests (-1003)")
        for each in (limits, another):
            with pytest.raises(OverRateLimit, match=r"no requests to .* until .* UTC: Too many requests") as over:
                each.reserve(1, is_exit=True)
            assert over.value.wait_s == 7
        assert another.why_wait(is_exit=True) is not None
        clock.now_ms += 7_000
        another.reserve(1)
        limits.reserve(1)

    def test_shorter_stop_does_not_end_a_longer_one(
        self, limits: RateLimits, another: RateLimits, clock: Clock
    ) -> None:
        limits.stop(clock.now_ms + 300_000, "banned")
        another.stop(clock.now_ms + 1_000, "too many")
        clock.now_ms += 2_000
        for each in (limits, another):
            with pytest.raises(OverRateLimit, match="banned"):
                each.reserve(1)

    def test_stop_is_logged_once(
        self, limits: RateLimits, another: RateLimits, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            limits.stop(clock.now_ms + 60_000, "banned")
            another.stop(clock.now_ms + 60_100, "banned")
        assert caplog.text.count("requests stopped until=") == 1

    def test_stop_lasts_no_longer_than_it_was_ordered_to_when_the_shared_clock_is_set_back(
        self, limits: RateLimits, another: RateLimits, clock: Clock
    ) -> None:
        limits.stop_for(60, "banned")
        with pytest.raises(OverRateLimit):
            another.reserve(1)
        clock.now_ms -= 6 * 3_600_000
        for each in (limits, another, RateLimits(limits.host, "account")):
            each.reserve(1)
        assert limits.state().stopped_until is None
        limits.stop_for(10, "banned again")
        for each in (limits, another):
            with pytest.raises(OverRateLimit, match="banned again") as over:
                each.reserve(1)
            assert over.value.wait_s == 10

    def test_redis_that_forgot_ends_no_stop_of_ones_own(self, limits: RateLimits, clock: Clock) -> None:
        limits.stop(clock.now_ms + 60_000, "banned")
        connect().flushall()
        with pytest.raises(OverRateLimit, match="banned"):
            limits.reserve(1)


class TestLimits:
    RULES = (
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200_000},
        {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300_000},
    )

    def test_documents_limits_until_the_exchange_tells_its_own(self, limits: RateLimits, another: RateLimits) -> None:
        assert (limits.state().weight.limit, limits.state().orders_10s.limit) == (6000, 50)
        limits.learn(self.RULES)
        state = another.state()
        assert (state.weight, state.orders_10s, state.orders_1d) == (Count(0, 1200), Count(0, 100), Count(0, 200_000))
        another.reserve(960)
        with pytest.raises(OverRateLimit, match="960 of 1,200"):
            another.reserve(1)

    @pytest.mark.parametrize("limit", [None, 0, -5, "6000"])
    def test_limit_that_is_none_changes_nothing(self, limits: RateLimits, limit: object) -> None:
        limits.learn([{**self.RULES[0], "limit": limit}, {}])
        assert limits.state().weight.limit == 6000

    def test_one_order_at_a_time_is_possible_under_the_smallest_limit(self, limits: RateLimits) -> None:
        limits.learn([{**self.RULES[1], "limit": 1}])
        place(limits)
        with pytest.raises(OverRateLimit):
            place(limits)


@pytest.mark.usefixtures("no_redis")
class TestWithoutRedis:
    def test_process_goes_on_with_what_it_knows_itself(self, limits: RateLimits) -> None:
        limits.reserve(4800)
        with pytest.raises(OverRateLimit):
            limits.reserve(1)
        limits.reserve(1200, is_exit=True)
        assert limits.state() == budget_module.State(
            limits.host, Count(6000, 6000), Count(0, 50), Count(0, 160_000), None, "", is_shared=False
        )

    def test_headers_of_its_own_answers_tell_of_the_others(self, limits: RateLimits) -> None:
        limits.settle(limits.reserve(1), weight_header(4800), 1, 0)
        with pytest.raises(OverRateLimit):
            limits.reserve(1)

    def test_own_stop_is_kept(self, limits: RateLimits, clock: Clock) -> None:
        limits.stop(clock.now_ms + 5_000, "banned")
        assert limits.why_wait(is_exit=True) is not None
        clock.now_ms += 5_000
        assert limits.why_wait(is_exit=True) is None

    def test_orders_are_counted(self, limits: RateLimits) -> None:
        for _ in range(40):
            place(limits)
        assert limits.why_wait(is_exit=False) is not None
        assert limits.why_wait(is_exit=True) is None

    def test_redis_is_missed_once_in_the_log_and_not_asked_for_every_request(
        self, limits: RateLimits, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO):
            for _ in range(50):
                limits.reserve(1)
        assert caplog.text.count("Redis is down") == 1


def test_reservation_made_without_redis_is_settled_with_it(
    limits: RateLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(rate_limit_scripts._redis, "_not_before", float("inf"))
        taken = limits.reserve(20)
    limits.settle(taken, weight_header(30), 20, 0)
    assert limits.state().weight == Count(30, 6000)


def _take_all(host: str, taken: "multiprocessing.Queue[int]") -> None:
    limits, passed = RateLimits(host, "account"), 0
    while True:
        try:
            limits.settle(limits.reserve(10), {}, 10, 0)
        except OverRateLimit:
            taken.put(passed)
            return
        passed += 1


def test_processes_and_threads_together_use_no_more_than_the_limit(host: str) -> None:
    context = multiprocessing.get_context("fork")
    taken: multiprocessing.Queue[int] = context.Queue()
    # A real clock: should the minute turn meanwhile, the sum would be another.
    seconds = budget_module._now_ms() % 60_000 / 1000
    if seconds > 55:
        threading.Event().wait(61 - seconds)
    workers: list[multiprocessing.process.BaseProcess | threading.Thread] = [
        *(context.Process(target=_take_all, args=(host, taken)) for _ in range(2)),
        *(threading.Thread(target=_take_all, args=(host, taken)) for _ in range(2)),
    ]
    for worker in workers:
        worker.start()
    assert sum(taken.get(timeout=20) for _ in workers) == 480
    for worker in workers:
        worker.join()
