"""What a video will take: learned from measurements, scaled, and never guessed."""

import pytest

from scenewright.server.estimates import Estimates
from scenewright.server.tables import Measurement
from scenewright.server.video_request import VideoRequest

SECONDS = {"load": 2.0, "encode": 0.5, "denoise": 8.0, "decode": 1.0, "export": 0.25}
DEFAULTS = {"num_frames": 16, "width": 128, "height": 128, "steps": 16, "fast": False}


def record(estimates, **changes):
    columns = {
        "model": "nano",
        "device": "cpu",
        "kind": "generate",
        "num_frames": 16,
        "width": 128,
        "height": 128,
        "steps": 16,
        "batch": 1,
        "seconds": SECONDS,
        "defaults": DEFAULTS,
        "peak_memory": 10**9,
        "bytes": 20_000,
    }
    estimates.record(**{**columns, **changes})


def asked(**changes) -> VideoRequest:
    return VideoRequest(**{"prompt": "a ball", "seed": 0, **changes})


@pytest.fixture
def estimates(queue) -> Estimates:
    return Estimates(queue, host="here")


def test_nothing_is_known_of_what_was_not_seen(estimates, queue):
    assert estimates.estimate(asked()) is None
    record(estimates)
    assert estimates.estimate(asked(model="other")) is None
    assert estimates.estimate(asked(), device="cuda:0") is None
    assert estimates.estimate(asked(video="0" * 64)) is None
    assert Estimates(queue, host="elsewhere").estimate(asked()) is None


def test_the_machines_of_the_workers_count(estimates, queue):
    record(estimates)
    everywhere = Estimates(queue)
    assert everywhere.estimate(asked()) is None
    queue.register("w1", host="here", device="cpu", pid=1)
    assert everywhere.estimate(asked()).total == 9.75


def test_the_same_takes_the_same(estimates):
    record(estimates)
    found = estimates.estimate(asked(), device="cpu")
    assert found.seconds == SECONDS
    assert list(found.seconds) == ["load", "encode", "denoise", "decode", "export"]
    assert (found.peak_memory, found.bytes) == (10**9, 20_000)
    assert found.total == 9.75


def test_work_is_scaled_by_what_it_grows_with(estimates):
    record(estimates)
    found = estimates.estimate(asked(num_inference_steps=32, num_frames=8, width=256, height=256))
    assert found.seconds == {"load": 2, "encode": 0.5, "denoise": 8, "decode": 0.5, "export": 0.5}
    assert found.bytes == 40_000
    half = estimates.estimate(asked(num_inference_steps=8))
    assert half.seconds == {**SECONDS, "denoise": 4}


def test_a_batch_is_shared_and_a_loaded_model_is_not_loaded(estimates):
    without = {phase: seconds for phase, seconds in SECONDS.items() if phase != "load"}
    record(estimates, batch=4, seconds=without)
    found = estimates.estimate(asked())
    assert found.seconds == {"load": 0.0, "encode": 0.5, "denoise": 2, "decode": 0.25, "export": 0.25}


def test_what_is_most_alike_counts_and_an_accident_does_not(estimates):
    for place in range(20):
        slow = place == 7
        record(estimates, seconds={**SECONDS, "denoise": 80.0 if slow else 8.0})
    record(estimates, num_frames=4, seconds={**SECONDS, "denoise": 1.0})
    assert estimates.estimate(asked()).seconds["denoise"] == 8.0


def test_only_the_newest_are_kept(estimates, monkeypatch):
    monkeypatch.setattr("scenewright.server.estimates._KEPT", 5)
    for place in range(9):
        record(estimates, bytes=place)
    record(estimates, model="other")
    from sqlalchemy import select

    with estimates.queue.database.read() as session:
        kept = session.scalars(select(Measurement.bytes).where(Measurement.model == "nano")).all()
    assert sorted(kept) == [4, 5, 6, 7, 8]


def test_the_wait_is_what_is_ahead_shared_by_the_workers(estimates, queue):
    record(estimates, seconds={"denoise": 10.0})
    ids = [queue.submit(owner, asked(seed=i)).id for i, owner in enumerate("aabc")]
    assert estimates.waiting() == {}, "there is no worker"
    queue.register("w1", host="here", device="cpu", pid=1)
    queue.claim("w1")
    queue.progress("w1", {ids[0]: {"eta_seconds": 4.0}})
    # The order is b, c, and then the second of a.
    assert estimates.waiting() == {ids[2]: 4.0, ids[3]: 14.0, ids[1]: 24.0}
    queue.register("w2", host="here", device="cpu", pid=2)
    assert estimates.waiting() == {ids[2]: 0.0, ids[3]: 4.0, ids[1]: 10.0}
    queue.submit("d", asked(model="other"))
    last = queue.submit("e", asked()).id
    waiting = estimates.waiting()
    assert len(waiting) == 5, "one worker is busy with the unknown, the other is not"
    assert waiting[last] == 14.0
