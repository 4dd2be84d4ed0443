"""Losses that are not finite, and spikes: seen before they reach the weights."""

from __future__ import annotations

import math
from collections import deque
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import Field

from scenewright.config import Config
from scenewright.training.callbacks.base import Callback

if TYPE_CHECKING:
    from scenewright.training.trainer import Trainer


class GuardConfig(Config):
    """When a step is bad and what happens then.

    Bad is a loss or gradient norm that is not finite, or a gradient norm over ``spike`` times the median of
    the last ``window`` (0: spikes pass). ``action``: ``skip`` leaves the weights as they are; ``rollback``
    goes back to the last checkpoint and past the data in between (Chowdhery et al. 2022, section 5.1);
    ``stop`` ends the run. After ``patience`` bad steps in a row, or as many rollbacks to one checkpoint, the
    run stops in any case. The last ``kept`` bad batches are in ``bad-batches/``.
    """

    action: Literal["skip", "rollback", "stop"] = "skip"
    spike: float = Field(default=0.0, ge=0)
    window: int = Field(default=100, ge=10)
    patience: int = Field(default=5, ge=1)
    kept: int = Field(default=3, ge=0)


class RollbackError(Exception):
    """The run is to go back to its last checkpoint."""


class Guard(Callback):
    """Judges every gradient before it is applied."""

    name = "guard"

    def __init__(self, config: GuardConfig) -> None:
        self.config = config
        self._norms: deque[float] = deque(maxlen=config.window)
        self.in_a_row = 0
        self.skipped = 0

    def allow_update(self, trainer: Trainer, values: dict[str, float]) -> bool:
        fault = self._fault(values)
        if fault is None:
            self.in_a_row = 0
            self._norms.append(values["gradient_norm"])
            return True
        self.in_a_row += 1
        self.skipped += 1
        kept = self._keep(trainer, values, fault)
        where = f"step {trainer.step + 1}: {fault}" + (f"; the batch is in {kept}" if kept else "")
        if self.config.action == "stop" or self.in_a_row > self.config.patience:
            raise FloatingPointError(f"{where}; lower optimizer.lr and go on from the checkpoint")
        trainer.report(f"{where}; {'the step is skipped' if self._skips else 'back to the last checkpoint'}")
        if not self._skips:
            raise RollbackError
        return False

    def state_dict(self) -> dict[str, Any]:
        return {"norms": torch.tensor(_padded(self._norms), dtype=torch.float64), "skipped": self.skipped}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._norms = deque((x for x in state["norms"].tolist() if x >= 0), maxlen=self.config.window)
        self.skipped = int(state["skipped"])

    @property
    def _skips(self) -> bool:
        return self.config.action == "skip"

    def _fault(self, values: dict[str, float]) -> str | None:
        loss, norm = values["loss"], values["gradient_norm"]
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if not math.isfinite(norm):
            return f"the gradient norm is {norm}"
        if self.config.spike and len(self._norms) >= 10:
            usual = median(self._norms)
            if norm > self.config.spike * usual:
                return (
                    f"the gradient norm {norm:.3g} is over {self.config.spike:g} times the usual {usual:.3g}"
                )
        return None

    def _keep(self, trainer: Trainer, values: dict[str, float], fault: str) -> str | None:
        if not self.config.kept or trainer.inputs is None:
            return None
        folder = trainer.output / "bad-batches"
        folder.mkdir(exist_ok=True)
        layout = trainer.layout
        which = "" if layout.processes == 1 else f"-rank-{layout.rank}"
        path = folder / f"step-{trainer.step + 1:07d}{which}.pt"
        inputs = trainer.inputs
        torch.save(
            {"fault": fault, "values": values, "captions": list(inputs.captions), "x": inputs.x.cpu()}, path
        )
        for old in sorted(folder.glob(f"step-???????{which}.pt"))[: -self.config.kept]:
            old.unlink()
        return str(path)


def _padded(norms: deque[float]) -> list[float]:
    """A fixed number of values, so that checkpoints of any moment have the same shape."""
    assert norms.maxlen is not None
    return [*norms, *[-1.0] * (norms.maxlen - len(norms))]
