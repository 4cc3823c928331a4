"""Celery's way to Redis, as kombu has it, and outliving what Redis does: killed, full, read-only.

celery.py puts it in the place of kombu's own. Each method here closes a way in which kombu 5.7 ends the worker, keeps
it away for long, or prints a traceback a second; with one that does not, it can go.
"""

from typing import Any

import kombu
from celery.app import amqp
from kombu.transport import redis as kombu_redis
from redis.exceptions import ConnectionError, ResponseError

from hedgehog_project.queues import SERVED
from hedgehog_project.redis_health import PROBE, PROBE_KEPT_S, refusal

# A Redis that is back is found so soon. Kombu's own wait grows to 30 s.
RETRY_S = 2


class _QoS(kombu_redis.QoS):
    def restore_unacked(self, client: Any = None) -> None:
        """When a connection ends: puts the tasks that are not done back into the queue.

        Where it was lost that can't be, and the rest of its end must not be left out for it. Those tasks come back
        after visibility_timeout, as those of a killed worker do.
        """
        try:
            super().restore_unacked(client)
        except (ConnectionError, ResponseError):
            if self._delivered is not None:
                self._delivered.clear()

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Each second; where Redis refuses writes there is nothing to be done, and nothing to be said each second."""
        try:
            super().restore_visible(*args, **kwargs)
        except ResponseError:
            return


class _Channel(kombu_redis.Channel):
    QoS = _QoS
    queue_order_strategy = "priority"
    _kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        """One for each pool of connections. Kombu's own makes one for each command, at a third of its cost."""
        if asynchronous:
            return super()._create_client(asynchronous=True)  # type: ignore[misc]
        pool = self.pool  # Another one once the connection was lost.
        kept = self._kept
        if kept is None or kept.connection_pool is not pool:
            kept = self._kept = super()._create_client()  # type: ignore[misc]
        return kept

    def _update_queue_cycle(self) -> None:
        """Exits first. Kombu's own order is that of a set: any."""
        self._queue_cycle.update(  # type: ignore[attr-defined]
            sorted(self.active_queues, key=lambda name: (SERVED.get(name, len(SERVED)), name))
        )

    def _connparams(self, asynchronous: bool = False) -> Any:
        """Whoever acknowledges a task late, on a connection that was lost and given up, is told so.

        It would else fail for want of the address that has gone with it: an AttributeError, which ends the worker.
        """
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("this connection to Redis was lost")
        return super()._connparams(asynchronous)  # type: ignore[misc]


class Transport(kombu_redis.Transport):
    Channel = _Channel

    def establish_connection(self) -> Any:
        """A connection on which nothing can be written is none: who wants it waits, and says why."""
        established = super().establish_connection()
        (*_, channel) = self._avail_channels  # type: ignore[attr-defined]
        with channel.conn_or_acquire() as client:
            try:
                client.set(PROBE, 1, ex=PROBE_KEPT_S)
            except ResponseError as error:
                raise ConnectionError(f"Redis refuses writes: {refusal(error)}") from error
        return established


class Connection(kombu.Connection):
    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        return super().ensure_connection(*args, **{"interval_max": RETRY_S, **kwargs})


class AMQP(amqp.AMQP):
    Connection = Connection
