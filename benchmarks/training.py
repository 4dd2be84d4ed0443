"""A training step beside diffusers' Wan transformer, the input pipeline, several processes, checkpoints.

    python benchmarks/training.py [--only step input processes checkpoints] [--json] [--threads 2]
    python benchmarks/training.py --only step large --device cuda --batch 64 [--json]

The peer needs ``pip install 'scenewright[bench]'``. Its transformer gets nano's sizes: the same patches,
width, heads, layers and words, and a feed-forward width at which both have as many parameters in a
block. Both take the same step: forward, squared error, backward, clipped AdamW in bfloat16 autocast; they
alternate, and the ratio is of neighbours, with its least and most. Both begin with random weights; nothing is
downloaded. ``large``: the same with 300 million parameters and 4,096 tokens a clip, and the share of the
GPU's bfloat16 peak, measured and by the data sheet, that the model's operations come to.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scenewright.config import load_recipe, to_yaml
from scenewright.data.streams import StreamConfig, batches
from scenewright.machine import keep_freed_memory, measured_peak
from scenewright.models.flow_transformer import FlowTransformer, FlowTransformerConfig
from scenewright.training.config import Stage, TrainingRecipe

BATCH, WORDS = 16, 32
#: Of the network of ``large``: 309 million parameters without the text encoder.
LARGE = {"channels": 16, "patch": (1, 2, 2), "width": 1024, "layers": 14, "heads": 16}
LARGE |= {"num_frames": 4, "height": 64, "width_pixels": 64, "given_frames": 0}


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument(
        "--only", nargs="+", choices=list(SECTIONS), default=[n for n in SECTIONS if n != "large"]
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=10)
    kinds = ("eager", "compiled")
    parser.add_argument("--blocks", nargs="+", choices=kinds, default=kinds, help="of step and large")
    parser.add_argument("--device", default="cpu", help="of step and large: cpu or cuda")
    parser.add_argument("--batch", type=int, default=BATCH, help="of step; large has an eighth")
    parser.add_argument("--process-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    if options.process_of:
        run(options.process_of)
        return
    results = {}
    for name in options.only:
        results[name] = SECTIONS[name](options)
        if not options.json:
            print(f"-- {name}")
            print("\n".join(_line(row) for row in results[name]), flush=True)
    if options.json:
        print(json.dumps(results))


# ------------------------------------------------------------------------------------------------------ step


def step(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds a step of both networks, eager and compiled."""
    return _beside(options, _network(), options.batch)


def large(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The same of a network whose size a GPU is for."""
    return _beside(options, _network().model_copy(update=LARGE), max(1, options.batch // 8))


def _beside(options: argparse.Namespace, config: FlowTransformerConfig, batch: int) -> list[dict[str, Any]]:
    from scenewright.training.planning.hardware import gpu_of

    device = torch.device(options.device)
    peak = measured_peak(options.device, "bfloat16")
    gflop: dict[str, float] = {}
    rows = []
    for blocks in options.blocks:
        torch.compiler.reset()
        makers = {"ours": _ours, "diffusers": _peer}
        steps = {name: make(config, batch, device, blocks == "compiled") for name, make in makers.items()}
        times: dict[str, list[float]] = {name: [] for name in steps}
        for repeat in range(options.repeats + 2):
            for name, take in steps.items():
                _wait(device)
                began = time.perf_counter()
                take()
                _wait(device)
                if repeat >= 2:
                    times[name].append(time.perf_counter() - began)
        ratios = [b / a for a, b in zip(times["ours"], times["diffusers"], strict=True)]
        row: dict[str, Any] = {"blocks": blocks, "batch": batch}
        row |= {f"{name} (s)": statistics.median(values) for name, values in times.items()}
        row |= {"ratio": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}
        if not gflop:
            gflop = {name: _gflop(take) for name, take in steps.items()}
        row |= {f"{name} (GFLOP)": value for name, value in gflop.items()}
        for name, values in times.items():
            row[f"{name} (of measured peak)"] = gflop[name] * 1e9 / statistics.median(values) / peak
        row["peak (GFLOP/s)"] = peak / 1e9
        if device.type == "cuda":
            row["gpu"] = torch.cuda.get_device_name()
            if (sheet := gpu_of(device)) is not None:
                row["ours (of data sheet)"] = gflop["ours"] * 1e9 / row["ours (s)"] / sheet.bfloat16
        rows.append(row)
    return rows


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _ours(
    config: FlowTransformerConfig, batch: int, device: torch.device, compiled: bool
) -> Callable[[], None]:
    torch.manual_seed(0)
    model = FlowTransformer(config).to(device)
    if compiled:
        for block in model.blocks:
            block.compile()
    x, noise, sigma, words = _inputs(config, batch, device)
    pooled, mask = words.mean(1), torch.ones(batch, WORDS, dtype=torch.bool, device=device)
    trained = [p for n, p in model.named_parameters() if not n.startswith("text_encoder.")]
    z = torch.lerp(x, noise, sigma.view(-1, 1, 1, 1, 1))
    return _step(trained, lambda: (model(z, sigma, words, pooled, mask).float() - x).square().mean())


def _peer(
    config: FlowTransformerConfig, batch: int, device: torch.device, compiled: bool
) -> Callable[[], None]:
    torch.manual_seed(0)
    model: Any = importlib.import_module("diffusers").WanTransformer3DModel(
        patch_size=config.patch,
        num_attention_heads=config.heads,
        attention_head_dim=config.width // config.heads,
        in_channels=config.channels,
        out_channels=config.channels,
        text_dim=config.text.width,
        ffn_dim=int(config.mlp_ratio * config.width) * 3 // 2,
        num_layers=config.layers,
    )
    model.to(device)
    if compiled:
        for block in model.blocks:
            block.compile()
    x, noise, sigma, words = _inputs(config, batch, device)
    z, velocity = torch.lerp(x, noise, sigma.view(-1, 1, 1, 1, 1)), noise - x
    timestep = (sigma * 1000).long()

    def loss() -> torch.Tensor:
        found = model(z, timestep, words, return_dict=False)[0]
        return (found.float() - velocity).square().mean()

    return _step(list(model.parameters()), loss)


def _step(parameters: list[nn.Parameter], loss: Callable[[], torch.Tensor]) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)
    device = parameters[0].device.type

    def take() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16):
            value = loss()
        value.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return take


def _inputs(config: FlowTransformerConfig, batch: int, device: torch.device) -> tuple[torch.Tensor, ...]:
    shape = (batch, config.channels, config.num_frames, config.height, config.width_pixels)
    words = torch.randn(batch, WORDS, config.text.width)
    return tuple(x.to(device) for x in (torch.randn(shape), torch.randn(shape), torch.rand(batch), words))


def _gflop(take: Callable[[], None]) -> float:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        take()
    return counter.get_total_flops() / 1e9


# ----------------------------------------------------------------------------------------------------- input


def input_(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Clips a second that the pipeline gives, beside what a compiled step of nano takes on this machine."""
    torch.compiler.reset()
    take = _ours(_network(), BATCH, torch.device("cpu"), compiled=True)
    for _ in range(2):
        take()
    began = time.perf_counter()
    for _ in range(options.repeats):
        take()
    consumed = BATCH * options.repeats / (time.perf_counter() - began)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        world = _nano().stages[-1].data.model_copy(update={"shards": ()})
        streams = {"world, scenes of nano's last stage": world, "shards": _shards(Path(folder))}
        for name, stream in streams.items():
            count = 4 if name.startswith("world") else 40
            feed = batches(stream, BATCH, 0, count + 4, workers=options.threads)
            for _ in range(4):
                next(feed)
            began = time.perf_counter()
            for _ in range(count):
                next(feed)
            fed = BATCH * count / (time.perf_counter() - began)
            rows.append(
                {"source": name, "clips/s": fed, "nano takes (clips/s)": consumed, "ratio": fed / consumed}
            )
    return rows


# ------------------------------------------------------------------------------------------------- processes


def processes(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Clips a second of whole runs with one thread in each process."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        stream = _shards(Path(folder))
        for name, count, parallel in (
            ("1 process", 1, {}),
            ("2 processes, data", 2, {"data": 2}),
            ("2 processes, shard", 2, {"shard": 2}),
        ):
            recipe = _recipe(stream, steps=options.repeats + 2, parallel=parallel, threads=1)
            output = Path(folder) / name.replace(" ", "-")
            output.mkdir()
            (output / "benchmark.yaml").write_text(to_yaml(recipe))
            command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={count}"]
            command += ["--standalone", __file__, "--threads", "1", "--process-of", str(output)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times = _step_seconds(output)
            rows.append(
                {"run": name, "step (s)": statistics.median(times), "least": min(times), "most": max(times)}
            )
    for row in rows:
        row["speed-up"] = rows[0]["step (s)"] / row["step (s)"]
    return rows


def run(folder: Path) -> None:
    """One process of :func:`processes`."""
    from scenewright.training.parallel import teardown_distributed
    from scenewright.training.trainer import Trainer

    Trainer(load_recipe(TrainingRecipe, folder / "benchmark.yaml"), folder).run()
    teardown_distributed()


# ----------------------------------------------------------------------------------------------- checkpoints


def checkpoints(options: argparse.Namespace) -> list[dict[str, Any]]:
    """How long a step waits for a checkpoint, and how long a run takes to go on from one."""
    from scenewright.training.callbacks import Callback
    from scenewright.training.trainer import Trainer

    class Stall(Callback):
        name = "stall"
        seconds: list[float] = []  # noqa: RUF012

        def on_step(self, trainer: Trainer, values: dict[str, float]) -> None:
            began = time.perf_counter()
            trainer.save()
            self.seconds.append(time.perf_counter() - began)

    with tempfile.TemporaryDirectory() as folder:
        stream = _shards(Path(folder))
        recipe = _recipe(stream, steps=options.repeats + 2, parallel={}, threads=options.threads)
        plain = Path(folder) / "plain"
        Trainer(recipe, plain).run()
        without = statistics.median(_step_seconds(plain))
        stall = Stall()
        Trainer(recipe, Path(folder) / "saving", callbacks=[stall]).run()
        saving = statistics.median(_step_seconds(Path(folder) / "saving"))
        waits = stall.seconds[2:]
        began = time.perf_counter()
        Trainer(recipe, Path(folder) / "saving", callbacks=[Stall()])
        resumed = time.perf_counter() - began
        began = time.perf_counter()
        Trainer(recipe, Path(folder) / "fresh")
        fresh = time.perf_counter() - began
    return [
        {"what": "step without checkpoints (s)", "median": without},
        {"what": "step while one is written after each (s)", "median": saving, "share": saving / without - 1},
        {
            "what": "wait for a checkpoint (s)",
            "median": statistics.median(waits),
            "least": min(waits),
            "most": max(waits),
            "share": statistics.median(waits) / without,
        },
        {"what": "start from a checkpoint (s)", "median": resumed},
        {"what": "start from nothing (s)", "median": fresh},
    ]


# ---------------------------------------------------------------------------------------------------- shared


def _nano() -> TrainingRecipe:
    return load_recipe(TrainingRecipe, "nano")


def _network() -> FlowTransformerConfig:
    network = _nano().network
    assert isinstance(network, FlowTransformerConfig)
    return network


def _recipe(stream: StreamConfig, steps: int, parallel: dict[str, int], threads: int) -> TrainingRecipe:
    values = _nano().model_dump() | {
        "stages": [Stage(steps=steps, batch=BATCH, data=stream).model_dump()],
        "parallel": parallel,
        "threads": threads,
        "workers": 0,
        "sample_prompts": (),
        "checkpoint_every": 10_000,
        "log_every": 1,
        "validation": None,
        "init_from": None,
        "sinks": {"tensorboard": False},
    }
    return TrainingRecipe.model_validate(values)


def _shards(folder: Path) -> StreamConfig:
    """Shards of nano's size, of one object standing still or moving."""
    target = folder / "shards"
    if not target.exists():
        size = f"{_network().width_pixels}x{_network().height}"
        command = [sys.executable, "-m", "scenewright", "world", "sample", "--clips", "128", "--size", size]
        subprocess.run([*command, "--as", "shards", "--output", str(target)], check=True, capture_output=True)
    return _nano().stages[-1].data.model_copy(update={"shards": (target,)})


def _step_seconds(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["step_seconds"] for line in lines if "loss" in line][2:]


def _line(row: dict[str, Any]) -> str:
    return ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items())


SECTIONS = {
    "step": step,
    "large": large,
    "input": input_,
    "processes": processes,
    "checkpoints": checkpoints,
}


if __name__ == "__main__":
    main()
