"""What all rooms share: settings, the Celery app, the venues, Redis, and who is alive."""

from hedgehog_project.celery import app as celery_app

__all__ = ["celery_app"]
