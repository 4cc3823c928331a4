"""What all rooms share: settings, the Celery app, the venues, Redis, and who is alive."""

from hedgehog_project.interrupt import end_at_once

end_at_once()

from hedgehog_project.celery import app as celery_app  # noqa: E402 -- this and what follows take a while

__all__ = ["celery_app"]
