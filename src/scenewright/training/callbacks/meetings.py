"""Low-communication training: the workers' meetings, as a callback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from scenewright.training.callbacks.base import Callback
from scenewright.training.parallel import LocalSteps, LocalStepsConfig

if TYPE_CHECKING:
    from scenewright.training.trainer import Trainer


class Meetings(Callback):
    """Takes part in the meetings of :class:`.LocalSteps`, and logs what came of each."""

    name = "local_steps"

    def __init__(self, model: nn.Module, config: LocalStepsConfig) -> None:
        self.local_steps = LocalSteps(model, config)

    def on_step(self, trainer: Trainer, values: dict[str, float]) -> None:
        meeting = self.local_steps.after_step()
        if meeting is None:
            return
        values["meeting_seconds"] = meeting.waited
        if not meeting.included:
            trainer.report(f"step {trainer.step}: this worker was left out of meeting {meeting.number}")

    def state_dict(self) -> dict[str, Any]:
        state = self.local_steps.state_dict()
        # Checkpoints hold tensors and single values.
        return state | {"members": ",".join(map(str, state["members"]))}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        members = [int(worker) for worker in str(state["members"]).split(",") if worker]
        self.local_steps.load_state_dict(state | {"members": members})
