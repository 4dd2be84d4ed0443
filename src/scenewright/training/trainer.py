"""The training loop: one process, resumable after a kill at any point.

Step ``k`` depends only on the recipe and the state after step ``k - 1``: batches are indexed by step and the
noise is keyed by (seed, step), so a resumed run repeats the uninterrupted one bit for bit on one machine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from scenewright.clip import Prompt, frames_to_tensor
from scenewright.config import to_yaml
from scenewright.data.streams import Batch, batches
from scenewright.generation.loading import load_pipeline, save_pipeline
from scenewright.generation.pipeline import TextToVideo
from scenewright.models.flow_transformer import FlowTransformer
from scenewright.seeds import keyed_generator
from scenewright.text.tokenizer import Tokenizer
from scenewright.training.checkpoint import load_checkpoint, save_checkpoint
from scenewright.training.config import TrainingRecipe
from scenewright.training.ema import EMA
from scenewright.training.flow_matching import FlowMatching
from scenewright.training.optimizers import build_optimizers
from scenewright.training.schedules import warmup_stable_decay
from scenewright.training.vocabulary import training_tokenizer, training_words

#: Told (step, total steps, values of the log line) whenever a line is logged.
OnLog = Callable[[int, int, dict[str, float]], None]


class Trainer:
    """Trains a recipe into ``output``: ``log.jsonl``, ``checkpoint.pt``, ``samples/``, ``model/``."""

    def __init__(self, recipe: TrainingRecipe, output: Path, on_log: OnLog | None = None) -> None:
        self.recipe, self.output, self.on_log = recipe, Path(output), on_log
        self.output.mkdir(parents=True, exist_ok=True)
        if recipe.threads:
            torch.set_num_threads(recipe.threads)
        torch.manual_seed(recipe.seed)
        self.tokenizer = self._tokenizer()
        self.model = FlowTransformer(recipe.network).train()
        if recipe.init_from is not None:
            self.model.load_state_dict(load_pipeline(recipe.init_from).model.state_dict())
        self.ema = EMA(self.model, recipe.ema_decay)
        self.optimizers = build_optimizers(self.model, recipe.optimizer)
        if recipe.compile:
            for block in (*self.model.blocks, *self.model.text_encoder.layers):
                block.compile()
        self.step = 0
        self.seconds = 0.0
        self._resume()

    def run(self, until: int | None = None) -> None:
        """Train to the end of the recipe, or to step ``until``."""
        total = self.recipe.total_steps
        stop = total if until is None else min(until, total)
        window: list[dict[str, float]] = []
        stream, stage_index = self._stream(stop)
        began = time.monotonic()
        while self.step < stop:
            if self.recipe.stage_at(self.step)[0] != stage_index:
                stream, stage_index = self._stream(stop)
            waited = time.monotonic()
            batch = next(stream)
            data_seconds = time.monotonic() - waited
            values = self._train_step(batch)
            self.step += 1
            now = time.monotonic()
            self.seconds, began = self.seconds + now - began, now
            window.append({**values, "data_wait": data_seconds, "step_seconds": now - waited})
            if self.step % self.recipe.log_every == 0 or self.step == stop:
                self._log(window, stage_index, len(batch.captions))
                window.clear()
            if self.step % self.recipe.checkpoint_every == 0 or self.step == stop:
                self.save()
            if self.step % self.recipe.sample_every == 0 or self.step == stop:
                self.sample()
        self.export()

    def pipeline(self) -> TextToVideo:
        """The averaged weights as a pipeline; it shares them with the trainer."""
        return TextToVideo(
            model=self.ema.model,
            tokenizer=self.tokenizer,
            settings=self.recipe.sampling,
            words=training_words(),
            name=self.recipe.name,
        )

    def save(self) -> None:
        state = {
            "recipe": self.recipe.identity,
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        save_checkpoint(self.output / "checkpoint.pt", state)

    def export(self) -> Path:
        """Write the averaged weights as a model folder that ``generate`` loads."""
        save_pipeline(self.pipeline(), self.output / "model")
        return self.output / "model"

    def sample(self) -> None:
        """A contact sheet of the recipe's prompts with fixed seeds, as generation would make them."""
        from scenewright.media import contact_sheet

        if not self.recipe.sample_prompts:
            return
        prompts = [Prompt(text=text, seed=i) for i, text in enumerate(self.recipe.sample_prompts)]
        clips = self.pipeline().generate(prompts)
        folder = self.output / "samples"
        folder.mkdir(exist_ok=True)
        sheet = contact_sheet(clips, captions=[p.text for p in prompts], frames_per_clip=6, columns=1)
        sheet.save(folder / f"step-{self.step:07d}.png")

    def _train_step(self, batch: Batch) -> dict[str, float]:
        recipe = self.recipe
        stage = recipe.stages[recipe.stage_at(self.step)[0]]
        objective = FlowMatching(stage.objective or recipe.objective)
        generator = keyed_generator(recipe.seed, "step", self.step)
        rate = (
            recipe.optimizer.lr
            * stage.lr_scale
            * warmup_stable_decay(
                self.step,
                warmup=recipe.warmup,
                total=recipe.total_steps,
                decay_fraction=recipe.decay_fraction,
            )
        )
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        keep = torch.rand(len(batch.captions), generator=generator) >= objective.config.caption_dropout
        captions = [text if kept else "" for text, kept in zip(batch.captions, keep.tolist(), strict=True)]
        ids, mask = self.tokenizer.batch(captions, recipe.network.text.max_tokens, multiple=32)
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            loss, parts = objective.loss(self.model, frames_to_tensor(batch.frames), ids, mask, generator)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), recipe.gradient_clip)
        if not torch.isfinite(norm):
            raise FloatingPointError(
                f"step {self.step}: the gradient is not finite; lower optimizer.lr and start again from "
                "the checkpoint"
            )
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.ema.update(self.model)
        return {"loss": loss.item(), **parts, "gradient_norm": norm.item(), "lr": rate}

    def _stream(self, stop: int) -> tuple[Iterator[Batch], int]:
        index, first = self.recipe.stage_at(self.step)
        stage = self.recipe.stages[index]
        end = min(stage.steps, stop - first)
        stream = batches(stage.data, stage.batch, self.step - first, end, self.recipe.workers)
        return stream, index

    def _log(self, window: list[dict[str, float]], stage: int, batch: int) -> None:
        names = dict.fromkeys(name for values in window for name in values)
        line: dict[str, Any] = {"step": self.step, "stage": stage, "seconds": round(self.seconds, 2)}
        for name in names:
            present = [values[name] for values in window if name in values]
            line[name] = sum(present) / len(present)
        line["clips_per_second"] = batch / line["step_seconds"]
        with (self.output / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if self.on_log is not None:
            self.on_log(self.step, self.recipe.total_steps, line)

    def _tokenizer(self) -> Tokenizer:
        """The run's own, the one of ``init_from``, or a new one fitted to the world's captions."""
        path = self.output / "tokenizer.model"
        if not path.exists():
            if self.recipe.init_from is not None:
                tokenizer = load_pipeline(self.recipe.init_from).tokenizer
            else:
                tokenizer = training_tokenizer(self.recipe.network.text.vocabulary)
            tokenizer.save(path)
        return Tokenizer.load(path)

    def _resume(self) -> None:
        path = self.output / "checkpoint.pt"
        if not path.exists():
            (self.output / "recipe.yaml").write_text(to_yaml(self.recipe), encoding="utf-8")
            return
        state = load_checkpoint(path)
        if state["recipe"] != self.recipe.identity:
            raise ValueError(
                f"{self.output} holds a run of another recipe; choose another --output, or use the recipe in "
                f"{self.output / 'recipe.yaml'}"
            )
        self.step, self.seconds = state["step"], state["seconds"]
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self._trim_log()

    def _trim_log(self) -> None:
        """Drop lines of steps after the checkpoint: they are about to be repeated."""
        path = self.output / "log.jsonl"
        if path.exists():
            lines = [line for line in path.read_text("utf-8").splitlines() if _step_of(line) <= self.step]
            path.write_text("".join(line + "\n" for line in lines), "utf-8")


def _step_of(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError):
        return 2**63  # a line cut off by a kill
