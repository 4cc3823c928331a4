"""What all rooms share: settings, the Celery app, the venues, Redis, and who is alive."""

from hedgehog_project.interrupt import end_at_once

end_at_once()
