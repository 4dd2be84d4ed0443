"""Videos that go on: each piece is made from the last frames of the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from scenewright.clip import Clip, GivenFrame, Prompt
from scenewright.generation.generator import Generator, Progress
from scenewright.generation.pipeline import TextToVideo
from scenewright.generation.resizing import fitted, wanted_size
from scenewright.generation.sampling import Sampling
from scenewright.generation.settings import SamplingSettings
from scenewright.seeds import keyed_seed


def pieces(pipeline: TextToVideo, frames: int, new: int | None) -> list[tuple[int, int]]:
    """How ``new`` frames are added to a clip of ``frames``: (frames to go on from, frames to make) in turn.

    Each piece goes on from half of a whole clip of the model, or from what there is. None: one whole piece.
    """
    most = pipeline.usual_frames
    seen = max(1, min(frames, most // 2))
    left = most - seen if new is None else new
    plan = []
    while left > 0:
        plan.append((seen, min(left, most - seen)))
        frames, left = frames + plan[-1][1], left - plan[-1][1]
        seen = max(1, min(frames, most // 2))
    return plan


def extendable(generator: Generator) -> TextToVideo:
    """The same. ValueError: it cannot go on from a video."""
    if not isinstance(generator, TextToVideo):
        raise ValueError(f"{generator.name} goes on from no video; it makes videos from text alone")
    return generator


def check_extension(
    pipeline: TextToVideo, clip: Clip, prompts: Sequence[Prompt], settings: Any = None
) -> None:
    """ValueError, in one line, for the first prompt that ``clip`` cannot be extended by."""
    changes = {"num_frames": None, "given": (GivenFrame(0, clip.frames[-1]),)}
    pipeline.check([prompt.model_copy(update=changes) for prompt in prompts], settings)


class Extending:
    """A clip while it goes on, piece by piece, as a :class:`.Sampling` of one. ``frames``: uint8 (T, H, W, 3)
    of the model's size, the clip and the pieces that are made.

    Raises:
        ValueError: the model takes no given frames, or the prompt cannot be made.
    """

    def __init__(
        self,
        pipeline: TextToVideo,
        clip: Clip,
        prompt: Prompt,
        settings: SamplingSettings | None = None,
    ) -> None:
        self.pipeline, self.prompt = pipeline, prompt
        self.settings = settings or pipeline.settings
        self.plan = pieces(pipeline, len(clip), prompt.num_frames)
        self.frames = fitted(clip.frames, pipeline.native_size)
        self._before, self.piece = len(clip), 0
        self._sampling = self._begin()

    @property
    def steps(self) -> int:
        return len(self.plan) * self.settings.steps

    @property
    def step(self) -> int:
        return self.piece * self.settings.steps + self._sampling.step

    @property
    def done(self) -> bool:
        return self.step == self.steps

    def advance(self) -> None:
        """Take the next step, of the next piece where one is done."""
        if self._sampling.done:
            self._add(self._sampling.finish()[0])
            self._sampling = self._begin()
        self._sampling.advance()

    def states(self) -> list[dict[str, torch.Tensor]]:
        """What :meth:`restore` goes on from; the clip that it began with is not in it."""
        made = torch.from_numpy(self.frames[self._before :].copy())
        state = self._sampling.states()[0]
        return [{**state, "piece": torch.tensor(self.piece), "made": made}]

    def restore(self, states: Sequence[Mapping[str, torch.Tensor]]) -> None:
        """Go on from what was kept. ValueError: it is of another clip, or of other steps."""
        state = dict(states[0])
        made, piece = state.pop("made", None), state.pop("piece", None)
        if made is None or piece is None or not 0 <= int(piece) < len(self.plan):
            raise ValueError("what was kept is not of a clip that goes on")
        if len(made) != sum(new for _, new in self.plan[: int(piece)]):
            raise ValueError(f"what was kept is not of piece {int(piece)} of this clip")
        self.frames = np.concatenate([self.frames[: self._before], made.numpy()])
        self.piece = int(piece)
        self._sampling = self._begin()
        self._sampling.restore([state])

    def preview(self, index: int = 0) -> np.ndarray:
        """The piece that is being made, as it is now expected to become, uint8 (T, H, W, 3)."""
        return self._sampling.preview(index)

    def finish(self, *, tile: bool = False) -> list[Clip]:
        """The whole clip, after the last step; without sound. Arguments and errors as
        :meth:`.Sampling.finish`."""
        seen, _ = self.plan[self.piece]
        last = self._sampling.finish(tile=tile)[0].frames[seen:]
        size = wanted_size(self.prompt, self.pipeline.native_size)
        frames = fitted(np.concatenate([self.frames, last]), size)
        facts = self.pipeline.describe(self.prompt, self.settings)
        fps = self.prompt.fps or self.pipeline.fps
        return [Clip(frames, fps, caption=self.prompt.text, metadata=facts)]

    def _begin(self) -> Sampling:
        seen, new = self.plan[self.piece]
        seed = self.prompt.seed
        changes = {
            "seed": keyed_seed(seed, "piece", self.piece) % 2**63 if self.piece else seed,
            "num_frames": seen + new,
            "given": tuple(GivenFrame(at, frame) for at, frame in enumerate(self.frames[-seen:])),
            "width": None,
            "height": None,
        }
        return self.pipeline.begin([self.prompt.model_copy(update=changes)], self.settings)

    def _add(self, made: Clip) -> None:
        seen, _ = self.plan[self.piece]
        self.frames = np.concatenate([self.frames, made.frames[seen:]])
        self.piece += 1


def extend(
    pipeline: TextToVideo,
    clip: Clip,
    prompt: Prompt,
    settings: SamplingSettings | None = None,
    progress: Progress | None = None,
) -> Clip:
    """``clip`` and what comes after it, as ``prompt`` tells; without sound.

    ``clip`` should have the frame rate of the model's clips. ``prompt.num_frames``: how many frames are
    added; by default one whole piece. The result has the size that the prompt asks for, or the model's.
    ``progress`` is told the piece, and the step of it.

    Raises:
        ValueError: the model takes no given frames, or the prompt cannot be made.
    """
    extending = Extending(pipeline, clip, prompt, settings)
    steps = extending.settings.steps
    while not extending.done:
        extending.advance()
        if progress is not None:
            progress(extending.piece, extending.step - extending.piece * steps, steps)
    return extending.finish()[0]
