"""For a real worker, beside other modules (`celery worker -I …`): a watchdog that waits for seconds only.

Never imported by a test: it would wait for seconds there, too.
"""

from hedgehog_project import restarts, watchdog

restarts.FIRST_PAUSE_S = 4.0
watchdog.FROZEN_S = 3.0
