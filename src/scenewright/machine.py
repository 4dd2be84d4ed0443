"""What this process may use of the machine: cores and memory, containers (Linux control groups) included."""

from __future__ import annotations

import ctypes
import importlib
import os
import time
from pathlib import Path
from typing import Any

#: Parameters of glibc's mallopt(3).
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def usable_cores(root: Path = Path("/")) -> float:
    """Cores this process can keep busy: the least of CPU affinity and the control group's quota.

    A fraction where the quota is one (0.5 means half a core). ``root`` is where ``proc`` and ``sys`` are.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = float(len(affinity(0)) if affinity is not None else os.cpu_count() or 1)
    for folder in _groups(root, "cpu"):
        quota = _words(folder / "cpu.max")
        if not quota:
            quota = _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        if len(quota) == 2 and quota[0].isdecimal() and int(quota[1]) > 0:
            cores = min(cores, int(quota[0]) / int(quota[1]))
    return cores


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that can be allocated without swapping, within the control group's limit; ``None`` if unknown."""
    free = _meminfo(root / "proc/meminfo")
    if free is None:
        return None
    for folder in _groups(root, "memory"):
        limit = _words(folder / "memory.max") or _words(folder / "memory.limit_in_bytes")
        used = _words(folder / "memory.current") or _words(folder / "memory.usage_in_bytes")
        if limit and used and limit[0].isdecimal():
            # Cached files count as used but are given back when memory is asked for.
            free = min(free, int(limit[0]) - int(used[0]) + _reclaimable(folder / "memory.stat"))
    return max(0, free)


def keep_freed_memory() -> bool:
    """Makes this process keep large blocks that it frees, for the next one; false where libc is not glibc.

    By default glibc hands every large block back to the kernel at once, and each page of the next one has to
    be mapped and zeroed again. A training step on a CPU allocates dozens of activations of 100 MB, and takes
    a tenth longer for it, on two threads half as long again.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    most = 2**31 - 1
    return all([mallopt(_M_MMAP_MAX, 0), mallopt(_M_TRIM_THRESHOLD, most), mallopt(_M_TOP_PAD, 2**28)])


def measured_peak(
    device: str = "cpu", precision: str = "float32", *, size: int | None = None, seconds: float = 0.5
) -> float:
    """Operations a second (2 n^3 for a square product) that ``device`` reaches in a torch dtype.

    The best of as many products as fit into ``seconds``, at least two, after one to set up libraries and
    caches; ``size`` is 1024 on a CPU and 8192 elsewhere unless given.
    """
    torch: Any = importlib.import_module("torch")
    kind = torch.device(device).type
    size = size or (1024 if kind == "cpu" else 8192)
    # With random numbers of its own: those of the caller go on as if nothing had been.
    a = torch.rand(size, size, generator=torch.Generator().manual_seed(0))
    a = a.to(device, getattr(torch, precision))
    wait = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(kind, lambda: None)
    torch.mm(a, a)
    wait()
    best, spent, runs = float("inf"), 0.0, 0
    while spent < seconds or runs < 2:
        start = time.perf_counter()
        torch.mm(a, a)
        wait()
        took = time.perf_counter() - start
        best, spent, runs = min(best, took), spent + took, runs + 1
    return 2 * size**3 / best


def _meminfo(path: Path) -> int | None:
    for line in _lines(path):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _groups(root: Path, controller: str) -> list[Path]:
    """The folders of this process's control groups for ``controller``, with all their parents (v2 and v1)."""
    base = root / "sys/fs/cgroup"
    folders = []
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        mount = base if not controllers else base / controllers
        if controllers and controller not in controllers.split(","):
            continue
        if controllers and not mount.is_dir():
            mount = base / controller
        inside = mount / path.lstrip("/")
        folders += [inside, *(p for p in inside.parents if p.is_relative_to(mount))]
    return folders


def _reclaimable(path: Path) -> int:
    for line in _lines(path):
        key, _, value = line.partition(" ")
        if key in ("inactive_file", "total_inactive_file"):
            return int(value)
    return 0


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()
