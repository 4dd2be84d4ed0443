from collections import defaultdict

import pytest
import torch
import torch.distributed as dist
from plan_examples import SMALL, grid_of
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from scenewright.models.flow_transformer import FlowTransformer
from scenewright.training.freezing import FreezeConfig
from scenewright.training.optimizers import OptimizerConfig
from scenewright.training.parallel import ParallelConfig, micro_batch, parallelize, setup_distributed
from scenewright.training.planning.communication import members_per_node, ring_bytes, step_transfers
from scenewright.training.planning.inventory import inventory
from scenewright.training.planning.memory import Shape

RANKS = 8


@pytest.fixture(autouse=True)
def fake_processes():
    """Eight processes of which only this one exists; what they would send is lost."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=RANKS)
    yield
    dist.destroy_process_group()


class Traffic(TorchDispatchMode):
    """Bytes of the whole tensors of all collectives, and calls, by kind."""

    KINDS = (
        ("reduce_scatter", "reduce_scatter"),
        ("allgather", "all_gather"),
        ("alltoall", "all_to_all"),
        ("all_reduce", "all_reduce"),
        ("allreduce", "all_reduce"),
        ("broadcast", "broadcast"),
        ("send", "send"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.bytes: dict[str, int] = defaultdict(int)
        self.calls: dict[str, int] = defaultdict(int)

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        name = function._schema.name
        kind = next((kind for part, kind in self.KINDS if "c10d" in name and part in name), None)
        if kind is not None:
            tensors = [t for t in tree_leaves((arguments, keywords, result)) if isinstance(t, torch.Tensor)]
            parts = tree_leaves(arguments[0]) if name == "c10d::allgather_" else [max(tensors, key=_nbytes)]
            self.bytes[kind] += sum(map(_nbytes, parts))
            self.calls[kind] += 1
        return result


def _nbytes(tensor: torch.Tensor) -> int:
    return tensor.nbytes


def seen(config: ParallelConfig, clips: int, half: bool) -> Traffic:
    network = parallelize(FlowTransformer(SMALL), setup_distributed(config))
    z, ids = torch.zeros(clips, 3, 8, 32, 32), torch.zeros(clips, 32, dtype=torch.long)
    with Traffic() as traffic, micro_batch(network, last=True):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            out = network(z, torch.zeros(clips), *network.encode_text(ids, ids == 0), ids == 0)
        out.float().square().mean().backward()
    return traffic


def planned(config: ParallelConfig, clips: int, half: bool):
    parameters = inventory(SMALL, OptimizerConfig(name="adamw"), FreezeConfig())
    shape = Shape(clips, grid_of(SMALL), 3 * 8 * 32 * 32, 32, clips)
    return step_transfers(SMALL, parameters, config, shape, half=half, cuda=False)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(
    "settings",
    [
        {"data": 1, "shard": 8},
        {"data": 2, "shard": 4},
        {"data": 1, "shard": 4, "tensor": 2},
        {"data": 4, "tensor": 2},
        {"data": 1, "shard": 4, "context": 2},
        {"data": 1, "shard": 4, "pipeline": 2},
        {"data": 1, "shard": 8, "activation_checkpointing": "full"},
        {"data": 1, "shard": 4, "tensor": 2, "activation_checkpointing": "full"},
    ],
)
def test_the_traffic_of_a_step_is_what_the_processes_exchange(settings, half):
    if half and "shard" in settings:
        settings = {**settings, "gather_precision": "bfloat16"}
    config = ParallelConfig(**settings).resolve(RANKS)
    traffic, bytes_, calls = seen(config, 4, half), defaultdict(float), defaultdict(int)
    for transfer in planned(config, 4, half):
        bytes_[transfer.kind] += transfer.size
        calls[transfer.kind] += transfer.calls
    assert bytes_.keys() == traffic.bytes.keys()
    for kind, size in bytes_.items():
        # Shards are padded to whole rows; stages also tell each other which gradients there are.
        assert size == pytest.approx(traffic.bytes[kind], rel=0.01), kind
        assert abs(calls[kind] - traffic.calls[kind]) <= 1, kind


def test_copies_average_each_gradient_once():
    """Against the buckets that DistributedDataParallel hands to its communication hook."""
    sizes = []

    def hook(state, bucket):
        sizes.append(bucket.buffer().nbytes)
        future = torch.futures.Future()
        future.set_result(bucket.buffer())
        return future

    config = ParallelConfig(data=4, context=2)
    network = parallelize(FlowTransformer(SMALL), setup_distributed(config))
    network.register_comm_hook(None, hook)
    z, ids = torch.zeros(1, 3, 8, 32, 32), torch.zeros(1, 32, dtype=torch.long)
    network(z, torch.zeros(1), *network.encode_text(ids, ids == 0), ids == 0).square().mean().backward()
    (gradients,) = [t for t in planned(config, 1, False) if t.what == "gradients"]
    assert (gradients.size, gradients.ranks, gradients.kind) == (sum(sizes), 8, "all_reduce")


def ring_all_reduce(ranks: int, elements: int) -> tuple[list[list[int]], list[int]]:
    """Play it: each rank holds its number in every element; returns what all hold and what each has sent."""
    held = [[rank + 1] * elements for rank in range(ranks)]
    sent, size = [0] * ranks, elements // ranks
    for phase in ("reduce", "gather"):
        for turn in range(ranks - 1):
            parcels = []
            for rank in range(ranks):
                part = (rank - turn + (phase == "gather")) % ranks
                parcels.append((part, held[rank][part * size : (part + 1) * size]))
                sent[rank] += size
            for rank, (part, values) in enumerate(parcels):
                to = held[(rank + 1) % ranks]
                at = slice(part * size, (part + 1) * size)
                to[at] = [a + b for a, b in zip(to[at], values, strict=True)] if phase == "reduce" else values
    return held, sent


@pytest.mark.parametrize("ranks", [2, 3, 8])
def test_a_ring_sends_what_is_counted(ranks):
    elements = 24
    held, sent = ring_all_reduce(ranks, elements)
    assert all(values == [ranks * (ranks + 1) // 2] * elements for values in held)
    assert sent == [ring_bytes("all_reduce", elements, ranks)] * ranks
    halves = ring_bytes("reduce_scatter", elements, ranks) + ring_bytes("all_gather", elements, ranks)
    assert halves == pytest.approx(sent[0])
    assert ring_bytes("all_to_all", elements, ranks) == pytest.approx(elements - elements / ranks)
    assert ring_bytes("all_reduce", elements, 1) == 0


@pytest.mark.parametrize(
    ("settings", "axes"),
    [
        ({"data": 16}, ("data",)),
        ({"data": 2, "shard": 8}, ("data",)),
        ({"data": 2, "shard": 8}, ("shard", "context")),
        ({"shard": 4, "data": 1, "tensor": 4}, ("shard",)),
        ({"pipeline": 2, "data": 2, "context": 2, "tensor": 2}, ("data", "context")),
        ({"data": 4, "tensor": 4}, ("tensor",)),
    ],
)
def test_how_many_members_of_a_group_share_a_machine(settings, axes):
    """By numbering all ranks, the last axis fastest, as the mesh does."""
    config = ParallelConfig(**settings)
    order = ("pipeline", "data", "shard", "context", "tensor")
    sizes = [getattr(config, axis) for axis in order]
    ranks = torch.arange(16).view(sizes)
    for place, axis in enumerate(order):
        if axis not in axes:
            ranks = ranks.narrow(place, 0, 1)
    for per_node in (2, 4, 8):
        members = int((ranks.flatten() // per_node == 0).sum())
        assert members_per_node(config, axes, per_node) == members
