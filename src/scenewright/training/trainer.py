"""The training loop: model x objective x callbacks, resumable after a kill at any point.

Step ``k`` depends only on the recipe and the state after step ``k - 1``: batches are indexed by step and all
random numbers are keyed by (seed, step, sample), so a resumed run repeats the uninterrupted one bit for bit
on one machine.
"""

from __future__ import annotations

import signal
import time
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scenewright.config import to_yaml
from scenewright.data.streams import Batch
from scenewright.generation.loading import load_pipeline, save_pipeline
from scenewright.generation.pipeline import TextToVideo
from scenewright.models.flow_transformer import FlowTransformer
from scenewright.text.tokenizer import Tokenizer
from scenewright.training.callbacks import (
    Averaging,
    Callback,
    Checkpointing,
    Guard,
    Logging,
    OnLog,
    RollbackError,
    Samples,
    Validation,
)
from scenewright.training.checkpoint import CheckpointStore, join_plain, split_plain
from scenewright.training.config import TrainingRecipe
from scenewright.training.draws import Draws
from scenewright.training.feed import Feed
from scenewright.training.freezing import Freezer
from scenewright.training.objectives import MODEL, Inputs, Objective, build_objective
from scenewright.training.optimizers import build_optimizers, set_rate, train_mode
from scenewright.training.schedules import build_schedule
from scenewright.training.state import load_network_state, network_state
from scenewright.training.stopping import StopSignals
from scenewright.training.vocabulary import training_tokenizer, training_words


class Trainer:
    """Trains a recipe into ``output``: ``log.jsonl``, ``checkpoints/``, ``samples/``, ``model/``.

    ``callbacks`` come after those that the recipe asks for.
    """

    def __init__(
        self,
        recipe: TrainingRecipe,
        output: Path,
        on_log: OnLog | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.recipe, self.output = recipe, Path(output)
        self.output.mkdir(parents=True, exist_ok=True)
        if recipe.threads:
            torch.set_num_threads(recipe.threads)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(recipe.seed)
        self.tokenizer = self._tokenizer()
        self.model = self._model()
        self.objectives = [build_objective(stage.objective or recipe.objective) for stage in recipe.stages]
        self.networks: dict[str, nn.Module] = {MODEL: self.model}
        for objective in self.objectives:
            self.networks |= objective.networks
        self.optimizers = {
            player: build_optimizers(network, recipe.optimizer) for player, network in self.networks.items()
        }
        self.schedule = build_schedule(recipe.schedule, recipe.total_steps)
        self.freezer = Freezer(self.model, recipe.freeze)
        self.averaging = Averaging(self.model, recipe.ema_decay)
        self.logging = Logging(self.output / "log.jsonl", recipe.log_every, on_log)
        self.callbacks: list[Callback] = [
            Guard(recipe.guard),
            self.averaging,
            self.logging,
            Samples(self.output / "samples", recipe.sample_prompts, recipe.sample_every),
            *([Validation(recipe.validation)] if recipe.validation else []),
            *callbacks,
            Checkpointing(recipe.checkpoint_every),
        ]
        self.store = CheckpointStore(self.output / "checkpoints", recipe.keep_checkpoints, self.report)
        self.feed = Feed(recipe, self.report)
        self.step, self.seconds, self.data_offset = 0, 0.0, 0
        self.rollbacks, self.ended_early = 0, False
        self.inputs: Inputs | None = None
        self._resume()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do: the last step has been taken, or the run has ended early."""
        return self.ended_early or self.step >= self.recipe.total_steps

    @property
    def objective(self) -> Objective:
        """The objective of the current stage."""
        return self.objectives[self.stage]

    @property
    def stage(self) -> int:
        """The stage that the last step belonged to."""
        return self.recipe.stage_at(max(self.step - 1, 0))[0]

    def run(self, until: int | None = None) -> None:
        """Train to the end of the recipe, or to step ``until``, or until a signal asks for the end.

        Raises:
            KeyboardInterrupt: Ctrl-C, after the run has been saved.
        """
        stop = self.recipe.total_steps if until is None else min(until, self.recipe.total_steps)
        for optimizers in self.optimizers.values():
            train_mode(optimizers)
        with StopSignals() as signals:
            for callback in self.callbacks:
                callback.on_start(self)
            try:
                while self.step < stop and not self.ended_early and signals.received is None:
                    self._step()
            finally:
                self.store.wait()
            for callback in self.callbacks:
                callback.on_end(self)
        if self.finished:
            self.export()
        if signals.received == signal.SIGINT:
            raise KeyboardInterrupt

    def pipeline(self) -> TextToVideo:
        """The averaged weights as a pipeline; it shares them with the trainer."""
        return TextToVideo(
            model=self.averaging.ema.model,
            tokenizer=self.tokenizer,
            settings=self.recipe.sampling,
            words=training_words(),
            name=self.recipe.name,
        )

    def export(self) -> Path:
        """Write the averaged weights as a model folder that ``generate`` loads."""
        save_pipeline(self.pipeline(), self.output / "model")
        return self.output / "model"

    def report(self, event: str) -> None:
        """Say in the log, and as a warning, what happened and was survived."""
        self.logging.record({"step": self.step, "event": event})
        warnings.warn(event, stacklevel=2)

    def end_early(self, reason: str) -> None:
        """Make this step the last one."""
        self.ended_early = True
        self.logging.record({"step": self.step, "event": f"the run ends early: {reason}"})

    def prepare(self, batch: Batch, draws: Draws) -> Inputs:
        """What the current stage's objective sees of a batch, on the run's device."""
        return self.objective.prepare(batch, self._encode, draws).to(self.device)

    def save(self, *, wait: bool = False) -> None:
        """Write a checkpoint, in the background or before returning."""
        self.rollbacks = 0
        self.store.save(self.step, *split_plain(self._state()), wait=wait)

    def _step(self) -> None:
        began = time.monotonic()
        fed = self.feed.get(self.step, self.data_offset)
        try:
            values = self._train(fed.batch, fed.stage)
        except RollbackError:
            self._roll_back()
            return
        self.step += 1
        seconds = time.monotonic() - began
        self.seconds += seconds
        values |= {"data_wait": fed.waited, "step_seconds": seconds}
        for callback in self.callbacks:
            callback.on_step(self, values)

    def _train(self, batch: Batch, stage: int) -> dict[str, float]:
        """Every player whose turn it is learns from the batch."""
        objective, settings = self.objectives[stage], self.recipe.stages[stage]
        draws = Draws(self.recipe.seed, self.step, settings.batch, batch.rows)
        self.inputs = objective.prepare(batch, self._encode, draws).to(self.device)
        self.freezer.apply(self.step)
        rate = self.recipe.optimizer.lr * settings.lr_scale * self.schedule.factor(self.step)
        values = {"lr": rate}
        for player in objective.turns(self.step):
            for network in self.networks.values():
                network.zero_grad(set_to_none=True)
            found = self._gradients(objective, player)
            network = self.networks[player]
            norm = nn.utils.clip_grad_norm_(network.parameters(), self.recipe.gradient_clip)
            found["gradient_norm"] = norm.item()
            if all(callback.allow_update(self, found) for callback in self.callbacks):
                set_rate(self.optimizers[player], rate)
                for optimizer in self.optimizers[player]:
                    optimizer.step()
                objective.after_update(self.model, player, self.step)
            else:
                found = {"skipped": 1.0}
            values |= {name if player == MODEL else f"{player}/{name}": v for name, v in found.items()}
        return values

    def _gradients(self, objective: Objective, player: str) -> dict[str, float]:
        """Adds up the gradients of the batch's loss, micro-batch by micro-batch; means of loss and parts."""
        assert self.inputs is not None
        count = len(self.inputs)
        sums: dict[str, float] = defaultdict(float)
        weights: dict[str, float] = defaultdict(float)
        size = -(-count // self.recipe.accumulate)
        for start in range(0, count, size):
            part = self.inputs.part(range(start, min(start + size, count)))
            half = self.recipe.precision == "bfloat16"
            with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
                loss, parts = objective.loss(self.model, part, player)
            share = len(part) / count
            (loss * share).backward()
            for name, value in {"loss": loss.item(), **parts}.items():
                sums[name] += share * value
                weights[name] += share
        return {name: sums[name] / weights[name] for name in sums}

    def _encode(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        return self.tokenizer.batch(texts, self.recipe.network.text.max_tokens, multiple=32)

    def _model(self) -> FlowTransformer:
        model = FlowTransformer(self.recipe.network).train()
        if self.recipe.init_from is not None:
            model.load_state_dict(load_pipeline(self.recipe.init_from).model.state_dict())
        if self.recipe.compile:
            for block in (*model.blocks, *model.text_encoder.layers):
                block.compile()
        return model.to(self.device)

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

    def _state(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on; its tensors are the run's own, not copies."""
        return {
            "recipe": self.recipe.identity,
            "progress": {
                "step": self.step,
                "seconds": self.seconds,
                "data_offset": self.data_offset,
                "ended_early": self.ended_early,
            },
            "random": {"torch": torch.get_rng_state()},
            "schedule": self.schedule.state_dict(),
            "networks": {
                player: network_state(network, self.optimizers[player])
                for player, network in self.networks.items()
            },
            "companions": {
                f"{index}.{name}": network.state_dict()
                for index, objective in enumerate(self.objectives)
                for name, network in objective.companions.items()
            },
            "callbacks": {callback.name: callback.state_dict() for callback in self.callbacks},
        }

    def _resume(self) -> None:
        plain = self.store.read_plain()
        if plain is None:
            (self.output / "recipe.yaml").write_text(to_yaml(self.recipe), encoding="utf-8")
        elif plain["recipe"] != self.recipe.identity:
            raise ValueError(
                f"{self.output} holds a run of another recipe; choose another --output, or use the recipe in "
                f"{self.output / 'recipe.yaml'}"
            )
        else:
            self._load()

    def _load(self) -> None:
        """Go on from the newest checkpoint."""
        template = self._state()
        tensors, _ = split_plain(template)
        state = join_plain(template, tensors, self.store.load(tensors))
        for player, network in self.networks.items():
            load_network_state(network, self.optimizers[player], state["networks"][player])
        for index, objective in enumerate(self.objectives):
            for name, network in objective.companions.items():
                network.load_state_dict(state["companions"][f"{index}.{name}"])
        for callback in self.callbacks:
            callback.load_state_dict(state["callbacks"][callback.name])
        self.schedule.load_state_dict(state["schedule"])
        progress = state["progress"]
        self.step, self.data_offset = int(progress["step"]), int(progress["data_offset"])
        self.seconds, self.ended_early = float(progress["seconds"]), bool(progress["ended_early"])
        # Last: building optimizer states above may have drawn random numbers.
        torch.set_rng_state(state["random"]["torch"])

    def _roll_back(self) -> None:
        """Back to the newest checkpoint, and past the data that led to the fault."""
        fault, offset = self.step, self.data_offset
        rollbacks = self.rollbacks + 1
        self.store.wait()
        if not self.store.steps():
            raise FloatingPointError(
                f"step {fault + 1} failed before the first checkpoint; lower optimizer.lr"
            )
        if rollbacks > self.recipe.guard.patience:
            raise FloatingPointError(
                f"{rollbacks} rollbacks to the checkpoint of step {self.store.steps()[-1]} did not help; "
                "lower optimizer.lr"
            )
        self._load()
        self.rollbacks = rollbacks
        self.data_offset = offset + fault - self.step + 1
        self.logging.rewind(self.step)
