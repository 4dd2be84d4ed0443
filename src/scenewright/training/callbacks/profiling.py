"""A look into a few steps of a run with PyTorch's profiler."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pydantic import Field
from torch.profiler import ProfilerActivity, profile

from scenewright.config import Config
from scenewright.training.callbacks.base import Callback

if TYPE_CHECKING:
    from scenewright.training.trainer import Trainer


class ProfileConfig(Config):
    """``steps`` steps are looked into, after ``after`` others of this process: the first ones warm up."""

    after: int = Field(default=10, ge=0)
    steps: int = Field(default=3, ge=1)


class Profiling(Callback):
    """Writes ``step-N.json.gz`` (open it in https://ui.perfetto.dev) and ``step-N.txt``, the operators that
    took longest; N is the last step of those looked into."""

    name = "profiling"

    def __init__(self, folder: Path, config: ProfileConfig) -> None:
        self.folder, self.config = folder, config
        self._taken = 0
        self._profile: profile | None = None

    def on_start(self, trainer: Trainer) -> None:
        if self.config.after == 0:
            self._begin(trainer.device)

    def on_step(self, trainer: Trainer, values: dict[str, float]) -> None:
        self._taken += 1
        if self._taken == self.config.after:
            self._begin(trainer.device)
        elif self._taken == self.config.after + self.config.steps:
            self._finish(trainer.step)

    def on_end(self, trainer: Trainer) -> None:
        self._finish(trainer.step)

    def _begin(self, device: torch.device) -> None:
        if self._taken > self.config.after:
            return
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
        self._profile = profile(activities=activities)
        self._profile.start()

    def _finish(self, step: int) -> None:
        if self._profile is None:
            return
        looked, self._profile = self._profile, None
        looked.stop()
        self.folder.mkdir(parents=True, exist_ok=True)
        looked.export_chrome_trace(str(self.folder / f"step-{step:07d}.json.gz"))
        on_gpu = ProfilerActivity.CUDA in looked.activities
        order = "self_device_time_total" if on_gpu else "self_cpu_time_total"
        table = looked.key_averages().table(sort_by=order, row_limit=30, max_name_column_width=60)
        (self.folder / f"step-{step:07d}.txt").write_text(table + "\n", encoding="utf-8")
