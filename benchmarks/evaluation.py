"""Measures beside the same measures of other libraries, on the same clips, in one run.

    python benchmarks/evaluation.py [--json] [--rounds 7] [--size 512x288] [--threads 1]

PSNR, SSIM and MS-SSIM against torchmetrics, scikit-image and IQA-PyTorch, each with the convention that the
peer has, so that both give the same number (the difference is printed). IQA-PyTorch joins where it is
installed: ``pip install --no-deps pyiqa torchvision``; its licence is not for commercial use, so no extra has
it. VMAF against the bare ffmpeg command on the
same files; the exact suite in clips a second; and the memory of an evaluation of few and of many clips.
Rounds alternate, ratios are of each round's pair: median, least and most.
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
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

FRAMES = 48
Row = dict[str, Any]


def clips(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """A clip with motion and detail, and the same with noise; uint8 (T, H, W, 3)."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    texture = 24 * np.sin(x / 3) * np.cos(y / 5) + rng.normal(0, 8, (height, width))
    frames = []
    for t in range(FRAMES):
        light = 120 + 60 * np.sin((x + 3 * t) / 40) + 30 * np.cos(y / 30 - t / 9)
        gray = np.roll(texture, 2 * t, 1) + light
        frames.append(np.stack([gray, gray * 0.9 + 10, gray * 0.8 + 30], -1))
    first = np.clip(np.stack(frames), 0, 255).astype(np.uint8)
    second = np.clip(first + rng.normal(0, 8, first.shape), 0, 255).astype(np.uint8)
    return first, second


def peers(threads: int) -> dict[str, dict[str, tuple[Callable[..., float], Callable[..., float]]]]:
    """By measure and peer: our function of that convention, and the peer's."""
    import skimage.metrics
    import torch

    without_kernels()
    from torchmetrics.functional.image import (
        multiscale_structural_similarity_index_measure,
        structural_similarity_index_measure,
    )
    from torchmetrics.functional.image import peak_signal_noise_ratio as torch_psnr

    from scenewright.evaluation.fidelity import ms_ssim, psnr, ssim
    from scenewright.evaluation.fidelity.similarity import MsSsimConvention

    torch.set_num_threads(threads)
    skimage_psnr: Callable[..., float] = skimage.metrics.peak_signal_noise_ratio
    structural_similarity: Callable[..., float] = skimage.metrics.structural_similarity

    def batch(frames: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(frames).movedim(-1, 1).float()

    def in_parts(of: Callable[..., Any], a: np.ndarray, b: np.ndarray, **settings: Any) -> float:
        found = [
            of(batch(b[i : i + 8]), batch(a[i : i + 8]), data_range=255.0, **settings)
            for i in range(0, len(a), 8)
        ]
        return float(torch.stack(found).mean())

    def skimage_ssim(a: np.ndarray, b: np.ndarray) -> float:
        pairs = zip(a, b, strict=True)
        return float(
            np.mean([structural_similarity(x, y, channel_axis=-1, data_range=255) for x, y in pairs])
        )

    colours = MsSsimConvention(colors="rgb")
    found = {
        "psnr": {
            "torchmetrics": (
                lambda a, b: psnr(a, b)[0],
                lambda a, b: float(torch_psnr(batch(b), batch(a), data_range=255.0)),
            ),
            "scikit-image": (
                lambda a, b: psnr(a, b)[0],
                lambda a, b: float(skimage_psnr(a, b, data_range=255)),
            ),
        },
        "ssim": {
            "torchmetrics": (
                lambda a, b: ssim(a, b, "torchmetrics")[0],
                lambda a, b: in_parts(structural_similarity_index_measure, a, b),
            ),
            "scikit-image": (lambda a, b: ssim(a, b, "skimage")[0], skimage_ssim),
        },
        "ms-ssim": {
            "torchmetrics": (
                lambda a, b: ms_ssim(a, b, colours)[0],
                lambda a, b: in_parts(multiscale_structural_similarity_index_measure, a, b),
            ),
        },
    }
    own = {
        "psnr": lambda a, b: psnr(a, b, "frames")[0],
        "ssim": lambda a, b: ssim(a, b)[0],
        "ms-ssim": lambda a, b: ms_ssim(a, b)[0],
    }
    for measure, theirs in iqa_pytorch().items():
        found[measure]["IQA-PyTorch"] = (own[measure], theirs)
    return found


@cache
def without_kernels() -> object:
    """IQA-PyTorch imports torchvision, whose compiled part does not load beside a CPU build of torch; the two
    operators that its import asks for are declared here. Nothing calls them."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    if not torch.cuda.is_available():
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library


def iqa_pytorch() -> dict[str, Callable[..., float]]:
    """Its measures by our names; none where it is not installed."""
    import torch

    try:
        import pyiqa
    except ImportError:
        return {}

    def measured(name: str) -> Callable[..., float]:
        metric = pyiqa.create_metric(name, device="cpu")

        def of(a: np.ndarray, b: np.ndarray) -> float:
            parts = (slice(i, i + 8) for i in range(0, len(a), 8))
            tensors = ([torch.from_numpy(x[p]).movedim(-1, 1).float() / 255 for x in (b, a)] for p in parts)
            return float(torch.cat([metric(*pair) for pair in tensors]).mean())

        return of

    return {name: measured(name.replace("-", "_")) for name in ("psnr", "ssim", "ms-ssim")}


def side_by_side(
    ours: Callable[[], float], theirs: Callable[[], float], rounds: int
) -> tuple[list[float], list[float], float]:
    """Seconds of each, in turn, after one round that does not count; and how far apart the results are."""
    apart = abs(ours() - theirs())
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for function, taken in zip((ours, theirs), seconds, strict=True):
            start = time.perf_counter()
            function()
            taken.append(time.perf_counter() - start)
    return *seconds, apart


def row(measure: str, peer: str, ours: list[float], theirs: list[float], apart: float) -> Row:
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    return {
        "measure": measure,
        "peer": peer,
        "ours_ms": 1e3 * statistics.median(ours),
        "peer_ms": 1e3 * statistics.median(theirs),
        "ratio": statistics.median(ratios),
        "least": min(ratios),
        "most": max(ratios),
        "apart": apart,
    }


def fidelity(rounds: int, width: int, height: int, threads: int) -> list[Row]:
    a, b = clips(width, height)
    found = []
    for measure, by_peer in peers(threads).items():
        for peer, (ours, theirs) in by_peer.items():
            times = side_by_side(lambda f=ours: f(a, b), lambda f=theirs: f(a, b), rounds)  # type: ignore[misc]
            found.append(row(measure, peer, *times))
    return found


def vmaf_beside_ffmpeg(rounds: int, width: int, height: int) -> Row:
    """On two files, where ours reads them as the bare command does."""
    import imageio_ffmpeg

    from scenewright.clip import Clip
    from scenewright.evaluation.fidelity import vmaf
    from scenewright.media import encode

    binary, threads = imageio_ffmpeg.get_ffmpeg_exe(), os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("reference.mp4", "test.mp4")]
        for frames, file in zip(clips(width, height), files, strict=True):
            encode(Clip(frames, 25.0), file)
        log = Path(folder) / "log.json"
        scale = "setpts=N/25/TB,scale=-2:1080:flags=bicubic,format=yuv420p"
        graph = (
            f"[0:v]{scale}[t];[1:v]{scale}[r];[t][r]libvmaf=log_fmt=json:log_path={log}:n_threads={threads}"
        )
        command = [binary, "-loglevel", "error", "-nostdin", "-i", str(files[1]), "-i", str(files[0])]
        command += ["-filter_complex", graph, "-f", "null", "-"]

        def bare() -> float:
            subprocess.run(command, check=True)
            return float(json.loads(log.read_text())["pooled_metrics"]["vmaf"]["mean"])

        return row("vmaf", "ffmpeg", *side_by_side(lambda: vmaf(files[0], files[1])[0], bare, rounds))


def exact_rate(threads: int) -> float:
    """Clips of 128x128 and 16 frames that are read and scored in a second."""
    import torch

    from scenewright.evaluation.run import read_and_score
    from scenewright.evaluation.suites import load_suite
    from scenewright.evaluation.systems import WorldSystem

    torch.set_num_threads(threads)
    prompts = load_suite("world-core").select(("single", "two-objects"), 32).prompts
    frames = [clip.frames for clip in WorldSystem().clips(prompts, 0)]
    texts = [prompt.text for prompt in prompts]
    read_and_score(texts[:8], frames[:8])
    start = time.perf_counter()
    read_and_score(texts, frames)
    return len(texts) / (time.perf_counter() - start)


def memory(count: int) -> float:
    """Most resident memory in MB of a process that evaluates ``count`` clips of a folder, with all
    measures of motion and the features of sets."""
    code = (
        "import sys; from click.testing import CliRunner; from scenewright.cli.evaluate import evaluate; "
        "done = CliRunner().invoke(evaluate, sys.argv[1:], catch_exceptions=False); "
        "assert done.exit_code == 0"
    )
    from scenewright.evaluation.suites import SuitePrompt
    from scenewright.evaluation.systems import WorldSystem
    from scenewright.media import encode

    with tempfile.TemporaryDirectory() as folder:
        clip = WorldSystem(64, 64, 8).clips([SuitePrompt("a", "s", "a red ball rolls left", 1)], 0)[0]
        encode(clip, Path(folder) / "0.mp4")
        line = json.dumps({"file": "0.mp4", "prompt": "a red ball rolls left"})
        (Path(folder) / "index.jsonl").write_text(f"{line}\n" * count)
        arguments = [folder, "--metric", "exact", "--metric", "flicker", "--no-ceiling"]
        arguments += ["--metric", "frechet", "--reference", folder]
        environment = {**os.environ, "XDG_CACHE_HOME": folder, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise RuntimeError("the evaluation failed")
        return used.ru_maxrss / (1024 if sys.platform != "darwin" else 2**20)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--size", default="512x288")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clips", type=int, nargs=2, default=(100, 1000), help="for the memory")
    options = parser.parse_args()
    import cv2

    cv2.setNumThreads(options.threads)
    width, height = map(int, options.size.split("x"))
    rows = fidelity(options.rounds, width, height, options.threads)
    rows.append(vmaf_beside_ffmpeg(options.rounds, width, height))
    rate = exact_rate(options.threads)
    used = {count: memory(count) for count in options.clips}
    if options.json:
        print(json.dumps({"rows": rows, "exact_clips_per_second": rate, "memory_mb": used}))
        return
    print(f"{FRAMES} frames of {width}x{height}, {options.threads} thread(s), {options.rounds} rounds")
    for r in rows:
        print(
            f"{r['measure']:>8} {r['peer']:<13} {r['ours_ms']:8.1f} ms {r['peer_ms']:8.1f} ms   "
            f"{r['ratio']:5.2f}x ({r['least']:.2f}-{r['most']:.2f})   apart {r['apart']:.2g}"
        )
    print(f"   exact suite: {rate:.1f} clips/s")
    for count, megabytes in used.items():
        print(f"   memory of {count} clips: {megabytes:.0f} MB")


if __name__ == "__main__":
    main()
