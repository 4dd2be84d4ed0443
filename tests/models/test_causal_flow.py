"""The causal flow transformer: nothing looks ahead, what is kept changes nothing, and videos go on."""

import numpy as np
import pytest
import torch
from overfitting import SIZES, handful, learned
from pydantic import ValidationError

from scenewright.clip import Prompt
from scenewright.generation.loading import load_generator
from scenewright.generation.model_folder import randomised
from scenewright.generation.settings import SamplingSettings
from scenewright.generation.streaming import StreamingTextToVideo, _Past
from scenewright.models.causal_flow_transformer import CausalFlowTransformer, CausalFlowTransformerConfig
from scenewright.text.tokenizer import Tokenizer
from scenewright.training.objectives import DiffusionForcingConfig

SMALL = CausalFlowTransformerConfig(
    **{**SIZES, "num_frames": 8}, patch=(2, 8, 8), bottleneck=64, width=64, layers=2, heads=2
)
WORDS = (torch.tensor([[5, 6, 7, 0]]), torch.tensor([[1, 1, 1, 0]]).bool())


@pytest.fixture(scope="module")
def network() -> CausalFlowTransformer:
    torch.manual_seed(0)
    return randomised(CausalFlowTransformer(SMALL)).eval()


def clip(frames: int = 8) -> torch.Tensor:
    return torch.randn(1, 3, frames, 32, 32, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_a_part_sees_what_comes_before_it_and_nothing_later(network):
    text = (*network.encode_text(*WORDS), WORDS[1])
    sigma = torch.tensor([[0.1, 0.4, 0.7, 0.9]])
    plain = network(clip(), sigma, *text)
    changed = clip()
    changed[:, :, 4:6] += 1.0
    other = network(changed, sigma, *text)
    assert torch.equal(other[:, :, :4], plain[:, :, :4])
    assert ((other - plain).abs().amax((0, 1, 3, 4))[4:] > 0).all()
    other = network(clip(), torch.tensor([[0.1, 0.4, 0.6, 0.9]]), *text)
    assert torch.equal(other[:, :, :4], plain[:, :, :4])
    assert not torch.equal(other[:, :, 4:], plain[:, :, 4:])


@torch.inference_mode()
def test_what_is_kept_gives_what_the_whole_gives(network):
    text = (*network.encode_text(*WORDS), WORDS[1])
    x = clip()
    sigma = torch.zeros(1, 4)
    sigma[:, 3] = 0.8
    whole = network(x, sigma, *text)
    past = _Past(network, text)
    for part in range(3):
        past.predict(torch.randn_like(x[:, :, :2]), 0.5)  # looking changes nothing
        past.add(x[:, :, 2 * part : 2 * part + 2])
    torch.testing.assert_close(past.predict(x[:, :, 6:], 0.8), whole[:, :, 6:], atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_what_is_too_far_back_is_forgotten(network):
    """Beyond what was learned, the last parts are seen as parts of a clip that began later."""
    text = (*network.encode_text(*WORDS), WORDS[1])
    x = clip(16)
    past = _Past(network, text)
    for part in range(7):
        past.add(x[:, :, 2 * part : 2 * part + 2])
        assert past.caches[0].length <= 3 * SMALL.tokens_a_part
    assert past.caches[0].length == 3 * SMALL.tokens_a_part
    # In the first block keys and values are of the part alone, at its place in time.
    shorter = _Past(network, text)
    shorter.parts = 4
    shorter.add(x[:, :, 8:10])
    kept = past.caches[0].extended(*[torch.zeros(1, 2, 0, 32)] * 2)[0]
    again = shorter.caches[0].extended(*[torch.zeros(1, 2, 0, 32)] * 2)[0]
    torch.testing.assert_close(kept[:, :, : SMALL.tokens_a_part], again, atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="module")
def generator(network) -> StreamingTextToVideo:
    tokenizer = Tokenizer.train(["a red cube", "a blue ball rolls", "a green cone"] * 50, 60)
    settings = SamplingSettings(steps=2, guidance_scale=2.0, guidance_interval=(0.0, 0.9))
    return StreamingTextToVideo(model=network, tokenizer=tokenizer, settings=settings)


def test_a_stream_is_the_clip_and_its_beginning_does_not_depend_on_its_length(generator):
    prompt = Prompt(text="a red cube", seed=4)
    whole = generator.generate([prompt])[0].frames
    assert whole.shape == (8, 32, 32, 3)
    parts = list(generator.stream(prompt))
    assert [len(part) for part in parts] == [2, 2, 2, 2]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    longer = generator.generate([prompt.model_copy(update={"num_frames": 21})])[0].frames
    assert len(longer) == 21
    np.testing.assert_array_equal(longer[:8], whole)
    assert (np.diff(longer.astype(int), axis=0) != 0).any((1, 2, 3)).all()
    other = generator.generate([prompt.model_copy(update={"seed": 5})])[0].frames
    assert (other != whole).any()


def test_guidance_works_on_its_interval_only(generator):
    prompt = Prompt(text="a red cube", seed=4)
    plain = generator.settings.changed({"guidance_scale": 1.0})
    without = generator.settings.changed({"guidance_interval": (0.0, 0.0)})
    clips = [generator.generate([prompt], s)[0].frames for s in (plain, without, generator.settings)]
    np.testing.assert_array_equal(clips[0], clips[1])
    assert (clips[0] != clips[2]).any()


def test_progress_counts_the_steps_of_all_parts(generator):
    for frames, parts in ((None, 4), (21, 11)):
        seen = []
        prompt = Prompt(text="a red cube", num_frames=frames)
        generator.generate([prompt], progress=lambda *at, seen=seen: seen.append(at))
        assert generator.parts(prompt) == parts
        assert seen == [(0, step, 2 * parts) for step in range(1, 2 * parts + 1)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"given_frames": 1}, "takes the text alone; leave given_frames out"),
        ({"num_frames": 2}, "nothing comes before it"),
    ],
)
def test_what_it_cannot_be_is_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        CausalFlowTransformerConfig.model_validate({**SMALL.model_dump(), **change})


def test_learns_four_clips_by_heart_and_goes_on(tmp_path):
    small = SMALL.model_copy(update={"num_frames": 4, "width": 96, "layers": 3})
    seen = learned(
        tmp_path,
        handful(tmp_path),
        steps=500,
        network=small,
        objective=DiffusionForcingConfig(shift=3.0),
        optimizer={"name": "muon", "lr": 3e-3},
        schedule={"warmup": 20, "decay_fraction": 0.5},
        sampling=SamplingSettings(steps=6, sampler="euler", guidance_scale=1.0, shift=3.0),
    )
    assert seen["colour"] == 1.0, seen
    assert seen["shape"] >= 0.75, seen
    made = load_generator(tmp_path / "run" / "model")
    assert isinstance(made, StreamingTextToVideo)
    clip = made.generate([Prompt(text="a red cube", num_frames=12)])[0]
    # Things stand still in these clips, so what goes on should look as it began.
    assert np.abs(clip.frames[-1].astype(int) - clip.frames[0]).mean() < 12
