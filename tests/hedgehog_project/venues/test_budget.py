"""The budget that all processes share: what it lets pass, what it keeps for exits, and what a header changes."""

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
from hedgehog_project.venues.rate_limits import ORDERS_1D, ORDERS_10S, Budget, Count, OverBudget, Taken

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
def budget(host: str, clock: Clock) -> Budget:
    return Budget(host, "account")


@pytest.fixture
def another(host: str, clock: Clock) -> Budget:
    """The same budget in another process: it shares nothing but Redis."""
    return Budget(host, "account")


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


def place(budget: Budget, headers: dict[str, str] | None = None, *, is_exit: bool = False) -> Taken:
    taken = budget.take(1, is_exit=is_exit, places_order=True)
    budget.settle(taken, headers or {}, 1, 1)
    return taken


class TestWeight:
    def test_what_one_process_uses_is_gone_for_the_others(self, budget: Budget, another: Budget) -> None:
        budget.take(4800)
        with pytest.raises(OverBudget, match=r"4,800 of 6,000 request weight .* 1,200 are kept for exits"):
            another.take(1)

    def test_exits_pass_where_entries_have_to_wait(self, budget: Budget, another: Budget) -> None:
        budget.take(4800)
        another.take(1200, is_exit=True)
        with pytest.raises(OverBudget, match="6,000 of 6,000"):
            budget.take(1, is_exit=True)

    def test_next_minute_begins_anew_and_that_is_the_wait(self, budget: Budget, clock: Clock) -> None:
        clock.now_ms += 45_000
        budget.take(4800)
        with pytest.raises(OverBudget) as over:
            budget.take(1)
        assert over.value.wait_s == 15
        clock.now_ms += 15_000
        budget.take(4800)

    def test_refused_request_reserves_nothing(self, budget: Budget) -> None:
        budget.take(4000)
        for _ in range(3):
            with pytest.raises(OverBudget):
                budget.take(1000)
        assert budget.state().weight.used == 4000

    def test_header_tells_of_other_programs_at_the_same_address(self, budget: Budget, another: Budget) -> None:
        budget.settle(budget.take(4), weight_header(4799), 4, 0)
        another.settle(another.take(1), weight_header(4800), 1, 0)
        with pytest.raises(OverBudget):
            another.take(1)

    def test_placing_that_weighed_nothing_is_given_back(self, budget: Budget) -> None:
        for _ in range(10):
            budget.settle(budget.take(1), weight_header(0), 1, 0)
        assert budget.state().weight.used == 0

    def test_late_lower_header_undoes_no_reservation(self, budget: Budget, another: Budget) -> None:
        early = budget.take(100)
        another.take(2000)  # Under way: the exchange has not counted it when it answers `early`.
        budget.settle(early, weight_header(100), 100, 0)
        assert budget.state().weight.used == 2100

    def test_of_overlapping_answers_the_higher_count_stands(self, budget: Budget, another: Budget) -> None:
        first, second = budget.take(20), another.take(40)
        budget.settle(first, weight_header(60), 20, 0)
        another.settle(second, weight_header(40), 40, 0)  # Counted before the first, but it comes later.
        assert budget.state().weight.used == 60

    def test_request_begun_after_a_header_replaces_it_even_with_a_lower_count(self, budget: Budget) -> None:
        budget.settle(budget.take(20), weight_header(500), 20, 0)
        budget.settle(budget.take(20), weight_header(40), 20, 0)  # As after a restart of the exchange.
        assert budget.state().weight.used == 40

    def test_lost_answer_has_cost_its_weight(self, budget: Budget) -> None:
        budget.settle(budget.take(20), {}, 20, 0)
        assert budget.state().weight.used == 20

    def test_request_that_never_left_costs_nothing(self, budget: Budget) -> None:
        budget.settle(budget.take(20), {}, 0, 0)
        assert budget.state().weight.used == 0

    def test_header_across_the_turn_of_the_minute_counts_for_neither(self, budget: Budget, clock: Clock) -> None:
        clock.now_ms += 59_990
        taken = budget.take(20)
        clock.now_ms += 20
        budget.settle(taken, weight_header(5900), 20, 0)
        assert budget.state().weight.used == 20

    @pytest.mark.parametrize("text", ["", "many", "-1", "1e9"])
    def test_header_that_is_no_number_is_none(self, budget: Budget, text: str) -> None:
        budget.settle(budget.take(20), {"x-mbx-used-weight-1m": text}, 20, 0)
        assert budget.state().weight.used == 20


class TestOrders:
    def test_entries_stop_before_the_limit_and_exits_at_it(self, budget: Budget, another: Budget) -> None:
        for _ in range(40):
            place(budget)
        with pytest.raises(OverBudget, match="40 of 50 unfilled orders of these 10 s are used, 10 are kept"):
            place(another)
        for _ in range(10):
            place(another, is_exit=True)
        with pytest.raises(OverBudget, match="50 of 50"):
            place(budget, is_exit=True)

    def test_orders_under_way_count_too(self, budget: Budget, another: Budget) -> None:
        for _ in range(20):
            budget.take(1, places_order=True)
            another.take(1, places_order=True)
        with pytest.raises(OverBudget):
            budget.take(1, places_order=True)

    def test_fills_give_back_what_the_header_says(self, budget: Budget) -> None:
        for _ in range(200):
            place(budget, order_headers(3))
        assert budget.state().orders_10s.used == 3

    def test_requests_that_place_nothing_do_not_count(self, budget: Budget) -> None:
        for _ in range(40):
            place(budget)
        budget.take(1)
        assert budget.state().orders_10s.used == 40

    def test_another_account_has_orders_of_its_own_but_the_same_weight(self, host: str, budget: Budget) -> None:
        for _ in range(40):
            place(budget)
        neighbour = Budget(host, "neighbour")
        place(neighbour)
        assert (neighbour.state().orders_10s.used, neighbour.state().weight.used) == (1, 41)

    def test_refused_by_the_exchange_stops_entries_until_the_window_ends(
        self, budget: Budget, another: Budget, clock: Clock
    ) -> None:
        budget.orders_are_full(ORDERS_10S, is_exit=False)
        assert another.why_wait(is_exit=False) == (
            "40 of 50 unfilled orders of these 10 s are used, 10 are kept for exits",
            10.0,
        )
        assert another.why_wait(is_exit=True) is None
        another.take(4)
        clock.now_ms += 10_000
        assert another.why_wait(is_exit=False) is None

    def test_refused_exit_stops_exits_too(self, budget: Budget, another: Budget, clock: Clock) -> None:
        budget.orders_are_full(ORDERS_10S, is_exit=True)
        assert another.why_wait(is_exit=True) == ("50 of 50 unfilled orders of these 10 s are used", 10.0)
        another.take(1, is_exit=True)  # Cancelling and asking go on.
        clock.now_ms += 10_000
        assert another.why_wait(is_exit=True) is None

    def test_full_day_is_looked_at_again_before_it_ends(self, budget: Budget) -> None:
        budget.orders_are_full(ORDERS_1D, is_exit=True)
        reason, wait_s = budget.why_wait(is_exit=False) or ("", 0)
        assert ("of this day" in reason, wait_s) == (True, 600)
        place(budget, order_headers(5), is_exit=True)
        assert budget.why_wait(is_exit=False) is None

    def test_asking_reserves_nothing(self, budget: Budget) -> None:
        for _ in range(100):
            assert budget.why_wait(is_exit=False) is None
        assert budget.state().orders_10s.used == 0


class TestStop:
    def test_stop_is_every_process_s_until_its_time(self, budget: Budget, another: Budget, clock: Clock) -> None:
        budget.stop(clock.now_ms + 7_000, "Too many requests (-1003)")
        for each in (budget, another):
            with pytest.raises(OverBudget, match=r"is not called until .* UTC: Too many requests") as over:
                each.take(1, is_exit=True)
            assert over.value.wait_s == 7
        assert another.why_wait(is_exit=True) is not None
        clock.now_ms += 7_000
        another.take(1)
        budget.take(1)

    def test_shorter_stop_does_not_end_a_longer_one(self, budget: Budget, another: Budget, clock: Clock) -> None:
        budget.stop(clock.now_ms + 300_000, "banned")
        another.stop(clock.now_ms + 1_000, "too many")
        clock.now_ms += 2_000
        for each in (budget, another):
            with pytest.raises(OverBudget, match="banned"):
                each.take(1)

    def test_stop_is_logged_once(
        self, budget: Budget, another: Budget, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            budget.stop(clock.now_ms + 60_000, "banned")
            another.stop(clock.now_ms + 60_100, "banned")
        assert caplog.text.count("is not called") == 1

    def test_stop_lasts_no_longer_than_it_was_ordered_to_when_the_shared_clock_is_set_back(
        self, budget: Budget, another: Budget, clock: Clock
    ) -> None:
        budget.stop_for(60, "banned")
        with pytest.raises(OverBudget):
            another.take(1)
        clock.now_ms -= 6 * 3_600_000
        for each in (budget, another, Budget(budget.host, "account")):
            each.take(1)
        assert budget.state().stopped_until is None
        budget.stop_for(10, "banned again")
        for each in (budget, another):
            with pytest.raises(OverBudget, match="banned again") as over:
                each.take(1)
            assert over.value.wait_s == 10

    def test_redis_that_forgot_ends_no_stop_of_ones_own(self, budget: Budget, clock: Clock) -> None:
        budget.stop(clock.now_ms + 60_000, "banned")
        connect().flushall()
        with pytest.raises(OverBudget, match="banned"):
            budget.take(1)


class TestLimits:
    RULES = (
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200_000},
        {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 300_000},
    )

    def test_documents_limits_until_the_exchange_tells_its_own(self, budget: Budget, another: Budget) -> None:
        assert (budget.state().weight.limit, budget.state().orders_10s.limit) == (6000, 50)
        budget.learn(self.RULES)
        state = another.state()
        assert (state.weight, state.orders_10s, state.orders_1d) == (Count(0, 1200), Count(0, 100), Count(0, 200_000))
        another.take(960)
        with pytest.raises(OverBudget, match="960 of 1,200"):
            another.take(1)

    @pytest.mark.parametrize("limit", [None, 0, -5, "6000"])
    def test_limit_that_is_none_changes_nothing(self, budget: Budget, limit: object) -> None:
        budget.learn([{**self.RULES[0], "limit": limit}, {}])
        assert budget.state().weight.limit == 6000

    def test_one_order_at_a_time_is_possible_under_the_smallest_limit(self, budget: Budget) -> None:
        budget.learn([{**self.RULES[1], "limit": 1}])
        place(budget)
        with pytest.raises(OverBudget):
            place(budget)


@pytest.mark.usefixtures("no_redis")
class TestWithoutRedis:
    def test_process_goes_on_with_what_it_knows_itself(self, budget: Budget) -> None:
        budget.take(4800)
        with pytest.raises(OverBudget):
            budget.take(1)
        budget.take(1200, is_exit=True)
        assert budget.state() == budget_module.State(
            budget.host, Count(6000, 6000), Count(0, 50), Count(0, 160_000), None, "", is_shared=False
        )

    def test_headers_of_its_own_answers_tell_of_the_others(self, budget: Budget) -> None:
        budget.settle(budget.take(1), weight_header(4800), 1, 0)
        with pytest.raises(OverBudget):
            budget.take(1)

    def test_own_stop_is_kept(self, budget: Budget, clock: Clock) -> None:
        budget.stop(clock.now_ms + 5_000, "banned")
        assert budget.why_wait(is_exit=True) is not None
        clock.now_ms += 5_000
        assert budget.why_wait(is_exit=True) is None

    def test_orders_are_counted(self, budget: Budget) -> None:
        for _ in range(40):
            place(budget)
        assert budget.why_wait(is_exit=False) is not None
        assert budget.why_wait(is_exit=True) is None

    def test_redis_is_missed_once_in_the_log_and_not_asked_for_every_request(
        self, budget: Budget, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO):
            for _ in range(50):
                budget.take(1)
        assert caplog.text.count("Redis is away") == 1


def test_reservation_made_without_redis_is_settled_with_it(budget: Budget, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(rate_limit_scripts._redis, "_not_before", float("inf"))
        taken = budget.take(20)
    budget.settle(taken, weight_header(30), 20, 0)
    assert budget.state().weight == Count(30, 6000)


def _take_all(host: str, taken: "multiprocessing.Queue[int]") -> None:
    budget, passed = Budget(host, "account"), 0
    while True:
        try:
            budget.settle(budget.take(10), {}, 10, 0)
        except OverBudget:
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
