"""Advantage actor-critic: a policy of motion plays clips, and what earns more than was expected becomes
likelier.

After Mnih et al. 2016 (A3C). An episode is a clip: at each frame the policy acts, and earns

    smoothness:  less the mean squared difference of the action from the one before, from the third frame on.
                 Actions are changes of place, size, angle and visibility, so this is the squared second
                 difference of the thing's path, in the units of actions;
    agreement:   at the last frame, the probability by which a network that matches clips and texts prefers
                 the clip's own text to another one of the batch, a mean over all others: 1 where it is
                 always sure, a half where it cannot tell;

each times its weight. A log-probability among all texts, by which such networks learn, is no reward: they
are so sure of clips that were not made as theirs were that a few texts decide it.

No gradient passes through the picture or the network that judges it: the policy learns from what it did
alone. The critic's expectation and what was earned make advantages (Schulman et al. 2016, "GAE"; with
``trace`` = 1, the sums to the end of the clip of A3C). Pictures and text encoder stand still; the LSTM, its
Gaussians and its critic learn.

With one worker, that is a step of the trainer like any other. With several, each takes its share of the
batch to a process of its own, and changes weights and statistics of the optimizer in shared memory,
``updates`` times a step, without waiting for the others (:mod:`scenewright.training.parallel.hogwild`).

B = batch, T = frames, A = parts of an action.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.distributed as dist
from pydantic import Field, model_validator
from torch import nn
from torch.optim import Optimizer

from scenewright.config import Config
from scenewright.data.streams import Batch
from scenewright.generation.matching import Agreement, load_agreement
from scenewright.models.motion_policy import MotionPolicy
from scenewright.training.draws import Draws
from scenewright.training.objectives.base import MODEL, Encode, Inputs, Objective
from scenewright.training.parallel import HogwildWorkers

if TYPE_CHECKING:
    from scenewright.training.config import TrainingRecipe


class ActorCriticConfig(Config):
    """``smoothness``, ``agreement_weight``: see above; ``agreement``: the folder of the network that
    judges, of clips of the same size or of a part of it. ``discount``: of what is earned a frame later;
    ``trace``: the lambda of GAE. ``value``: weight of the critic's squared error; ``entropy``: of the
    Gaussians' mean entropy, in nats, which keeps the policy trying; ``imitation``: of the penalty of that
    name, of the real clips of the batch, which keeps it near what is usual (Rajeswaran et al. 2018,
    "DAPG"). ``workers``: processes that learn at once; ``updates``: how many each of them makes of its
    share of a batch; ``timeout_seconds``: after which a step of theirs fails."""

    name: Literal["actor_critic"] = "actor_critic"
    smoothness: float = Field(default=0.0, ge=0)
    agreement: Path | None = None
    agreement_weight: float | None = Field(default=None, gt=0)
    discount: float = Field(default=0.99, gt=0, le=1)
    trace: float = Field(default=1.0, ge=0, le=1)
    value: float = Field(default=0.5, gt=0)
    entropy: float = Field(default=0.01, ge=0)
    imitation: float = Field(default=0.0, ge=0)
    workers: int = Field(default=1, ge=1)
    updates: int = Field(default=1, ge=1)
    timeout_seconds: float = Field(default=600.0, gt=0)

    @model_validator(mode="after")
    def _check(self) -> ActorCriticConfig:
        if (self.agreement is None) != (self.agreement_weight is None):
            raise ValueError("agreement and agreement_weight go together; set both or none")
        if self.agreement is None and not self.smoothness:
            raise ValueError("nothing is rewarded: set smoothness, or agreement and agreement_weight")
        if self.workers == 1 and self.updates > 1:
            raise ValueError("updates are those of several workers; set workers, or leave updates out")
        return self

    def check(self, recipe: TrainingRecipe, batch: int) -> None:
        """ValueError for a run with such batches whose other settings do not go with several workers."""
        if self.workers == 1:
            return
        if batch % (self.workers * self.updates):
            raise ValueError(
                f"a batch of {batch} is not shared evenly by {self.workers} workers with {self.updates} "
                "updates"
            )
        guard = recipe.guard
        refused = {
            "accumulate": recipe.accumulate > 1,
            "precision": recipe.precision != "float32",
            "guard.spike": guard.spike > 0,
            "guard.action": guard.action != "skip",
            "optimizer.name = schedule_free_adamw": recipe.optimizer.name == "schedule_free_adamw",
        }
        for name, set_ in refused.items():
            if set_:
                raise ValueError(f"objective.workers = {self.workers} does not go with {name}; leave it out")


class ActorCritic(Objective):
    """Trains what moves in a :class:`.MotionPolicy`."""

    def __init__(self, config: ActorCriticConfig) -> None:
        if dist.is_initialized() and dist.get_world_size() > 1:
            raise ValueError(
                "objective.name = actor_critic learns in one process and its workers; leave torchrun out"
            )
        self.config = config
        self.agreement: Agreement | None = None
        if config.agreement is not None:
            self.agreement = load_agreement(config.agreement)
        self._texts: tuple[str, ...] = ()
        self._workers: HogwildWorkers | None = None

    def prepare(self, batch: Batch, encode: Encode, draws: Draws) -> Inputs:
        inputs = super().prepare(batch, encode, draws)
        # Micro-batches, too, are judged among all of them.
        self._texts = inputs.captions
        return inputs

    def loss(
        self, model: nn.Module, inputs: Inputs, player: str = MODEL
    ) -> tuple[torch.Tensor, dict[str, float]]:
        assert isinstance(model, MotionPolicy)
        config = self.config
        with torch.no_grad():
            text = model.encode_text(inputs.ids, inputs.mask)
            noise = inputs.draws.normal("actions", model.noise_shape).to(inputs.x)
            played = model.roll_out(text.pooled, noise)
            content, clips = model.draw(text), None
            if self.agreement is not None:
                clips = model.render(content, played.placements)[0].float()
            earned = self.rewards(played.actions, clips, inputs.captions)
            weights = {"smoothness": config.smoothness, "agreement": config.agreement_weight or 0.0}
            rewards_BT = torch.stack([weights[name] * earned_BT for name, earned_BT in earned.items()]).sum(0)
        again = model.follow(text.pooled, played.actions)
        advantages_BT = advantages(rewards_BT, again.values.detach(), config.discount, config.trace)
        returns_BT = advantages_BT + again.values.detach()
        policy_B = -(advantages_BT * again.log_likelihood).mean(1)
        critic_B = (returns_BT - again.values).square().mean(1)
        entropy_B = again.entropy.mean(1)
        loss_B = policy_B + config.value * critic_B - config.entropy * entropy_B
        found = {**{name: x.sum(1) for name, x in earned.items()}, "reward": rewards_BT.sum(1)}
        found |= {"policy": policy_B, "critic": critic_B, "entropy": entropy_B}
        if config.imitation:
            with torch.no_grad():
                placements = model.locate(inputs.x, content)
            found["imitation"] = model.imitation(text.pooled, placements)
            loss_B = loss_B + config.imitation * found["imitation"]
        loss = loss_B.mean() if inputs.weights is None else (inputs.weights * loss_B).mean()
        return loss, {name: x.mean().item() for name, x in found.items()}

    def rewards(
        self, actions_BTA: torch.Tensor, clips: torch.Tensor | None, texts: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """What actions, and the clips float (B, 3, T, H, W) of ``texts`` to which they led, earn at each
        frame: (B, T) by name, before weights. Without a network that judges them, clips are not needed."""
        earned = {}
        if self.config.smoothness:
            earned["smoothness"] = smoothness(actions_BTA)
        if self.agreement is not None:
            assert clips is not None
            logits = self.agreement.logits(clips, self._texts).to(clips.device)
            earned["agreement"] = torch.zeros_like(actions_BTA[..., 0])
            earned["agreement"][:, -1] = preference(logits, texts, self._texts)
        return earned

    def update(
        self, model: nn.Module, optimizers: Sequence[Optimizer], inputs: Inputs, clip: float
    ) -> dict[str, float] | None:
        config = self.config
        if config.workers == 1:
            return None
        if self._workers is not None and not self._workers.share:
            self.close()
        if self._workers is None:
            build = functools.partial(_loss_of_parts, config)
            self._workers = HogwildWorkers(
                model, optimizers, build, config.workers, clip, config.timeout_seconds
            )
        count = config.workers * config.updates
        size = len(inputs) // count
        parts = [(inputs.part(range(at * size, (at + 1) * size)), self._texts) for at in range(count)]
        # Each worker has clips from all over the batch, whatever its order.
        answers = self._workers.work([parts[worker :: config.workers] for worker in range(config.workers)])
        return _together(answers)

    def close(self) -> None:
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def of_part(self, model: nn.Module, part: tuple[Inputs, tuple[str, ...]]) -> Any:
        """The loss of a part of a batch, judged among texts of all of it."""
        inputs, self._texts = part
        return self.loss(model, inputs)


def smoothness(actions_BTA: torch.Tensor) -> torch.Tensor:
    """(B, T): less the mean squared difference of each action from the one before; 0 at the first frame and
    at the second, before which the thing has been put in its place but has not moved."""
    changes_BT = actions_BTA[:, 1:].diff(dim=1).square().mean(-1)
    return -nn.functional.pad(changes_BT, (2, 0))


def preference(logits_BN: torch.Tensor, texts: Sequence[str], among: Sequence[str]) -> torch.Tensor:
    """(B,): the mean probability that the text of each clip is chosen where it and one of ``among`` are
    offered, given their logits (Bradley & Terry 1952); those that say the same do not count, and 0 where
    there is no other."""
    own = torch.tensor([among.index(text) for text in texts], device=logits_BN.device)
    chosen_BN = (logits_BN.gather(1, own[:, None]) - logits_BN).sigmoid()
    others_BN = torch.tensor([[a != b for b in among] for a in texts], device=logits_BN.device)
    return (chosen_BN * others_BN).sum(1) / others_BN.sum(1).clamp(min=1)


def advantages(
    rewards_BT: torch.Tensor, values_BT: torch.Tensor, discount: float, trace: float
) -> torch.Tensor:
    """(B, T): the sum over the frames k to come of (discount trace)^k times r + discount V' - V, where
    nothing is earned behind the last frame (Schulman et al. 2016, equation 16)."""
    errors_BT = rewards_BT + discount * nn.functional.pad(values_BT[:, 1:], (0, 1)) - values_BT
    found, ahead = [], torch.zeros_like(errors_BT[:, 0])
    for error_B in reversed(errors_BT.unbind(1)):
        ahead = error_B + discount * trace * ahead
        found.append(ahead)
    return torch.stack(found[::-1], 1)


def _loss_of_parts(config: ActorCriticConfig) -> Any:
    """What a worker calls."""
    return ActorCritic(config).of_part


def _together(answers: Sequence[Sequence[dict[str, float]]]) -> dict[str, float]:
    """Means over all updates of all workers, and ``worker_seconds``, those of all workers together."""
    updates = [update for worker in answers for update in worker]
    finite = [update for update in updates if not update["left_out"]]
    if not finite:
        raise FloatingPointError("no update of any worker was finite; lower optimizer.lr")
    found = {name: sum(u[name] for u in finite) / len(finite) for name in finite[0] if name != "seconds"}
    left_out = sum(update["left_out"] for update in updates)
    return found | {"left_out": left_out, "worker_seconds": sum(update["seconds"] for update in updates)}
