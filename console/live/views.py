"""What pages ask for that streams do not reach."""

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache

from console.live import state
from console.live.stream import MAX_TOPICS, NEEDS, TOPIC


@never_cache
@permission_required(NEEDS, login_url="admin:login")
def polled(request: HttpRequest) -> HttpResponse:
    """The whole state of the topics: GET /admin/live/state/?topics=…"""
    topics = [topic for topic in request.GET.get("topics", "").split(",") if TOPIC.fullmatch(topic)][:MAX_TOPICS]
    values = state.values_of(topics, timezone.get_current_timezone())
    return JsonResponse({"values": values, "problems": state.problems()})
