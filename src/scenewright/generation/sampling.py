"""Clips while they are made, step by step: what can be looked at, kept, and gone on with later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from scenewright.clip import Clip
from scenewright.generation.samplers import Denoise, Step


@dataclass(eq=False)
class Sampling:
    """Several clips of one shape that take their steps together. ``z``: the noisy clips (B, C, T, H, W);
    ``before``: the clips that the last step predicted, None at the beginning; ``step``: how many have been
    taken. ``preview_of``: a predicted clip (1, C, T, H, W) as pixels; ``finish_of``: the clips made, in small
    tiles where it is told so.

    What is kept of one clip goes on in another process to the same frames, if as many are made together: a
    sum over another number of rows may differ in its last bits.
    """

    denoise: Denoise
    sampler: Step
    sigmas: list[float]
    z: torch.Tensor
    preview_of: Callable[[torch.Tensor], np.ndarray]
    finish_of: Callable[[torch.Tensor, bool], list[Clip]]
    before: torch.Tensor | None = None
    step: int = 0

    @property
    def steps(self) -> int:
        return len(self.sigmas) - 1

    @property
    def done(self) -> bool:
        return self.step == self.steps

    @torch.no_grad()
    def advance(self) -> None:
        """Take the next step."""
        self.z, self.before = self.sampler(self.denoise, self.z, self.sigmas, self.step, self.before)
        self.step += 1

    def states(self) -> list[dict[str, torch.Tensor]]:
        """Of each clip, on the CPU, what :meth:`restore` goes on from."""
        step = torch.tensor(self.step)
        z = self.z.cpu().split(1)
        if self.before is None:
            return [{"step": step, "z": one.clone()} for one in z]
        before = self.before.cpu().split(1)
        return [
            {"step": step, "z": one.clone(), "before": was.clone()}
            for one, was in zip(z, before, strict=True)
        ]

    def restore(self, states: Sequence[Mapping[str, torch.Tensor]]) -> None:
        """Go on from what was kept of as many clips.

        Raises:
            ValueError: it is of other clips, of other steps, or of different ones.
        """
        shape = (1, *self.z.shape[1:])
        steps = {int(state["step"]) for state in states if "step" in state}
        held = {name for state in states for name in state if name != "step"}
        if len(states) != len(self.z) or len(steps) != 1 or not 0 <= min(steps) <= self.steps:
            raise ValueError(f"what was kept is not of {len(self.z)} clips at one of {self.steps} steps")
        (step,) = steps
        wanted = {"z", "before"} if step else {"z"}
        if held != wanted or any(tuple(state[name].shape) != shape for state in states for name in wanted):
            raise ValueError(f"what was kept is not of clips of the shape {shape}")
        self.step = step
        self.z = torch.cat([state["z"] for state in states]).to(self.z)
        self.before = torch.cat([state["before"] for state in states]).to(self.z) if step else None

    @torch.inference_mode()
    def preview(self, index: int = 0) -> np.ndarray:
        """The clip as it is now expected to become, uint8 (T, H, W, 3); noise before the first step."""
        x = self.z if self.before is None else self.before
        return self.preview_of(x[index : index + 1])

    @torch.inference_mode()
    def finish(self, *, tile: bool = False) -> list[Clip]:
        """The clips, after the last step. ``tile``: decode in small tiles, for little memory; where they
        meet, pixels differ by little.

        Raises:
            ValueError: steps are left.
        """
        if not self.done:
            raise ValueError(f"{self.steps - self.step} of {self.steps} steps are left")
        return self.finish_of(self.z, tile)
