"""The training loop: model x objective x callbacks, resumable after a kill at any point.

Step ``k`` depends only on the recipe and the state after step ``k - 1``: batches are indexed by step and all
random numbers are keyed by (seed, step, sample), so a resumed run repeats the uninterrupted one bit for bit
on one machine.
"""

from __future__ import annotations

import copy
import signal
import time
import warnings
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from scenewright.data.streams import Batch
from scenewright.seeds import keyed_seed
from scenewright.training.callbacks import (
    Averaging,
    Callback,
    Checkpointing,
    Guard,
    Logging,
    Meetings,
    OnLog,
    Profiling,
    RollbackError,
    Samples,
    Validation,
)
from scenewright.training.checkpoint import CheckpointStore, split_plain
from scenewright.training.config import TrainingRecipe
from scenewright.training.draws import Draws
from scenewright.training.families import FAMILIES
from scenewright.training.feed import Feed
from scenewright.training.float8 import to_float8
from scenewright.training.freezing import Freezer
from scenewright.training.objectives import MODEL, Inputs, Objective, build_objective
from scenewright.training.optimizers import build_optimizers, check_rates, set_rate
from scenewright.training.parallel import (
    average_buffers,
    average_gradients,
    bare,
    check_players,
    clip_grad_norm,
    copy_from_main,
    full_state_dict,
    micro_batch,
    parallelize,
    setup_distributed,
    split_by_mesh,
)
from scenewright.training.schedules import build_schedule
from scenewright.training.state import begin, roll_back, run_state
from scenewright.training.stopping import StopSignals


class Trainer:
    """Trains a recipe into ``output``: ``log.jsonl``, ``checkpoints/``, ``samples/``, ``model/``.

    ``callbacks`` come after those that the recipe asks for. Under ``torchrun`` every process makes one, of
    the same recipe and output; the main one writes what is not a checkpoint.
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
        self.layout = setup_distributed(recipe.parallel)
        self.device = self.layout.device
        torch.manual_seed(recipe.seed)
        self.family = FAMILIES[recipe.network.family](recipe, self.output, self.device)
        self.layout.from_main(self.family.prepare)
        whole = self.family.network()
        self._averaged = copy.deepcopy(whole).eval().requires_grad_(False)
        if recipe.precision == "float8":
            to_float8(whole, self.device)
        self.model = parallelize(whole, self.layout)
        self.objectives = [
            build_objective(stage.objective or recipe.objective, recipe.network) for stage in recipe.stages
        ]
        self.networks: dict[str, nn.Module] = {MODEL: self.model}
        for objective in self.objectives:
            for network in (*objective.networks.values(), *objective.companions.values()):
                copy_from_main(network, self.layout)
            self.networks |= objective.networks
        check_players([name for name in self.networks if name != MODEL], recipe.parallel)
        check_rates(recipe.optimizer, [bare(network) for network in self.networks.values()])
        self.optimizers = {player: self._optimizers(network) for player, network in self.networks.items()}
        self.schedule = build_schedule(recipe.schedule, recipe.total_steps)
        self.freezer = Freezer(bare(self.model), recipe.freeze)
        meetings = recipe.parallel.local_steps
        meet = [Meetings(self.model, meetings)] if meetings else []
        self.averaging = Averaging(bare(self.model), recipe.ema_decay)
        self.logging = Logging(self.output, recipe.log_every, on_log, writes=self.layout.is_main)
        self.callbacks: list[Callback] = [
            Guard(recipe.guard),
            *meet,
            self.averaging,
            self.logging,
            Samples(self.output / "samples", recipe.sample_every),
            *([Validation(recipe.validation)] if recipe.validation else []),
            *([Profiling(self.output / "profile", recipe.profile)] if recipe.profile else []),
            *callbacks,
            Checkpointing(recipe.checkpoint_every),
        ]
        self.store = CheckpointStore(self.output / "checkpoints", recipe.keep_checkpoints, self.report)
        self.feed = Feed(recipe, self.report, self.layout.data_rank, self.layout.data_size)
        self.step, self.seconds, self.data_offset = 0, 0.0, 0
        self.rollbacks, self.ended_early = 0, False
        self.inputs: Inputs | None = None
        self._losses: list[torch.Tensor] = []
        begin(self)

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
        with StopSignals() as signals:
            for callback in self.callbacks:
                callback.on_start(self)
            try:
                while self.step < stop and not self.ended_early:
                    if self.layout.any(signals.received is not None):
                        break
                    self._step()
            finally:
                self.store.wait()
                for objective in self.objectives:
                    objective.close()
            for callback in self.callbacks:
                callback.on_end(self)
        self.logging.close()
        if self.finished:
            self.export()
        if signals.received == signal.SIGINT:
            raise KeyboardInterrupt

    def averaged(self) -> nn.Module:
        """The network with the averaged weights, whole, in the main process; in others one that is not to be
        used. All processes must call it; the next call changes the same network."""
        network = bare(self.model)
        with self.averaging.in_place(self):
            state = full_state_dict(network)
        if self.layout.is_main:
            self._averaged.load_state_dict(state)
            self._averaged.to(self.device)
        return self._averaged

    def pipeline(self, network: nn.Module | None = None) -> Any:
        """What the family makes of ``network``, or of :meth:`averaged`, with which it shares the weights."""
        return self.family.pipeline(network or self.averaged())

    def export(self) -> Path:
        """Write the averaged weights as a model folder."""
        pipeline = self.pipeline()
        if self.layout.is_main:
            self.family.save(pipeline, self.output / "model")
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
        return self._inputs(self.objective, batch, draws)

    def save(self, *, wait: bool = False) -> None:
        """Write a checkpoint, in the background or before returning."""
        self.rollbacks = 0
        self.store.save(self.step, *split_plain(run_state(self)), wait=wait)

    def _step(self) -> None:
        began = time.monotonic()
        fed = self.feed.get(self.step, self.data_offset)
        try:
            values = self._train(fed.batch, fed.stage)
        except RollbackError:
            roll_back(self)
            return
        if self.feed.by_loss(self.step):
            losses = self.layout.of_whole_batch(torch.cat(self._losses).tolist())
            self.feed.learn(self.step, self.data_offset, None if "skipped" in values else losses)
        self.step += 1
        seconds = time.monotonic() - began
        self.seconds += seconds
        values |= {**fed.batch.notes, "data_wait": fed.waited, "step_seconds": seconds}
        for callback in self.callbacks:
            callback.on_step(self, values)

    def _train(self, batch: Batch, stage: int) -> dict[str, float]:
        """Every player whose turn it is learns from the batch."""
        objective, settings = self.objectives[stage], self.recipe.stages[stage]
        # For what networks draw themselves (dropout); processes with other samples draw other numbers.
        torch.manual_seed(keyed_seed(self.recipe.seed, "network", self.step, self.layout.data_rank))
        draws = Draws(self.recipe.seed, self.step, batch.whole, batch.rows)
        self.inputs, self._losses = self._inputs(objective, batch, draws), []
        self.freezer.apply(self.step)
        rate = self.recipe.optimizer.lr * settings.lr_scale * self.schedule.factor(self.step)
        values = {"lr": rate}
        for player in objective.turns(self.step):
            optimizers = self.optimizers[player]
            set_rate(optimizers, rate * objective.rate(player))
            found = None
            if player == MODEL:
                found = objective.update(self.model, optimizers, self.inputs, self.recipe.gradient_clip)
            if found is None:
                found = self._update(objective, player)
            values |= {name if player == MODEL else f"{player}/{name}": v for name, v in found.items()}
        return values

    def _update(self, objective: Objective, player: str) -> dict[str, float]:
        """A step of the player's optimizers along the gradient of its loss."""
        for network in self.networks.values():
            network.zero_grad(set_to_none=True)
        found = self._gradients(objective, player)
        if player != MODEL:
            average_gradients(self.networks[player], self.layout)
        norm = clip_grad_norm(self.networks[player], self.recipe.gradient_clip)
        found = self.layout.average(found) | {"gradient_norm": norm.item()}
        if not all(callback.allow_update(self, found) for callback in self.callbacks):
            return {"skipped": 1.0}
        for optimizer in self.optimizers[player]:
            optimizer.step()
        objective.after_update(self.model, player, self.step)
        if player != MODEL:
            average_buffers(self.networks[player], self.layout)
        return found

    def _gradients(self, objective: Objective, player: str) -> dict[str, float]:
        """Adds up the gradients of the batch's loss, micro-batch by micro-batch; means of loss and parts."""
        assert self.inputs is not None
        count = len(self.inputs)
        sums: dict[str, float] = defaultdict(float)
        weights: dict[str, float] = defaultdict(float)
        size = -(-count // self.recipe.accumulate)
        for start in range(0, count, size):
            part = self.inputs.part(range(start, min(start + size, count)))
            dtype, share = getattr(torch, self.recipe.autocast), len(part) / count
            with micro_batch(self.networks[player], last=start + size >= count):
                with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
                    loss, parts = objective.loss(self.model, part, player)
                (loss * share).backward()
            if objective.sample_losses is not None:
                self._losses.append(objective.sample_losses)
            for name, value in {"loss": loss.item(), **parts}.items():
                sums[name] += share * value
                weights[name] += share
        return {name: sums[name] / weights[name] for name in sums}

    def _inputs(self, objective: Objective, batch: Batch, draws: Draws) -> Inputs:
        seen = self.family.see(batch)
        inputs = objective.prepare(seen, self.family.encode_text, draws)
        return self.family.show(seen, inputs).to(self.device)

    def _optimizers(self, network: nn.Module) -> list[Optimizer]:
        optimizers = build_optimizers(bare(network), self.recipe.optimizer)
        if self.layout.config.tensor > 1:
            for optimizer in optimizers:
                split_by_mesh(optimizer)
        return optimizers
