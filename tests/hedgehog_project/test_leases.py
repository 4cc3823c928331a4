"""A lease: one of several has it, another takes over when that one dies, and no wall clock is asked."""

import time

import pytest

from hedgehog_project import leases
from hedgehog_project.leases import RENEW_EVERY_S, TAKE_OVER_S, Leaseholder
from hedgehog_project.models import Lease

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


class Hosts:
    """Processes on hosts of their own, and the steady clock of all of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(leases, "_place", lambda: "")

    def process(self, host: str, pid: int = 7) -> Leaseholder:
        self._monkeypatch.setattr("socket.gethostname", lambda: host)
        self._monkeypatch.setattr("os.getpid", lambda: pid)
        return Leaseholder("beat")

    def pass_time(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> Hosts:
    return Hosts(monkeypatch)


def look(hosts: Hosts, *processes: Leaseholder, seconds: int) -> list[bool]:
    """Each looks once a second; who has it in the end."""
    found = [process.has_it() for process in processes]
    for _ in range(seconds):
        hosts.pass_time(RENEW_EVERY_S)
        found = [process.has_it() for process in processes]
    return found


def test_one_of_two_has_it_for_as_long_as_it_lives(hosts: Hosts) -> None:
    one, two = hosts.process("one"), hosts.process("two")
    assert look(hosts, one, two, seconds=0) == [True, False]
    assert look(hosts, one, two, seconds=60) == [True, False]
    assert Lease.objects.get().holder == "one:7"


def test_another_takes_over_within_five_seconds_and_the_first_one_knows_it(hosts: Hosts) -> None:
    one, two = hosts.process("one"), hosts.process("two")
    look(hosts, one, two, seconds=3)
    # The first one stands still, as a process that is frozen does.
    waited = next(seconds for seconds in range(1, 9) if look(hosts, two, seconds=1) == [True])
    assert TAKE_OVER_S - 1 < waited <= 5
    assert look(hosts, one, two, seconds=0) == [False, True]
    assert look(hosts, one, two, seconds=20) == [False, True]


def test_of_many_that_wait_one_takes_over(hosts: Hosts) -> None:
    dead, *waiting = [hosts.process(f"host{n}") for n in range(5)]
    look(hosts, dead, *waiting, seconds=2)
    assert sum(look(hosts, *waiting, seconds=10)) == 1


@pytest.mark.parametrize("hours", [-6, 6])
def test_a_clock_that_is_set_changes_nothing(hosts: Hosts, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    one, two = hosts.process("one"), hosts.process("two")
    look(hosts, one, two, seconds=3)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + hours * 3600)
    assert look(hosts, one, two, seconds=10) == [True, False]
    assert sum(look(hosts, two, seconds=5)) == 1


def test_who_gives_it_up_is_not_waited_for(hosts: Hosts) -> None:
    one, two = hosts.process("one"), hosts.process("two")
    look(hosts, one, two, seconds=2)
    two.give_up()
    assert look(hosts, one, two, seconds=1) == [True, False], "nobody gives up what another one has"
    one.give_up()
    assert look(hosts, two, seconds=1) == [True]


def test_a_process_that_died_on_this_machine_is_not_waited_for(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "_place", lambda: "@this boot")
    dead = hosts.process("here", 2**22 + 1)  # above Linux's highest
    assert dead.has_it()
    assert hosts.process("here", 8).has_it()
    alive = hosts.process("here", 1)
    Lease.objects.update(holder="here:1@this boot")
    assert alive.has_it()
    assert not hosts.process("here", 8).has_it()
    Lease.objects.update(holder=f"here:{2**22 + 1}@another boot")
    assert not hosts.process("here", 8).has_it(), "of another machine nobody can tell"
