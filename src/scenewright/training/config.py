"""The recipe of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from scenewright.config import Config, fingerprint
from scenewright.data.streams import StreamConfig
from scenewright.generation.settings import SamplingSettings
from scenewright.models.flow_transformer import FlowTransformerConfig
from scenewright.training.callbacks.guard import GuardConfig
from scenewright.training.callbacks.profiling import ProfileConfig
from scenewright.training.callbacks.validation import ValidationConfig
from scenewright.training.families import FAMILIES, NetworkConfig
from scenewright.training.families.base import streams_of
from scenewright.training.freezing import FreezeConfig
from scenewright.training.metering import MeteringConfig
from scenewright.training.objectives import FlowMatchingConfig, ObjectiveConfig
from scenewright.training.optimizers import OptimizerConfig
from scenewright.training.parallel import ParallelConfig
from scenewright.training.schedules import ScheduleConfig
from scenewright.training.sinks import SinksConfig


class Stage(Config):
    """A stretch of the curriculum: what is trained on, for how many steps, and how.

    ``lr_scale`` multiplies the schedule's rate; ``objective`` replaces the run's for this stage.
    """

    steps: int = Field(ge=1)
    data: StreamConfig
    batch: int = Field(default=48, ge=1)
    lr_scale: float = Field(default=1.0, gt=0)
    objective: ObjectiveConfig | None = None


class TrainingRecipe(Config):
    """Everything that decides a run. ``init_from``: a model folder whose weights the run starts with.
    ``autoencoder``: the model folder of the one whose latents the network learns, instead of pixels.
    ``text_encoder``: a model folder whose text encoder the network has, frozen, instead of training its own.
    ``text_init_from``: the folder of a network that matches clips and texts, with whose text encoder and
    tokenizer a network begins that makes clips; ``freeze.never: ["text_encoder.*"]`` keeps it as it is.
    ``planner``: the folder of the planner that the exported model has, for a network that takes layouts.
    ``sampling``, ``fast``: the settings that the exported model recommends, see :class:`.ModelCard`.

    ``accumulate``: micro-batches that a batch is cut into, to save memory; the result is the same up to
    rounding. ``threads`` and ``workers`` (data processes) and ``parallel`` fit the run to the machines;
    ``parallel.compile`` fuses the network's blocks (needs a C++ compiler on CPUs); they change results only
    by rounding. ``precision`` is what the network computes in; its weights, their average and the optimizer's
    state are always float32. ``float8`` is for the matrix products of the repeated blocks, and bfloat16 for
    the rest: see :mod:`.float8`.
    """

    name: str
    seed: int = Field(default=0, ge=0)
    network: NetworkConfig = FlowTransformerConfig()
    init_from: Path | None = None
    autoencoder: Path | None = None
    text_encoder: Path | None = None
    text_init_from: Path | None = None
    planner: Path | None = None
    stages: tuple[Stage, ...] = Field(min_length=1)
    objective: ObjectiveConfig = FlowMatchingConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    freeze: FreezeConfig = FreezeConfig()
    accumulate: int = Field(default=1, ge=1)
    gradient_clip: float = Field(default=1.0, gt=0)
    ema_decay: float = Field(default=0.998, ge=0, lt=1)
    sampling: SamplingSettings = SamplingSettings()
    fast: SamplingSettings | None = None
    sample_prompts: tuple[str, ...] = ()
    sample_every: int = Field(default=500, ge=1)
    checkpoint_every: int = Field(default=250, ge=1)
    keep_checkpoints: int = Field(default=2, ge=1)
    guard: GuardConfig = GuardConfig()
    validation: ValidationConfig | None = None
    log_every: int = Field(default=20, ge=1)
    sinks: SinksConfig = SinksConfig()
    metering: MeteringConfig = MeteringConfig()
    profile: ProfileConfig | None = None
    threads: int | None = Field(default=None, ge=1)
    workers: int = Field(default=1, ge=0)
    parallel: ParallelConfig = ParallelConfig()
    precision: Literal["float32", "bfloat16", "float8"] = "float32"

    @property
    def autocast(self) -> Literal["float32", "bfloat16"]:
        """What the network computes in where it does not in float8."""
        return "float32" if self.precision == "float32" else "bfloat16"

    @property
    def identity(self) -> str:
        """Fingerprint of what decides the result; a run may go on with other threads, workers and logging,
        and spread in another way, but for ``tensor``, which decides the order of rows in a checkpoint."""
        meetings = self.parallel.local_steps
        if meetings is not None:
            meetings = meetings.model_copy(update={"worker": 0, "folder": Path(), "timeout_seconds": 1.0})
        spread = ParallelConfig().model_copy(update={"tensor": self.parallel.tensor, "local_steps": meetings})
        machine = {"threads": None, "workers": 1, "parallel": spread, "accumulate": 1}
        watching: dict[str, Any] = {
            "planner": None,
            "sample_prompts": (),
            "sample_every": 1,
            "log_every": 1,
            "profile": None,
        }
        watching |= {"sinks": SinksConfig(), "metering": MeteringConfig()}
        saving = {"checkpoint_every": 1, "keep_checkpoints": 1}
        return fingerprint(self.model_copy(update={**machine, **watching, **saving}))

    @property
    def total_steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    @model_validator(mode="after")
    def _check(self) -> TrainingRecipe:
        FAMILIES[self.network.family].check(self)
        beside = [name for name in ("init_from", "text_encoder") if getattr(self, name) is not None]
        if self.text_init_from is not None and beside:
            raise ValueError(f"text_init_from and {beside[0]} both give a text encoder; leave one out")
        objectives = [stage.objective or self.objective for stage in self.stages]
        factual = any(getattr(objective, "takes_facts", False) for objective in objectives)
        if not factual and any(data.facts for data in streams_of(self)):
            raise ValueError(
                "nothing here uses data.facts; they are for judges and for sound: leave them out"
            )
        validated = self.validation is not None and self.validation.data is not None
        if self.schedule.name == "reduce_on_plateau" and not validated:
            raise ValueError("reduce_on_plateau goes by a held-out loss: set validation.data")
        for stage in self.stages:
            if stage.data.order.name == "loss_weighted":
                if (stage.objective or self.objective).name != "flow_matching":
                    raise ValueError("order.name = loss_weighted needs objective.name = flow_matching")
                if self.parallel.local_steps is not None:
                    raise ValueError("order.name = loss_weighted does not go with parallel.local_steps")
        if self.optimizer.name == "muon" and self.parallel.tensor != 1:
            raise ValueError(
                "muon needs whole matrices, which parallel.tensor splits; set it to 1, or use adamw"
            )
        if self.precision == "float8" and self.parallel.tensor != 1:
            raise ValueError("float8 needs whole matrices, which parallel.tensor splits; set it to 1")
        if self.optimizer.name == "schedule_free_adamw":
            if self.schedule.name != "constant":
                raise ValueError("schedule_free_adamw goes with schedule.name = constant, with a warm-up")
            if self.freeze.unfreeze:
                raise ValueError("schedule_free_adamw cannot unfreeze parameters later; use adamw")
            if self.ema_decay:
                raise ValueError("schedule_free_adamw keeps an average of its own: set ema_decay = 0")
        return self

    def stage_at(self, step: int) -> tuple[int, int]:
        """(stage index, first step of that stage) of a step."""
        first = 0
        for index, stage in enumerate(self.stages):
            if step < first + stage.steps:
                return index, first
            first += stage.steps
        return len(self.stages) - 1, first - self.stages[-1].steps
