"""An autoencoder trained by two processes is that of one: its codebook and the scale of its latents too."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

PROGRAM = """
import sys
from pathlib import Path
from scenewright.config import load_recipe
from scenewright.training.config import TrainingRecipe
from scenewright.training.parallel import teardown_distributed
from scenewright.training.trainer import Trainer

Trainer(load_recipe(TrainingRecipe, Path(sys.argv[1])), Path(sys.argv[2])).run()
teardown_distributed()
"""

RECIPE = """
name: spread
network:
  family: video-autoencoder
  patch: [4, 2, 2]
  widths: [8, 12]
  encoder_blocks: [1, 1]
  decoder_blocks: [1, 1]
  bottleneck: {name: %s, channels: 3%s}
stages:
  - {steps: 4, batch: 4, data: {width: 16, height: 16, num_frames: 4, sampler: {num_objects: [1, 1]}}}
objective: {name: reconstruction%s}
optimizer: {name: adamw, lr: 1.0e-3}
accumulate: 2
threads: 1
workers: 0
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


JUDGE = ", adversarial: {start: 1, width: 4, depth: 2, updates: 2, norm: group}"


@pytest.mark.parametrize(
    ("kind", "settings", "more"), [("kl", "", JUDGE), ("vq", ", codes: 4", "")], ids=["kl, judged", "vq"]
)
def test_two_processes_train_the_autoencoder_of_one(kind, settings, more, tmp_path):
    program, recipe = tmp_path / "program.py", tmp_path / "recipe.yaml"
    program.write_text(PROGRAM)
    recipe.write_text(RECIPE % (kind, settings, more))
    spread = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for command, name in (([sys.executable], "one"), (spread, "two")):
        subprocess.run(
            [*command, str(program), str(recipe), str(tmp_path / name)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            check=True,
            timeout=500,
        )
    one, two = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("one", "two"))
    assert one["settled"] == two["settled"] == 4
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=2e-3, rtol=2e-3)
