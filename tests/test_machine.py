"""Cores and memory, with control groups written by hand and against what the system itself says."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from scenewright import machine
from scenewright.machine import available_memory, usable_cores

ALL = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = "MemTotal:       64000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n"


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, ALL),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, ALL),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 0.5),
        # Version 2: a parent's quota binds its children.
        (
            {
                "proc/self/cgroup": "0::/pod/box\n",
                "sys/fs/cgroup/pod/cpu.max": "25000 100000\n",
                "sys/fs/cgroup/pod/box/cpu.max": "max 100000\n",
            },
            0.25,
        ),
        # Version 1.
        (
            {
                "proc/self/cgroup": "4:memory:/box\n3:cpu,cpuacct:/box\n",
                "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": "10000\n",
                "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "100000\n",
            },
            0.1,
        ),
        (
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            ALL,
        ),
    ],
)
def test_usable_cores(tmp_path: Path, files: dict[str, str], cores: float) -> None:
    assert usable_cores(tree(tmp_path, files)) == cores


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, 8_192_000_000),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 8_192_000_000),
        (
            {
                "proc/self/cgroup": "0::/box\n",
                "sys/fs/cgroup/box/memory.max": "1000\n",
                "sys/fs/cgroup/box/memory.current": "900\n",
                "sys/fs/cgroup/box/memory.stat": "anon 400\ninactive_file 500\n",
            },
            600,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "1400\n",
                "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 100\n",
            },
            0,
        ),
    ],
)
def test_available_memory(tmp_path: Path, files: dict[str, str], free: int) -> None:
    assert available_memory(tree(tmp_path, {"proc/meminfo": MEMINFO, **files})) == free


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="POSIX only")
def test_this_machine() -> None:
    assert 0 < usable_cores() <= (os.cpu_count() or 1)
    free = available_memory()
    assert free is not None
    assert 0 < free <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_freed_memory_is_kept() -> None:
    """In a process of its own: pages of a freed block are mapped already when the next one is filled."""
    script = """
import resource, torch
from scenewright.machine import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(8_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
without = faults()
assert keep_freed_memory()
faults()
print(without, faults())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    without, kept = map(int, done.stdout.split())
    assert without > 1000
    assert kept < without / 2


def test_the_peak_is_operations_over_the_best_time_after_the_first(monkeypatch):
    took = iter([0.005, 0.02, 0.01, 0.04, 1.0])
    clock = [0.0]

    def mm(a, b):
        clock[0] += next(took)
        return a @ b

    monkeypatch.setattr(torch, "mm", mm)
    monkeypatch.setattr(machine.time, "perf_counter", lambda: clock[0])
    # The first product warms up; then products until half a second is spent, the best of which took 10 ms.
    assert machine.measured_peak(size=100, seconds=0.5) == pytest.approx(2 * 100**3 / 0.01)


def test_a_peak_can_be_measured_in_both_precisions():
    for precision in ("float32", "bfloat16"):
        assert 1e6 < machine.measured_peak("cpu", precision, size=128, seconds=0.01) < 1e15
