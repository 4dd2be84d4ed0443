"""What a step of a recipe of any family takes, found by taking a few of small batches here.

The flow transformer is counted product by product, which needs no step (:mod:`.workload`). Of the others two
batch sizes are tried on this machine's processor. Operations (matrix products, convolutions and attention,
as PyTorch's counter knows them), operators, and the bytes that a pass adds at its fullest, are taken for
straight lines over the clips of a step.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scenewright.data.streams import Batch
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.objectives import MODEL, ActorCriticConfig, Inputs, Objective
from scenewright.training.parallel.config import ParallelConfig
from scenewright.training.planning.communication import Transfer, bucket_calls
from scenewright.training.planning.counter import OperationCounter
from scenewright.training.planning.hardware import Gpu
from scenewright.training.planning.layouts import Layout, StageEstimate, fitted
from scenewright.training.planning.live_bytes import LiveBytes
from scenewright.training.planning.memory import RankMemory
from scenewright.training.planning.timing import step_time

#: Clips of the steps that are tried: judges that read need two texts.
CLIPS = (2, 4)
#: Steps before any is counted, by which optimizers have their state; and those that are, for penalties that
#: are due in every fourth.
WARM, STEPS = 1, 4


@dataclass(frozen=True)
class Line:
    """``fixed + each * clips``."""

    fixed: float
    each: float

    @classmethod
    def through(cls, clips: Sequence[int], values: Sequence[float]) -> Line:
        """The line through two points; it does not fall."""
        each = max(0.0, (values[1] - values[0]) / (clips[1] - clips[0]))
        return cls(max(0.0, values[0] - each * clips[0]), each)

    def at(self, clips: float) -> float:
        return self.fixed + self.each * clips


@dataclass(frozen=True)
class Held:
    """Bytes that are there whatever the batch: of all networks together, ``gradients`` of the one that has
    most of them, ``model_gradients`` of the model."""

    weights: float
    optimizer: float
    average: float
    gradients: float
    model_gradients: float


@dataclass(frozen=True)
class RehearsedStage:
    """A stage. ``forward`` and ``backward``: operations of a step, losses of all players and their gradients;
    ``update``: of the optimizers. ``operators``: how many a step starts. ``added``: bytes at the fullest
    moment of a pass. ``pixels``: values of a clip that the network sees."""

    steps: int
    batch: int
    forward: Line
    backward: Line
    update: float
    operators: Line
    added: Line
    pixels: int
    held: Held
    #: Not known of every family.
    tokens: int = 0

    @property
    def forward_operations(self) -> float:
        return self.forward.at(self.batch)

    @property
    def backward_operations(self) -> float:
        return self.backward.at(self.batch)

    @property
    def model_operations(self) -> float:
        return self.forward_operations + self.backward_operations

    def record(self) -> dict[str, float]:
        """As JSON-like data."""
        return {
            "steps": self.steps,
            "batch": self.batch,
            "forward_operations": self.forward_operations,
            "backward_operations": self.backward_operations,
        }


@dataclass(frozen=True)
class Rehearsal:
    """A recipe in numbers that were found by trying."""

    family: str
    size: int
    trained: int
    stages: tuple[RehearsedStage, ...]
    precision: str
    accumulate: int

    @property
    def checkpoint_bytes(self) -> float:
        """Weights, their average and the optimizer's state."""
        held = self.stages[0].held
        return held.weights + held.average + held.optimizer

    def notes(self, recipe: TrainingRecipe, fraction: float) -> list[str]:
        """What the numbers rest on and leave out."""
        return [
            f"assumed: {fraction:.0%} of the peak is reached",
            f"counted: in {STEPS} steps of {CLIPS[0]} and of {CLIPS[1]} clips on this machine's processor, "
            "with its kernels; other batches lie on the line through them",
            f"a {self.family} is planned as copies of the network (data) only",
        ]

    def layouts(self, gpus: int, gpu: Gpu, fraction: float) -> list[Layout]:
        """The one way that is planned."""
        return [self._estimate(ParallelConfig(data=gpus), gpu, fraction)]

    def _estimate(self, config: ParallelConfig, gpu: Gpu, fraction: float) -> Layout:
        for stage in self.stages:
            if stage.batch % config.data:
                return Layout(config, f"a batch of {stage.batch} cannot be shared by {config.data}")
        found = tuple(self._stage(stage, config, gpu, fraction) for stage in self.stages)
        return fitted(config, [stage.steps for stage in self.stages], found, gpu)

    def _stage(
        self, stage: RehearsedStage, config: ParallelConfig, gpu: Gpu, fraction: float
    ) -> StageEstimate:
        batch = stage.batch // config.data
        clips = -(-batch // self.accumulate)
        passes = -(-batch // clips)
        held, added = stage.held, stage.added.at(clips)
        buckets = held.model_gradients if config.data > 1 else 0.0
        waiting = held.gradients if passes > 1 else 0.0
        pixels = 4.0 * batch * stage.pixels
        static = held.weights + held.average + held.optimizer + pixels + buckets
        memory = RankMemory(
            weights=held.weights,
            gradients=held.gradients + buckets,
            optimizer=held.optimizer,
            average=held.average,
            casts=0.0,
            activations=added,
            recomputed=0.0,
            pixels=pixels,
            gathered=0.0,
            workspace=0.0,
            peak=static + max(added + waiting, held.gradients),
        )
        operations = passes * (stage.forward.at(clips) + stage.backward.at(clips))
        transfers = tuple(_transfers(held, config))
        time = step_time(
            config,
            gpu,
            memory,
            transfers,
            operations=operations,
            update_operations=stage.update,
            operators=passes * stage.operators.at(clips),
            precision=self.precision,
            fraction=fraction,
            passes=passes,
        )
        return StageEstimate(memory, time, transfers, operations + stage.update)


def _transfers(held: Held, config: ParallelConfig) -> list[Transfer]:
    """Gradients of the model go while its backward pass does, those of other players after theirs."""
    if config.data == 1:
        return []
    own, others = held.model_gradients, held.weights - held.model_gradients
    found = [Transfer("gradients", "all_reduce", ("data",), config.data, bucket_calls(own), own, True)]
    if others > 0:
        found.append(
            Transfer(
                "gradients of players",
                "all_reduce",
                ("data",),
                config.data,
                bucket_calls(others),
                others,
                False,
            )
        )
    return found


def rehearse(recipe: TrainingRecipe) -> Rehearsal:
    """Try a few steps of every stage, in a folder that is taken away again.

    Raises:
        ValueError: it cannot be tried: workers would take its steps in other processes, or what it begins
            with or learns from is not there.
    """
    for stage in recipe.stages:
        objective = stage.objective or recipe.objective
        if isinstance(objective, ActorCriticConfig):
            raise ValueError(
                "--plan cannot count objective.name = actor_critic: workers take its steps in other processes"
            )
    small = tuple(stage.model_copy(update={"batch": CLIPS[0], "steps": 1}) for stage in recipe.stages)
    found = _rehearsed(recipe.model_copy(update={"stages": small}).model_dump_json())
    stages = tuple(
        replace(one, steps=stage.steps, batch=stage.batch)
        for one, stage in zip(found.stages, recipe.stages, strict=True)
    )
    return replace(found, stages=stages, accumulate=recipe.accumulate)


@lru_cache(maxsize=8)
def _rehearsed(text: str) -> Rehearsal:
    """By the recipe as JSON: the same network on other numbers of GPUs needs no steps of its own."""
    recipe = TrainingRecipe.model_validate_json(text)
    stages, size, trained = [], 0, 0
    for stage in recipe.stages:
        counts = [_tried(recipe, stage, clips) for clips in CLIPS]
        last = counts[-1]
        size, trained = last.size, last.trained
        stages.append(
            RehearsedStage(
                steps=1,
                batch=1,
                forward=Line.through(CLIPS, [count.forward for count in counts]),
                backward=Line.through(CLIPS, [count.backward for count in counts]),
                update=last.update,
                operators=Line.through(CLIPS, [count.operators for count in counts]),
                added=Line.through(CLIPS, [count.added for count in counts]),
                pixels=last.pixels,
                held=last.held,
            )
        )
    return Rehearsal(recipe.network.family, size, trained, tuple(stages), recipe.autocast, recipe.accumulate)


@dataclass(frozen=True)
class _Counts:
    """Of the steps of one batch size, means a step; see :class:`RehearsedStage`."""

    forward: float
    backward: float
    update: float
    operators: float
    added: float
    pixels: int
    held: Held
    size: int
    trained: int


def _tried(recipe: TrainingRecipe, stage: Stage, clips: int) -> _Counts:
    changes: dict[str, Any] = {
        "stages": (stage.model_copy(update={"batch": clips, "steps": WARM + STEPS + 1}),),
        "accumulate": 1,
        "workers": 0,
        "validation": None,
        "profile": None,
        "parallel": ParallelConfig(),
        "log_every": 1000,
        "sample_every": 1000,
        "checkpoint_every": 1000,
    }
    with tempfile.TemporaryDirectory() as folder:
        return _watched(recipe.model_copy(update=changes), Path(folder))


def _watched(recipe: TrainingRecipe, folder: Path) -> _Counts:
    # Training knows of planning, for what it reports of itself.
    from scenewright.training.trainer import Trainer

    class Watched(Trainer):
        """Counts what its steps take."""

        def watch(self) -> None:
            self.flops, self.live = OperationCounter(), LiveBytes()
            self.forward, self.passes, self.everything, self.operators = 0.0, 0.0, 0.0, 0
            self.added, self.pixels = 0, 0
            for objective in self.objectives:
                self._count_losses(objective)

        def _count_losses(self, objective: Objective) -> None:
            loss = objective.loss

            def counted(model: nn.Module, inputs: Inputs, player: str = MODEL) -> Any:
                before = self.flops.total
                found = loss(model, inputs, player)
                self.forward += self.flops.total - before
                return found

            objective.loss = counted  # type: ignore[method-assign]

        def _train(self, batch: Batch, stage: int) -> dict[str, float]:
            self.live.operators = 0
            with self.flops, self.live:
                before = self.flops.total
                found = super()._train(batch, stage)
                self.everything += self.flops.total - before
            self.operators += self.live.operators
            assert self.inputs is not None
            self.pixels = self.inputs.x[0].numel()
            return found

        def _gradients(self, objective: Objective, player: str) -> dict[str, float]:
            before, there = self.flops.total, self.live.now()
            self.live.peak = 0
            found = super()._gradients(objective, player)
            self.added = max(self.added, self.live.peak - there)
            self.passes += self.flops.total - before
            return found

    trainer = Watched(recipe, folder)
    trainer.watch()
    trainer.run(until=WARM)
    trainer.forward = trainer.passes = trainer.everything = 0.0
    trainer.operators = trainer.added = 0
    trainer.run(until=WARM + STEPS)
    networks = trainer.networks
    sizes = {player: _bytes(network.parameters()) for player, network in networks.items()}
    learned = {
        player: _bytes(p for p in network.parameters() if p.requires_grad)
        for player, network in networks.items()
    }
    states = [
        value
        for optimizers in trainer.optimizers.values()
        for optimizer in optimizers
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor)
    ]
    model = networks[MODEL]
    return _Counts(
        forward=trainer.forward / STEPS,
        backward=(trainer.passes - trainer.forward) / STEPS,
        update=(trainer.everything - trainer.passes) / STEPS,
        operators=trainer.operators / STEPS,
        added=trainer.added,
        pixels=trainer.pixels,
        held=Held(
            weights=sum(sizes.values()),
            optimizer=_bytes(states),
            average=sizes[MODEL],
            gradients=max(learned.values()),
            model_gradients=learned[MODEL],
        ),
        size=sum(p.numel() for p in model.parameters()),
        trained=sum(p.numel() for p in model.parameters() if p.requires_grad),
    )


def _bytes(tensors: Any) -> float:
    return float(sum(tensor.numel() * tensor.element_size() for tensor in tensors))
