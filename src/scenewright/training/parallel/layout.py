"""Processes: who runs beside whom, and which share of the data each one reads."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.distributed_c10d import PrefixStore, _set_pg_timeout
from torch.distributed.rendezvous import rendezvous

from scenewright.training.parallel.config import AXES, ParallelConfig

T = TypeVar("T")


@dataclass(frozen=True)
class Layout:
    """This process's place among ``processes``; ``config`` without -1.

    ``axes`` is the mesh of all of ``AXES``. ``mesh`` is the one in which weights live, (pipeline, replicate,
    shard, tensor): processes that share a context hold weights as those that share data do. Both are ``None``
    in a run of one process.
    """

    config: ParallelConfig
    rank: int = 0
    processes: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    axes: DeviceMesh | None = None
    mesh: DeviceMesh | None = None

    @property
    def is_main(self) -> bool:
        """Whether this is the one process that writes files."""
        return self.rank == 0

    @property
    def data_size(self) -> int:
        """How many shares a batch is cut into, those of other workers (``local_steps``) included."""
        workers = self.config.local_steps.workers if self.config.local_steps else 1
        return self.config.data * self.config.shard * workers

    @property
    def data_rank(self) -> int:
        """Which share this process reads. Processes of one tensor, context and pipeline read the same."""
        share = self.index("data") * self.config.shard + self.index("shard")
        meeting = self.config.local_steps
        return share + (meeting.worker * self.config.data * self.config.shard if meeting else 0)

    def index(self, axis: str) -> int:
        """Which part of ``axis`` this process has, from 0."""
        return 0 if self.axes is None else self.axes.get_local_rank(axis)

    def group(self, axis: str) -> dist.ProcessGroup:
        """The processes that differ from this one in ``axis`` alone."""
        assert self.axes is not None
        return self.axes.get_group(axis)

    def average(self, values: Mapping[str, float]) -> dict[str, float]:
        """The mean of each value over the processes that have it. All processes must call it."""
        if self.axes is None:
            return dict(values)
        everyone: list[Mapping[str, float]] = [{} for _ in range(self.processes)]
        dist.all_gather_object(everyone, dict(values))
        found: dict[str, list[float]] = defaultdict(list)
        for one in everyone:
            for name, value in one.items():
                found[name].append(value)
        return {name: sum(given) / len(given) for name, given in found.items()}

    def of_whole_batch(self, share: Sequence[float]) -> list[float]:
        """One number for each sample of the whole batch, of what each process has for its share. All
        processes must call it."""
        if self.axes is None:
            return list(share)
        everyone: list[tuple[int, Sequence[float]]] = [(0, ()) for _ in range(self.processes)]
        dist.all_gather_object(everyone, (self.data_rank, list(share)))
        shares = dict(everyone)  # processes that read the same have the same
        return [value for rank in sorted(shares) for value in shares[rank]]

    def from_main(self, compute: Callable[[], T]) -> T:
        """What ``compute`` returns in the main process, where alone it is called. All processes must call."""
        if self.axes is None:
            return compute()
        found: list[T | None] = [compute() if self.is_main else None]
        dist.broadcast_object_list(found, src=0)
        result: T = found[0]  # type: ignore[assignment]
        return result

    def any(self, flag: bool) -> bool:
        """Whether it is true in some process. All processes must call it."""
        if self.axes is None:
            return flag
        found = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return bool(found.item())


def setup_distributed(config: ParallelConfig) -> Layout:
    """Join the processes that ``torchrun`` started, and share them out as ``config`` says.

    Without torchrun, or with one process, nothing is initialised. A process group that is there already is
    used. Processes talk by NCCL on GPUs (one each, by ``LOCAL_RANK``) and by gloo on CPUs.

    Raises:
        ValueError: the sizes in ``config`` do not multiply to the number of processes.
    """
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if cuda else torch.device("cpu")
    started = dist.is_initialized()
    processes = dist.get_world_size() if started else int(os.environ.get("WORLD_SIZE", 1))
    config = config.resolve(processes)
    if processes == 1:
        return Layout(config, device=device)
    if cuda:
        torch.cuda.set_device(device)
    if not started:
        backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
        timeout = timedelta(seconds=config.timeout_seconds)
        store, rank, processes = next(rendezvous("env://", timeout=timeout))
        # After a restart the store still has the addresses of the processes that are gone.
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        own = PrefixStore(f"attempt {attempt}", store)
        dist.init_process_group(backend, store=own, rank=rank, world_size=processes, timeout=timeout)
    sizes = {axis: getattr(config, axis) for axis in AXES}
    axes = init_device_mesh(device.type, tuple(sizes.values()), mesh_dim_names=AXES)
    sharded = config.shard > 1
    replicate = config.data * (1 if sharded else config.context)
    shard = config.shard * config.context if sharded else 1
    mesh = init_device_mesh(
        device.type,
        (config.pipeline, replicate, shard, config.tensor),
        mesh_dim_names=("pipeline", "replicate", "shard", "tensor"),
    )
    for group in (*axes.get_all_groups(), *mesh.get_all_groups()):
        # Groups of a mesh do not take over the timeout of the whole, and there is no public way to set it.
        _set_pg_timeout(timedelta(seconds=config.timeout_seconds), group)
    return Layout(config, dist.get_rank(), processes, device, axes, mesh)


def teardown_distributed() -> None:
    """Leave the other processes; does nothing in a run of one."""
    if dist.is_initialized():
        dist.destroy_process_group()
