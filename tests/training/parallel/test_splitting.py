"""Splitting a network, as far as one process can see: what is refused, and how packed layers are cut."""

from __future__ import annotations

import gc
from dataclasses import dataclass

import pytest
import torch
import torch.distributed as dist
from equivalence import tiny_model
from torch import nn
from torch.nn import functional as F

from scenewright.training.parallel import DataParallel, Layout, ParallelConfig, parallelize, split_by_mesh
from scenewright.training.parallel.context import split_context
from scenewright.training.parallel.pipeline import Stage
from scenewright.training.parallel.tensor import pack_rows, split_tensors, unpack_rows


@dataclass
class Group:
    """As much of a process group as checks need."""

    processes: int
    place: int = 0

    def size(self) -> int:
        return self.processes

    def rank(self) -> int:
        return self.place


def test_each_process_gets_matching_rows_of_both_packed_matrices():
    first, second = torch.randn(12, 5), torch.randn(12, 5)
    packed = pack_rows(torch.cat((first, second)), 3)
    x = torch.randn(7, 5)
    for index, rows in enumerate(packed.chunk(3)):
        a, b = F.linear(x, rows).chunk(2, dim=-1)
        torch.testing.assert_close(a, F.linear(x, first[4 * index : 4 * index + 4]))
        torch.testing.assert_close(b, F.linear(x, second[4 * index : 4 * index + 4]))
    assert unpack_rows(packed, 3).equal(torch.cat((first, second)))


def test_what_does_not_divide_is_refused():
    with pytest.raises(ValueError, match=r"tensor = 3 does not divide the 4 heads of .*attention"):
        split_tensors(tiny_model(0), Group(3))
    with pytest.raises(ValueError, match=r"context 2 x tensor 4 does not divide the 4 heads"):
        split_context(tiny_model(0), Group(2), tensor=4)
    with pytest.raises(ValueError, match=r"pipeline = 4 stages for 3 blocks"):
        Stage(tiny_model(0), Group(4), 1)


def test_hidden_units_that_do_not_divide_are_refused():
    model = tiny_model(0)
    model.blocks[0].mlp.gate_up = nn.Linear(32, 2 * 30)
    with pytest.raises(ValueError, match=r"tensor = 4 does not divide the 30 units of blocks.0.mlp.gate_up"):
        split_tensors(model, Group(4))


def test_tokens_that_do_not_divide_are_refused_when_they_come():
    model = tiny_model(0)
    split_context(model, Group(4))
    model.patch_in(torch.zeros(1, 32, 384))
    with pytest.raises(ValueError, match=r"context = 4 does not divide the 30 tokens of a clip"):
        model.patch_in(torch.zeros(1, 30, 384))


def test_stages_share_out_all_blocks():
    names = []
    for place in range(2):
        model = tiny_model(0)
        Stage(model, Group(2, place), 1)
        names.append([name for name, _ in model.blocks.named_children()])
    assert names == [["0"], ["1", "2"]]


@pytest.mark.parametrize("split", [split_tensors, split_context, lambda model, group: Stage(model, group, 1)])
def test_a_model_that_declares_nothing_cannot_be_split(split):
    with pytest.raises(ValueError, match=r"Linear declares no \w+; leave parallel\.\w+ at 1"):
        split(nn.Linear(4, 4), Group(2))


def test_nothing_to_compile_is_an_error():
    layout = Layout(ParallelConfig(compile=True).resolve(1))
    with pytest.raises(ValueError, match=r"Linear declares no repeated_blocks"):
        parallelize(nn.Linear(4, 4), layout)


def test_a_parameter_frozen_before_data_parallelism_may_not_train_later(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        model = nn.Linear(4, 4)
        model.bias.requires_grad_(False)
        spread = DataParallel(model)
        assert spread.in_features == 4
        spread(torch.randn(2, 4)).sum().backward()
        model.bias.requires_grad_(True)
        with pytest.raises(ValueError, match="bias was frozen when the network was made parallel"):
            spread(torch.randn(2, 4))
    finally:
        # Else the last to let go of the group is the network's reducer, which may then wait for ever.
        spread = None
        gc.collect()
        dist.destroy_process_group()


def test_splitting_groups_by_mesh_keeps_their_settings():
    a, b = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
    b.device_mesh = "another"
    optimizer = torch.optim.AdamW([{"params": [a, b], "lr": 0.5, "weight_decay": 0.25, "lr_scale": 2.0}])
    split_by_mesh(optimizer)
    assert [group["params"] for group in optimizer.param_groups] == [[a], [b]]
    assert [(g["lr"], g["weight_decay"], g["lr_scale"]) for g in optimizer.param_groups] == [
        (0.5, 0.25, 2)
    ] * 2
