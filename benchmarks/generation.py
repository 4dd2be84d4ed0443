"""How long a video takes: from the command to the file, and inside a process that has the model loaded.

    python benchmarks/generation.py [--json] [--model nano] [--fast] [--runs 5] [--threads N]

Beside the times stands the floor: the multiplications of the network's matrices, at the rate that one large
matrix product reaches on this machine in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROMPT = "a large red metal sphere rolls left"


def from_command_to_file(model: str, fast: bool, threads: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "scenewright", "generate", PROMPT, "--model", model]
        command += ["--fast"] if fast else []
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        began = time.perf_counter()
        subprocess.run(
            [*command, "-o", f"{folder}/clip.mp4"], check=True, capture_output=True, env=environment
        )
        return time.perf_counter() - began


def flops_of_a_clip(model: str, fast: bool) -> float:
    """Multiplications and additions of every matrix product of one clip, counted by torch."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from scenewright.clip import Prompt
    from scenewright.generation.loading import load_pipeline

    pipeline = load_pipeline(model)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        pipeline.generate([Prompt(text=PROMPT)], pipeline.recommended(fast=fast))
    return float(counter.get_total_flops())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--fast", action="store_true", help="the model's settings for few steps")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    import torch

    from scenewright.clip import Prompt
    from scenewright.generation.loading import load_pipeline
    from scenewright.machine import measured_peak
    from scenewright.media import encode

    torch.set_num_threads(options.threads)
    cold = [from_command_to_file(options.model, options.fast, options.threads) for _ in range(options.runs)]
    pipeline = load_pipeline(options.model)
    settings = pipeline.recommended(fast=options.fast)
    warm = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.runs + 1):
            began = time.perf_counter()
            clip = pipeline.generate([Prompt(text=PROMPT, seed=seed)], settings)[0]
            encode(clip, Path(folder) / f"{seed}.mp4")
            warm.append(time.perf_counter() - began)
    gflop = flops_of_a_clip(options.model, options.fast) / 1e9
    rate = measured_peak() / 1e9
    result = {
        "model": options.model,
        "steps": settings.steps,
        "threads": options.threads,
        "command_to_file_seconds": _spread(cold),
        "warm_seconds": _spread(warm[1:]),
        "gflop_per_clip": round(gflop, 1),
        "matmul_gflops": round(rate, 1),
        "floor_seconds": round(gflop / rate, 3),
    }
    if options.json:
        print(json.dumps(result))
        return
    print("| | Median | Least | Most |\n| --- | --- | --- | --- |")
    for name, key in (("Command to file", "command_to_file_seconds"), ("Warm", "warm_seconds")):
        times = result[key]
        assert isinstance(times, dict)
        print(f"| {name} | {times['median']} s | {times['min']} s | {times['max']} s |")
    print(f"\nFloor: {gflop:.1f} GFLOP a clip at {rate:.0f} GFLOP/s are {gflop / rate:.2f} s.")


def _spread(values: list[float]) -> dict[str, float]:
    pairs = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, 3) for name, value in pairs.items()}


if __name__ == "__main__":
    main()
