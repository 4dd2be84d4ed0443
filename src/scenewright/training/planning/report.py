"""The plan of a run: the layouts that fit, ranked by time, and what the best one takes and costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from scenewright.training.config import TrainingRecipe
from scenewright.training.parallel.config import AXES, ParallelConfig
from scenewright.training.planning.communication import Transfer, members_per_node
from scenewright.training.planning.hardware import CostModel, Gpu, find_gpu
from scenewright.training.planning.layouts import Layout, candidates, estimate
from scenewright.training.planning.rehearsal import rehearse
from scenewright.training.planning.timing import FRACTION
from scenewright.training.planning.workload import is_counted, workload


class StageNumbers(Protocol):
    """Of a stage: operations are of a step, ``pixels`` and ``tokens`` of a clip, 0 where not known."""

    @property
    def steps(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def pixels(self) -> int: ...
    @property
    def tokens(self) -> int: ...
    @property
    def forward_operations(self) -> float: ...
    @property
    def backward_operations(self) -> float: ...
    @property
    def model_operations(self) -> float: ...
    def record(self) -> dict[str, float]: ...


class Numbers(Protocol):
    """A recipe in numbers, counted (:class:`.Workload`) or tried (:class:`.Rehearsal`)."""

    @property
    def size(self) -> int: ...
    @property
    def trained(self) -> int: ...
    @property
    def checkpoint_bytes(self) -> float: ...
    @property
    def stages(self) -> Sequence[StageNumbers]: ...
    def notes(self, recipe: TrainingRecipe, fraction: float) -> list[str]: ...


@dataclass(frozen=True)
class Costs:
    """Of a whole run: dollars, kWh at the site's meter (cooling included) and kg of CO2."""

    hours: float
    gpu_hours: float
    rent: float
    energy: float
    cooling: float
    electricity: float
    carbon: float


@dataclass(frozen=True)
class Plan:
    """What a run of ``recipe`` takes on ``gpus`` of ``gpu``.

    ``layouts``: those that fit, fastest first; ``refused``: the others, with reasons.
    """

    recipe: TrainingRecipe
    gpus: int
    gpu: Gpu
    cost: CostModel
    fraction: float
    work: Numbers
    layouts: tuple[Layout, ...]
    refused: tuple[Layout, ...]

    @property
    def best(self) -> Layout:
        """The fastest layout that fits.

        Raises:
            ValueError: none fits.
        """
        if not self.layouts:
            reasons = Counter(layout.reason for layout in self.refused).most_common(3)
            why = "; ".join(f"{reason} ({count} layouts)" for reason, count in reasons)
            raise ValueError(
                f"no way to spread {self.recipe.name} over {self.gpus} {self.gpu.name} works: {why}; "
                "change the batch, the network or the number of GPUs"
            )
        return self.layouts[0]

    def costs(self, layout: Layout) -> Costs:
        """Of the whole run in a layout."""
        cost, hours = self.cost, layout.seconds / 3600
        price = self.gpu.price if cost.price is None else cost.price
        watts = self.gpus * (self.gpu.watts * cost.load + self.gpu.host_watts)
        energy = watts / 1000 * hours * cost.power_usage_effectiveness
        return Costs(
            hours=hours,
            gpu_hours=hours * self.gpus,
            rent=hours * self.gpus * price,
            energy=energy,
            cooling=energy * (1 - 1 / cost.power_usage_effectiveness),
            electricity=energy * cost.electricity,
            carbon=energy * cost.carbon,
        )

    def rates(self, layout: Layout) -> list[dict[str, float]]:
        """What each stage needs from storage and network, in bytes a second, and how fast it goes.

        ``read``: raw 8-bit frames for all GPUs; ``read_node`` for one machine; ``network_node``: what a
        machine sends to others, and reads. ``utilisation``: model operations over peak.
        """
        nodes = -(-self.gpus // self.gpu.per_node)
        found = []
        for stage, one in zip(self.work.stages, layout.stages, strict=True):
            clips = stage.batch / one.time.total
            read = clips * stage.pixels
            sent = _between_machines(layout.config, one.transfers, self.gpu.per_node) / one.time.total
            peak = self.gpus * self.gpu.peak(self.recipe.autocast)
            found.append(
                {
                    "clips_per_second": clips,
                    "tokens_per_second": clips * stage.tokens,
                    "utilisation": stage.model_operations / one.time.total / peak,
                    "read": read,
                    "read_node": read / nodes,
                    "network_node": sent + read / nodes,
                }
            )
        return found

    @property
    def notes(self) -> list[str]:
        """What the numbers rest on and leave out."""
        notes = self.work.notes(self.recipe, self.fraction)
        if self.recipe.precision == "float8":
            notes.append("float8 is counted at the rates of bfloat16: times are upper bounds")
        return notes

    def record(self) -> dict[str, Any]:
        """Everything as JSON-like data: bytes, seconds, operations, dollars, kWh, kg."""
        return {
            "recipe": self.recipe.name,
            "gpus": self.gpus,
            "gpu": self.gpu.model_dump(),
            "cost_model": self.cost.model_dump(),
            "parameters": self.work.size,
            "trained_parameters": self.work.trained,
            "checkpoint_bytes": self.work.checkpoint_bytes,
            "stages": [stage.record() for stage in self.work.stages],
            "layouts": [self._layout_record(layout) for layout in self.layouts],
            "refused": [
                {"parallel": _sizes(layout), "name": layout.name, "reason": layout.reason}
                for layout in self.refused
            ],
            "notes": self.notes,
        }

    def table(self, *, terminal: bool | None = None, width: int | None = None) -> str:
        """The plan as text, with colours where standard output is a terminal or ``terminal`` says so."""
        from scenewright.training.planning.text import render

        return render(self, terminal=terminal, width=width)

    def _layout_record(self, layout: Layout) -> dict[str, Any]:
        return {
            "parallel": _sizes(layout),
            "name": layout.name,
            "run_seconds": layout.seconds,
            "needed_bytes": layout.needed(self.gpu),
            "costs": vars(self.costs(layout)),
            "stages": [
                {
                    "memory": vars(one.memory),
                    "time": {**vars(one.time), "total": one.time.total},
                    "rank_operations": one.operations,
                    "sent_bytes": sum(t.sent for t in one.transfers),
                    "transfers": [{**vars(t), "axes": list(t.axes), "sent": t.sent} for t in one.transfers],
                    **rates,
                }
                for one, rates in zip(layout.stages, self.rates(layout), strict=True)
            ],
        }


def plan(
    recipe: TrainingRecipe,
    gpus: int,
    gpu: str | Gpu = "h100",
    *,
    cost: CostModel | None = None,
    peak: float | None = None,
    fraction: float = FRACTION,
    words: int | None = None,
) -> Plan:
    """Plan a run without starting it, and without a GPU: in a second for a flow transformer; of the other
    families a few steps of small batches are taken here, and thrown away.

    Args:
        recipe: What is to be trained.
        gpus: How many processors.
        gpu: A name of the table, or a processor of your own.
        cost: Prices, electricity, cooling.
        peak: Measured operations a second of the recipe's precision (of bfloat16 for float8), in place of the
            table's.
        fraction: Part of the peak that is reached.
        words: Tokens of a flow transformer's caption; the text encoder's most if not given. Of the other
            families, captions are those of the data.

    Raises:
        ValueError: an unknown processor, or no processors; a recipe that cannot be tried here.
    """
    if gpus < 1:
        raise ValueError(f"gpus = {gpus}: a run needs one at least")
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction = {fraction}: give the part of the peak that is reached, above 0 up to 1")
    found = find_gpu(gpu) if isinstance(gpu, str) else gpu
    if peak is not None:
        found = found.model_copy(update={recipe.autocast: peak})
    work: Numbers
    if is_counted(recipe):
        work = counted = workload(recipe, "cpu" if found.name == "cpu" else "cuda", words)
        share = min(stage.batch for stage in recipe.stages)
        layouts = [
            estimate(counted, config, found, fraction=fraction)
            for config in candidates(gpus, half=counted.half, share=share)
        ]
    else:
        work = tried = rehearse(recipe)
        layouts = tried.layouts(gpus, found, fraction)
    fitting = sorted(
        (one for one in layouts if one.reason is None), key=lambda one: (one.seconds, one.needed(found))
    )
    return Plan(
        recipe=recipe,
        gpus=gpus,
        gpu=found,
        cost=cost or CostModel(),
        fraction=fraction,
        work=work,
        layouts=tuple(fitting),
        refused=tuple(one for one in layouts if one.reason is not None),
    )


def _sizes(layout: Layout) -> dict[str, Any]:
    """The keys of ``parallel`` that differ from their defaults, and all sizes."""
    config = layout.config
    return {axis: getattr(config, axis) for axis in AXES} | config.model_dump(
        exclude_defaults=True, exclude=set(AXES)
    )


def _between_machines(config: ParallelConfig, transfers: Sequence[Transfer], per_node: int) -> float:
    """Bytes that one machine sends to others in a step: of each ring that spans machines, what its last rank
    in this one sends."""
    sent = 0.0
    for transfer in transfers:
        members = members_per_node(config, transfer.axes, per_node)
        if members < transfer.ranks:
            sent += transfer.sent * per_node / members
    return sent
