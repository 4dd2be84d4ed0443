"""Activation checkpointing and compilation in one process."""

from __future__ import annotations

import pytest
import torch
from equivalence import batch, tiny_model
from torch import nn

from scenewright.models.blocks.feed_forward import SwiGLU
from scenewright.training.objectives.flow_matching import FlowMatching, FlowMatchingConfig
from scenewright.training.parallel import Layout, ParallelConfig, parallelize


def step(**settings):
    """Loss, gradients, how often the first block's last layer ran, and bytes kept for the backward pass."""
    model = parallelize(tiny_model(0), Layout(ParallelConfig(**settings).resolve(1)))
    runs = []
    model.blocks[0].mlp.down.register_forward_hook(lambda *_: runs.append(1))
    kept = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss, _ = FlowMatching(FlowMatchingConfig()).loss(model, batch(0))
    stored = sum(kept.values())
    loss.backward()
    return loss.item(), {name: p.grad for name, p in model.named_parameters()}, len(runs), stored


@pytest.fixture(scope="module")
def plain():
    return step()


@pytest.mark.parametrize("kind", ["full", "selective"])
def test_recomputed_activations_change_no_bit(plain, kind):
    loss, gradients, runs, _ = step(activation_checkpointing=kind)
    assert loss == plain[0]
    assert gradients.keys() == plain[1].keys()
    for name, gradient in gradients.items():
        assert gradient.equal(plain[1][name]), name
    assert (plain[2], runs) == (1, 2), "the forward pass of a block runs again"


def test_recomputing_keeps_less(plain):
    full = step(activation_checkpointing="full")[3]
    assert full < plain[3] / 2


class Layers(nn.Module):
    """Quicker to compile than a network's own blocks."""

    repeated_blocks = ("layers.*",)

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(SwiGLU(16, 24) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = x + layer(x)
        return x


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_compiled_is_eager_up_to_rounding():
    eager = Layers()
    compiled = parallelize(Layers(), Layout(ParallelConfig(compile=True).resolve(1)))
    x = torch.randn(5, 16)
    before = len(torch._dynamo.utils.compile_times(repr="csv")[0])
    for model in (eager, compiled):
        model(x).square().mean().backward()
    assert len(torch._dynamo.utils.compile_times(repr="csv")[0]) > before, "it was compiled"
    for a, b in zip(compiled.parameters(), eager.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-5, atol=1e-6)
