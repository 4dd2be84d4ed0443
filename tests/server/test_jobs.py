"""Submitting, listing and steering jobs, on both databases."""

import threading

import pytest

from scenewright.server.jobs import IdempotencyConflict, JobQueue, JobStateError
from scenewright.server.video_request import VideoRequest


def asked(prompt="a red ball", **changes):
    return VideoRequest(**{"prompt": prompt, "seed": 0, **changes})


def test_a_job_is_as_it_was_submitted(queue, clock):
    job = queue.submit(
        "me",
        asked(num_frames=8, input_reference="ab" * 32),
        priority=-1,
        batch="b1",
        title="Ball",
        tags=["x", "y"],
        remixed_from="video_0",
        callback_url="https://example.org/hook",
        expires_at=clock.time + 5,
    )
    found = queue.get(job.id)
    assert VideoRequest.model_validate(found.request) == asked(num_frames=8, input_reference="ab" * 32)
    assert (found.owner_id, found.status, found.phase, found.kind) == ("me", "queued", "queued", "generate")
    assert (found.priority, found.batch, found.title, found.tags) == (-1, "b1", "Ball", ["x", "y"])
    assert (found.remixed_from, found.callback_url) == ("video_0", "https://example.org/hook")
    assert (found.created_at, found.expires_at) == (clock.time, clock.time + 5)
    assert found.id.startswith("video_")
    assert len(found.id) == 30
    assert queue.get(job.id, "me") is not None
    assert queue.get(job.id, "other") is None
    assert queue.get("video_none") is None


def test_the_same_key_gives_the_same_job_and_another_body_is_refused(queue):
    first = queue.submit("me", asked(), idempotency=("k", "body"))
    assert queue.submit("me", asked(), idempotency=("k", "body")).id == first.id
    assert queue.submit("other", asked(), idempotency=("k", "body")).id != first.id
    with pytest.raises(IdempotencyConflict, match="'k' was used for another request"):
        queue.submit("me", asked("a cube"), idempotency=("k", "else"))
    assert len(queue.list("me").jobs) == 1


def test_a_key_that_is_used_by_several_at_once_makes_one_job(queue):
    ids: list[str] = []
    start = threading.Barrier(4)

    def submit() -> None:
        start.wait(10)
        ids.append(queue.submit("me", asked(), idempotency=("k", "body")).id)

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(ids) == 4
    assert len(set(ids)) == 1
    assert len(queue.list().jobs) == 1


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_follow_each_other(queue, clock, order):
    ids = []
    for seed in range(7):
        clock.time += seed % 2  # some at the same moment
        ids.append(queue.submit("me", asked(seed=seed)).id)
        queue.submit("other", asked(seed=seed))
    expected = ids if order == "asc" else ids[::-1]
    seen, after = [], None
    while True:
        page = queue.list("me", limit=3, order=order, after=after)
        seen += [job.id for job in page.jobs]
        if not page.has_more:
            break
        after = seen[-1]
    assert seen == expected
    back = queue.list("me", limit=3, order=order, before=expected[5])
    assert [job.id for job in back.jobs] == expected[2:5]
    assert back.has_more
    assert not queue.list("me", limit=5, order=order, before=expected[5]).has_more
    between = queue.list("me", order=order, after=expected[1], before=expected[4])
    assert [job.id for job in between.jobs] == expected[2:4]
    with pytest.raises(ValueError, match="there is no video"):
        queue.list("me", after="video_none")


def test_lists_are_searched(queue):
    ball = queue.submit("me", asked("a RED ball_100%"), title="Grüße", tags=["ä_b"]).id
    cube = queue.submit("me", asked("a blue cube"), batch="b", tags=["axb"]).id
    queue.claim("w")

    def found(**how):
        return {job.id for job in queue.list("me", **how).jobs}

    assert found() == {ball, cube}
    assert found(search="red BALL") == {ball}
    assert found(search="_100%") == {ball}
    assert found(search="a%cube") == set()
    assert found(search="GRÜSSE") == set()
    assert found(search="grÜ") == {ball}
    assert found(tag="ä_b") == {ball}
    assert found(tag="b") == set()
    assert found(batch="b") == {cube}
    assert found(statuses=["running"]) == {ball}
    assert found(statuses=["queued", "running"]) == {ball, cube}
    queue.delete(cube)
    assert found() == {ball}
    assert found(deleted=True) == {cube}


def test_a_waiting_job_is_steered_at_once_and_a_running_one_is_told(queue):
    waiting, running = queue.submit("me", asked()).id, queue.submit("me", asked(seed=1, num_frames=4)).id
    assert queue.move(running, waiting).position < queue.get(waiting).position
    assert queue.claim("w")[0].id == running
    assert queue.pause(waiting).status == "paused"
    assert queue.pause(waiting).status == "paused"
    assert queue.resume(waiting).status == "queued"
    assert queue.pause(running).command == "pause"
    assert queue.resume(running).command is None
    assert queue.cancel(running).command == "cancel"
    assert queue.pause(running).command == "cancel"
    assert queue.commands("w", [running]) == {running: "cancel"}
    assert queue.cancelled(running, "w")
    assert queue.cancel(running).status == "cancelled"
    assert queue.cancel(waiting).status == "cancelled"
    for refused in (queue.pause, queue.resume, queue.move):
        with pytest.raises(JobStateError, match="is cancelled"):
            refused(waiting)
    again = queue.retry(waiting)
    assert (again.status, again.phase, again.completed_at) == ("queued", "queued", None)
    with pytest.raises(JobStateError, match="is queued; there is nothing to retry"):
        queue.retry(waiting)
    assert queue.claim("w")[0].id == waiting
    assert queue.finish(waiting, "w", video_hash="f" * 64)
    with pytest.raises(JobStateError, match="is completed"):
        queue.cancel(waiting)
    for method in (
        queue.cancel,
        queue.pause,
        queue.resume,
        queue.retry,
        queue.move,
        queue.delete,
        queue.restore,
    ):
        assert method("video_none") is None


def test_deleting_cancels_and_can_be_undone_until_it_is_purged(queue, clock):
    file, other = "1" * 64, "2" * 64
    made, shares, expiring = (queue.submit("me", asked(seed=i, num_frames=4 + i)).id for i in range(3))
    for id in (made, shares, expiring):
        queue.claim("w")
        queue.finish(id, "w", video_hash=file, thumbnail_hash=other if id == made else None)
    queue.delete(made)
    assert queue.restore(made).deleted_at is None
    queue.delete(made)
    with queue.database.write() as session:
        from scenewright.server.tables import Job

        session.get(Job, expiring).expires_at = clock.time + 10
    assert queue.purge(clock.time) == set()
    clock.time += 20
    assert queue.purge(clock.time) == {other}, "the other file is still of another video"
    assert queue.get(made) is None
    assert queue.get(expiring).deleted_at == clock.time
    running = queue.submit("me", asked(video=None, input_reference="3" * 64)).id
    queue.claim("w")
    assert queue.delete(running).command == "cancel"
    queue.delete(shares)
    clock.time += 20
    assert queue.purge(clock.time) == {file}
    assert queue.get(running) is not None, "it is still being stopped"
    queue.cancelled(running, "w")
    assert queue.purge(clock.time) == {"3" * 64}


def test_one_question_tells_all_that_changed(queue):
    before = queue.clock()
    first, second = queue.submit("a", asked()).id, queue.submit("b", asked(seed=1, num_frames=4)).id
    assert [job.id for job in queue.changed(before)] == [first, second]
    seen = queue.changed(before)[-1].version
    assert queue.changed(seen) == []
    queue.claim("w")
    queue.progress(
        "w", {first: {"phase": "denoise", "current_step": 3, "total_steps": 9, "preview": "data:"}}
    )
    (changed,) = queue.changed(seen)
    assert (changed.id, changed.phase, changed.current_step, changed.preview) == (
        first,
        "denoise",
        3,
        "data:",
    )
    assert changed.version > seen
    seen = changed.version
    queue.pause(second)
    queue.pause(second)
    queue.update(first, title="x", tags=["t", "t"])
    assert [job.id for job in queue.changed(seen)] == [second, first]
    assert queue.get(first).tags == ["t"]
    assert queue.update(first, title="").title is None
    seen = queue.clock()
    queue.update(first)
    queue.resume("video_none")
    assert queue.clock() == seen, "nothing changed"


def test_no_change_is_missed_while_many_write(queue):
    """Versions must not become visible out of order; PostgreSQL would let them."""
    seen: dict[str, int] = {}
    done = threading.Event()

    def write(owner: str) -> None:
        for seed in range(25):
            queue.submit(owner, asked(seed=seed))

    def watch() -> None:
        since = 0
        while True:
            last = done.is_set()
            for job in queue.changed(since):
                assert job.id not in seen or seen[job.id] < job.version
                seen[job.id] = since = job.version
            if last:
                return

    writers = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    watcher = threading.Thread(target=watch)
    for thread in (*writers, watcher):
        thread.start()
    for thread in writers:
        thread.join(60)
    done.set()
    watcher.join(60)
    assert len(seen) == 75
    assert sorted(seen.values()) == list(range(1, 76))


def test_the_newest_video_of_the_same_request_is_found(queue, clock):
    for owner, title in (("me", "old"), ("me", "new"), ("other", "theirs")):
        clock.time += 1
        id = queue.submit(owner, asked(), title=title).id
        queue.claim("w")
        queue.progress("w", {id: {"request_hash": "h"}})
        queue.finish(id, "w", video_hash="1" * 64)
    assert queue.made_before("h", "me").title == "new"
    assert queue.made_before("h", "nobody") is None
    assert queue.made_before("g", "me") is None
    queue.delete(queue.made_before("h", "me").id)
    assert queue.made_before("h", "me").title == "old"


def test_a_queue_is_the_same_for_every_process(queue, queue_url):
    from scenewright.server.database import open_database

    other = JobQueue(open_database(queue_url))
    id = queue.submit("me", asked()).id
    assert other.get(id).owner_id == "me"
    other.database.close()
