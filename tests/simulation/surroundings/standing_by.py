"""A Redis that refuses writes for a while, and the real standby, whose threads run one after the other."""

from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hedgehog_project.redis_health import Health
from trading.standby import Standby
from trading.waking import enqueue

if TYPE_CHECKING:
    from tests.simulation.surroundings.world import World

# Not twice within so long: what it leaves behind is looked at in between.
AGAIN_AFTER = timedelta(seconds=120)


class Refusing:
    """Since when, and until when, Redis refuses writes. It answers all the same."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.since: datetime | None = None
        self.until = world.now

    def __bool__(self) -> bool:
        return self._world.now < self.until

    def strike(self) -> None:
        now = self._world.now
        if self.since is None or now > self.until + AGAIN_AFTER:
            self.since, self.until = now, now + timedelta(milliseconds=self._world.chance.randint(3_000, 90_000))

    def end(self) -> None:
        """Redis takes writes again: who holds nothing waits for that."""
        self.until = min(self.until, self._world.now)

    def health(self, client: object) -> Health:
        """Takes the place of redis_health.look."""
        return Health(refuses="its memory is full") if self else Health()

    def held_up_since(self, tolerance: timedelta) -> datetime | None:
        """Since when nobody buys, where that is so or ended only just now."""
        return self.since if self.since is not None and self._world.now < self.until + tolerance else None


class StandingBy:
    """The process: it may die between any two of its steps, and comes back knowing nothing."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._jobs: list[tuple[Future[None], Callable[[], object]]] = []
        self._standby = self._begin()

    def _begin(self) -> Standby:
        found = Standby(self._world.wake_ups, self._world.line.at)  # type: ignore[arg-type]
        found._pool = self  # type: ignore[assignment]
        self._jobs.clear()
        return found

    @property
    def has_work(self) -> bool:
        return self._standby.is_acting

    def submit(self, run: Callable[..., None], key: object, do: Callable[[], object]) -> Future[None]:
        """In the place of its threads."""
        future: Future[None] = Future()
        self._jobs.append((future, do))
        return future

    def step(self) -> None:
        """One look, with all that it leads to."""
        self._is_alive = False
        self._world.run_process(self._step)
        while self._jobs and self._is_alive:
            future, do = self._jobs.pop(0)
            self._is_alive = False
            self._world.run_process(lambda: self._answer(do))  # noqa: B023
            future.set_result(None)
        if not self._is_alive:
            self._standby = self._begin()
        elif self._standby.is_acting:
            # Whoever holds something was helped, as by a leader.
            self._world.beats.append(self._world.now)

    def _step(self) -> None:
        self._as_this_process(self._standby.step)

    def _answer(self, do: Callable[[], object]) -> None:
        try:
            self._as_this_process(do)
        except Exception:
            self._is_alive = True  # As a thread does: it is said in its log, and the next task is run.
            raise

    def _as_this_process(self, do: Callable[[], Any]) -> None:
        """Whoever else queues tasks meanwhile queues them at the broker."""
        enqueue.answer_here(self._standby._answer if self._standby.is_acting else None)
        try:
            do()
        finally:
            enqueue.answer_here(None)
        self._is_alive = True
