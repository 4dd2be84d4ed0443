"""How many clips of 16 frames the renderer makes a second, on real sampled scenes.

    python benchmarks/rendering.py [--json] [--processes 2] [--seconds 6] [--device cpu]

Every process renders with one thread, as data loaders do; simulation is included, sampling scenes is not.
Beside clips a second of time it gives clips a second of processor time, which a busy machine changes less.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time

from scenewright.world.scene import Scene

SIZES = (64, 128)
COUNTS = (1, 3)
CAMERAS = ("static", "moving")
Case = tuple[int, int, str]


def scenes_of(case: Case, count: int, seed: int) -> list[Scene]:
    from scenewright.world.layout import SamplerConfig, sample_scene

    objects, _, camera = case
    config = SamplerConfig(
        num_objects=(objects, objects), moving_camera=float(camera == "moving"), settings=0.7
    )
    return [sample_scene(seed * 10_000 + i, config=config) for i in range(count)]


def measure(job: tuple[Case, float, str, int]) -> tuple[float, float]:
    """Clips a second, and a second of processor time, of one process that renders for the given time."""
    import torch

    from scenewright.world.render import render

    case, seconds, device, seed = job
    torch.set_num_threads(1)
    _, size, _ = case
    batch = (32 if size == 64 else 8) if device == "cpu" else 256
    scenes = scenes_of(case, 2 * batch, seed)
    render(scenes[:2], width=size, height=size, device=device)
    made, start, spent = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < seconds:
        part = scenes[:batch] if made // batch % 2 == 0 else scenes[batch:]
        render(part, width=size, height=size, device=device)
        made += batch
    return made / (time.perf_counter() - start), made / (time.process_time() - spent)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    results = []
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for case in [(objects, size, camera) for size in SIZES for objects in COUNTS for camera in CAMERAS]:
            jobs = [(case, options.seconds, options.device, seed) for seed in range(options.processes)]
            rates, per_core = zip(*pool.map(measure, jobs, chunksize=1), strict=True)
            objects, size, camera = case
            result = {
                "objects": objects,
                "size": size,
                "camera": camera,
                "clips_per_second": sum(rates),
                "clips_per_cpu_second": sum(per_core) / len(per_core),
            }
            results.append(result)
            if not options.json:
                print(
                    f"{size:>4} px, {objects} objects, {camera} camera: {result['clips_per_second']:7.1f} "
                    f"clips/s, {result['clips_per_cpu_second']:7.1f} per CPU second",
                    flush=True,
                )
    if options.json:
        print(json.dumps({"processes": options.processes, "device": options.device, "results": results}))


if __name__ == "__main__":
    main()
