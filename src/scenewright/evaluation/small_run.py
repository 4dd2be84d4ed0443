"""A training run of a small network of the package: averaged weights, a checkpoint to go on from, a log."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from scenewright.media.atomic import atomic

EMA_DECAY = 0.998


class SmallRun:
    """``step``: how many were taken, those of an interrupted run in ``folder`` counted. Averages are of the
    whole state, running statistics of normalisation among it."""

    def __init__(self, network: nn.Module, folder: Path, lr: float) -> None:
        self.network, self.folder = network, folder
        decay = [p for p in network.parameters() if p.ndim > 1]
        plain = [p for p in network.parameters() if p.ndim <= 1]
        groups = [{"params": decay, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98))
        self.average = {name: value.clone() for name, value in network.state_dict().items()}
        self.step = 0
        self._last = folder / "last.pt"
        self._clock = time.process_time()
        if self._last.exists():
            state = torch.load(self._last, weights_only=True)
            network.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.average, self.step = state["average"], state["step"]

    def take(self, loss: torch.Tensor, lr: float) -> None:
        """One step down ``loss``."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self.step += 1
        momentum = min(EMA_DECAY, self.step / (self.step + 10))
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - momentum)
            else:
                self.average[name].copy_(value)

    def log(self, row: Mapping[str, float]) -> None:
        """A JSON line in ``log.jsonl``."""
        seconds = round(time.process_time() - self._clock, 1)
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps({"step": self.step, "cpu_seconds": seconds, **row}) + "\n")

    def save(self) -> None:
        """The checkpoint appears whole, or not at all."""
        state = {
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
            "step": self.step,
        }
        with atomic(self._last) as partial:
            torch.save(state, partial)

    def finish(self) -> None:
        """The network has the averaged weights, and is in evaluation mode."""
        self.network.load_state_dict(self.average)
        self.network.eval()
