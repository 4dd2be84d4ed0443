"""How a run is spread over processes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from scenewright.config import Config

#: From the outermost to the innermost: neighbours in rank, which have the fastest links, share a tensor.
AXES = ("pipeline", "data", "shard", "context", "tensor")


class LocalStepsConfig(Config):
    """Training in which workers meet every ``every`` steps only: see :class:`.local_steps.LocalSteps`.

    - ``workers``: how many there are, each a run of its own; ``worker``: which of them this is, from 0.
    - ``folder``: where they meet; all of them see it, and no other run does.
    - ``timeout_seconds``: how long a worker waits at a meeting for the others. Who has not come by then is
      left out, unless fewer than ``least`` have come, which is an error.
    - ``outer_lr``, ``outer_momentum``: of the Nesterov step over the workers' mean change; 1 and 0 average
      the weights.
    """

    workers: int = Field(ge=1)
    worker: int = Field(ge=0)
    folder: Path
    every: int = Field(default=100, ge=1)
    timeout_seconds: float = Field(default=300.0, gt=0)
    least: int = Field(default=1, ge=1)
    outer_lr: float = Field(default=0.7, gt=0)
    outer_momentum: float = Field(default=0.9, ge=0, lt=1)

    @model_validator(mode="after")
    def _check(self) -> LocalStepsConfig:
        if self.worker >= self.workers:
            raise ValueError(f"worker = {self.worker}: workers are counted from 0 to {self.workers - 1}")
        if self.least > self.workers:
            raise ValueError(f"least = {self.least} is more than there are workers ({self.workers})")
        return self


class ParallelConfig(Config):
    """Into how many parts each thing is split; the product is the number of processes, -1 means the rest.

    - ``data``: copies of the network, each with its share of the batch (``DistributedDataParallel``).
    - ``shard``: parts of weights, gradients and optimizer states, also with a share of the batch each
      (``fully_shard``; Rajbhandari et al. 2020, "ZeRO"). With ``data`` above 1: hybrid, sharded inside each
      copy.
    - ``context``: parts of the tokens of a clip (Jacobs et al. 2023, "DeepSpeed Ulysses").
    - ``tensor``: parts of each block's heads and hidden units (Shoeybi et al. 2019, "Megatron-LM").
    - ``pipeline``: stages of blocks, through which ``micro_batches`` parts of a batch pass one after the
      other (Huang et al. 2019, "GPipe"); as many as stages if not given.

    ``reshard_after_forward`` frees the gathered weights of a block after its forward pass and gathers them
    again in the backward pass (default, except with a pipeline). ``gather_precision`` is what sharded weights
    are gathered and used in; gradients are added up in float32.

    ``activation_checkpointing``: "full" keeps of each block only its input and computes the rest again in the
    backward pass (Chen et al. 2016); "selective" also keeps what products and attention give, which cost the
    most. ``compile`` fuses each block by ``torch.compile``.

    ``timeout_seconds``: how long a process waits for another before the run fails.
    """

    data: int = -1
    shard: int = 1
    context: int = 1
    tensor: int = 1
    pipeline: int = 1
    micro_batches: int | None = Field(default=None, ge=1)
    reshard_after_forward: bool | None = None
    gather_precision: Literal["float32", "bfloat16"] | None = None
    activation_checkpointing: Literal["none", "selective", "full"] = "none"
    compile: bool = False
    local_steps: LocalStepsConfig | None = None
    timeout_seconds: float = Field(default=600.0, gt=0)

    @model_validator(mode="after")
    def _check(self) -> ParallelConfig:
        for axis in AXES:
            size = getattr(self, axis)
            if size < 1 and size != -1:
                raise ValueError(f"{axis} = {size}: give the number of parts, or -1 for the rest")
        if sum(getattr(self, axis) == -1 for axis in AXES) > 1:
            raise ValueError("only one of " + ", ".join(AXES) + " can be -1, the rest of the processes")
        if self.pipeline == 1 and self.micro_batches is not None:
            raise ValueError(f"micro_batches = {self.micro_batches} does nothing without a pipeline")
        if self.shard == 1:
            for name in ("reshard_after_forward", "gather_precision"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} = {getattr(self, name)} does nothing with shard = 1")
        meeting = self.local_steps
        if meeting is not None and meeting.timeout_seconds >= self.timeout_seconds:
            raise ValueError(
                f"timeout_seconds = {self.timeout_seconds:g} must be more than the "
                f"{meeting.timeout_seconds:g} of local_steps, for which a worker's processes may wait"
            )
        return self

    def resolve(self, processes: int) -> ParallelConfig:
        """The same without -1.

        Raises:
            ValueError: the sizes do not multiply to the number of ``processes``.
        """
        sizes = {axis: getattr(self, axis) for axis in AXES}
        given = math.prod(size for size in sizes.values() if size != -1)
        asked = " x ".join(f"{axis} {size}" for axis, size in sizes.items() if size != 1) or "one of each"
        rest = [axis for axis, size in sizes.items() if size == -1]
        if processes % given or (not rest and processes != given):
            raise ValueError(f"{asked} does not fit {processes} processes: the product must be {processes}")
        # Not validated again: a part that the rest turns out to be 1 for may have settings of its own.
        return self.model_copy(update=dict.fromkeys(rest, processes // given))
