"""What an objective is: the part of training that knows what is learned, and nothing about how a run goes.

The trainer calls an objective and no family by name. Most train one network; an objective with several
players (a generator and its discriminators, an actor and a critic, a student and the network that judges it)
names them, owns the networks besides the model, and says whose turn it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from scenewright.clip import frames_to_tensor
from scenewright.data.streams import Batch
from scenewright.training.draws import Draws

#: Texts to token ids int64 (B, S) and mask bool (B, S).
Encode = Callable[[Sequence[str]], tuple[torch.Tensor, torch.Tensor]]

#: The player that is the model itself.
MODEL = "model"


@dataclass(frozen=True)
class Inputs:
    """What a loss sees. ``x``: float32 (B, C, T, H, W), pixels in [-1, 1] or latents; ``ids`` int64 and
    ``mask`` bool (B, S); in place of ids, word vectors float32 (B, S, E) of a frozen encoder. ``weights``:
    float32 (B,) by which samples' losses are multiplied, None where all are 1. ``known``: bool (B, T), the
    frames of the clip that the network is given; ``given``: what it sees of them, see
    :func:`scenewright.generation.given.given_input`; None for an objective that gives none. ``led``: bool
    (B,), the clips whose layout the network is shown; ``layout``: float32 (B, N, F), their features, 0 for
    the others; None for a network that takes none. ``things``, ``actions``, ``sound``, ``events``: of the
    batch, see :class:`scenewright.data.streams.Batch`, for an objective that asks for them."""

    x: torch.Tensor
    ids: torch.Tensor
    mask: torch.Tensor
    captions: tuple[str, ...]
    draws: Draws
    weights: torch.Tensor | None = None
    known: torch.Tensor | None = None
    given: torch.Tensor | None = None
    led: torch.Tensor | None = None
    layout: torch.Tensor | None = None
    things: torch.Tensor | None = None
    actions: torch.Tensor | None = None
    sound: torch.Tensor | None = None
    events: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.captions)

    def part(self, rows: range) -> Inputs:
        """A micro-batch: some of the samples, with their own random numbers."""
        at = slice(rows.start, rows.stop)
        cut = self.with_tensors(lambda tensor: tensor[at])
        return replace(cut, captions=self.captions[at], draws=self.draws.part(rows))

    def to(self, device: torch.device) -> Inputs:
        return self.with_tensors(lambda tensor: tensor.to(device, non_blocking=True))

    def with_tensors(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Inputs:
        """The same with every tensor changed."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        changed: Any = {n: change(v) for n, v in found.items() if isinstance(v, torch.Tensor)}
        return replace(self, **changed)


def shown_or_not(captions: Sequence[str], dropout: float, draws: Draws) -> tuple[list[str], list[bool]]:
    """The captions, ``dropout`` of them empty, and which are not."""
    kept = (draws.uniform("caption dropout") >= dropout).tolist()
    return [text if keep else "" for text, keep in zip(captions, kept, strict=True)], kept


class Objective(ABC):
    """Turns (model, batch) into a loss. A mean over samples, so that micro-batches and processes average."""

    #: float32 (B,): the last loss of each sample, without its weight; loss-weighted order goes by it. None
    #: where an objective does not tell, and then that order is refused.
    sample_losses: torch.Tensor | None = None

    def prepare(self, batch: Batch, encode: Encode, draws: Draws) -> Inputs:
        """Tensors of a batch; the place for dropout of captions and words."""
        ids, mask = encode(batch.captions)
        x = frames_to_tensor(batch.frames) if batch.latents is None else batch.latents
        return Inputs(x, ids, mask, tuple(batch.captions), draws, batch.weights)

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Trained networks besides the model, by player; each gets an optimizer and goes into checkpoints."""
        return {}

    @property
    def companions(self) -> Mapping[str, nn.Module]:
        """Networks that no optimizer trains but that change (averaged teachers); they go into checkpoints."""
        return {}

    def turns(self, step: int) -> Sequence[str]:
        """The players that are updated in a step, in order; one may come several times."""
        return (MODEL,)

    def rate(self, player: str) -> float:
        """The player's learning rate, as a multiple of the schedule's."""
        return 1.0

    @abstractmethod
    def loss(
        self, model: nn.Module, inputs: Inputs, player: str = MODEL
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """The player's loss, a scalar, and its parts by name. Only that player's parameters take gradients
        from it into an update."""

    def update(
        self, model: nn.Module, optimizers: Sequence[Optimizer], inputs: Inputs, clip: float
    ) -> dict[str, float] | None:
        """The model's turn, for an objective that takes it in a way of its own: it changes ``model`` by
        ``optimizers``, whose rates are set, with gradients of a norm of at most ``clip``, and says what there
        is to log. None, as here, for a gradient of :meth:`loss` that the trainer computes and applies."""
        return None

    def close(self) -> None:  # noqa: B027
        """Called when the run ends or stops; :meth:`update` may be called again."""

    def after_update(self, model: nn.Module, player: str, step: int) -> None:  # noqa: B027
        """Called when the trainer has changed a player's parameters."""
