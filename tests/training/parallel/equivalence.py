"""A program for four processes under torchrun: the same steps in one process and spread out, compared.

Prints one line of JSON on the main process: for each case, the differences from one process.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch._dynamo.backends.debugging import aot_eager

from scenewright.models.flow_transformer import FlowTransformer, FlowTransformerConfig
from scenewright.models.text_encoder import TextEncoderConfig
from scenewright.training.draws import Draws
from scenewright.training.objectives.base import Inputs
from scenewright.training.objectives.flow_matching import FlowMatching, FlowMatchingConfig
from scenewright.training.optimizers import OptimizerConfig, build_optimizers
from scenewright.training.parallel import (
    LocalSteps,
    LocalStepsConfig,
    ParallelConfig,
    bare,
    clip_grad_norm,
    full_state_dict,
    load_full_state_dict,
    micro_batch,
    parallelize,
    setup_distributed,
    split_by_mesh,
    teardown_distributed,
)
from scenewright.training.parallel import apply as applying
from scenewright.training.parallel.tensor import local_part
from scenewright.training.parallel.wrapping import wrap_blocks

BATCH = 8
CLIP = 0.05
GRAPHS: list[int] = []
EXPECTED: dict[tuple[bool, ...], Any] = {}

CASES: dict[str, tuple[dict[str, Any], int]] = {
    "data, accumulated, frozen": ({"data": 4}, 2),
    "data, called twice": ({"data": 4}, 1),
    "shard, accumulated, recomputed": ({"shard": 4, "activation_checkpointing": "full"}, 2),
    "shard, called twice, frozen": ({"shard": 4, "reshard_after_forward": False}, 1),
    "shard, half precision": ({"shard": 4, "gather_precision": "bfloat16"}, 1),
    "hybrid": ({"data": 2, "shard": 2}, 1),
    "tensor x data, accumulated": ({"tensor": 2, "data": 2}, 2),
    "tensor x shard, selectively recomputed": (
        {"tensor": 2, "shard": 2, "activation_checkpointing": "selective"},
        1,
    ),
    "context, accumulated": ({"context": 4}, 2),
    "context x shard": ({"context": 2, "shard": 2}, 1),
    "context x tensor, recomputed and compiled": (
        {"context": 2, "tensor": 2, "activation_checkpointing": "full", "compile": True},
        1,
    ),
    "pipeline x data, recomputed": ({"pipeline": 2, "data": 2, "activation_checkpointing": "full"}, 1),
    "pipeline x shard, accumulated": ({"pipeline": 2, "shard": 2, "micro_batches": 3}, 2),
    "pipeline x tensor": ({"pipeline": 2, "tensor": 2, "micro_batches": 4}, 1),
    "pipeline x context, called twice": ({"pipeline": 2, "context": 2, "micro_batches": 1}, 1),
}


def tiny_model(seed: int) -> FlowTransformer:
    """Random weights in every layer: the output depends on all of them."""
    config = FlowTransformerConfig(
        patch=(2, 8, 8),
        bottleneck=16,
        width=32,
        layers=3,
        heads=4,
        mlp_ratio=2.0,
        given_frames=1,
        num_frames=4,
        height=32,
        width_pixels=32,
        text=TextEncoderConfig(vocabulary=64, width=24, layers=1, heads=4, max_tokens=8),
    )
    torch.manual_seed(seed)
    model = FlowTransformer(config)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def batch(step: int) -> Inputs:
    generator = torch.Generator().manual_seed(step)
    x = torch.rand(BATCH, 3, 4, 32, 32, generator=generator) * 2 - 1
    ids = torch.randint(0, 64, (BATCH, 8), generator=generator)
    mask = torch.arange(8) < torch.randint(1, 9, (BATCH, 1), generator=generator)
    known = torch.rand(BATCH, 4, generator=generator) < 0.4
    known[:, -1] = False
    given = torch.cat((x, torch.ones_like(x[:, :1])), dim=1) * known[:, None, :, None, None]
    draws = Draws(0, step, BATCH, range(BATCH))
    return Inputs(x, ids, mask, ("",) * BATCH, draws, known=known, given=given)


def frozen(name: str, step: int) -> bool:
    return step == 0 and ("mlp" in name or "text_encoder" in name)


def train(model, case, parts, layout=None):
    """Two steps: losses, norms, and the gradients of the first."""
    objective = FlowMatching(FlowMatchingConfig())
    optimizers = build_optimizers(bare(model), OptimizerConfig(name="adamw", lr=1e-2))
    for optimizer in optimizers:
        if layout:
            split_by_mesh(optimizer)
    losses, norms, gradients = [], [], {}
    size, rank = (layout.data_size, layout.data_rank) if layout else (1, 0)
    share = BATCH // size
    for step in range(2):
        if "frozen" in case:
            for name, parameter in bare(model).named_parameters():
                parameter.requires_grad_(not frozen(name, step))
        mine = batch(step).part(range(rank * share, (rank + 1) * share))
        width = share // parts
        total = 0.0
        for place in range(parts):
            part = mine.part(range(place * width, (place + 1) * width))
            half = torch.autocast("cpu", torch.bfloat16, enabled="half precision" in case)
            with micro_batch(model, last=place == parts - 1), half:
                loss, _ = objective.loss(model, part)
                if "called twice" in case:
                    later = replace(part, draws=replace(part.draws, step=step + 10))
                    loss = loss + objective.loss(model, later)[0]
                (loss / parts).backward()
            total += loss.item() / parts
        losses.append(layout.average({"loss": total})["loss"] if layout else total)
        if layout:
            norms.append(clip_grad_norm(model, CLIP).item())
        else:
            norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP).item())
        if step == 0:
            gradients = {n: p.grad.clone() for n, p in bare(model).named_parameters() if p.grad is not None}
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
    return losses, norms, gradients


def whole(model, values):
    """Tensors shaped like parameters as one process would have them: they take the parameters' places."""
    for name, parameter in bare(model).named_parameters():
        part = local_part(parameter.data)
        part.copy_(local_part(values[name])) if name in values else part.zero_()
    return full_state_dict(model)


def furthest(found, expected) -> float:
    assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
    return max((found[name] - expected[name]).abs().max().item() for name in expected)


def run(case: str, settings: dict, parts: int) -> dict[str, float]:
    layout = setup_distributed(ParallelConfig(data=1, timeout_seconds=300).model_copy(update=settings))
    kind = tuple(word in case for word in ("frozen", "called twice", "half precision"))
    if kind not in EXPECTED:
        alone = tiny_model(0)
        first = {name: tensor.clone() for name, tensor in alone.state_dict().items()}
        EXPECTED[kind] = (first, train(alone, case, 1), alone)
    first, expected, reference = EXPECTED[kind]
    # Other processes begin with other weights: they must get those of the main one.
    model = parallelize(tiny_model(dist.get_rank()), layout)
    start = full_state_dict(model)
    differences = {"start": furthest(start, first) if layout.is_main else 0.0}
    found = train(model, case, parts, layout)
    differences["loss"] = max(abs(a - b) for a, b in zip(found[0], expected[0], strict=True))
    differences["norm"] = max(abs(a - b) / b for a, b in zip(found[1], expected[1], strict=True))
    end = full_state_dict(model)
    gradients = whole(model, found[2])
    load_full_state_dict(model, end)
    again = full_state_dict(model)
    if layout.is_main:
        zeros = {name: torch.zeros_like(p) for name, p in reference.named_parameters()}
        largest = max(gradient.abs().max().item() for gradient in expected[2].values())
        differences["gradients"] = furthest(gradients, zeros | expected[2]) / largest
        differences["weights"] = furthest(end, reference.state_dict())
        differences["reloaded"] = furthest(again, end)
    return differences


def meet(settings: dict[str, Any]) -> dict[str, float]:
    """Half an outer step of a worker of four processes: it ends halfway between where it was and is."""
    layout = setup_distributed(ParallelConfig(data=1, timeout_seconds=300).model_copy(update=settings))
    model = parallelize(tiny_model(0), layout)
    start = full_state_dict(model)
    folder = [tempfile.mkdtemp() if layout.is_main else None]
    dist.broadcast_object_list(folder)
    config = LocalStepsConfig(
        workers=1, worker=0, folder=Path(folder[0]), every=1, outer_lr=0.5, outer_momentum=0.0
    )
    local_steps = LocalSteps(model, config)
    with torch.no_grad():
        for parameter in model.parameters():
            local_part(parameter).add_(1.0)
    assert local_steps.after_step().included
    end = full_state_dict(model)
    return {"halfway": furthest(end, {name: x + 0.5 for name, x in start.items()}) if layout.is_main else 0.0}


def wait_in_vain() -> float:
    """How long (s) a process waits for others that do not come."""
    layout = setup_distributed(ParallelConfig(data=4, timeout_seconds=2))
    began = time.monotonic()
    if layout.is_main:
        try:
            dist.all_reduce(torch.ones(1), group=layout.group("data"))
        except RuntimeError:
            return time.monotonic() - began
        raise AssertionError("nobody else came")
    return 0.0


def count_graphs(graph: torch.fx.GraphModule, inputs: Any) -> Any:
    """Everything of ``torch.compile`` but the code generation, which takes long; counts what it was given."""
    GRAPHS.append(sum(node.op == "call_function" for node in graph.graph.nodes))
    return aot_eager(graph, inputs)


def main() -> None:
    torch.set_num_threads(1)
    applying.wrap_blocks = partial(wrap_blocks, backend=count_graphs)
    results: dict[str, Any] = {}
    for case, (settings, parts) in CASES.items():
        GRAPHS.clear()
        results[case] = run(case, settings, parts)
        results[case]["compiled operators"] = sum(GRAPHS)
        if dist.get_rank() == 0:
            print(case, results[case], file=sys.stderr, flush=True)
    results["local steps"] = meet({"pipeline": 2, "shard": 2})
    layout = setup_distributed(ParallelConfig(data=4))
    values = {"everyone": float(layout.rank)} | ({"two": float(layout.rank)} if layout.rank > 1 else {})
    results["average"] = layout.average(values)
    results["waited"] = wait_in_vain()
    if dist.get_rank() == 0:
        print(json.dumps(results), flush=True)
    teardown_distributed()


if __name__ == "__main__":
    main()
