"""The log of a run: a line every few steps, with means over them, to every sink of the recipe."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from scenewright.machine import measured_peak
from scenewright.training.callbacks.base import Callback
from scenewright.training.metering import Meter, find_energy
from scenewright.training.sinks import JsonLines, Sink, flat, open_sinks

if TYPE_CHECKING:
    from scenewright.training.trainer import Trainer

#: Told (step, total steps, values of the log line) whenever a line is logged.
OnLog = Callable[[int, int, dict[str, Any]], None]


class Logging(Callback):
    """Means of what a step tells, and what the run uses, every ``every`` steps and at the end.

    Only the process that ``writes`` does anything. Lines of steps that a resumed run repeats are dropped.
    """

    name = "logging"

    def __init__(self, folder: Path, every: int, on_log: OnLog | None = None, *, writes: bool = True) -> None:
        self.folder, self.every, self.on_log, self.writes = folder, every, on_log, writes
        self.meter = Meter(0.0, 0.0, peak_flops=1.0)
        self._lines = JsonLines(folder / "log.jsonl")
        self._more: list[Sink] = []
        self._window: list[dict[str, float]] = []

    def on_start(self, trainer: Trainer) -> None:
        # Not above: the planner knows the recipe, and the recipe the settings of callbacks.
        from scenewright.training.planning.hardware import usual_watts

        if not self.writes:
            return
        recipe, processes, device = trainer.recipe, trainer.layout.processes, trainer.device
        settings = flat(recipe.model_dump(mode="json"))
        self._more = open_sinks(self.folder, recipe.name, recipe.sinks, settings, trainer.report)
        self.rewind(trainer.step)
        self.meter.device, self.meter.processes = device, processes
        self.meter.price = recipe.metering.price
        self.meter.peak_flops = processes * _peak(str(device), recipe.autocast, torch.get_num_threads())
        self.meter.energy = find_energy(device, recipe.metering.watts or usual_watts(device))
        self.record({"step": trainer.step, **self.meter.describe()})

    def rewind(self, step: int) -> None:
        """Forget what was logged after ``step``: those steps are about to be taken again."""
        self._window.clear()
        for sink in self._sinks():
            sink.rewind(step)

    def on_step(self, trainer: Trainer, values: dict[str, float]) -> None:
        if not self.writes:
            return
        self._window.append(values)
        assert trainer.inputs is not None
        work = trainer.family.work(trainer.stage, trainer.inputs, trainer.device)
        self.meter.flops_per_clip, self.meter.tokens_per_clip = work
        self.meter.update(trainer.inputs.draws.batch, values["step_seconds"], values["data_wait"])
        if trainer.step % self.every == 0:
            self._write(trainer)

    def on_end(self, trainer: Trainer) -> None:
        if self._window:
            self._write(trainer)

    def record(self, line: dict[str, Any]) -> None:
        """A line about something else than the loss; its ``step`` tells when."""
        values = {name: value for name, value in line.items() if name != "step"}
        for sink in self._sinks():
            sink.log(line["step"], values)

    def picture(self, step: int, name: str, path: Path) -> None:
        """A picture in the run's folder that belongs to ``step``."""
        for sink in self._sinks():
            sink.picture(step, name, path)

    def close(self) -> None:
        """Nothing more comes from this part of the run; events may still go to the JSON lines."""
        for sink in self._more:
            sink.close()
        self._more = []

    def state_dict(self) -> dict[str, Any]:
        return self.meter.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        # What steps cost that were taken back is spent all the same.
        now = self.meter.state_dict()
        self.meter.load_state_dict({name: max(float(state[name]), now[name]) for name in now})

    def _sinks(self) -> list[Sink]:
        return [self._lines, *self._more] if self.writes else []

    def _write(self, trainer: Trainer) -> None:
        window, self._window = self._window, []
        line: dict[str, Any] = {"step": trainer.step, "stage": trainer.stage}
        line["seconds"] = round(trainer.seconds, 2)
        for name in dict.fromkeys(name for values in window for name in values):
            present = [values[name] for values in window if name in values]
            line[name] = sum(present) / len(present)
        line |= self.meter.read()
        self.record(line)
        if self.on_log is not None:
            self.on_log(trainer.step, trainer.recipe.total_steps, line)


@lru_cache
def _peak(device: str, precision: str, threads: int) -> float:
    """Measured once a process: ``threads`` is there because it changes the answer."""
    return measured_peak(device, precision)
