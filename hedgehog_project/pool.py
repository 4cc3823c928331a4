"""The worker's threads: the leader has one of its own, which nothing else can keep busy.

Celery has one pool for all queues of a worker, and fetches no more tasks than its threads can do. Where the leader's
queue is among them, it is fetched from over a connection of its own, and a thread of its own does what it holds.
"""

from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import kombu
from celery import bootsteps
from celery.concurrency import thread
from celery.concurrency.base import apply_target
from kombu.common import ignore_errors

from hedgehog_project.queues import LEADER

# All that is in the leader's queue.
TASKS = frozenset({"trading.tasks.lead"})


class TaskPool(thread.TaskPool):
    """As many threads as the worker was told to have, and one more for the leader."""

    executor: Executor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.leader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="leader")

    def on_stop(self) -> None:
        self.leader.shutdown(cancel_futures=True)
        super().on_stop()

    def on_apply(
        self,
        target: Any,
        args: Any = None,
        kwargs: Any = None,
        callback: Any = None,
        accept_callback: Any = None,
        **_: Any,
    ) -> Any:
        # The first argument is the task's name: see Celery's Request.execute_using_pool.
        executor: Executor = self.leader if args and args[0] in TASKS else self.executor
        return thread.ApplyResult(  # type: ignore[attr-defined]
            executor.submit(apply_target, target, args, kwargs, callback, accept_callback)
        )


class LeaderStep(bootsteps.ConsumerStep):
    """Fetches from the leader's queue, where this worker serves it."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **kwargs: Any) -> None:
        super().__init__(consumer, **kwargs)
        queues = consumer.app.amqp.queues
        self.queue = queues.consume_from.get(LEADER)
        queues.deselect(LEADER)

    def include_if(self, parent: Any) -> bool:
        return self.queue is not None

    def start(self, c: Any) -> None:
        # What is received goes the way of every task. Made anew with each connection.
        self.on_message = c.create_task_handler()
        super().start(c)

    def get_consumers(self, channel: Any) -> list[kombu.Consumer]:
        return [kombu.Consumer(channel, [self.queue], on_message=self.on_message, accept=["json"], prefetch_count=1)]

    def stop(self, c: Any) -> None:
        # Not its channel, as the step of all other tasks: what is being done is acknowledged over it.
        for consumer in self.consumers or []:
            ignore_errors(c.connection, consumer.cancel)
