"""Contact sheets of the same prompts with the same seeds over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scenewright.clip import Prompt
from scenewright.training.callbacks.base import Callback

if TYPE_CHECKING:
    from scenewright.training.trainer import Trainer


class Samples(Callback):
    """Writes ``step-N.png`` every ``every`` steps and at the end, made as generation would make it."""

    name = "samples"

    def __init__(self, folder: Path, prompts: Sequence[str], every: int) -> None:
        self.folder, self.every = folder, every
        self.prompts = [Prompt(text=text, seed=i) for i, text in enumerate(prompts)]

    def on_step(self, trainer: Trainer, values: dict[str, float]) -> None:
        if trainer.step % self.every == 0:
            self._sample(trainer)

    def on_end(self, trainer: Trainer) -> None:
        if trainer.finished and trainer.step % self.every:
            self._sample(trainer)

    def _sample(self, trainer: Trainer) -> None:
        from scenewright.media import contact_sheet

        if not self.prompts:
            return
        pipeline = trainer.pipeline()
        if not trainer.layout.is_main:
            return
        clips = pipeline.generate(self.prompts)
        self.folder.mkdir(exist_ok=True)
        captions = [p.text for p in self.prompts]
        sheet = contact_sheet(clips, captions=captions, frames_per_clip=6, columns=1)
        path = self.folder / f"step-{trainer.step:07d}.png"
        sheet.save(path)
        trainer.logging.picture(trainer.step, "samples", path)
