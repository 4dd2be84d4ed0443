"""A policy of motion: a text is drawn once, as a background and a thing before it, and an LSTM moves the
thing.

Pictures of the background and of the thing, with its mask, come from the text alone. An LSTM then decides,
frame after frame, from the text, its last action and where the thing is, a Gaussian of actions: changes of
place, size, angle and visibility. Every frame is the thing, put where it is by then, before the background
(Jaderberg et al. 2015, "spatial transformer networks"). A second output of the LSTM says what reward is
still to come: so the network is actor and critic in one, as in A3C (Mnih et al. 2016), and is trained by
:mod:`scenewright.training.objectives.actor_critic`.

A policy has to begin somewhere. In training, a third part sees the real clip of a text, and how it differs
from the background, and says where the thing is in each frame; it learns so by what is drawn then. What it
found, as actions, the policy learns to imitate: the penalty ``imitation`` is their negative log-likelihood.
So it learns, before any reward, both what is usual for a text and how sure that is, and the pictures need
not blur where things could be anywhere.

B = batch, S = words, D = width of the text, T, H, W = frames, rows, columns, A = 5 parts of an action and
of a placement, E = hidden units, N = pictures, C = channels, h, w = rows and columns of the thing's own
picture.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import ClassVar, Literal, NamedTuple

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional as F

from scenewright.models.blocks.convolution import conv, group_norm
from scenewright.models.blocks.drawer import Drawer
from scenewright.models.blocks.growth import Growth, growth
from scenewright.models.blocks.initial import zeros
from scenewright.models.direct import DirectConfig, DirectNetwork, EncodedText, Made
from scenewright.models.text_encoder import TextEncoderConfig

#: What a placement consists of: shifts right and down, in halves of the picture's height; the logarithm of
#: the size; the angle, in radians, clockwise; the logit of being seen, less 3.
PLACEMENT = ("right", "down", "size", "angle", "seen")
#: What an action of 1 changes of each, and how much more it does before the first frame.
UNITS, FIRST = (0.1, 0.1, 0.1, 0.2, 1.0), 5.0
#: Bounds of the logarithm of an action's standard deviation.
LEAST_SPREAD, MOST_SPREAD = -2.5, 1.0
#: How much likelier a thing is to be where a picture differs from the background, in nats for each unit.
CONTRAST = 20.0
#: The side of a thing's own picture where its size is 1, as a part of the picture's height.
EXTENT = 0.6


class MotionPolicyConfig(DirectConfig):
    """``hidden``: units of the LSTM that moves. ``channels``, ``least``: of what draws background and
    thing, see :func:`.blocks.growth.growth`; the thing's own picture has half the rows and columns.
    ``locator``: channels of the first layer that sees real clips in training, doubled behind each."""

    family: Literal["motion-policy"] = "motion-policy"
    text: TextEncoderConfig = TextEncoderConfig(kind="lstm", width=128, layers=1)
    hidden: int = Field(default=128, ge=8)
    channels: int = Field(default=128, ge=8)
    least: int = Field(default=24, ge=8)
    locator: int = Field(default=16, ge=8)

    @property
    def background(self) -> Growth:
        return growth((1, self.height, self.width_pixels), self.channels, self.least)

    @property
    def side(self) -> int:
        """Rows and columns of the thing's own picture."""
        return self.height // 2

    @property
    def thing(self) -> Growth:
        return growth((1, self.side, self.side), self.channels, self.least)

    @model_validator(mode="after")
    def _check(self) -> MotionPolicyConfig:
        _ = self.background
        _ = self.thing
        return self


class Content(NamedTuple):
    """``background``: (B, 3, H, W) in [-1, 1]; ``thing``: (B, 4, h, w), its colours times its mask, and the
    mask in [0, 1]."""

    background: torch.Tensor
    thing: torch.Tensor


class Rollout(NamedTuple):
    """What a policy did: actions, and the placements (B, T, A) to which they led. ``means``, ``spreads``:
    (B, T, A), of the Gaussians, the latter as logarithms of standard deviations. ``values``: (B, T), the
    reward that was expected from each frame on before its action."""

    actions: torch.Tensor
    placements: torch.Tensor
    means: torch.Tensor
    spreads: torch.Tensor
    values: torch.Tensor

    @property
    def log_likelihood(self) -> torch.Tensor:
        """(B, T): of each action, in nats."""
        z = (self.actions - self.means) * (-self.spreads).exp()
        return (-0.5 * z.square() - self.spreads - 0.5 * math.log(2 * math.pi)).sum(-1)

    @property
    def entropy(self) -> torch.Tensor:
        """(B, T): of each Gaussian, in nats."""
        return (self.spreads + 0.5 * math.log(2 * math.pi * math.e)).sum(-1)


class Locator(nn.Module):
    """Real frames (N, 3, H, W), and backgrounds of their texts, to placements (N, A). The place is the mean
    of all places by the softmax of a map (Finn et al. 2016, "deep spatial autoencoders"), which begins with
    how much each differs from the background; size, angle and visibility are read there."""

    def __init__(self, channels: int, aspect: float) -> None:
        super().__init__()
        self.aspect = aspect
        sizes = [6, channels, 2 * channels, 4 * channels]
        layers: list[nn.Module] = []
        for place, (inside, out) in enumerate(pairwise(sizes)):
            layers += [conv(2, inside, out, 4 if place < 2 else 3, 2 if place < 2 else 1), group_norm(out)]
            layers += [nn.SiLU()]
        self.see = nn.Sequential(*layers)
        self.map = conv(2, sizes[-1], 1, 3)
        self.rest = zeros(nn.Linear(2 * sizes[-1], 3))

    def forward(self, frames: torch.Tensor, backgrounds: torch.Tensor) -> torch.Tensor:
        away = frames - backgrounds
        x = self.see(torch.cat([frames, away], 1))
        differs = F.adaptive_avg_pool2d(away.abs().mean(1, keepdim=True), x.shape[2:])
        weights = (
            (self.map(x) + CONTRAST * differs).float().flatten(1).softmax(-1).view(len(x), 1, *x.shape[2:])
        )
        down, right = places(x.shape[2:], x)
        found = [(weights[:, 0] * axis).sum((1, 2)) for axis in (self.aspect * right, down)]
        seen = torch.cat([(weights * x).sum((2, 3)), x.mean((2, 3))], -1)
        size, angle, visible = self.rest(seen).unbind(-1)
        return torch.stack([*found, 0.7 * size.tanh(), 1.6 * angle.tanh(), 3 * visible.tanh()], -1)


def places(size: tuple[int, ...] | torch.Size, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The middles of the pixels of a picture (rows, columns), down and right from -1 to 1; (rows, columns)
    each."""
    axes = ((torch.arange(n, device=like.device, dtype=like.dtype) * 2 + 1) / n - 1 for n in size)
    down, right = torch.meshgrid(*axes, indexing="ij")
    return down, right


class MotionPolicy(DirectNetwork):
    """Text and noise, a number for each part of each action, to a clip. Noise of 0 gives the mean actions."""

    Config = MotionPolicyConfig
    PENALTIES: ClassVar[tuple[str, ...]] = ("imitation",)

    def __init__(self, config: MotionPolicyConfig) -> None:
        super().__init__(config)
        self.config: MotionPolicyConfig = config
        width, parts = config.text.width, len(PLACEMENT)
        self.background = Drawer(config.background, width, 3)
        self.thing = Drawer(config.thing, width, 4)
        self.locator = Locator(config.locator, config.width_pixels / config.height)
        self.begin = nn.Linear(width, 2 * config.hidden)
        self.mover = nn.LSTMCell(width + 2 * parts, config.hidden)
        self.mean = zeros(nn.Linear(config.hidden, parts))
        self.spread = zeros(nn.Linear(config.hidden, parts))
        self.value = zeros(nn.Linear(config.hidden, 1))
        self.register_buffer("units", torch.tensor(UNITS), persistent=False)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        return (self.config.num_frames, len(PLACEMENT))

    def make(self, text: EncodedText, noise: torch.Tensor, real_BCTHW: torch.Tensor | None = None) -> Made:
        content = self.draw(text)
        if real_BCTHW is None:
            clips, region = self.render(content, self.roll_out(text.pooled, noise).placements)
            return Made((clips,), {}, region)
        placements = self.locate(real_BCTHW, content)
        clips, region = self.render(content, placements)
        return Made((clips,), {"imitation": self.imitation(text.pooled, placements)}, region)

    def draw(self, text: EncodedText) -> Content:
        """What is seen of a text, before anything moves."""
        painted = self.thing(text.pooled)
        mask = painted[:, 3:].sigmoid()
        return Content(
            self.background(text.pooled).tanh(), torch.cat([painted[:, :3].tanh() * mask, mask], 1)
        )

    def locate(self, real_BCTHW: torch.Tensor, content: Content) -> torch.Tensor:
        """Placements (B, T, A) of the things of real clips, of texts with such a content."""
        frames = real_BCTHW.movedim(2, 1)
        backgrounds = content.background.detach().repeat_interleave(frames.shape[1], 0)
        found: torch.Tensor = self.locator(frames.flatten(0, 1), backgrounds)
        return found.unflatten(0, frames.shape[:2])

    def roll_out(self, pooled_BD: torch.Tensor, noise_BTA: torch.Tensor) -> Rollout:
        """What the policy does on texts, with such noise; gradients pass through all of it."""
        return self._roll(pooled_BD, noise_BTA, None)

    def follow(self, pooled_BD: torch.Tensor, actions_BTA: torch.Tensor) -> Rollout:
        """What the policy makes of given actions: its Gaussians and values where they lead."""
        return self._roll(pooled_BD, None, actions_BTA)

    def imitation(self, pooled_BD: torch.Tensor, placements_BTA: torch.Tensor) -> torch.Tensor:
        """(B,): the negative log-likelihood, a mean over frames and parts, in nats, of the actions that
        lead to placements, which get no gradient."""
        followed = self.follow(pooled_BD, self.actions_of(placements_BTA.detach()))
        return -followed.log_likelihood.mean(1) / len(PLACEMENT)

    def actions_of(self, placements_BTA: torch.Tensor) -> torch.Tensor:
        """The actions that lead to placements."""
        before = F.pad(placements_BTA[:, :-1], (0, 0, 1, 0))
        return (placements_BTA - before) / self._steps(placements_BTA.shape[1])

    def render(self, content: Content, placements_BTA: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Clips (B, 3, T, H, W), and where the thing is seen in them, (B, 1, T, H, W)."""
        rows, columns = self.config.height, self.config.width_pixels
        frames = placements_BTA.shape[1]
        right, down, size, angle, seen = placements_BTA.flatten(0, 1)[:, :, None, None].unbind(1)
        y, x = places((rows, columns), placements_BTA)
        x, y = columns / rows * x - right, y - down
        cos, sin, scale = angle.cos(), angle.sin(), EXTENT * size.exp()
        grid = torch.stack([(cos * x + sin * y) / scale, (cos * y - sin * x) / scale], -1)
        things = content.thing.repeat_interleave(frames, 0)
        put = F.grid_sample(things, grid, align_corners=False) * (seen + 3).sigmoid()[:, None]
        put = put.unflatten(0, (-1, frames)).movedim(1, 2)
        mask = put[:, 3:]
        return put[:, :3] + (1 - mask) * content.background[:, :, None], mask

    def _roll(
        self, pooled_BD: torch.Tensor, noise_BTA: torch.Tensor | None, actions_BTA: torch.Tensor | None
    ) -> Rollout:
        hidden, memory = self.begin(pooled_BD).chunk(2, -1)
        state = (hidden.tanh(), memory)
        count = self.config.num_frames
        action = placement = pooled_BD.new_zeros(len(pooled_BD), len(PLACEMENT))
        found = []
        for step, unit in zip(range(count), self._steps(count), strict=True):
            state = self.mover(torch.cat([pooled_BD, action, placement], -1), state)
            mean, value = self.mean(state[0]), self.value(state[0])[:, 0]
            # Begins near half a unit.
            share = (self.spread(state[0])).sigmoid()
            spread = LEAST_SPREAD + (MOST_SPREAD - LEAST_SPREAD) * share
            if actions_BTA is not None:
                action = actions_BTA[:, step]
            else:
                assert noise_BTA is not None
                action = mean + spread.exp() * noise_BTA[:, step]
            placement = placement + unit * action
            found.append((action, placement, mean, spread, value))
        return Rollout(*(torch.stack(parts, 1) for parts in zip(*found, strict=True)))

    def _steps(self, frames: int) -> torch.Tensor:
        """(T, A): what an action of 1 changes at each frame."""
        units: torch.Tensor = self.units  # type: ignore[assignment]
        return torch.cat([FIRST * units[None], units.expand(frames - 1, -1)])
