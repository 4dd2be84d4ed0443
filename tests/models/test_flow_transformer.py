import pytest
import torch

from scenewright.generation.samplers import dpmpp_2m, sigma_schedule, solve
from scenewright.generation.settings import SamplingSettings
from scenewright.models.blocks.patches import patchify, unpatchify
from scenewright.models.flow_transformer import FlowTransformer, FlowTransformerConfig
from scenewright.models.text_encoder import TextEncoderConfig
from scenewright.training.draws import Draws
from scenewright.training.objectives import FlowMatching, FlowMatchingConfig, Inputs
from scenewright.training.optimizers import OptimizerConfig, build_optimizers

TINY = FlowTransformerConfig(
    patch=(2, 8, 8),
    bottleneck=48,
    width=64,
    layers=2,
    heads=2,
    num_frames=4,
    height=16,
    width_pixels=16,
    text=TextEncoderConfig(vocabulary=32, width=32, layers=1, heads=2, max_tokens=8),
)


def lively(seed: int = 0) -> FlowTransformer:
    """A network whose zero-initialised layers are drawn too, so that every input can reach the output."""
    torch.manual_seed(seed)
    model = FlowTransformer(TINY)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def test_patches_are_cut_and_put_back():
    x = torch.randn(2, 3, 4, 16, 24)
    grid = TINY.grid(4, 16, 24)
    patches = patchify(x, grid, TINY.patch)
    assert patches.shape == (2, 12, 3 * 2 * 8 * 8)
    torch.testing.assert_close(patches[0, 1], x[0, :, :2, :8, 8:16].flatten())
    torch.testing.assert_close(unpatchify(patches, grid, TINY.patch), x)


def test_an_untrained_network_predicts_gray():
    model = FlowTransformer(TINY)
    ids = torch.tensor([[2, 5, 3]])
    words, pooled = model.encode_text(ids, ids > 0)
    out = model(torch.randn(1, 3, 4, 16, 16), torch.tensor([0.5]), words, pooled, ids > 0)
    assert out.shape == (1, 3, 4, 16, 16)
    assert not out.any()


def test_text_time_and_position_reach_the_output():
    model = lively()
    ids = torch.tensor([[2, 5, 9, 3], [2, 6, 9, 3]])
    mask = ids > 0
    words, pooled = model.encode_text(ids, mask)
    z = torch.randn(1, 3, 4, 16, 16).expand(2, -1, -1, -1, -1)
    out = model(z, torch.tensor([0.5, 0.5]), words, pooled, mask)
    assert (out[0] - out[1]).abs().max() > 1e-3
    other = model(z, torch.tensor([0.9, 0.9]), words, pooled, mask)
    assert (out - other).abs().max() > 1e-3
    flat = model(torch.zeros(1, 3, 4, 16, 16), torch.ones(1), words[:1], pooled[:1], mask[:1])
    patches = patchify(flat, TINY.grid(4, 16, 16), TINY.patch)[0]
    assert torch.pdist(patches).min() > 1e-3


def test_padding_changes_nothing():
    model = lively()
    z, sigma = torch.randn(1, 3, 4, 16, 16), torch.tensor([0.7])
    short = torch.tensor([[2, 5, 9, 3]])
    long = torch.tensor([[2, 5, 9, 3, 0, 0, 0]])
    outs = [model(z, sigma, *model.encode_text(ids, ids != 0), ids != 0) for ids in (short, long)]
    torch.testing.assert_close(outs[0], outs[1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("size", "message"),
    [((4, 16, 20), "width must be a multiple of 8"), ((3, 16, 16), "frames must be a multiple of 2")],
)
def test_sizes_that_are_no_whole_patches_are_refused(size, message):
    with pytest.raises(ValueError, match=message):
        TINY.grid(*size)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_overfits_four_clips_so_that_the_text_chooses_among_them(optimizer):
    """Sampling from noise with each caption gives back that caption's clip and not another's."""
    torch.manual_seed(0)
    clips = torch.full((4, 3, 4, 16, 16), -0.5)
    for i in range(4):
        for t in range(4):
            column = 2 * t if i % 2 else 8 - 2 * t
            clips[i, i // 2, t, 4:10, column : column + 6] = 1.0
    ids = torch.tensor([[2, 10 + i // 2, 20 + i % 2, 3] for i in range(4)])
    mask = ids > 0
    model = FlowTransformer(TINY)
    objective = FlowMatching(FlowMatchingConfig(shift=3.0))
    optimizers = build_optimizers(model, OptimizerConfig(name=optimizer, lr=3e-3))
    count = 2 * len(clips)
    for step in range(400):
        for each in optimizers:
            for group in each.param_groups:
                group["lr"] = 3e-3 * min(1.0, 2 - step / 200)
        draws = Draws(1, step, count, range(count))
        inputs = Inputs(
            clips.repeat(2, 1, 1, 1, 1), ids.repeat(2, 1), mask.repeat(2, 1), ("",) * count, draws
        )
        loss, _ = objective.loss(model, inputs)
        loss.backward()
        for each in optimizers:
            each.step()
            each.zero_grad()
    model.eval()
    with torch.inference_mode():
        words, pooled = model.encode_text(ids, mask)
        z = torch.randn(4, 3, 4, 16, 16, generator=torch.Generator().manual_seed(1))
        made = solve(
            dpmpp_2m,
            lambda z, sigma: model(z, torch.full((4,), sigma), words, pooled, mask),
            z,
            sigma_schedule(SamplingSettings().steps, 3.0),
        )
    distances = (made[:, None] - clips[None]).square().mean(dim=(2, 3, 4, 5))
    assert distances.argmin(dim=1).tolist() == [0, 1, 2, 3]
    assert distances.diagonal().max() < 0.02


def test_dropout_and_stochastic_depth_act_in_training_only():
    torch.manual_seed(3)
    z, sigma = torch.randn(2, 3, 4, 16, 16), torch.tensor([0.3, 0.9])
    ids, mask = torch.randint(0, 32, (2, 8)), torch.ones(2, 8, dtype=torch.bool)
    plain = lively()
    noisy = FlowTransformer(TINY.model_copy(update={"dropout": 0.2, "stochastic_depth": 0.5}))
    noisy.load_state_dict(plain.state_dict())

    def predict(model: FlowTransformer) -> torch.Tensor:
        with torch.no_grad():
            return model(z, sigma, *model.encode_text(ids, mask), mask)

    assert torch.equal(predict(noisy.eval()), predict(plain))
    assert torch.equal(predict(plain.train()), predict(plain.eval()))
    noisy.train()
    assert not torch.equal(predict(noisy), predict(noisy))
