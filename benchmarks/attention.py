"""Attention in bfloat16 on a CPU: explicit products, fused by torch.compile, beside PyTorch's own kernel.

    python benchmarks/attention.py [--json] [--threads 2] [--repeats 15]

Forward and backward of the same tensors, alternating; the ratio is of medians, with its least and most.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

from scenewright.models.blocks.attention import attend

#: Batch, heads, tokens, head width.
CASES = ((16, 4, 64, 64), (16, 4, 256, 64), (4, 4, 512, 64), (2, 8, 1024, 64))
Attention = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def explicit(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return attend(q, k, v, None)


def kernel(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return F.scaled_dot_product_attention(q, k, v)


def seconds(attention: Attention, case: tuple[int, ...]) -> float:
    q, k, v = (torch.randn(case, dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
    upstream = torch.randn(case, dtype=torch.bfloat16)
    began = time.perf_counter()
    attention(q, k, v).backward(upstream)
    return time.perf_counter() - began


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = []
    for case in CASES:
        torch.compiler.reset()
        compiled: Attention = torch.compile(explicit)
        times: dict[str, list[float]] = {"explicit": [], "kernel": []}
        for repeat in range(options.repeats + 3):
            for name, attention in (("explicit", compiled), ("kernel", kernel)):
                spent = seconds(attention, case)
                if repeat >= 3:
                    times[name].append(spent)
        ratios = [b / a for a, b in zip(times["explicit"], times["kernel"], strict=True)]
        result = {
            "batch_heads_tokens_width": case,
            **{f"{name}_ms": 1e3 * statistics.median(values) for name, values in times.items()},
            "ratio": statistics.median(ratios),
            "ratio_least_most": (min(ratios), max(ratios)),
        }
        results.append(result)
        if not options.json:
            print(
                f"{case}: explicit {result['explicit_ms']:.1f} ms, kernel {result['kernel_ms']:.1f} ms, "
                f"ratio {result['ratio']:.2f} ({min(ratios):.2f}-{max(ratios):.2f})",
                flush=True,
            )
    if options.json:
        print(json.dumps({"threads": options.threads, "results": results}))


if __name__ == "__main__":
    main()
