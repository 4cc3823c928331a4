"""Whether Redis takes writes, and how much memory it has: a Redis that is full or read-only answers and is no use."""

from dataclasses import dataclass

import redis

# What is written to see whether anything can be.
PROBE = "redis:probe"
PROBE_KEPT_S = 10


@dataclass(frozen=True)
class Health:
    """Redis as found just now; texts are for people, empty where all is well."""

    away: str = ""  # why it does not answer
    refuses: str = ""  # why it takes no writes
    used: int = 0  # bytes
    limit: int = 0  # bytes; 0: as much as the machine has

    @property
    def is_well(self) -> bool:
        return not (self.away or self.refuses)

    @property
    def text(self) -> str:
        """What is wrong with it, in a sentence without its end."""
        if self.refuses:
            return f"Redis refuses writes: {self.refuses} ({self.memory})"
        return f"Redis is down: {self.away}" if self.away else ""

    @property
    def memory(self) -> str:
        used = f"{self.used / 2**20:.1f}"
        if not self.used:
            return "memory unknown"
        return f"{used} of {self.limit / 2**20:.1f} MB used" if self.limit else f"{used} MB used"


def look(client: "redis.Redis") -> Health:
    """Raises nothing. Costs two round trips."""
    try:
        memory = client.info("memory")
        found = Health(used=int(memory["used_memory"]), limit=int(memory.get("maxmemory", 0)))
    except redis.ResponseError:
        found = Health()  # INFO is not for everybody, see ACL.
    except redis.RedisError as error:
        return Health(away=away(error))
    try:
        return Health(refuses=refuses(client), used=found.used, limit=found.limit)
    except redis.RedisError as error:
        return Health(away=away(error))


def refuses(client: "redis.Redis") -> str:
    """Why it takes no writes; empty where it does. Raises redis.RedisError where it does not answer."""
    try:
        client.set(PROBE, 1, ex=PROBE_KEPT_S)
    except redis.ResponseError as error:
        return refusal(error)
    return ""


def refusal(error: redis.ResponseError) -> str:
    """Why a write was refused (redis.io/docs, "Error handling"; the server's first word is the kind)."""
    words = str(error)
    if isinstance(error, redis.OutOfMemoryError):
        return "its memory is full, and maxmemory-policy is noeviction"
    if isinstance(error, redis.ReadOnlyError):
        return "it is a read-only replica"
    if words.startswith("MISCONF"):
        return (
            f"it cannot write its data to the disk: {words.removeprefix('MISCONF ').partition('. ')[0].rstrip('.')}"
        )
    return words.rstrip(".")


def words(error: redis.RedisError) -> str:
    """What is wrong with Redis by an error that a call met, in a sentence without its end."""
    if isinstance(error, redis.ResponseError):
        return f"Redis refuses writes: {refusal(error)}"
    return f"Redis is down: {away(error)}"


def away(error: redis.RedisError) -> str:
    if isinstance(error.__cause__, ConnectionRefusedError) or isinstance(error.__context__, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, redis.AuthenticationError):
        return "rejects the password of REDIS_URL"
    if isinstance(error, redis.TimeoutError):
        return "does not answer in time"
    return str(error).rstrip(".") or type(error).__name__
