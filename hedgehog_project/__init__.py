"""What all rooms share: settings, the Celery app, the venues, Redis, and who is alive."""

from hedgehog_project.interrupt import end_at_once

end_at_once()

from hedgehog_project.later import put_off  # noqa: E402

# Before anybody imports redis: a third of what its import takes in time is for those who use asyncio.
put_off("redis.asyncio")
