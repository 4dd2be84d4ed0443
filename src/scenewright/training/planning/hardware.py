"""Processors and the machines that they stand in, as data; and what hours, power and cooling cost.

Peaks are of dense products (data sheets like to state twice that, for 2:4 sparse ones) with float32
accumulation. Bandwidths are bytes a second in one direction. Every number can be replaced:
``find_gpu("h100").model_copy(update={...})``.
"""

from __future__ import annotations

import difflib

import torch
from pydantic import Field

from scenewright.config import Config


class Gpu(Config):
    """One processor and its share of the machine around it.

    - ``bfloat16``, ``float8``, ``float32``: peak operations a second; ``float8`` is None where there is none.
    - ``memory``: bytes; ``bandwidth``: bytes a second between memory and processor.
    - ``link``: bytes a second to each other processor of the machine (NVLink or PCI Express).
    - ``network``: bytes a second to other machines, this processor's share of the machine's adapters.
    - ``per_node``: processors in a machine; ``watts``: the processor's limit; ``host_watts``: its share of
      the rest of the machine (CPUs, memory, fans, switches).
    - ``runtime``: bytes that CUDA, NCCL and cuBLAS take (Python and PyTorch on a CPU); ``launch``: seconds
      from one operator to the next however small they are. Both are assumptions.
    - ``price``: typical rent in US dollars an hour for one, mid-2025; it moves: give your own.
    """

    name: str
    bfloat16: float = Field(gt=0)
    float8: float | None = Field(default=None, gt=0)
    float32: float = Field(gt=0)
    memory: float = Field(gt=0)
    bandwidth: float = Field(gt=0)
    link: float = Field(gt=0)
    network: float = Field(gt=0)
    per_node: int = Field(default=8, ge=1)
    watts: float = Field(gt=0)
    host_watts: float = Field(ge=0)
    runtime: float = Field(default=1.5e9, ge=0)
    launch: float = Field(default=5e-6, ge=0)
    price: float = Field(ge=0)

    def peak(self, precision: str) -> float:
        """Operations a second in the precision that a recipe names."""
        return self.bfloat16 if precision == "bfloat16" else self.float32


class CostModel(Config):
    """What is paid and emitted beside the rent.

    - ``price``: dollars an hour for one processor; None takes the table's.
    - ``electricity``: dollars a kWh; ``carbon``: kg of CO2 a kWh (IEA, "Electricity 2025": about 0.44 on the
      world's average).
    - ``power_usage_effectiveness``: power of the whole site, with its cooling, over that of its machines
      (ISO/IEC 30134-2). Uptime Institute's survey of 2024 gives 1.56 on average; liquid cooling and new
      sites reach 1.1 to 1.2.
    - ``load``: power drawn while training, as a share of ``Gpu.watts``.
    """

    price: float | None = Field(default=None, ge=0)
    electricity: float = Field(default=0.12, ge=0)
    carbon: float = Field(default=0.44, ge=0)
    power_usage_effectiveness: float = Field(default=1.56, ge=1)
    load: float = Field(default=0.85, gt=0, le=1)


_PROCESSORS = (
    # NVIDIA H100 Tensor Core GPU data sheet (SXM). DGX H100 data sheet: eight 400 Gb/s adapters, 10.2 kW.
    Gpu(
        name="h100",
        bfloat16=989.4e12,
        float8=1978.9e12,
        float32=67e12,
        memory=80e9,
        bandwidth=3.35e12,
        link=450e9,
        network=50e9,
        watts=700,
        host_watts=575,
        price=3.0,
    ),
    # NVIDIA H200 Tensor Core GPU data sheet (SXM). DGX H200 data sheet: as DGX H100.
    Gpu(
        name="h200",
        bfloat16=989.4e12,
        float8=1978.9e12,
        float32=67e12,
        memory=141e9,
        bandwidth=4.8e12,
        link=450e9,
        network=50e9,
        watts=700,
        host_watts=575,
        price=3.5,
    ),
    # NVIDIA A100 Tensor Core GPU data sheet (80 GB SXM). DGX A100 data sheet: 200 Gb/s each, 6.5 kW.
    Gpu(
        name="a100",
        bfloat16=312e12,
        float32=19.5e12,
        memory=80e9,
        bandwidth=2.039e12,
        link=300e9,
        network=25e9,
        watts=400,
        host_watts=412,
        price=1.8,
    ),
    # NVIDIA HGX B200 and DGX B200 data sheets: 1,440 GB and 64 TB/s for eight, 14.3 kW, 400 Gb/s each.
    Gpu(
        name="b200",
        bfloat16=2250e12,
        float8=4500e12,
        float32=80e12,
        memory=180e9,
        bandwidth=8e12,
        link=900e9,
        network=50e9,
        watts=1000,
        host_watts=787,
        price=5.0,
    ),
    # NVIDIA L40S data sheet (PCI Express 4.0 x16). The machine is assumed: 8 cards, one 200 Gb/s adapter.
    Gpu(
        name="l40s",
        bfloat16=362.05e12,
        float8=733e12,
        float32=91.6e12,
        memory=48e9,
        bandwidth=864e9,
        link=32e9,
        network=3.1e9,
        watts=350,
        host_watts=200,
        price=1.0,
    ),
    # NVIDIA "Ada GPU Architecture" white paper, appendix A (GeForce RTX 4090, PCI Express 4.0 x16). The
    # machine is assumed: 4 cards, one 25 Gb/s adapter.
    Gpu(
        name="rtx4090",
        bfloat16=165.2e12,
        float8=330.3e12,
        float32=82.6e12,
        memory=24e9,
        bandwidth=1.008e12,
        link=32e9,
        network=0.78e9,
        per_node=4,
        watts=450,
        host_watts=150,
        price=0.4,
    ),
    # NVIDIA "RTX Blackwell GPU Architecture" white paper, appendix A (GeForce RTX 5090, PCI Express 5.0 x16).
    # The machine is assumed: 4 cards, one 25 Gb/s adapter.
    Gpu(
        name="rtx5090",
        bfloat16=209.5e12,
        float8=419e12,
        float32=104.8e12,
        memory=32e9,
        bandwidth=1.792e12,
        link=64e9,
        network=0.78e9,
        per_node=4,
        watts=575,
        host_watts=150,
        price=0.6,
    ),
    # AMD EPYC 9654 data sheet: 96 cores at 2.4 GHz, 12 channels of DDR5-4800, 360 W; two sockets a machine
    # with 768 GB and one 100 Gb/s adapter are assumed. A Zen 4 core does 32 float32 operations a clock, and
    # twice that in bfloat16 (AMD, "Software Optimization Guide for the Zen4 Microarchitecture").
    Gpu(
        name="cpu",
        bfloat16=14.7e12,
        float32=7.37e12,
        memory=384e9,
        bandwidth=460.8e9,
        link=64e9,
        network=6.2e9,
        per_node=2,
        watts=360,
        host_watts=150,
        runtime=0.5e9,
        launch=2e-6,
        price=2.0,
    ),
)

#: Of the processor that stands for all CPUs.
_SERVER_CORES = 96

GPUS: dict[str, Gpu] = {gpu.name: gpu for gpu in _PROCESSORS}


def find_gpu(name: str) -> Gpu:
    """The table's entry.

    Raises:
        ValueError: there is none of that name.
    """
    if name in GPUS:
        return GPUS[name]
    close = difflib.get_close_matches(name, GPUS, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise ValueError(f"there is no processor {name!r} in the table; {hint}known: {', '.join(GPUS)}")


def gpu_of(device: torch.device) -> Gpu | None:
    """The table's entry of a GPU in this machine; None where it has none."""
    words = torch.cuda.get_device_name(device).lower().split()
    return next((gpu for name, gpu in GPUS.items() if name in words), None)


def usual_watts(device: torch.device) -> float:
    """Power that ``device`` and its share of the machine around it draw, by the table: a GPU that it
    does not have counts as a large one, and a CPU by the threads that are used."""
    if device.type != "cuda":
        server = GPUS["cpu"]
        return (server.watts + server.host_watts) / _SERVER_CORES * torch.get_num_threads()
    gpu = gpu_of(device) or GPUS["h100"]
    return gpu.watts + gpu.host_watts
