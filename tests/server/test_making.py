"""One worker in this process: what comes out, what is kept, what happens when something goes wrong."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from scenewright.generation.loading import load_generator, load_pipeline
from scenewright.generation.sampling import Sampling
from scenewright.media import decode, encode, probe
from scenewright.production import generate
from scenewright.server import making
from scenewright.server.claims import Patience
from scenewright.server.database import open_database
from scenewright.server.estimates import Estimates
from scenewright.server.jobs import JobQueue
from scenewright.server.loaded import LoadedModels
from scenewright.server.making import Rhythm
from scenewright.server.store import FileStore
from scenewright.server.tables import Job
from scenewright.server.video_request import VideoRequest, request_of
from scenewright.server.worker import Worker, WorkerSettings, tidy

EAGER = Rhythm(look=0.0, report=0.0, preview=0.0, keep=0.0, share=0.5)


class House:
    """A queue, a store and one worker."""

    def __init__(self, folder, store=None, load=load_generator, **settings):
        self.queue = JobQueue(
            open_database(f"sqlite:///{folder / 'jobs.sqlite'}"), Patience(attempts=3, backoff=0.0)
        )
        self.store = store or FileStore(folder / "files")
        self.loaded = LoadedModels(load=load)
        self.settings = WorkerSettings(**{"rhythm": EAGER, **settings})
        self.worker = Worker(self.queue, self.store, self.loaded, self.settings, worker_id="w")

    def submit(self, owner="me", kind="generate", **fields) -> str:
        asked = {
            "prompt": "a red ball bounces",
            "seed": 3,
            "num_frames": 4,
            "num_inference_steps": 6,
            **fields,
        }
        return self.queue.submit(owner, VideoRequest(**asked), kind=kind).id

    def job(self, id: str) -> Job:
        job = self.queue.get(id)
        assert job is not None
        return job

    def made(self, id: str) -> Job:
        """Work until the queue is empty; the job, which must be done."""
        while self.worker.turn():
            pass
        job = self.job(id)
        assert job.status == "completed", job.error_message
        return job

    def clip(self, job: Job):
        return decode(self.store.local_path(job.video_hash))


@pytest.fixture(scope="module")
def nano():
    return load_pipeline("nano")


@pytest.fixture
def house(tmp_path, nano) -> Iterator[House]:
    made = House(tmp_path, load=lambda name, device: nano)
    yield made
    made.queue.database.close()


@pytest.fixture
def at_step(monkeypatch) -> Callable[[int, Callable[[], None]], None]:
    """Does something after the n-th step that is taken from now on."""

    def arrange(number: int, action: Callable[[], None]) -> None:
        taken, advance = [], Sampling.advance

        def advancing(self: Sampling) -> None:
            advance(self)
            taken.append(1)
            if len(taken) == number:
                action()

        monkeypatch.setattr(Sampling, "advance", advancing)

    return arrange


@pytest.fixture
def steps_taken(monkeypatch) -> list[int]:
    """The steps of all sampling from now on, by their number."""
    taken: list[int] = []
    advance = Sampling.advance

    def advancing(self: Sampling) -> None:
        advance(self)
        taken.append(self.step)

    monkeypatch.setattr(Sampling, "advance", advancing)
    return taken


def test_the_file_is_what_the_model_makes_and_says_how(house, nano, tmp_path):
    job = house.made(house.submit(width=64, height=48, fps=4.0, negative_prompt="blue"))
    clip = house.clip(job)
    alone = generate(request_prompt(job), model="nano", settings=nano.settings.changed({"steps": 6}))
    encode(alone, tmp_path / "alone.mp4")
    np.testing.assert_array_equal(clip.frames, decode(tmp_path / "alone.mp4").frames)
    assert (job.width, job.height, job.num_frames, job.fps) == (64, 48, 4, 4.0)
    assert job.bytes == house.store.size(job.video_hash)
    assert house.store.size(job.thumbnail_hash) > 100
    assert house.store.size(job.spritesheet_hash) > 100
    assert job.notes == ["nano makes 128x128; the video is resized to 64x48"]
    assert house.store.states() == []
    metadata = probe(house.store.local_path(job.video_hash)).metadata
    assert metadata["kind"] == "generate"
    assert metadata["model_sha256"] == nano.model_hash
    again = house.made(house.queue.submit("someone else", request_of(metadata)).id)
    assert again.cached_from is None
    np.testing.assert_array_equal(house.clip(again).frames, clip.frames)


def request_prompt(job):
    from scenewright.clip import Prompt

    request = VideoRequest.model_validate(job.request)
    return Prompt(
        text=request.prompt,
        negative=request.negative_prompt,
        seed=request.seed,
        width=request.width,
        height=request.height,
        num_frames=request.num_frames,
        fps=request.fps,
    )


def test_progress_is_seen_from_the_first_step_to_the_last(house, monkeypatch):
    seen: list[dict] = []
    progress = house.queue.progress

    def report(worker_id, fields):
        seen.extend(fields.values())
        return progress(worker_id, fields)

    monkeypatch.setattr(house.queue, "progress", report)
    house.made(house.submit(num_inference_steps=40))
    phases = [fields["phase"] for fields in seen if "phase" in fields]
    assert phases == ["load", "encode", "denoise", "decode", "export"]
    steps = [fields for fields in seen if "current_step" in fields and "phase" not in fields]
    assert [fields["current_step"] for fields in steps] == list(range(1, 41))
    assert all(fields["total_steps"] == 40 for fields in steps)
    assert all(fields["eta_seconds"] > 0 for fields in steps[:-1])
    assert {fields["eta_seconds"] for fields in seen if "phase" in fields} == {None}, "nothing is known yet"
    previews = [fields["preview"] for fields in steps if "preview" in fields]
    assert len(set(previews)) == len(previews) >= 2
    assert all(len(preview) <= 15_000 for preview in previews)


def test_what_is_left_is_known_from_others(house, monkeypatch):
    house.made(house.submit())
    left: dict[str, float] = {}
    progress = house.queue.progress

    def report(worker_id, fields):
        for told in fields.values():
            if "phase" in told:
                left[told["phase"]] = told["eta_seconds"]
        return progress(worker_id, fields)

    monkeypatch.setattr(house.queue, "progress", report)
    estimate = Estimates(house.queue).estimate(
        VideoRequest(prompt="x", seed=0, num_frames=4, num_inference_steps=6)
    )
    house.made(house.submit(seed=9))
    assert left["load"] == left["encode"] == pytest.approx(estimate.total)
    assert left["decode"] == pytest.approx(estimate.seconds["decode"] + estimate.seconds["export"])
    assert left["export"] == pytest.approx(estimate.seconds["export"])


def test_reports_and_previews_are_not_written_too_often(tmp_path, nano, monkeypatch):
    rhythm = Rhythm(report=0.2, preview=0.5)
    house = House(tmp_path, load=lambda name, device: nano, rhythm=rhythm)
    times: list[tuple[float, bool]] = []
    progress = house.queue.progress

    def report(worker_id, fields):
        for told in fields.values():
            if "current_step" in told and "phase" not in told:
                times.append((time.monotonic(), "preview" in told))
        return progress(worker_id, fields)

    monkeypatch.setattr(house.queue, "progress", report)
    house.made(house.submit(num_inference_steps=40))
    gaps = np.diff([at for at, _ in times[:-1]])  # the last step is always told
    assert len(gaps) > 3
    assert gaps.mean() >= 0.19
    previews = [at for at, preview in times if preview]
    assert previews
    # On a quick machine there is time for one alone.
    assert previews[-1] - previews[0] >= 0.49 * (len(previews) - 1)


def test_a_paused_video_goes_on_to_the_same_file(house, at_step, steps_taken):
    whole = house.made(house.submit())
    assert steps_taken == [1, 2, 3, 4, 5, 6]
    paused = house.submit(cache=False)
    at_step(3, lambda: house.queue.pause(paused))
    house.worker.turn()
    job = house.job(paused)
    assert (job.status, job.phase, job.current_step) == ("paused", "paused", 3)
    assert house.worker.turn() is False
    assert house.store.states() == [paused]
    house.queue.resume(paused)
    assert house.made(paused).video_hash == whole.video_hash
    assert steps_taken[6:] == [1, 2, 3, 4, 5, 6], "no step was taken twice"
    assert house.store.states() == []


def test_a_stopped_worker_leaves_all_to_others(house, at_step):
    ids = [house.submit(seed=seed) for seed in range(3)]
    at_step(2, house.worker.stop)
    house.worker.turn()
    assert [house.job(id).status for id in ids] == ["queued"] * 3
    assert [house.job(id).attempts for id in ids] == [0] * 3
    assert house.store.states() == sorted(ids)
    house.worker.stopping.clear()
    for id in ids:
        house.made(id)
    assert house.store.states() == []


def test_videos_that_are_made_together_are_steered_one_by_one(house, at_step, steps_taken, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # else parts of them take steps of their own
    ids = [house.submit(seed=seed) for seed in range(4)]

    def steer() -> None:
        house.queue.cancel(ids[0])
        house.queue.pause(ids[2])

    at_step(2, steer)
    house.worker.turn()
    assert [house.job(id).status for id in ids] == ["cancelled", "completed", "paused", "completed"]
    assert steps_taken == [1, 2, 3, 4, 5, 6], "all took their steps together"
    assert house.store.states() == [ids[2]]
    house.queue.resume(ids[2])
    clip = house.clip(house.made(ids[2]))
    alone = house.clip(house.made(house.submit(seed=2, cache=False)))
    assert np.abs(clip.frames.astype(int) - alone.frames).mean() < 1


def test_a_running_video_is_cancelled_within_a_second(tmp_path, nano):
    house = House(tmp_path, load=lambda name, device: nano, rhythm=Rhythm())
    id = house.submit(num_frames=None, num_inference_steps=500)
    thread = threading.Thread(target=house.worker.turn)
    thread.start()
    try:
        wait_for(lambda: house.job(id).current_step >= 2)
        house.queue.cancel(id)
        asked = time.monotonic()
        wait_for(lambda: house.job(id).status == "cancelled")
        took = time.monotonic() - asked
    finally:
        house.worker.stop()
        thread.join(20)
    assert took < 1.0
    assert house.store.states() == []


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_a_worker_that_lost_a_job_leaves_it_alone(house, at_step):
    id = house.submit()

    def lose() -> None:
        house.queue.release("w")
        house.queue.claim("other")

    at_step(2, lose)
    house.worker.turn()
    job = house.job(id)
    assert (job.status, job.worker_id, job.current_step) == ("running", "other", 1)


def test_an_identical_video_is_not_made_again(house, steps_taken):
    first = house.made(house.submit())
    taken = len(steps_taken)
    again = house.made(house.submit())
    assert (again.cached_from, again.video_hash) == (first.id, first.video_hash)
    assert (again.num_frames, again.width, again.bytes) == (first.num_frames, first.width, first.bytes)
    assert len(steps_taken) == taken
    for other in ({"owner": "other"}, {"cache": False}, {"seed": 4}, {"format": "webm"}):
        assert house.made(house.submit(**other)).cached_from is None
    house.store.delete(first.video_hash)
    assert house.made(house.submit(seed=3)).cached_from is None, "its file is gone"


def test_a_full_disk_keeps_what_was_made_and_tries_again(tmp_path, nano, steps_taken):
    class Full(FileStore):
        full = True

        def put_file(self, path, media_type):
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().put_file(path, media_type)

    store = Full(tmp_path / "files")
    house = House(tmp_path, store=store, load=lambda name, device: nano)
    id = house.submit()
    house.worker.turn()
    job = house.job(id)
    assert (job.status, job.attempts, job.error_code) == ("queued", 1, "storage_error")
    assert job.error_message == "the video could not be stored (No space left on device)"
    assert steps_taken == [1, 2, 3, 4, 5, 6]
    store.full = False
    house.made(id)
    assert steps_taken == [1, 2, 3, 4, 5, 6], "nothing was made again"


def test_a_disk_too_full_for_what_is_half_made_stops_nothing(tmp_path, nano):
    class Full(FileStore):
        def keep_state(self, id, content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    house = House(tmp_path, store=Full(tmp_path / "files"), load=lambda name, device: nano)
    house.made(house.submit())


@pytest.mark.parametrize("damage", ["flipped", "cut", "of another seed"])
def test_a_damaged_state_means_a_new_start(house, at_step, steps_taken, damage):
    whole = house.made(house.submit())
    id = house.submit(cache=False)
    at_step(3, lambda: house.queue.pause(id))
    house.worker.turn()
    file = f"{house.store.root}/states/{id}"
    content = bytearray(house.store.files.cat_file(file))
    if damage == "of another seed":
        other = house.submit(seed=9)
        at_step(2, lambda: house.queue.pause(other))
        house.worker.turn()
        content = bytearray(house.store.files.cat_file(f"{house.store.root}/states/{other}"))
    elif damage == "cut":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2] ^= 1
    house.store.files.pipe_file(file, bytes(content))
    house.queue.resume(id)
    steps_taken.clear()
    assert house.made(id).video_hash == whole.video_hash
    assert steps_taken[:6] == [1, 2, 3, 4, 5, 6]


def test_decoding_falls_back_to_small_tiles(house, monkeypatch):
    finish, tiles = Sampling.finish, []

    def short(self, *, tile=False):
        tiles.append(tile)
        if not tile:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return finish(self, tile=tile)

    monkeypatch.setattr(Sampling, "finish", short)
    job = house.made(house.submit())
    assert tiles == [False, True]
    assert job.notes == ["the video was decoded in small tiles, because memory was short"]


def test_where_even_tiles_are_too_large_it_says_so(house, monkeypatch):
    def short(self, *, tile=False):
        raise MemoryError

    monkeypatch.setattr(Sampling, "finish", short)
    id = house.submit()
    house.worker.turn()
    job = house.job(id)
    assert (job.status, job.error_code) == ("failed", "out_of_memory")
    assert job.error_message == "there is not enough memory for it; ask for fewer frames or another model"
    assert house.store.states() == [id], "it can be decoded where there is more memory"


def test_those_who_had_videos_together_are_given_a_moment_to_ask_again(house, at_step):
    batches = []

    def note() -> None:
        batches.append(len(house.worker._making.active))

    at_step(1, note)
    for seed in range(3):
        house.submit(seed=seed)
    assert house.worker.turn()
    first = house.submit(seed=10)
    late = threading.Timer(0.05, lambda: [house.submit(seed=seed) for seed in (11, 12)])
    at_step(1, note)
    late.start()
    assert house.worker.turn()
    at_step(1, note)
    alone = house.submit(seed=20)
    assert house.worker.turn()
    house.submit(seed=21)
    began = time.monotonic()
    assert house.worker._share() == 1
    assert time.monotonic() - began < house.settings.gather, "who makes one at a time does not wait"
    assert batches == [3, 3, 1]
    assert house.job(first).status == house.job(alone).status == "completed"


def test_videos_too_large_to_be_made_together_are_made_alone(house, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # else parts of one are small enough
    advance, rows = Sampling.advance, []

    def short(self):
        rows.append(len(self.z))
        if len(self.z) > 1:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes")
        advance(self)

    monkeypatch.setattr(Sampling, "advance", short)
    ids = [house.submit(seed=seed) for seed in range(2)]
    for id in ids:
        assert house.made(id).attempts == 0
    assert rows == [2] + [1] * 12


def test_a_fault_is_tried_again_and_tells_nothing_of_the_inside(house, monkeypatch):
    def broken(self):
        raise ValueError("secret /path")

    monkeypatch.setattr(Sampling, "advance", broken)
    id = house.submit()
    for attempt in range(3):
        assert house.worker.turn()
        assert house.job(id).attempts == attempt + 1
    job = house.job(id)
    assert (job.status, job.error_code) == ("failed", "internal_error")
    assert job.error_message == "the video could not be made (ValueError)"


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"prompt": "  "}, "invalid_request", "the prompt is empty"),
        ({"num_frames": 99}, "invalid_request", "nano makes at most 16 frames, not 99"),
        (
            {"guidance_scale": 1.0, "negative_prompt": "x"},
            "invalid_request",
            "does nothing at guidance scale 1",
        ),
        ({"sampler": "magic"}, "invalid_request", "magic"),
        ({"model": "nowhere"}, "model_error", "there is no model 'nowhere'"),
        ({"input_reference": "0" * 64}, "input_missing", "the file of input_reference is not there"),
        ({"kind": "extend"}, "invalid_request", "needs the video"),
    ],
)
def test_what_cannot_be_made_fails_at_once_and_alone(house, fields, code, message):
    bad = house.submit(**fields)
    good = house.submit()
    while house.worker.turn():
        pass
    job = house.job(bad)
    assert (job.status, job.error_code, job.attempts) == ("failed", code, 1)
    assert message in job.error_message
    assert house.job(good).status == "completed"


def test_a_video_begins_and_ends_with_the_pictures_it_was_given(house, tmp_path):
    from PIL import Image

    hashes = []
    for level in (40, 200):
        Image.new("RGB", (128, 128), (level,) * 3).save(tmp_path / f"{level}.png")
        hashes.append(house.store.put_file(tmp_path / f"{level}.png", "image/png"))
    job = house.made(house.submit(input_reference=hashes[0], last_frame=hashes[1]))
    frames = house.clip(job).frames
    assert abs(frames[0].mean() - 40) < 3
    assert abs(frames[-1].mean() - 200) < 3
    metadata = probe(house.store.local_path(job.video_hash)).metadata
    assert metadata["files"]["last_frame"] == {"sha256": hashes[1], "bytes": house.store.size(hashes[1])}
    assert request_of(metadata).inputs == {"input_reference": hashes[0], "last_frame": hashes[1]}


def test_a_video_goes_on_and_can_be_paused_at_it(house, at_step, steps_taken, tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (10, 128, 128, 3), dtype=np.uint8)
    from scenewright.clip import Clip

    encode(Clip(frames, 8.0), tmp_path / "before.mp4")
    before = house.store.put_file(tmp_path / "before.mp4", "video/mp4")
    how = {"kind": "extend", "video": before, "num_frames": 20, "num_inference_steps": 3}
    whole = house.made(house.submit(**how))
    assert whole.num_frames == 30
    assert (
        np.abs(house.clip(whole).frames[:10].astype(int) - decode(tmp_path / "before.mp4").frames).mean() < 9
    )
    steps = len(steps_taken)
    assert steps == 9, "three pieces of three steps"
    again = house.submit(**how, cache=False)
    at_step(5, lambda: house.queue.pause(again))
    house.worker.turn()
    assert house.job(again).status == "paused"
    house.queue.resume(again)
    assert house.made(again).video_hash == whole.video_hash
    assert len(steps_taken) == 2 * steps
    metadata = probe(house.store.local_path(whole.video_hash)).metadata
    assert (metadata["kind"], metadata["num_frames"]) == ("extend", 20)


def test_a_video_is_heard(house):
    job = house.made(house.submit(audio=True, num_frames=16, prompt="a red ball falls"))
    assert np.abs(house.clip(job).audio.samples).max() > 0.02
    silent = house.made(house.submit(audio=True, prompt="the weather is nice"))
    assert any(note.startswith("no sound:") for note in silent.notes)


def test_models_that_make_whole_clips_are_made_one_by_one(tmp_path):
    house = House(tmp_path)
    ids = [house.submit(model="zoo/oracle", num_inference_steps=None, seed=seed) for seed in range(2)]
    house.worker.turn()
    assert [house.job(id).status for id in ids] == ["completed", "queued"]
    assert house.made(ids[1]).attempts == 0


def test_old_files_go_when_nothing_needs_them(house):
    first, second = house.made(house.submit()), house.made(house.submit())
    house.store.keep_state("video_of_nobody", b"x")
    failed = house.submit(seed=5)
    house.store.keep_state(failed, b"x")
    house.queue.delete(first.id)
    tidy(house.queue, house.store, keep_deleted=-1)
    assert house.queue.get(first.id) is None
    assert house.store.size(first.video_hash) is not None, "the second video is the same file"
    assert house.store.states() == [failed]
    house.queue.delete(second.id)
    tidy(house.queue, house.store, keep_deleted=-1)
    assert house.store.size(first.video_hash) is None


def test_all_files_may_be_in_s3(tmp_path, nano, s3, monkeypatch):
    """With the endpoint from the environment, as a worker of the command line gets it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3["endpoint_url"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3["key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3["secret"])
    store = FileStore(f"s3://bucket/{tmp_path.name}")
    house = House(tmp_path, store=store, load=lambda name, device: nano)
    first = house.made(house.submit())
    with store.as_file(first.video_hash) as path:
        assert decode(path).frames.shape == (4, 128, 128, 3)
    longer = house.made(house.submit(kind="extend", video=first.video_hash))
    assert longer.num_frames == 8
    assert b"".join(store.read(longer.thumbnail_hash))[:4] == b"RIFF"
    assert store.states() == []


def test_a_whole_clip_that_is_paused_starts_again_and_says_so(tmp_path, monkeypatch):
    house = House(tmp_path)
    id = house.submit(model="zoo/oracle", num_inference_steps=None)
    made = making.whole

    def pausing(generator, asked, on_step):
        house.queue.pause(id)
        on_step(1, 2)
        raise AssertionError("it went on")

    monkeypatch.setattr(making, "whole", pausing)
    house.worker.turn()
    assert house.job(id).status == "paused"
    monkeypatch.setattr(making, "whole", made)
    house.queue.resume(id)
    assert house.made(id).notes == ["this model's videos cannot be kept half-made; it started again"]
