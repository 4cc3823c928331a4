"""The schedule in the admin: an operator may change it, and cannot take the leader out of it."""

import pytest
from django.test import Client
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from trading.schedule import make_schedule

pytestmark = pytest.mark.django_db

TASKS, PERIODS = "/admin/django_celery_beat/periodictask/", "/admin/django_celery_beat/intervalschedule/"


@pytest.fixture(autouse=True)
def schedule(db: None) -> None:
    make_schedule()


def leader() -> PeriodicTask:
    return PeriodicTask.objects.get(name="Leader")


def chosen(action: str, *tasks: PeriodicTask) -> dict[str, object]:
    return {"action": action, "_selected_action": [task.pk for task in tasks], "post": "yes"}


@pytest.mark.parametrize("action", ["disable_tasks", "toggle_tasks"])
def test_the_leader_stays_on_and_others_are_turned_off(admin_client: Client, action: str) -> None:
    others = PeriodicTask.objects.exclude(name="Leader")
    told = admin_client.post(TASKS, chosen(action, leader(), *others), follow=True).content.decode()
    assert "The leader always runs. To stop all trading, halt it under Trading control." in told
    assert leader().enabled
    assert not others.filter(enabled=True).exists()


def test_its_page_offers_nothing_to_change(admin_client: Client) -> None:
    page = f"{TASKS}{leader().pk}/change/"
    before = PeriodicTask.objects.filter(name="Leader").values().get()
    assert 'name="_save"' not in admin_client.get(page).content.decode()
    assert admin_client.post(page, {"name": "Leader", "task": "trading.tasks.lead"}).status_code == 403
    assert PeriodicTask.objects.filter(name="Leader").values().get() == before


@pytest.mark.parametrize("name", ["Leader", "Reconciliation", "Archive"])
def test_none_of_ours_is_deleted(admin_client: Client, name: str) -> None:
    task = PeriodicTask.objects.get(name=name)
    assert admin_client.post(f"{TASKS}{task.pk}/delete/", {"post": "yes"}).status_code == 403
    admin_client.post(TASKS, chosen("delete_selected", task))
    assert PeriodicTask.objects.filter(name=name).exists()


def test_a_task_of_an_operators_own_is_deleted(admin_client: Client) -> None:
    own = PeriodicTask.objects.create(name="own", task="own.task", interval=leader().interval)
    admin_client.post(f"{TASKS}{own.pk}/delete/", {"post": "yes"})
    assert not PeriodicTask.objects.filter(name="own").exists()


def test_the_leaders_period_is_neither_changed_nor_deleted_under_it(admin_client: Client) -> None:
    """Its deletion would take all its tasks with it."""
    period = leader().interval
    assert admin_client.post(f"{PERIODS}{period.pk}/delete/", {"post": "yes"}).status_code == 403
    values = {"every": "86400", "period": "seconds", "_save": "Save"}
    assert admin_client.post(f"{PERIODS}{period.pk}/change/", values).status_code == 403
    period.refresh_from_db()
    assert (period.every, leader().interval) == (1, period)


def test_a_period_takes_none_of_our_tasks_with_it(admin_client: Client) -> None:
    for period in (IntervalSchedule.objects.get(every=60), CrontabSchedule.objects.get()):
        url = f"/admin/django_celery_beat/{period._meta.model_name}/"
        admin_client.post(f"{url}{period.pk}/delete/", {"post": "yes"})
        admin_client.post(url, {"action": "delete_selected", "_selected_action": [period.pk], "post": "yes"})
    assert PeriodicTask.objects.filter(name__in=("Gain", "Reconciliation", "Archive")).count() == 3
