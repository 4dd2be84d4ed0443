"""Fairness, against the rule written out in the simplest way."""

import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from scenewright.server.claims import Patience
from scenewright.server.database import open_database
from scenewright.server.jobs import JobQueue
from scenewright.server.video_request import VideoRequest

SUBMIT = st.tuples(
    st.just("submit"), st.sampled_from("abc"), st.sampled_from([0, 0, 0, -1, 1]), st.sampled_from([4, 8])
)
CLAIM = st.tuples(st.just("claim"), st.sampled_from([1, 1, 1, 3]))
FINISH = st.tuples(st.just("finish"), st.integers(0, 50))
FAIL = st.tuples(st.just("fail"), st.integers(0, 50))
MOVE = st.tuples(st.just("move"), st.integers(0, 50), st.integers(0, 50))
ACTIONS = st.lists(
    st.one_of(SUBMIT, SUBMIT, SUBMIT, CLAIM, CLAIM, CLAIM, FINISH, FINISH, FAIL, MOVE, st.just(("wait",))),
    min_size=25,
    max_size=60,
)


class Rule:
    """The queue as a list, and the rule as it is told in words."""

    def __init__(self):
        self.jobs, self.turn, self.time = [], 0, 0.0

    def submit(self, job):
        fields = {"id": job.id, "owner": job.owner_id, "priority": job.priority, "key": job.batch_key}
        self.jobs.append({**fields, "position": job.position, "status": "queued", "turn": 0, "due": 0.0})

    def rank(self, job):
        of_owner = [other for other in self.jobs if other["owner"] == job["owner"]]
        running = sum(other["status"] == "running" for other in of_owner)
        turn = max(other["turn"] for other in of_owner)
        return -job["priority"], running, turn, job["position"], job["id"]

    def claim(self, limit):
        taken = []
        while len(taken) < limit:
            waiting = [job for job in self.jobs if job["status"] == "queued" and job["due"] <= self.time]
            if taken:
                waiting = [job for job in waiting if job["key"] == taken[0]["key"] is not None]
            if not waiting:
                break
            job = min(waiting, key=self.rank)
            self.turn += 1
            job["status"], job["turn"] = "running", self.turn
            taken.append(job)
            if job["key"] is None:
                break
        return [job["id"] for job in taken]

    def line(self):
        copy = Rule()
        copy.jobs, copy.turn = [dict(job, due=0.0, key=None) for job in self.jobs], self.turn
        return [id for _ in copy.jobs for id in copy.claim(1)]

    def of(self, status):
        return [job for job in self.jobs if job["status"] == status]


@pytest.fixture(scope="module")
def database():
    with tempfile.TemporaryDirectory() as folder:
        opened = open_database(f"sqlite:///{Path(folder) / 'jobs.sqlite'}")
        yield opened
        opened.close()


@settings(max_examples=40, deadline=None, derandomize=True, phases=[Phase.generate])
@given(actions=ACTIONS)
def test_claims_follow_the_rule(database, actions):
    with database.write() as session:
        session.execute(text("DELETE FROM videos"))
    rule = Rule()
    queue = JobQueue(database, Patience(attempts=3, backoff=5.0), lambda: rule.time)
    for what, *values in actions:
        if what == "submit":
            owner, priority, frames = values
            request = VideoRequest(prompt="a ball", seed=0, num_frames=frames)
            job = queue.submit(owner, request, priority=priority)
            rule.submit(job)
        elif what == "claim":
            assert [job.id for job in queue.claim("w", values[0])] == rule.claim(values[0])
        elif what == "wait":
            rule.time += 3.0
        elif what == "move":
            waiting = rule.of("queued")
            if waiting:
                job = waiting[values[0] % len(waiting)]
                mine = [other for other in waiting if other["owner"] == job["owner"]]
                mine.sort(key=lambda other: other["position"])
                before = mine[values[1] % len(mine)]
                job["position"] = queue.move(job["id"], before["id"]).position
                if before is not job:
                    mine.remove(job)
                    mine.insert(mine.index(before), job)
                assert mine == sorted(mine, key=lambda other: other["position"])
        elif running := rule.of("running"):
            job = running[values[0] % len(running)]
            if what == "finish":
                assert queue.finish(job["id"], "w")
                job["status"] = "completed"
            else:
                queue.fail(job["id"], "w", "code", "message", retry=True)
                job["failures"] = job.get("failures", 0) + 1
                job["key"] = None
                job["status"] = "queued" if job["failures"] < 3 else "failed"
                job["due"] = rule.time + 5.0 * 2 ** (job["failures"] - 1)
        assert [id for id, _ in sorted(queue.queue_positions().items(), key=lambda x: x[1])] == rule.line()


def test_who_submits_much_does_not_make_others_wait(queue):
    many = [queue.submit("many", VideoRequest(prompt="a ball", seed=i)).id for i in range(20)]
    one = queue.submit("one", VideoRequest(prompt="a cube", seed=0)).id
    assert queue.queue_position(one) == 2
    assert queue.claim("w")[0].id == many[0]
    assert queue.claim("w")[0].id == one
    assert queue.claim("w")[0].id == many[1]
    urgent = queue.submit("many", VideoRequest(prompt="a ball", seed=99), priority=1).id
    assert queue.queue_position(urgent) == 1
    assert queue.claim("w")[0].id == urgent
    assert queue.queue_position(urgent) is None


def test_workers_that_ask_at_once_serve_different_owners(queue):
    for place in range(6):
        for owner in "ab":
            queue.submit(owner, VideoRequest(prompt="a ball", seed=place))
    for _ in range(6):
        start, taken = threading.Barrier(2), []

        def take(name: str, start=start, taken=taken) -> None:
            start.wait(10)
            taken.extend(queue.claim(name))

        threads = [threading.Thread(target=take, args=(name,)) for name in ("w1", "w2")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert {job.owner_id for job in taken} == {"a", "b"}
        for job in taken:
            assert queue.finish(job.id, job.worker_id)


def test_what_is_made_together_is_of_one_kind(queue):
    def submit(**changes):
        return queue.submit("a", VideoRequest(**{"prompt": "a ball", "seed": 0, **changes})).id

    first = submit()
    other_size, other_steps = submit(width=64, height=64, seed=3), submit(num_inference_steps=3)
    submit(model="other")
    with_picture = submit(input_reference="0" * 64)
    alike = submit(prompt="a cube", negative_prompt="red", audio=True)
    assert [job.id for job in queue.claim("w", 8)] == [first, other_size, alike]
    assert [job.id for job in queue.claim("w", 8)] == [other_steps]
    assert [job.model for job in queue.claim("w", 8, models=["other"])] == ["other"]
    assert [job.id for job in queue.claim("w", 8)] == [with_picture]
    assert queue.claim("w", 8) == []
    for seed in range(3):
        submit(seed=seed)
    assert len(queue.claim("w", 8, alone={"nano"})) == 1


def test_moving_leaves_room_for_ever(queue):
    ids = [queue.submit("a", VideoRequest(prompt="a ball", seed=i)).id for i in range(3)]
    for _ in range(120):
        ids.insert(1, ids.pop())
        queue.move(ids[1], ids[2])
        assert sorted(ids, key=queue.queue_positions().__getitem__) == ids
    queue.move(ids[0])
    assert queue.queue_position(ids[0]) == 3
    with pytest.raises(ValueError, match="no waiting video"):
        queue.move(ids[0], "video_of_nobody")
