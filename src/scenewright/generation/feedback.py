"""The feedback loop: a network that matches clips and texts judges a draft, and a better one is proposed.

Round 0 is what the model makes anyway. In each round after it one or more drafts are proposed, and the best
so far is kept, so the judge's own score never falls. Whether the clip becomes truer is another question,
which only a measure that the loop does not see can answer.

How drafts are proposed:

- ``redraw``: the same text with new seeds; for any model whose clips depend on the seed;
- ``condition``: the encoded text and the noise are moved to where the judge likes the clip better; for models
  that make a clip at once;
- ``guide``: the sampler is guided by the judge, from the same noise; for models that sample in steps.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import torch

from scenewright.clip import Clip, Prompt, frames_to_tensor
from scenewright.config import Config
from scenewright.generation.direct import DirectGenerator
from scenewright.generation.generator import Generator, Progress
from scenewright.generation.guidance import Steering
from scenewright.generation.matching import Agreement
from scenewright.generation.pipeline import TextToVideo
from scenewright.generation.rivals import far_rivals, near_rivals
from scenewright.generation.streaming import StreamingTextToVideo
from scenewright.models.direct import EncodedText
from scenewright.seeds import keyed_seed

#: Other prompts that a clip's own text is compared with, at most.
OTHERS = 16


@dataclass(frozen=True, eq=False)
class Draft:
    """``score``: the logarithm of how likely the judge finds it that the clip is of its own text and not of
    another, 0 where it is certain. ``how``: how it differs from the first draft."""

    clip: Clip
    score: float
    how: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Task:
    """One prompt, and the texts that its clips are judged by, its own first. ``progress``: told of steps as
    (step, steps)."""

    agreement: Agreement
    prompt: Prompt
    settings: Any
    texts: Sequence[str]
    progress: Progress | None = None

    @torch.no_grad()
    def judged(self, clip: Clip, **how: Any) -> Draft:
        """The clip as a draft, seen as it would be written."""
        x_BCTHW = frames_to_tensor(torch.tensor(clip.frames)[None])
        return Draft(clip, self.certainty(x_BCTHW).item(), how)

    def certainty(self, x_BCTHW: torch.Tensor) -> torch.Tensor:
        return self.agreement.certainty(x_BCTHW, self.texts)

    def better(self, *drafts: Draft) -> Draft:
        """That of the highest score, of several the first."""
        return max(drafts, key=lambda draft: draft.score)


class Way(ABC):
    """How drafts are proposed. ``proposals``: clips that are made a round."""

    name: ClassVar[str]
    proposals: int = 1

    def check(self, settings: Any) -> None:  # noqa: B027
        """ValueError where a generator with these settings does not allow it."""

    @abstractmethod
    def drafts(self, task: Task, rounds: int) -> Iterator[Draft]:
        """The best draft after round 0, 1, ... ``rounds``."""


class Redraw(Way):
    """``proposals`` new seeds a round."""

    name = "redraw"

    def __init__(self, generator: Generator, proposals: int = 4) -> None:
        if getattr(getattr(generator, "model", None), "noise_shape", None) == (0,):
            raise ValueError(
                f"{generator.name} makes one video of a text, whatever the seed, so there is nothing to "
                "redraw; choose condition"
            )
        self.generator, self.proposals = generator, proposals

    def drafts(self, task: Task, rounds: int) -> Iterator[Draft]:
        best = self._draft(task)
        yield best
        for number in range(1, rounds + 1):
            for place in range(self.proposals):
                best = task.better(
                    best, self._draft(task, keyed_seed(task.prompt.seed, "redraw", number, place))
                )
            yield best

    def _draft(self, task: Task, seed: int | None = None) -> Draft:
        prompt, how = task.prompt, {}
        if seed is not None:
            prompt, how = prompt.model_copy(update={"seed": seed}), {"seed": seed}
        (clip,) = self.generator.generate([prompt], task.settings, task.progress)
        return task.judged(clip, **how)


class Correct(Way):
    """What the network is told is corrected by gradients of the score.

    ``radius``: how far words, whole text and noise move a round, each as a share of its own length; it grows
    where the round's draft is better, and is halved where it is not. The noise keeps its length, since the
    network knows no other. ``steps``: gradients that a round's way is made of.
    """

    name = "condition"

    def __init__(self, generator: Generator, radius: float = 0.2, steps: int = 4) -> None:
        if not isinstance(generator, DirectGenerator):
            raise ValueError(
                f"{generator.name} makes no video at once, so its condition cannot be corrected; choose "
                + ("guide or redraw" if isinstance(generator, TextToVideo) else "redraw")
            )
        self.generator, self.radius, self.steps = generator, radius, steps

    def drafts(self, task: Task, rounds: int) -> Iterator[Draft]:
        with torch.no_grad():
            text, noise = self.generator.condition(task.prompt)
        at: tuple[torch.Tensor, ...] = (text.words, text.pooled, noise)
        radius = self.radius
        best = task.judged(self._clip(task, at, text.mask))
        self._tell(task)
        yield best
        for number in range(1, rounds + 1):
            moved = self.corrected(task, at, text.mask, radius)
            draft = task.judged(self._clip(task, moved, text.mask), round=number)
            # As good counts as better: small steps may be too small to be seen in rounded pixels.
            if draft.score >= best.score:
                best, at, radius = draft, moved, 1.5 * radius
            else:
                radius /= 2
            self._tell(task)
            yield best

    def corrected(
        self, task: Task, at: tuple[torch.Tensor, ...], mask_BS: torch.Tensor, radius: float
    ) -> tuple[torch.Tensor, ...]:
        """Words, whole text and noise, within ``radius`` of where they are."""
        steps = [radius / self.steps * part.norm() for part in at]
        for _ in range(self.steps):
            parts = [part.detach().requires_grad_() for part in at]
            score = task.certainty(self._made(parts, mask_BS)[:, :, : task.prompt.num_frames])
            gradients = torch.autograd.grad(score.sum(), parts, allow_unused=True)
            *said, noise = (_stepped(*each) for each in zip(at, gradients, steps, strict=True))
            at = (*said, noise * at[-1].norm() / noise.norm().clamp(min=1e-12))
        return at

    def _made(self, at: Sequence[torch.Tensor], mask_BS: torch.Tensor) -> torch.Tensor:
        words, pooled, noise = at
        return self.generator.model.make(EncodedText(words, pooled, mask_BS), noise).clips

    @torch.no_grad()
    def _clip(self, task: Task, at: Sequence[torch.Tensor], mask_BS: torch.Tensor) -> Clip:
        return self.generator.finished(task.prompt, self._made(at, mask_BS))

    def _tell(self, task: Task) -> None:
        if task.progress is not None:
            task.progress(0, 1, 1)


def _stepped(part: torch.Tensor, gradient: torch.Tensor | None, length: torch.Tensor) -> torch.Tensor:
    """A step of ``length`` up; none where no gradient says where."""
    if gradient is None or not gradient.any():
        return part
    return part + length * gradient / gradient.norm()


class Guide(Way):
    """The same noise again, and the judge's gradient in every step of the sampler.

    ``weight``: in round 1, where 1 is what the rule of Bayes says; doubled where a round's draft is better,
    else taken three quarters of.
    """

    name = "guide"

    def __init__(self, generator: Generator, weight: float = 1.0) -> None:
        if not isinstance(generator, TextToVideo) or isinstance(generator, StreamingTextToVideo):
            raise ValueError(
                f"{generator.name} samples no whole clips in steps of noise, which could be guided; choose "
                + ("condition or redraw" if isinstance(generator, DirectGenerator) else "redraw")
            )
        self.generator, self.weight = generator, weight

    def check(self, settings: Any) -> None:
        if (settings or self.generator.settings).sampler == "shortcut":
            raise ValueError(
                "the shortcut sampler takes steps too long to be guided; choose another, or redraw"
            )

    def drafts(self, task: Task, rounds: int) -> Iterator[Draft]:
        best = self._draft(task, None)
        yield best
        weight = self.weight
        for _ in range(rounds):
            draft = self._draft(task, weight)
            if draft.score > best.score:
                best, weight = draft, 2 * weight
            else:
                weight *= 0.75
            yield best

    def _draft(self, task: Task, weight: float | None) -> Draft:
        steering = None if weight is None else Steering(task.certainty, weight)
        (clip,) = self.generator.generate([task.prompt], task.settings, task.progress, steering)
        return task.judged(clip, **({} if weight is None else {"weight": weight}))


WAYS: Mapping[str, type[Any]] = {way.name: way for way in (Redraw, Correct, Guide)}


class Feedback:
    """A :class:`~scenewright.generation.generator.Generator`: another, whose clips are judged and made better
    for some rounds.

    ``others``: texts that a clip's own is compared with, besides those that ``near`` gives, in which one fact
    of it is another.

    Raises:
        ValueError: no such way, or one that the generator does not allow.
    """

    def __init__(
        self,
        generator: Generator,
        agreement: Agreement,
        *,
        by: str = "redraw",
        rounds: int = 3,
        others: Sequence[str] = (),
        near: Callable[[str], Sequence[str]] = near_rivals,
        **settings: Any,
    ) -> None:
        if by not in WAYS:
            raise ValueError(f"there is no feedback by {by!r}; known: {', '.join(WAYS)}")
        if rounds < 0:
            raise ValueError(f"feedback has 0 rounds or more, not {rounds}")
        self.generator, self.agreement, self.rounds = generator, agreement, rounds
        self.others, self.near = tuple(others), near
        self.way: Way = WAYS[by](generator, **settings)

    @property
    def name(self) -> str:
        return self.generator.name

    @property
    def settings(self) -> Config | None:
        return self.generator.settings

    @property
    def native_size(self) -> tuple[int, int]:
        return self.generator.native_size

    @property
    def most_frames(self) -> int | None:
        return self.generator.most_frames

    @property
    def fps(self) -> float:
        return self.generator.fps

    @property
    def identity(self) -> str:
        parts = [self.generator.identity, self.agreement.digest, self.way.name, str(self.rounds)]
        parts += [f"{self.near.__module__}.{self.near.__qualname__}"]
        parts += [f"{name}={value}" for name, value in sorted(vars(self.way).items()) if name != "generator"]
        return hashlib.sha256("\n".join([*parts, *self.others]).encode()).hexdigest()[:16]

    @property
    def passes(self) -> int:
        """Clips that are made for one."""
        return 1 + self.rounds * self.way.proposals

    def recommended(self, *, fast: bool = False, changes: Mapping[str, Any] | None = None) -> Config | None:
        return self.generator.recommended(fast=fast, changes=changes)

    def check(self, prompts: Sequence[Prompt], settings: Any = None) -> None:
        self.generator.check(prompts, settings)
        self.way.check(settings)
        for prompt in prompts:
            self.texts(prompt)

    def notes(self, prompt: Prompt) -> list[str]:
        return self.generator.notes(prompt)

    def texts(self, prompt: Prompt) -> list[str]:
        """Its own text, and those that it is compared with. ValueError: there are none."""
        others = [*self.near(prompt.text), *far_rivals(prompt.text, self.others, OTHERS)]
        if not others:
            raise ValueError(
                f"feedback compares {prompt.text!r} with other texts, and there are none: it names nothing "
                "of the procedural world; give several prompts"
            )
        return [prompt.text, *others]

    def drafts(
        self, prompt: Prompt, settings: Any = None, progress: Progress | None = None
    ) -> Iterator[Draft]:
        """The best draft after round 0, 1, and so on."""
        task = Task(self.agreement, prompt, settings, self.texts(prompt), progress)
        yield from self.way.drafts(task, self.rounds)

    def generate(
        self, prompts: Sequence[Prompt], settings: Any = None, progress: Progress | None = None
    ) -> list[Clip]:
        """One clip a prompt; its metadata tell under ``feedback`` what was done."""
        self.check(prompts, settings)
        return [
            self._generate_one(prompt, settings, progress and partial(_at, progress, index))
            for index, prompt in enumerate(prompts)
        ]

    def _generate_one(self, prompt: Prompt, settings: Any, progress: Progress | None) -> Clip:
        drafts = list(self.drafts(prompt, settings, progress))
        told = {
            "by": self.way.name,
            "judge": self.agreement.name,
            "judge_sha256": self.agreement.digest,
            "scores": [round(draft.score, 6) for draft in drafts],
            "kept": dict(drafts[-1].how),
            "others": self.texts(prompt)[1:],
        }
        clip = drafts[-1].clip
        return clip.with_(metadata={**clip.metadata, "seed": prompt.seed, "feedback": told})


def _at(progress: Progress, index: int, _: int, step: int, steps: int) -> None:
    """Report a step of the only prompt of a call as one of the prompt ``index`` of many."""
    progress(index, step, steps)
