"""Adversarial training of a network that makes clips of texts: judges learn to tell, the network to pass.

A judge sees clips, or single frames of them, at one of the levels that the network makes, and says whether
they are real and of the text. Real clips of another text of the batch are wrong, too (Reed et al. 2016,
"matching-aware"), and so judges learn to read. Verdicts are maps of places, whose losses can be weighed by
what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Literal

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional as F

from scenewright.data.streams import Batch
from scenewright.generation.matching import Agreement, load_agreement
from scenewright.models.direct import DirectConfig, Made
from scenewright.models.judge import Judge, JudgeConfig, Verdict
from scenewright.models.text_encoder import begin_text_encoders
from scenewright.training.draws import Draws
from scenewright.training.objectives.adversarial import (
    AdversarialLossConfig,
    fake_loss,
    fooling_loss,
    real_loss,
    squared_slope,
)
from scenewright.training.objectives.base import MODEL, Encode, Inputs, Objective
from scenewright.training.objectives.differentiable_augmentation import ChangeName, augmented
from scenewright.training.objectives.regression import check_penalties, clip_errors
from scenewright.training.parallel import bare


class NamedJudge(JudgeConfig):
    """``name``: in the log and in checkpoints. ``weight``: of its verdicts, in the network's loss."""

    name: str = "judge"
    weight: float = Field(default=1.0, gt=0)


class JudgedConfig(AdversarialLossConfig):
    """``judges``: who teaches the network; see :class:`.JudgeConfig`. ``judge_rate``: their learning rate, as
    a multiple of the network's. ``matching``: whether real clips of other texts count as wrong.

    ``r1_every``: the penalty is computed in one of so many steps, and counts so many times more (Karras et
    al. 2020). ``gradient_penalty``: weight of the squared difference of the gradient's length from 1 between
    real and made clips (Gulrajani et al. 2017). ``augment``: see :mod:`.differentiable_augmentation`.
    ``regions``: places where things are count by so much more than others; where they are is a fact of real
    clips (``data.facts = [things]``), and the network's own mask says it of made ones. ``colours``: weight of
    the squared differences of the means (and, five times, the covariances) of colours between levels (Zhang
    et al. 2018, "StackGAN++"). ``penalties``: weights of what the network finds wrong with its own workings.
    ``reconstruction``: weight of the errors, as in regression, between what is made at each level and the
    real clip of the text (Isola et al. 2017, "pix2pix"): a network learns by it long before judges teach it
    to read, and makes clips of one text more alike. ``actions``: weight of naming the action (``data.facts =
    [actions]``), for judges that do. ``swaps``: weight of clips with the content of one text and the motion
    of another, which have no real clip: judges that do not read have to pass them, and the action is to be
    that of the motion, so that it cannot come from the content. ``agreement``: the folder of a text-video
    encoder; ``agreement_weight``: of its loss, with single words and with whole texts, in the network's.
    """

    #: It learns from facts beside the clips.
    takes_facts: ClassVar[bool] = True
    name: Literal["adversarial"] = "adversarial"
    loss: Literal["hinge", "non_saturating", "wasserstein"] = "non_saturating"
    judges: tuple[NamedJudge, ...] = Field(default=(NamedJudge(),), min_length=1)
    judge_rate: float = Field(default=1.0, gt=0)
    matching: bool = True
    r1_every: int = Field(default=1, ge=1)
    gradient_penalty: float = Field(default=0.0, ge=0)
    augment: tuple[ChangeName, ...] = ()
    regions: float = Field(default=0.0, ge=0)
    colours: float = Field(default=0.0, ge=0)
    penalties: dict[str, float] = Field(default_factory=dict)
    reconstruction: float = Field(default=0.0, ge=0)
    actions: float = Field(default=1.0, ge=0)
    swaps: float = Field(default=0.0, ge=0)
    agreement: Path | None = None
    agreement_weight: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check(self) -> JudgedConfig:
        names = [judge.name for judge in self.judges]
        if len(set(names)) < len(names) or MODEL in names:
            raise ValueError(f"judges need names of their own, none of them {MODEL}; these are {names}")
        if self.r1_every > 1 and not self.r1:
            raise ValueError("r1_every does nothing without r1; set it, or leave r1_every out")
        if (self.agreement is None) != (self.agreement_weight is None):
            raise ValueError("agreement and agreement_weight go together; set both or none")
        if self.matching and all(judge.text == "none" for judge in self.judges):
            raise ValueError("no judge sees the text: set matching = false, or a judge's text")
        return self

    def check(
        self, network: DirectConfig, penalties: Sequence[str], facts: Sequence[str], *, swaps: bool
    ) -> None:
        """ValueError where it does not fit a network with such penalties, or data with such facts.
        ``swaps``: whether the network can take the motion from another text."""
        levels, actions = len(network.levels), getattr(network, "actions", 0)
        for judge in self.judges:
            if not -levels <= judge.level < levels:
                raise ValueError(f"the judge {judge.name} sees level {judge.level}; there are {levels}")
            if judge.text != "none" and judge.reader.vocabulary != network.text.vocabulary:
                raise ValueError(
                    f"the judge {judge.name} reads {judge.reader.vocabulary} tokens, and the network "
                    f"{network.text.vocabulary}; set both to the same"
                )
            if judge.text != "none" and judge.reader.source not in (None, network.text.source):
                raise ValueError(
                    f"the judge {judge.name} reads the tokens of {judge.reader.source}, and the network "
                    "others; give both the same source"
                )
            if judge.actions and judge.actions != actions:
                raise ValueError(
                    f"the judge {judge.name} names {judge.actions} actions; the network {actions}"
                )
        check_penalties(self.penalties, penalties)
        if self.swaps and not swaps:
            raise ValueError("objective.swaps: this network has no motion apart; leave it out")
        if self.swaps and not any(judge.actions for judge in self.judges):
            raise ValueError("objective.swaps needs a judge that names actions; set its actions")
        if self.colours and levels < 2:
            raise ValueError("objective.colours compares levels, and the network has one; leave it out")
        wanted = {"actions": any(j.actions for j in self.judges) or bool(actions), "things": self.regions > 0}
        for fact, needed in wanted.items():
            if needed and fact not in facts:
                raise ValueError(f"objective and network need {fact}: set data.facts = [{fact}]")
            if not needed and fact in facts:
                raise ValueError(f"nothing here uses {fact}; leave it out of data.facts")


class Judged(Objective):
    """Trains a :class:`.DirectNetwork` and its judges."""

    def __init__(self, config: JudgedConfig, network: DirectConfig) -> None:
        self.config, self.network = config, network
        self.judges = {judge.name: Judge(judge, network.levels[judge.level]) for judge in config.judges}
        for judge in self.judges.values():
            begin_text_encoders(judge)
        self.settings = {judge.name: judge for judge in config.judges}
        self.agreement: Agreement | None = None
        if config.agreement is not None:
            self.agreement = load_agreement(config.agreement)
        self._updates = 0

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        return self.judges

    def turns(self, step: int) -> Sequence[str]:
        return (*[name for _ in range(self.config.updates) for name in self.judges], MODEL)

    def rate(self, player: str) -> float:
        return 1.0 if player == MODEL else self.config.judge_rate

    def prepare(self, batch: Batch, encode: Encode, draws: Draws) -> Inputs:
        self._updates = 0
        return replace(super().prepare(batch, encode, draws), things=batch.things, actions=batch.actions)

    def after_update(self, model: nn.Module, player: str, step: int) -> None:
        self._updates += 1

    def loss(
        self, model: nn.Module, inputs: Inputs, player: str = MODEL
    ) -> tuple[torch.Tensor, dict[str, float]]:
        if player == MODEL:
            return self._passing(model, inputs)
        with torch.no_grad():
            if self.config.swaps:  # every second clip that judges see has the motion of another text
                own = torch.arange(len(inputs), device=inputs.x.device)
                motion_of = torch.where(own % 2 == 0, own, own.roll(1))
                made = model(inputs.ids, inputs.mask, self._noise(model, inputs), motion_of=motion_of)
            else:
                made = model(inputs.ids, inputs.mask, self._noise(model, inputs))
        return self._telling(player, inputs, made)

    def _noise(self, model: nn.Module, inputs: Inputs, purpose: str = "noise") -> torch.Tensor:
        # Judges that are updated several times see other clips each time.
        shape = bare(model).noise_shape
        purpose = f"{purpose} {self._updates}"
        return inputs.draws.normal(purpose, shape).to(inputs.x)  # type: ignore[arg-type]

    def _telling(self, name: str, inputs: Inputs, made: Made) -> tuple[torch.Tensor, dict[str, float]]:
        """A judge's loss."""
        config, judge, settings = self.config, self.judges[name], self.settings[name]
        clips = made.levels[settings.level].float()
        real = self.network.at_level(settings.level, inputs.x)
        seen = [self._shown(settings, x, inputs.draws, kind) for x, kind in ((real, "real"), (clips, "made"))]
        slope_due = bool(config.r1) and inputs.draws.step % config.r1_every == 0
        shown = seen[0].detach().requires_grad_(slope_due)
        text = judge.read(inputs.ids, inputs.mask)
        h = judge.see(shown)
        right, fake = judge.verdict(h, text), judge.verdict(judge.see(seen[1]), text)
        where = [self._where(settings, inputs, None, real), self._where(settings, inputs, made, clips)]
        losses, parts = [], {}
        if right.told is not None:
            assert fake.told is not None
            losses.append(_weighed(real_loss(config, right.told), where[0]))
            against = [_weighed(fake_loss(config, fake.told), where[1])]
            if config.matching and len(inputs) > 1:
                other = judge.judge(h, text.roll(1, 0))
                assert other is not None
                captions = inputs.captions
                others = (*captions[-1:], *captions[:-1])
                differs = torch.tensor([a != b for a, b in zip(captions, others, strict=True)])
                against.append(_weighed(fake_loss(config, other), where[0], differs.to(other)))
                parts["wrong"] = other.mean().item()
            losses.append(torch.stack(against).mean())
            parts |= {"told_real": right.told.mean().item(), "told_made": fake.told.mean().item()}
        if right.alone is not None:
            assert fake.alone is not None
            losses += [
                _weighed(real_loss(config, right.alone), where[0]),
                _weighed(fake_loss(config, fake.alone), where[1]),
            ]
            parts |= {"real": right.alone.mean().item(), "made": fake.alone.mean().item()}
        if right.actions is not None:
            losses.append(config.actions * self._named(right.actions, inputs))
            assert inputs.actions is not None
            parts["actions"] = (right.actions.argmax(-1) == inputs.actions).float().mean().item()
        loss = torch.stack(losses).sum()
        if slope_due:
            slopes = torch.stack([squared_slope(logits, shown) for logits in right.opinions]).sum(0)
            parts["r1"] = slopes.mean().item()
            loss = loss + config.r1 / 2 * config.r1_every * slopes.mean()
        if config.gradient_penalty:
            loss = loss + config.gradient_penalty * self._length_penalty(judge, seen, text, inputs)
        return loss, parts

    def _passing(self, model: nn.Module, inputs: Inputs) -> tuple[torch.Tensor, dict[str, float]]:
        """The network's loss."""
        noise = self._noise(model, inputs)
        if self.config.swaps:
            made, terms = self._with_swaps(model, inputs, noise)
        else:
            made, terms = model(inputs.ids, inputs.mask, noise, inputs.x), {}
        terms = {**self._verdicts(made, inputs), **self._own_terms(made, inputs), **terms}
        loss = torch.stack([weight * value for weight, value in terms.values()]).sum()
        return loss, {name: value.item() for name, (_, value) in terms.items()}

    def _with_swaps(
        self, model: nn.Module, inputs: Inputs, noise: torch.Tensor
    ) -> tuple[Made, dict[str, tuple[float, torch.Tensor]]]:
        """Clips as the texts say; and what judges find of others, whose motion is that of the text before."""
        config, count, terms = self.config, len(inputs), {}
        own = torch.arange(count, device=inputs.x.device)
        moving = own.roll(1)
        noises = torch.cat([noise, self._noise(model, inputs, "noise of swaps")])
        ids, mask = (torch.cat([x, x]) for x in (inputs.ids, inputs.mask))
        both = model(ids, mask, noises, motion_of=torch.cat([own, moving]))
        for name, settings in self.settings.items():
            verdict = self._verdict(name, both.levels[settings.level][count:].float(), inputs, "swapped")
            if verdict.alone is not None:
                passing = _weighed(fooling_loss(config, verdict.alone), None)
                terms[f"{name}_swaps_passed"] = (config.swaps * settings.weight, passing)
            if verdict.actions is not None:
                assert inputs.actions is not None
                wrong = F.cross_entropy(verdict.actions.float(), inputs.actions[moving])
                terms[f"{name}_swaps_actions"] = (config.swaps * config.actions, wrong)
        levels = tuple(level[:count] for level in both.levels)
        return Made(levels, actions=None if both.actions is None else both.actions[:count]), terms

    def _verdicts(self, made: Made, inputs: Inputs) -> dict[str, tuple[float, torch.Tensor]]:
        """What judges and the agreement find: weights and scalars by name."""
        config, terms = self.config, {}
        for name, settings in self.settings.items():
            clips = made.levels[settings.level].float()
            verdict = self._verdict(name, clips, inputs, "passing")
            where = self._where(settings, inputs, made, clips)
            passing = [_weighed(fooling_loss(config, logits), where) for logits in verdict.opinions]
            terms[f"{name}_passed"] = (settings.weight, torch.stack(passing).sum())
            if verdict.actions is not None:
                terms[f"{name}_actions"] = (config.actions, self._named(verdict.actions, inputs))
        if self.agreement is not None:
            assert config.agreement_weight is not None
            disagreement = self.agreement.loss(made.clips, inputs.captions)
            terms["disagreement"] = (config.agreement_weight, disagreement)
        return terms

    def _verdict(self, name: str, clips: torch.Tensor, inputs: Inputs, kind: str) -> Verdict:
        """A judge's, of clips that the network learns from."""
        judge = self.judges[name]
        with _unchanged(judge):
            shown = self._shown(self.settings[name], clips, inputs.draws, kind)
            verdict: Verdict = judge(shown, inputs.ids, inputs.mask)
        return verdict

    def _own_terms(self, made: Made, inputs: Inputs) -> dict[str, tuple[float, torch.Tensor]]:
        """What is wrong with the clips without any judge: weights and scalars by name."""
        config = self.config
        terms = {
            name: (weight, made.penalties[name].mean())
            for name, weight in config.penalties.items()
            if name in made.penalties
        }
        if made.actions is not None:
            terms["read_actions"] = (1.0, self._named(made.actions, inputs))
        if config.colours:
            terms["colours"] = (config.colours, colour_difference(made.levels).mean())
        if config.reconstruction:
            errors = []
            for level, clips in enumerate(made.levels):
                squared, edges = clip_errors(clips.float(), self.network.at_level(level, inputs.x))
                errors.append((squared + 0.5 * edges).mean())
            terms["reconstruction"] = (config.reconstruction, torch.stack(errors).mean())
        return terms

    def _shown(self, settings: NamedJudge, x: torch.Tensor, draws: Draws, kind: str) -> torch.Tensor:
        """What a judge sees of clips (B, 3, T, H, W): them, or a random frame of each, (B, 3, H, W)."""
        purpose = f"{settings.name} {kind} {self._updates}"
        if settings.sees == "frames":
            at = (draws.uniform(f"frame {purpose}") * x.shape[2]).long().to(x.device)
            x = x[torch.arange(len(x), device=x.device), :, at]
        return augmented(x, self.config.augment, draws, purpose)

    def _where(
        self, settings: NamedJudge, inputs: Inputs, made: Made | None, x: torch.Tensor
    ) -> torch.Tensor | None:
        """float (B, 1, T, H, W): how much each place counts, of real clips or of ``made`` ones, at the size
        of ``x``; None where all count alike."""
        if not self.config.regions or settings.sees == "frames":
            return None
        if made is None:
            assert inputs.things is not None
            region = self.network.at_level(settings.level, inputs.things[:, None].to(x))
        elif made.region is None:
            return None
        else:
            region = F.interpolate(made.region.detach().to(x), x.shape[2:])
        return 1 + self.config.regions * region

    def _named(self, logits: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        assert inputs.actions is not None
        return F.cross_entropy(logits.float(), inputs.actions)

    def _length_penalty(
        self, judge: Judge, seen: Sequence[torch.Tensor], text: torch.Tensor, inputs: Inputs
    ) -> torch.Tensor:
        real, fake = (x.detach() for x in seen)
        share = inputs.draws.uniform(f"between {self._updates}").to(real).view(-1, *[1] * (real.ndim - 1))
        between = (share * real + (1 - share) * fake).requires_grad_()
        verdict = judge.verdict(judge.see(between), text.detach())
        lengths = [(squared_slope(logits, between) + 1e-12).sqrt() for logits in verdict.opinions]
        return torch.stack([(length - 1).square().mean() for length in lengths]).sum()


def colour_difference(levels: Sequence[torch.Tensor]) -> torch.Tensor:
    """(B,): squared differences of the means, and five times those of the covariances, of the colours of each
    clip between one level, (B, 3, T, H, W), and the next."""
    found = []
    for clips in levels:
        pixels = clips.float().flatten(2)
        mean = pixels.mean(-1, keepdim=True)
        away = pixels - mean
        found.append((mean[..., 0], away @ away.mT / pixels.shape[-1]))
    return torch.stack(
        [(a[0] - b[0]).square().sum(-1) + 5 * (a[1] - b[1]).square().sum((1, 2)) for a, b in pairwise(found)]
    ).sum(0)


def _weighed(
    losses: torch.Tensor, where: torch.Tensor | None, samples: torch.Tensor | None = None
) -> torch.Tensor:
    """The mean over samples, by weight of each, of the mean over the places (B, ...) of a map, by weight of
    the pixels ``where`` that belong to each."""
    losses_BL = losses.float().flatten(1)
    if where is None:
        means = losses_BL.mean(1)
    else:
        frames, rows, columns = losses.shape[1:]
        weights_BL = F.adaptive_avg_pool3d(where, (frames, rows, columns)).flatten(1)
        means = (losses_BL * weights_BL).sum(1) / weights_BL.sum(1)
    if samples is None:
        return means.mean()
    return (means * samples).sum() / samples.sum().clamp(min=1)


@contextmanager
def _unchanged(network: nn.Module) -> Iterator[None]:
    """No gradients for its parameters are computed meanwhile."""
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    network.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
