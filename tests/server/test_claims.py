"""Leases: what is taken, lost, tried again and given up."""

import threading

from scenewright.server.video_request import VideoRequest


def submitted(queue, **changes):
    return queue.submit("me", VideoRequest(**{"prompt": "a ball", "seed": 0, **changes})).id


def test_a_job_is_its_workers_until_the_lease_runs_out(queue, clock):
    id = submitted(queue)
    (job,) = queue.claim("first")
    assert (job.status, job.phase, job.worker_id) == ("running", "load", "first")
    assert (job.started_at, job.lease_until) == (clock.time, clock.time + 30)
    clock.time += 25
    assert queue.heartbeat("first", [id]) == {id: None}
    clock.time += 25
    assert queue.sweep() == 0
    assert queue.progress("second", {id: {"current_step": 1}}) == set()
    clock.time += 6
    assert queue.sweep() == 1
    lost = queue.get(id)
    assert (lost.status, lost.attempts, lost.worker_id) == ("queued", 1, None)
    assert lost.not_before == clock.time + 2
    assert queue.claim("second") == [], "not before the wait is over"
    clock.time += 2
    assert queue.claim("second")[0].id == id
    assert queue.heartbeat("first", [id]) == {id: "lost"}
    assert queue.progress("first", {id: {"current_step": 9}}) == set()
    assert queue.finish(id, "first", video_hash="1" * 64) is False
    assert queue.fail(id, "first", "code", "message", retry=False) is False
    assert queue.hold(id, "first") is False
    assert queue.cancelled(id, "first") is False
    queue.put_back("first", [id])
    assert queue.release("first") == 0
    assert queue.get(id).worker_id == "second"
    assert queue.finish(id, "second", video_hash="1" * 64, width=8, height=8, num_frames=4, fps=8.0)
    done = queue.get(id)
    assert (done.status, done.phase, done.video_hash, done.width) == ("completed", "final", "1" * 64, 8)
    assert (done.worker_id, done.lease_until, done.preview, done.error_code) == (None, None, None, None)


def test_waits_double_and_the_last_loss_is_a_failure(queue, clock):
    id = submitted(queue)
    waits = []
    for attempt in range(3):
        assert queue.claim("w")[0].id == id
        queue.release("w")
        job = queue.get(id)
        assert job.attempts == attempt + 1
        if job.status == "queued":
            waits.append(job.not_before - clock.time)
            clock.time = job.not_before
    assert waits == [2, 4]
    assert (job.status, job.error_code) == ("failed", "worker_lost")
    assert job.completed_at == clock.time
    again = queue.retry(id)
    assert (again.status, again.attempts, again.error_code) == ("queued", 0, None)
    assert queue.claim("w")[0].id == id


def test_a_failure_that_will_not_pass_is_not_tried_again(queue):
    id = submitted(queue)
    queue.claim("w")
    queue.fail(id, "w", "invalid_request", "no", retry=False)
    job = queue.get(id)
    assert (job.status, job.attempts, job.error_code, job.error_message) == (
        "failed",
        1,
        "invalid_request",
        "no",
    )


def test_a_wait_can_be_cut_short(queue):
    id = submitted(queue)
    queue.claim("w")
    queue.fail(id, "w", "storage_error", "full", retry=True)
    assert queue.claim("w") == []
    assert queue.retry(id).attempts == 1
    assert queue.claim("w")[0].id == id
    assert queue.get(id).error_code is None


def test_what_was_wanted_of_a_lost_job_happens(queue):
    ids = [submitted(queue, seed=i, num_frames=i + 1) for i in range(3)]
    for _ in ids:
        queue.claim("w")
    queue.cancel(ids[0])
    queue.pause(ids[1])
    assert queue.release("w") == 3
    assert [queue.get(id).status for id in ids] == ["cancelled", "paused", "queued"]
    queue.resume(ids[1])
    assert queue.claim("w")[0].id == ids[1]


def test_what_is_put_back_was_never_taken(queue):
    ids = [submitted(queue, seed=i) for i in range(4)]
    assert len(queue.claim("w", 4)) == 4
    queue.pause(ids[1])
    queue.cancel(ids[2])
    queue.put_back("w", ids, begun=False)
    assert [queue.get(id).status for id in ids] == ["queued", "paused", "cancelled", "queued"]
    assert queue.get(ids[0]).attempts == 0
    assert [job.id for job in queue.claim("w", 4)] == [ids[0], ids[3]]
    queue.put_back("w", [ids[3]], begun=True)
    queue.put_back("w", [ids[0]])
    assert [job.id for job in queue.claim("w", 4)] == [ids[0]], "what is begun is made alone"
    assert [job.id for job in queue.claim("w", 4)] == [ids[3]]


def test_a_paused_job_keeps_its_place_and_its_notes(queue):
    first, second = submitted(queue), submitted(queue, seed=1)
    queue.claim("w")
    queue.hold(first, "w", ["a note"])
    queue.resume(first)
    assert queue.queue_position(first) == 1
    assert queue.queue_position(second) == 2
    assert queue.get(first).notes == ["a note"]


def test_workers_are_known_while_they_live(queue, clock):
    queue.register("w1", host="here", device="cpu", pid=7)
    clock.time += 20
    queue.register("w2", host="there", device="cuda:0", pid=8)
    queue.heartbeat("w2", [], models=["nano"], memory=5)
    assert [(w.id, w.models, w.memory) for w in queue.workers()] == [("w1", [], 0), ("w2", ["nano"], 5)]
    clock.time += 15
    assert [w.id for w in queue.workers()] == ["w2"]
    queue.unregister("w2")
    assert queue.workers() == []


def test_idle_workers_share_what_waits(queue, clock):
    assert queue.share() == 0
    ids = [submitted(queue, seed=i) for i in range(5)]
    assert queue.share() == 5, "no worker has told of itself"
    for name in ("w1", "w2", "w3"):
        queue.register(name, host="here", device="cpu", pid=1)
    assert queue.share() == 2
    assert queue.share(["other"]) == 0
    assert [job.id for job in queue.claim("w1", queue.share())] == ids[:2]
    assert queue.share() == 2
    queue.unregister("w2")
    assert queue.share() == 3
    clock.time += 31
    assert queue.share() == 3, "the last one is gone, too, but someone asks"


def test_many_workers_at_once_never_take_the_same_job(queue):
    ids = {submitted(queue, seed=i, num_frames=i % 3 + 1) for i in range(40)}
    taken: list[tuple[str, str]] = []
    start = threading.Barrier(4)

    def work(name: str) -> None:
        start.wait(10)
        while jobs := queue.claim(name, 2):
            taken.extend((job.id, name) for job in jobs)

    threads = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(taken) == 40
    assert {id for id, _ in taken} == ids
    assert all(queue.get(id).worker_id == name for id, name in taken)
