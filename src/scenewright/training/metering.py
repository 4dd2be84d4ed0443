"""What a run uses: throughput, utilisation of the processor, memory, energy, money."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from pydantic import Field

from scenewright.config import Config

#: How an energy was found: told by the machine, or power times time.
MEASURED, ESTIMATED = "measured", "estimated"

_POWERCAP = Path("/sys/class/powercap")


class MeteringConfig(Config):
    """What the cost of a run is reckoned with.

    ``price``: dollars an hour for one process's device. ``watts``: what that draws, where the machine does
    not tell; None takes :func:`scenewright.training.planning.hardware.usual_watts`.
    """

    price: float = Field(default=0.0, ge=0)
    watts: float | None = Field(default=None, gt=0)


class Energy(Protocol):
    """Where a machine's use of energy is read. ``source``: "measured" or "estimated"; ``name``: by what."""

    source: str
    name: str

    def used(self, seconds: float) -> float:
        """Joules since the last call; ``seconds``: how long that was."""


class RaplEnergy:
    """The counters of the processor packages (Intel and AMD RAPL; Linux, powercap).

    They count packages, not memory, disks and losses, and what else runs on the machine.
    """

    source, name = MEASURED, "RAPL"

    def __init__(self, root: Path = _POWERCAP) -> None:
        """OSError where there is no counter that this process may read."""
        packages = sorted(p for p in root.glob("*-rapl:*") if p.name.count(":") == 1)
        self._counters = [package / "energy_uj" for package in packages]
        if not self._counters:
            raise FileNotFoundError(f"{root} has no RAPL counters")
        self._ranges = [_number(package / "max_energy_range_uj") for package in packages]
        self._last = [_number(counter) for counter in self._counters]

    def used(self, seconds: float) -> float:
        now = [_number(counter) for counter in self._counters]
        # A counter that has gone down has wrapped round.
        steps = [
            after - before + (span if after < before else 0)
            for before, after, span in zip(self._last, now, self._ranges, strict=True)
        ]
        self._last = now
        return sum(steps) / 1e6


class CudaEnergy:
    """The power of one GPU as NVML tells it, sampled once a call."""

    source, name = MEASURED, "NVML"

    def __init__(self, device: torch.device) -> None:
        """Some exception where NVML, or its Python package, is missing."""
        self.device = device
        torch.cuda.power_draw(device)

    def used(self, seconds: float) -> float:
        return torch.cuda.power_draw(self.device) / 1000 * seconds


@dataclass
class EstimatedEnergy:
    """``watts`` times time."""

    watts: float
    source: str = ESTIMATED
    name: str = "power x time"

    def used(self, seconds: float) -> float:
        return self.watts * seconds


def find_energy(device: torch.device, watts: float, root: Path = _POWERCAP) -> Energy:
    """The best that this machine offers for ``device``; ``watts``: the estimate where it tells nothing."""
    try:
        return CudaEnergy(device) if device.type == "cuda" else RaplEnergy(root)
    except Exception:  # whatever a driver or a missing package raises, energy is never worth a run
        return EstimatedEnergy(watts)


@dataclass
class Meter:
    """Fed once a step, asked now and then.

    - ``flops_per_clip``: what the mathematics of a step needs (``StageWork.clip.model`` of a plan);
      ``tokens_per_clip``. Set them anew where a stage of the recipe begins; 0 where they are not known, and
      what rests on them is left out.
    - ``peak_flops``: operations a second of all ``processes`` together; see
      :func:`scenewright.machine.measured_peak`.
    - ``energy``: of this process's device; other processes are taken to use as much.
    - ``price``: dollars an hour for one process's device.
    """

    flops_per_clip: float
    tokens_per_clip: float
    peak_flops: float
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    processes: int = 1
    energy: Energy | None = None
    price: float = 0.0
    seconds: float = field(default=0.0, init=False)
    joules: float = field(default=0.0, init=False)
    _clips: int = field(default=0, init=False)
    _tokens: float = field(default=0.0, init=False)
    _flops: float = field(default=0.0, init=False)
    _window: float = field(default=0.0, init=False)
    _waited: float = field(default=0.0, init=False)

    def update(self, clips: int, seconds: float, waited: float = 0.0) -> None:
        """A step of ``clips`` clips, in all processes, took ``seconds``, of which ``waited`` for data."""
        self._clips += clips
        self._tokens += clips * self.tokens_per_clip
        self._flops += clips * self.flops_per_clip
        self._window += seconds
        self._waited += waited
        self.seconds += seconds
        if self.energy is not None:
            self.joules += self.processes * self.energy.used(seconds)

    def read(self) -> dict[str, float]:
        """Since the last reading: ``clips_per_second``, ``tokens_per_second``, ``utilisation`` (model
        operations over peak; Chowdhery et al. 2022, appendix B) and ``data_wait_share``. Of the whole run:
        ``memory_bytes`` (the peak of this process) and ``cost``, and with an energy source ``energy_kwh``.
        Empty before the first step."""
        if not self._window:
            return {}
        window = self._window
        values = {"clips_per_second": self._clips / window}
        if self._tokens:
            values["tokens_per_second"] = self._tokens / window
        if self._flops:
            values["utilisation"] = self._flops / window / self.peak_flops
        values |= {
            "data_wait_share": self._waited / window,
            "memory_bytes": float(peak_memory(self.device)),
            "cost": self.processes * self.price * self.seconds / 3600,
        }
        if self.energy is not None:
            values["energy_kwh"] = self.joules / 3.6e6
        self._clips, self._tokens, self._flops, self._window, self._waited = 0, 0.0, 0.0, 0.0, 0.0
        return values

    def describe(self) -> dict[str, Any]:
        """What the readings rest on, for the head of a log."""
        energy = {"energy": self.energy.source, "energy_by": self.energy.name} if self.energy else {}
        return {"peak_flops": self.peak_flops, "processes": self.processes, "price": self.price, **energy}

    def state_dict(self) -> dict[str, float]:
        return {"seconds": self.seconds, "joules": self.joules}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from the time and energy of an earlier part of the run; the window begins anew."""
        self.seconds, self.joules = float(state["seconds"]), float(state["joules"])
        self._clips, self._tokens, self._flops, self._window, self._waited = 0, 0.0, 0.0, 0.0, 0.0
        if self.energy is not None:
            self.energy.used(0.0)


def peak_memory(device: torch.device) -> int:
    """The most bytes this process has held so far: allocated on the GPU, or resident on a CPU (0 where the
    system does not tell)."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _number(path: Path) -> int:
    return int(path.read_text())
