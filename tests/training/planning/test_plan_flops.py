import pytest
import torch
from plan_examples import OTHER, SMALL
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from scenewright.models.flow_transformer import FlowTransformer
from scenewright.models.layout import LayoutConfig
from scenewright.training.freezing import FreezeConfig, Freezer
from scenewright.training.optimizers import OptimizerConfig, build_optimizers
from scenewright.training.parallel import ParallelConfig, parallelize, setup_distributed
from scenewright.training.planning.flops import (
    clip_products,
    optimizer_operations,
    position_operations,
    recomputed,
    total,
)


def counted(config, clips, words, *, half, freeze=None) -> tuple[int, int]:
    """Forward and backward operations that PyTorch's counter sees, attention in explicit products."""
    model = FlowTransformer(config)
    if freeze:
        Freezer(model, FreezeConfig(never=freeze)).apply(0)
    z = torch.randn(clips, config.channels, config.num_frames, config.height, config.width_pixels)
    ids, mask = torch.zeros(clips, words, dtype=torch.long), torch.ones(clips, words, dtype=torch.bool)
    forward, backward = FlopCounterMode(display=False), FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), torch.autocast("cpu", torch.bfloat16, enabled=half):
        with forward:
            out = model(z, torch.rand(clips), *model.encode_text(ids, mask), mask, **conditions(config, z))
        with backward:
            out.float().square().mean().backward()
    return forward.get_total_flops(), backward.get_total_flops()


def conditions(config, z) -> dict:
    found = {}
    if config.given_frames:
        found["given_BGTHW"] = torch.randn(len(z), 4, *z.shape[2:])
    if config.layout is not None:
        found["layout_BNF"] = torch.randn(len(z), config.layout.slots, config.layout.features)
    return found


LED = SMALL.model_copy(
    update={
        "layout": LayoutConfig(slots=2, num_frames=8, attributes={"color": ("red", "blue")}),
        "given_frames": 1,
        "modulation_rank": 5,
    }
)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(("config", "words"), [(SMALL, 32), (OTHER, 17), (LED, 32)])
def test_the_operations_of_a_step_are_those_that_pytorch_counts(config, words, half):
    grid = config.grid(config.num_frames, config.height, config.width_pixels)
    work = total(clip_products(config, grid, words, fused=False))
    positions = position_operations(config, grid)
    forward, backward = counted(config, 3, words, half=half)
    assert forward == 3 * work.forward + positions
    assert backward == 3 * work.backward + positions
    assert work.repeated == 0


@pytest.mark.parametrize(
    "freeze",
    [("text_encoder.*",), ("patch_in.*", "position.*"), ("blocks.0.*", "text_encoder.*", "patch_in*")],
)
def test_frozen_parameters_need_no_weight_gradient(freeze):
    grid = SMALL.grid(8, 32, 32)
    frozen = {name for name, p in frozen_model(freeze).named_parameters() if not p.requires_grad}
    work = total(clip_products(SMALL, grid, 32, fused=False, trains=lambda name: name not in frozen))
    positions = position_operations(SMALL, grid)
    forward, backward = counted(SMALL, 1, 32, half=False, freeze=freeze)
    assert forward == work.forward + positions
    assert backward == work.backward + (0 if "position.weight" in frozen else positions)


def frozen_model(freeze):
    model = FlowTransformer(SMALL)
    Freezer(model, FreezeConfig(never=freeze)).apply(0)
    return model


def test_fused_attention_repeats_its_scores():
    """Against the formulas that PyTorch registers for its fused kernels: 4 and 10 times B N L S K."""
    from torch.utils.flop_counter import sdpa_backward_flop_count, sdpa_flop_count

    grid = SMALL.grid(8, 32, 32)
    tokens = 64
    (attend,) = [p for p in clip_products(SMALL, grid, 32) if p.name == "blocks.0.attention.attend"]
    query = (1, 4, tokens, 16)
    assert attend.forward == sdpa_flop_count(query, query, query)
    assert attend.input_gradient + attend.repeated == sdpa_backward_flop_count(query, query, query, query)


def test_checkpointing_runs_the_blocks_forward_again():
    grid = SMALL.grid(8, 32, 32)
    config = ParallelConfig(activation_checkpointing="full")
    model = parallelize(FlowTransformer(SMALL), setup_distributed(config))
    ids, mask = torch.zeros(2, 32, dtype=torch.long), torch.ones(2, 32, dtype=torch.bool)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        out = model(torch.randn(2, 3, 8, 32, 32), torch.rand(2), *model.encode_text(ids, mask), mask)
        out.square().mean().backward()
    products = clip_products(SMALL, grid, 32, fused=False)
    expected = 2 * (total(products).model + recomputed(products)) + 2 * position_operations(SMALL, grid)
    assert counter.get_total_flops() == expected


@pytest.mark.parametrize("rows", [None, 16, 48])
def test_the_optimizers_products_are_those_that_pytorch_counts(rows):
    config = OptimizerConfig(name="muon", newton_schulz_steps=3, block_rows=rows)
    model = FlowTransformer(SMALL)
    muon, adamw = build_optimizers(model, config)
    for p in model.parameters():
        p.grad = torch.randn_like(p)
    with FlopCounterMode(display=False) as counter:
        muon.step()
        adamw.step()
    matrices = [tuple(p.shape) for group in muon.param_groups for p in group["params"]]
    assert counter.get_total_flops() == optimizer_operations(config, matrices)
    assert optimizer_operations(OptimizerConfig(name="adamw"), matrices) == 0
