"""Clips that are made on several cores at once are those that are made one after the other."""

import numpy as np
import pytest
import torch

from scenewright.clip import Prompt
from scenewright.generation.sampling import Sampling
from scenewright.generation.side_by_side import SideBySide, begin_together, parts_for

PROMPTS = [
    Prompt(text=f"a {colour} {shape} rolls", seed=seed)
    for seed, (colour, shape) in enumerate((c, s) for c in ("red", "blue") for s in ("ball", "cube"))
]


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def begun(pipeline, prompts=PROMPTS) -> SideBySide:
    work = begin_together(pipeline, prompts, pipeline.settings)
    assert isinstance(work, SideBySide)
    return work


def finished(work):
    while not work.done:
        work.advance()
    return work.finish()


@pytest.mark.parametrize(
    ("clips", "threads", "parts"),
    [(1, 8, 1), (4, 1, 1), (4, 2, 2), (3, 2, 1), (6, 2, 2), (4, 6, 2), (4, 8, 4), (6, 8, 2), (5, 3, 1)],
)
def test_as_few_threads_as_can_be_are_idle(clips, threads, parts):
    assert parts_for(clips, threads) == parts


def test_clips_are_those_that_are_made_alone_in_their_order(tiny_pipeline):
    together = finished(begun(tiny_pipeline))
    alone = tiny_pipeline.generate(PROMPTS)
    assert [clip.caption for clip in together] == [prompt.text for prompt in PROMPTS]
    for one, other in zip(together, alone, strict=True):
        assert np.abs(one.frames.astype(int) - other.frames).max() <= 1
        assert one.metadata == other.metadata
    assert torch.get_num_threads() == 2


def test_each_part_computes_with_its_share_of_the_threads(tiny_pipeline, monkeypatch):
    seen, advance = [], Sampling.advance

    def watched(self):
        seen.append((len(self.z), torch.get_num_threads()))
        advance(self)

    monkeypatch.setattr(Sampling, "advance", watched)
    work = begun(tiny_pipeline)
    work.advance()
    assert seen == [(2, 1), (2, 1)]
    assert torch.get_num_threads() == 2


def test_previews_and_states_are_by_the_order_of_the_prompts(tiny_pipeline):
    work = begun(tiny_pipeline)
    joint = tiny_pipeline.begin(PROMPTS)
    for _ in range(2):
        work.advance()
        joint.advance()
    for index in range(4):
        assert np.abs(work.preview(index).astype(int) - joint.preview(index)).max() <= 1
    kept = work.states()
    for ours, theirs in zip(kept, joint.states(), strict=True):
        torch.testing.assert_close(ours["z"], theirs["z"], rtol=1e-4, atol=1e-4)
    again = begun(tiny_pipeline)
    again.restore(kept)
    assert (again.step, again.steps, again.done) == (2, 3, False)
    for one, other in zip(finished(again), finished(work), strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
    with pytest.raises(ValueError, match="not of 4 clips"):
        begun(tiny_pipeline).restore(kept[:3])


def test_an_error_of_one_part_is_that_of_all(tiny_pipeline, monkeypatch):
    advance = Sampling.advance

    def broken(self):
        if self is work.parts[1]:
            raise RuntimeError("no memory")
        advance(self)

    work = begun(tiny_pipeline)
    monkeypatch.setattr(Sampling, "advance", broken)
    with pytest.raises(RuntimeError, match="no memory"):
        work.advance()
    assert torch.get_num_threads() == 2


def test_where_it_would_not_help_clips_take_their_steps_in_one(tiny_pipeline):
    for prompts in (PROMPTS[:1], PROMPTS[:3]):
        assert isinstance(begin_together(tiny_pipeline, prompts, tiny_pipeline.settings), Sampling)
    torch.set_num_threads(1)
    assert isinstance(begin_together(tiny_pipeline, PROMPTS, tiny_pipeline.settings), Sampling)


def test_clips_of_several_lengths_are_refused(tiny_pipeline):
    short = [prompt.model_copy(update={"num_frames": 4}) for prompt in PROMPTS[2:]]
    with pytest.raises(ValueError, match="one length"):
        begin_together(tiny_pipeline, [*PROMPTS[:2], *short], tiny_pipeline.settings)
