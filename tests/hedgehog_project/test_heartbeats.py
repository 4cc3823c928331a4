"""Heartbeats: one for each process of each host, told by Redis's clock alone."""

import socket
import time

import pytest
import redis

from hedgehog_project import heartbeats
from hedgehog_project.heartbeats import KEY, Heart, alive, beats, dismiss, missing
from tests.support.heartbeats import plant


def told(client: "redis.Redis") -> list[str]:
    return [beat.field for beat in missing(beats(client))]


def test_processes_of_two_hosts_keep_a_field_each(
    redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    Heart(redis_client, "worker").beat(done=3)
    monkeypatch.setattr(socket, "gethostname", lambda: "other")
    Heart(redis_client, "worker").beat(done=4)
    assert [(beat.name, beat.facts) for beat in beats(redis_client)].count(("worker", {"done": 3})) == 1
    assert {(beat.host, beat.facts["done"]) for beat in beats(redis_client) if beat.host == "other"} == {("other", 4)}
    assert alive(redis_client) == {"worker"}


def test_a_process_beats_once_a_second_and_remembers_since_when_it_runs(
    redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    heart = Heart(redis_client, "beat")
    heart.beat(n=1)
    heart.beat(n=2)
    assert beats(redis_client)[0].facts == {"n": 1}
    monkeypatch.setattr(heartbeats, "PERIOD_S", 0.0)
    heart._due = 0.0
    time.sleep(0.05)
    heart.beat(n=3)
    (beat,) = beats(redis_client)
    assert beat.facts == {"n": 3}
    assert 0.04 < beat.up_s < 5


@pytest.mark.parametrize("hours", [-6, 6])
def test_a_clock_that_is_set_on_its_host_moves_no_age(
    redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + hours * 3600)
    Heart(redis_client, "worker").beat()
    (beat,) = beats(redis_client)
    assert beat.age_s < 2


def test_what_is_ahead_of_a_redis_whose_clock_was_set_back_is_not_alive(redis_client: "redis.Redis") -> None:
    plant(redis_client, "worker", age_s=-1800)
    assert alive(redis_client) == set()
    assert told(redis_client) == ["worker@here:7"]


def test_a_process_that_fell_silent_is_missed_until_one_takes_its_place(redis_client: "redis.Redis") -> None:
    plant(redis_client, "worker", "one", 7, age_s=60)
    plant(redis_client, "worker", "two", 8, up_s=30)
    assert told(redis_client) == ["worker@one:7"], "another host's is not in its place"
    plant(redis_client, "beat", "one", 9, up_s=30)
    assert told(redis_client) == ["worker@one:7"], "nor is another process"
    plant(redis_client, "worker", "one", 10, up_s=300)
    assert told(redis_client) == ["worker@one:7"], "one that ran beside it is no other in its place"
    plant(redis_client, "worker", "one", 11, up_s=30)
    assert told(redis_client) == []


def test_a_process_that_ends_as_it_was_asked_to_is_not_missed(redis_client: "redis.Redis") -> None:
    heart = Heart(redis_client, "streamer")
    heart.beat()
    heart.stop()
    heart.beat()
    assert redis_client.hgetall(KEY) == {}


def test_who_is_missed_is_told_of_for_an_hour_or_until_a_person_has_heard(redis_client: "redis.Redis") -> None:
    plant(redis_client, "worker", "one", age_s=heartbeats.TOLD_FOR_S - 5)
    plant(redis_client, "worker", "two", age_s=heartbeats.TOLD_FOR_S + 5)
    assert told(redis_client) == ["worker@one:7"]
    Heart(redis_client, "beat").beat()
    assert redis_client.hexists(KEY, "worker@one:7")
    assert not redis_client.hexists(KEY, "worker@two:7"), "the next process to start clears it away"
    assert [beat.field for beat in dismiss(redis_client)] == ["worker@one:7"]
    assert told(redis_client) == []
    assert alive(redis_client) == {"beat"}


def test_rubbish_in_the_hash_is_skipped(redis_client: "redis.Redis") -> None:
    redis_client.hset(KEY, mapping={"worker": '{"at": 1, "pid": 2, "host": "old"}', "x": "{", "y": "7"})
    plant(redis_client, "beat")
    assert [beat.name for beat in beats(redis_client)] == ["beat"]
    Heart(redis_client, "streamer").beat()
    assert alive(redis_client) == {"beat", "streamer"}
