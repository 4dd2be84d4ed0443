"""The log of a run: one JSON line every few steps, with means over them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenewright.training.callbacks.base import Callback

if TYPE_CHECKING:
    from scenewright.training.trainer import Trainer

#: Told (step, total steps, values of the log line) whenever a line is logged.
OnLog = Callable[[int, int, dict[str, float]], None]


class Logging(Callback):
    """Writes ``log.jsonl``, if it is this process that ``writes``. Lines of steps that a resumed run repeats
    are dropped."""

    name = "logging"

    def __init__(self, path: Path, every: int, on_log: OnLog | None = None, *, writes: bool = True) -> None:
        self.path, self.every, self.on_log, self.writes = path, every, on_log, writes
        self._window: list[dict[str, float]] = []

    def on_start(self, trainer: Trainer) -> None:
        self.rewind(trainer.step)

    def rewind(self, step: int) -> None:
        """Forget what was logged after ``step``: those steps are about to be taken again."""
        self._window.clear()
        if self.writes and self.path.exists():
            lines = [x for x in self.path.read_text("utf-8").splitlines() if _step_of(x) <= step]
            self.path.write_text("".join(line + "\n" for line in lines), "utf-8")

    def on_step(self, trainer: Trainer, values: dict[str, float]) -> None:
        self._window.append(values)
        if trainer.step % self.every == 0:
            self._write(trainer)

    def on_end(self, trainer: Trainer) -> None:
        if self._window:
            self._write(trainer)

    def record(self, line: dict[str, Any]) -> None:
        """A line about something else than the loss; its ``step`` tells when."""
        if self.writes:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    def _write(self, trainer: Trainer) -> None:
        window, self._window = self._window, []
        line: dict[str, Any] = {"step": trainer.step, "stage": trainer.stage}
        line["seconds"] = round(trainer.seconds, 2)
        for name in dict.fromkeys(name for values in window for name in values):
            present = [values[name] for values in window if name in values]
            line[name] = sum(present) / len(present)
        line["clips_per_second"] = trainer.recipe.stages[trainer.stage].batch / line["step_seconds"]
        self.record(line)
        if self.on_log is not None:
            self.on_log(trainer.step, trainer.recipe.total_steps, line)


def _step_of(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError):
        return 2**63  # a line cut off by a kill
