"""Trains small networks."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from zoo import SCENES

CLIPS = 6_000
SIZE = {"width": 32, "height": 32, "num_frames": 8, "fps": 4.0}
SHAPED = ["network.num_frames=8", "network.height=32", "network.width_pixels=32"]
MADE = [*SHAPED, "network.fps=4.0"]
#: Recipe, steps, batch and further changes of each network.
NETWORKS: dict[str, tuple[str, int, int, list[str]]] = {
    "damsm": ("zoo/damsm", 1500, 32, [*SHAPED, "network.channels=16", "network.common=96"]),
    "vilbert": ("zoo/vilbert", 1500, 16, [*SHAPED, "network.patch=[2,8,8]"]),
    "c-gan": ("zoo/c-gan", 600, 16, [*MADE, "network.channels=64"]),
    "seq2seq": ("zoo/seq2seq", 600, 16, MADE),
    "flow": (
        "zoo/flow",
        2000,
        16,
        [*MADE, "network.patch=[2,8,8]", "network.width=128", "network.layers=4", "network.bottleneck=96"],
    ),
}


def recipe_of(folder: Path, name: str, threads: int) -> Any:
    from scenewright.config import load_recipe
    from scenewright.training.config import TrainingRecipe

    recipe, steps, batch, changes = NETWORKS[name]
    data = {**SCENES["one"], **SIZE}
    told = [f"stages.0.data.{key}={json.dumps(value)}" for key, value in data.items()]
    told += [f"stages.0.data.shards=[{folder / 'clips'}]", f"stages.0.steps={steps}", f"stages.0.batch={batch}"]
    told += [f"threads={threads}", "workers=0", "sample_every=100000", "sample_prompts=[]", "log_every=50"]
    return load_recipe(TrainingRecipe, recipe, [*told, *changes])


def train(folder: Path, name: str, threads: int) -> None:
    from scenewright.data.world_source import WorldSource, render_shards
    from scenewright.training.trainer import Trainer

    render_shards(WorldSource.model_validate({**SCENES["one"], **SIZE}), folder / "clips", CLIPS)
    began = time.process_time()
    trainer = Trainer(recipe_of(folder, name, threads), folder / name)
    trainer.run()
    print(f"{name}: {time.process_time() - began:.0f} core-seconds", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("runs/feedback"))
    options = parser.parse_args()
    for name in options.names:
        train(options.folder, name, options.threads)


if __name__ == "__main__":
    main()
