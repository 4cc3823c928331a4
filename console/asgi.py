"""The web server's entry: pages, and what answers on the event loop."""

# First: it sets Django up, which all below needs.
from hedgehog_project.wsgi import application as pages  # isort: split

from console.live.stream import Stream
from hedgehog_project.web.serving import Application, healthz

application = Application(pages, {"/healthz": healthz})
stream = Stream(application.threads)
application.answer("/admin/live/", stream)
application.at_shutdown.append(stream.hub.close)
