"""Low-communication training: workers train on their own and meet now and then.

Each worker takes ``every`` steps from the common weights w with an optimizer of its own; then the mean change
of all workers, d, is the gradient of one outer step with Nesterov momentum, and its result is where all go on
(Douillard et al. 2023, "DiLoCo: Distributed Low-Communication Training of Language Models"):

    b <- momentum b + d,    w <- w - lr (d + momentum b),    d = w - mean of the workers' weights

lr 1 without momentum is local SGD, the plain mean (Stich 2019, "Local SGD Converges Fast and Communicates
Little"); that with ``every`` = 1 and SGD is synchronous data parallelism. Inner optimizers keep their states.

A worker is a run of its own, of one process or of many, so that its end ends no other; what the workers
share is a folder (:class:`.meeting_place.MeetingPlace`). Who comes too late or not at all is left out and not
waited for again until it comes back; who was left out drops its own change and goes on from the common
weights.

Between the synchronous and the asynchronous: workers may differ in speed within a meeting, but every gradient
is taken at weights that are at most ``every`` steps old, and the result does not depend on who was faster
unless someone was left out. Hogwild (:mod:`.hogwild`; Niu et al. 2011) and A3C (Mnih et al. 2016) have no
meeting at all: each worker changes the common weights at once, with gradients that may be taken at older
ones. That needs shared memory or a parameter server and an exchange with every step, which suits small
networks whose workers spend their time in environments of their own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from safetensors import SafetensorError
from torch import nn

from scenewright.training.parallel.config import LocalStepsConfig
from scenewright.training.parallel.meeting_place import MeetingPlace, Result, Tensors
from scenewright.training.parallel.state import full_state_dict, load_full_state_dict

#: Seconds between two looks into the folder.
POLL = 0.05


@dataclass(frozen=True)
class Meeting:
    """What came of a meeting: its number, whose changes went in, and how long this worker waited (s)."""

    number: int
    members: frozenset[int]
    waited: float
    included: bool


class LocalSteps:
    """The meetings of one worker; call :meth:`after_step` after every step of its optimizers.

    All workers must train the same model. They begin with the weights of whichever comes first; who comes
    later, or again, begins with the newest common ones. In a worker of many processes all must call alike;
    the main one keeps the common weights and does the reading and writing.
    """

    def __init__(self, model: nn.Module, config: LocalStepsConfig) -> None:
        self.model, self.config = model, config
        self.is_main = not dist.is_initialized() or dist.get_rank() == 0
        self.steps = 0
        self.number = 0
        self._weights: Tensors = {}
        self._momentum: Tensors = {}
        self._members: frozenset[int] = frozenset()
        weights = _floating(full_state_dict(model))
        if self.is_main:
            self.place = MeetingPlace(config.folder, config.worker)
            if self.place.newest() is None:
                momentum = {name: torch.zeros_like(x) for name, x in weights.items()}
                self.place.publish(Result(0, frozenset(range(config.workers)), weights, momentum))
        self._adopt()

    def after_step(self) -> Meeting | None:
        """Count a step; with the last of ``every``, meet.

        Raises:
            TimeoutError: fewer workers than ``least`` reported in time.
            FloatingPointError: this worker has diverged; it reports nothing.
        """
        self.steps += 1
        if self.steps % self.config.every:
            return None
        began = time.monotonic()
        mine = _floating(full_state_dict(self.model))
        if self.is_main:
            change = {name: self._weights[name] - tensor for name, tensor in mine.items()}
            if not all(tensor.isfinite().all() for tensor in change.values()):
                raise FloatingPointError(f"worker {self.config.worker} has weights that are not finite")
            self._report_and_wait(self.number + 1, change)
        waited = time.monotonic() - began
        expected = self.number + 1
        members = self._adopt()
        included = self.number == expected and self.config.worker in members
        return Meeting(self.number, members, waited, included)

    def state_dict(self) -> dict[str, Any]:
        """The worker's place between meetings; the common weights are in the main process only."""
        return {
            "steps": self.steps,
            "number": self.number,
            "members": sorted(self._members),
            "weights": dict(self._weights),
            "momentum": dict(self._momentum),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo :meth:`state_dict`; the model's own weights are the caller's to restore.

        If others have met since, the next meeting brings the newest common weights.
        """
        self.steps, self.number = int(state["steps"]), int(state["number"])
        self._members = frozenset(state["members"])
        self._weights = {name: tensor.clone() for name, tensor in state["weights"].items()}
        self._momentum = {name: tensor.clone() for name, tensor in state["momentum"].items()}

    def _report_and_wait(self, number: int, change: Tensors) -> None:
        """Return when the meeting, or a later one, has a result."""
        place, config = self.place, self.config
        if self._is_over(number):
            return
        try:
            place.report(number, change)
        except (OSError, SafetensorError):
            if self._is_over(number):  # Others have met twice, and tidied away the place for the report.
                return
            raise
        deadline = time.monotonic() + config.timeout_seconds
        while not self._is_over(number):
            reported = place.reported(number)
            late = time.monotonic() > deadline
            if reported >= self._members | place.joined(number) or (late and len(reported) >= config.least):
                self._close(number, reported)
            elif late:
                raise TimeoutError(
                    f"meeting {number}: {len(reported)} of at least {config.least} workers reported within "
                    f"{config.timeout_seconds:g} s"
                )
            else:
                time.sleep(POLL)

    def _is_over(self, number: int) -> bool:
        newest = self.place.newest()
        return newest is not None and newest >= number

    def _close(self, number: int, members: frozenset[int]) -> None:
        """Take the outer step; another worker may do so at the same time, and be first."""
        try:
            change = self.place.mean_change(number, members)
        except FileNotFoundError:
            return  # The other was, and the reports are tidied away.
        weights, momentum = {}, {}
        for name, d in change.items():
            momentum[name] = self._momentum[name] * self.config.outer_momentum + d
            step = d + self.config.outer_momentum * momentum[name]
            weights[name] = self._weights[name] - self.config.outer_lr * step
        self.place.publish(Result(number, members, weights, momentum))

    def _adopt(self) -> frozenset[int]:
        """Go on from the newest result; returns its members."""
        found: list[Any] = [None, None]
        if self.is_main:
            result = self.place.read()
            assert result is not None
            self._weights, self._momentum, self._members = result.weights, result.momentum, result.members
            if self.config.worker not in result.members:
                self.place.join(result.number + 1)
            found = [result.number, result.members]
        if dist.is_initialized():
            dist.broadcast_object_list(found, src=0)
        self.number = found[0]
        load_full_state_dict(self.model, self._weights)
        return found[1]


def _floating(state: Mapping[str, torch.Tensor]) -> Tensors:
    """What is averaged, float32; counters and the like are each worker's own."""
    return {name: tensor.float().contiguous() for name, tensor in state.items() if tensor.is_floating_point()}
