"""The adversarial objective of texts and clips: its losses against closed forms, and what it refuses."""

import dataclasses

import pytest
import torch
from torch import nn

from scenewright.data.streams import Batch, Batches, StreamConfig
from scenewright.models.conditional_gan import ConditionalGANConfig
from scenewright.models.direct import Made
from scenewright.models.hierarchical_video_gan import HierarchicalVideoGANConfig
from scenewright.models.judge import Verdict
from scenewright.models.moco_gan import MoCoGANConfig
from scenewright.models.text_encoder import TextEncoderConfig
from scenewright.models.video_gan import VideoGANConfig
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.draws import Draws
from scenewright.training.objectives import MODEL, Inputs, Judged, JudgedConfig, NamedJudge
from scenewright.training.objectives.differentiable_augmentation import (
    augmented,
    brightness,
    contrast,
    cutout,
    saturation,
    translation,
)
from scenewright.training.objectives.judged import colour_difference
from scenewright.training.trainer import Trainer
from scenewright.world.layout import SamplerConfig
from scenewright.world.scene import ACTIONS

TEXT = TextEncoderConfig(kind="bag", vocabulary=400, width=8, layers=1)
SIZES = {"text": TEXT, "num_frames": 4, "height": 32, "width_pixels": 32}
NETWORK = ConditionalGANConfig(**SIZES, channels=8, least=8)
LOSSES = {
    "hinge": (lambda x: torch.relu(1 - x), lambda x: torch.relu(1 + x), lambda x: -x),
    "wasserstein": (lambda x: -x, lambda x: x, lambda x: -x),
    "non_saturating": (
        lambda x: nn.functional.softplus(-x),
        nn.functional.softplus,
        lambda x: nn.functional.softplus(-x),
    ),
}


class Scale(nn.Module):
    """A judge whose logits are a multiple of pixels' means, and of the first token of the text."""

    def __init__(self, weight: float = 2.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def read(self, ids, mask):
        return ids[:, :1].float()

    def see(self, x):
        return nn.functional.avg_pool3d(x, (2, 16, 16)).mean(1) * self.weight

    def judge(self, h, text):
        return h + text[:, :, None, None]

    def verdict(self, h, text):
        return Verdict(self.judge(h, text), h, None)

    def forward(self, x, ids, mask):
        return self.verdict(self.see(x), self.read(ids, mask))


class Maker(nn.Module):
    """Makes the same grey clips, and says that things are in the left half."""

    noise_shape = (1,)

    def __init__(self, **made) -> None:
        super().__init__()
        self.grey = nn.Parameter(torch.tensor(-0.25))
        self.made = made

    def forward(self, ids, mask, noise, real=None):
        clips = self.grey.expand(len(ids), 3, 4, 32, 32)
        return Made((clips,), **self.made)


def inputs(**changes) -> Inputs:
    x = torch.full((2, 3, 4, 32, 32), 0.5)
    x[1] = 0.1
    ids = torch.tensor([[1], [3]])
    draws = Draws(0, 1, 2, range(2))
    return dataclasses.replace(Inputs(x, ids, ids > 0, ("a", "b"), draws), **changes)


def judged(**settings) -> Judged:
    config = JudgedConfig(judges=(NamedJudge(reader=TEXT, name="judge"),), **settings)
    objective = Judged(config, NETWORK)
    objective.judges["judge"] = Scale()
    return objective


@pytest.mark.parametrize("loss", LOSSES)
def test_the_losses_are_those_of_the_papers(loss):
    real, fake, fooling = LOSSES[loss]
    means, said, made = torch.tensor([1.0, 0.2]), torch.tensor([1.0, 3.0]), torch.tensor([-0.5, -0.5])
    wrong = fake(means + said.roll(1)).mean()
    told = real(means + said).mean() + (fake(made + said).mean() + wrong) / 2
    alone = real(means).mean() + fake(made).mean()
    found, parts = judged(loss=loss).loss(Maker(), inputs(), "judge")
    assert found.item() == pytest.approx((told + alone).item(), rel=1e-5)
    assert parts["wrong"] == pytest.approx((means + said.roll(1)).mean().item())
    passing, _ = judged(loss=loss).loss(Maker(), inputs(), MODEL)
    expected = fooling(made + said).mean() + fooling(made).mean()
    assert passing.item() == pytest.approx(expected.item(), rel=1e-5)


def test_another_clip_of_the_same_text_is_not_wrong():
    same = inputs(captions=("a", "a"))
    found, _ = judged(loss="wasserstein").loss(Maker(), same, "judge")
    unmatched = judged(loss="wasserstein", matching=False).loss(Maker(), same, "judge")[0]
    made_told = torch.tensor([-0.5 + 1, -0.5 + 3]).mean()
    # What is wrong counts nothing, and half is left of what is made.
    assert (unmatched - found).item() == pytest.approx(made_told.item() / 2, rel=1e-5)


def test_regions_weigh_places_by_what_is_there():
    things = torch.zeros(2, 4, 32, 32, dtype=torch.bool)
    things[:, :, :, :16] = True
    x = torch.zeros(2, 3, 4, 32, 32)
    x[..., :16] = 1.0
    region = torch.zeros(2, 1, 4, 32, 32)
    region[..., :16] = 0.5
    maker = Maker(region=region)
    found, _ = judged(loss="wasserstein", regions=3.0, matching=False).loss(
        maker, inputs(x=x, things=things), "judge"
    )
    # Real: logits 2 on the left with weight 4 and 0 on the right with weight 1; made: -0.5 everywhere.
    mean = 2 * 4 / 5
    said = 2.0
    expected = -(mean + said) + (-0.5 + said) - mean - 0.5
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_penalties_of_slopes_are_what_they_say():
    slope = 2 / (3 * 4 * 32 * 32)
    squared = slope**2 * 3 * 4 * 32 * 32
    plain = judged(loss="wasserstein").loss(Maker(), inputs(), "judge")[0]
    r1, parts = judged(loss="wasserstein", r1=8.0).loss(Maker(), inputs(), "judge")
    assert parts["r1"] == pytest.approx(2 * squared, rel=1e-4)
    assert (r1 - plain).item() == pytest.approx(8 / 2 * 2 * squared, rel=1e-2)
    assert "r1" not in judged(loss="wasserstein", r1=8.0, r1_every=2).loss(Maker(), inputs(), "judge")[1]
    lengths, _ = judged(loss="wasserstein", gradient_penalty=0.5).loss(Maker(), inputs(), "judge")
    assert (lengths - plain).item() == pytest.approx(0.5 * 2 * (squared**0.5 - 1) ** 2, rel=1e-3)


def test_penalties_and_reconstruction_and_actions_are_added():
    logits = torch.randn(2, 5)
    maker = Maker(penalties={"mask": torch.tensor([1.0, 3.0])}, actions=logits)
    seen = inputs(actions=torch.tensor([4, 0]))
    plain = judged().loss(Maker(), seen, MODEL)[0]
    found, parts = judged(penalties={"mask": 0.5}, reconstruction=2.0).loss(maker, seen, MODEL)
    error = ((0.75**2) + 0.35**2) / 2
    named = nn.functional.cross_entropy(logits, seen.actions)
    assert parts["reconstruction"] == pytest.approx(error, rel=1e-5)
    assert (found - plain).item() == pytest.approx(0.5 * 2 + 2 * error + named.item(), rel=1e-5)


class Mover(Maker):
    """Makes clips as grey as the text is whose motion they have."""

    def forward(self, ids, mask, noise, real=None, motion_of=None):
        own = torch.arange(len(ids))
        self.asked = own if motion_of is None else motion_of
        moved = ids[self.asked, 0].float() / 4
        return Made((self.grey * moved[:, None, None, None, None].expand(-1, 3, 4, 32, 32),))


class Naming(Scale):
    """Names one of two actions by how bright it is."""

    def verdict(self, h, text):
        bright = h.mean((1, 2, 3))
        return Verdict(self.judge(h, text), h, torch.stack([bright, -bright], -1))


def test_the_motion_of_swapped_clips_is_named_and_nothing_else_is_read_of_them():
    seen = inputs(actions=torch.tensor([1, 0]))
    objective, plain = (judged(loss="wasserstein", swaps=weight) for weight in (0.5, 0.0))
    for each in (objective, plain):
        each.judges["judge"] = Naming()
    mover = Mover()
    found, parts = objective.loss(mover, seen, MODEL)
    # Two clips as they are said, and two with the motion of the one before: of a batch of two, the other.
    assert mover.asked.tolist() == [0, 1, 1, 0]
    bright = 2.0 * torch.tensor([-0.25 * 3 / 4, -0.25 * 1 / 4])
    assert parts["judge_swaps_passed"] == pytest.approx(-bright.mean().item())
    logits = torch.stack([bright, -bright], -1)
    named = nn.functional.cross_entropy(logits, torch.tensor([0, 1])).item()
    assert parts["judge_swaps_actions"] == pytest.approx(named)
    added = 0.5 * (parts["judge_swaps_passed"] + parts["judge_swaps_actions"])
    assert (found - plain.loss(mover, seen, MODEL)[0]).item() == pytest.approx(added, rel=1e-5)
    # Judges learn to know them, too.
    objective.loss(mover, seen, "judge")
    assert mover.asked.tolist() == [0, 0]


def test_the_network_learns_nothing_into_its_judges_nor_they_into_it():
    objective = judged()
    maker, judge = Maker(), objective.judges["judge"]
    objective.loss(maker, inputs(), MODEL)[0].backward()
    assert judge.weight.grad is None
    assert maker.grey.grad is not None
    maker.grey.grad = None
    objective.loss(maker, inputs(), "judge")[0].backward()
    assert judge.weight.grad is not None
    assert maker.grey.grad is None


def test_judges_come_first_and_each_update_sees_other_clips():
    objective = judged(updates=2)
    assert objective.turns(0) == ("judge", "judge", MODEL)
    seen = []

    class Noted(Maker):
        def forward(self, ids, mask, noise, real=None):
            seen.append(noise)
            return super().forward(ids, mask, noise)

    maker = Noted()
    objective.prepare(
        Batch(torch.zeros(2, 4, 32, 32, 3, dtype=torch.uint8), ["a", "b"], range(2)),
        lambda texts: (torch.ones(2, 1), torch.ones(2, 1)),
        inputs().draws,
    )
    for player in objective.turns(0):
        objective.loss(maker, inputs(), player)
        objective.after_update(maker, player, 0)
    assert len({tuple(noise.flatten().tolist()) for noise in seen}) == 3


def test_colours_of_levels_are_compared_by_means_and_covariances():
    torch.manual_seed(0)
    coarse, fine = torch.rand(2, 3, 2, 4, 4), torch.rand(2, 3, 4, 8, 8)
    expected = []
    for a, b in zip(coarse.flatten(2), fine.flatten(2), strict=True):
        means = (a.mean(1) - b.mean(1)).square().sum()
        expected.append(means + 5 * (a.cov(correction=0) - b.cov(correction=0)).square().sum())
    torch.testing.assert_close(colour_difference([coarse, fine]), torch.stack(expected))


def test_augmentations_change_what_they_are_called_after():
    x = torch.rand(2, 3, 2, 16, 16) * 2 - 1
    low, high = torch.tensor([0.0, 1.0]), torch.tensor([0.25, 0.75])
    torch.testing.assert_close(brightness(x, low)[1], x[1] + 0.5)
    grey = x.mean(1, keepdim=True)
    torch.testing.assert_close(saturation(x, low)[0], grey[0].expand(3, -1, -1, -1))
    torch.testing.assert_close(saturation(x, low)[1], 2 * x[1] - grey[1])
    spread = contrast(x, low)
    torch.testing.assert_close(spread.mean((1, 2, 3, 4)), x.mean((1, 2, 3, 4)))
    torch.testing.assert_close(spread[0].std(), x[0].std() / 2)
    moved = translation(x, torch.tensor([0.0, 0.99]), torch.tensor([0.5, 0.5]))
    torch.testing.assert_close(moved[0, :, :, :-2], x[0, :, :, 2:])
    assert (moved[0, :, :, -2:] == 0).all()
    torch.testing.assert_close(moved[1, :, :, 2:], x[1, :, :, :-2])
    cut = cutout(x, torch.tensor([0.5, 0.5]), high)
    assert ((cut == 0) == (cut != x)).all()
    assert (cut[0, :, :, 4:13, 0:9] == 0).all()
    assert (cut[0, :, :, :4] == x[0, :, :, :4]).all()
    names = ("brightness", "saturation", "contrast", "translation", "cutout")
    draws = Draws(0, 0, 2, range(2))
    x.requires_grad_()
    found = augmented(x, names, draws, "a")
    torch.testing.assert_close(augmented(x, names, draws, "a"), found)
    assert (augmented(x, names, draws, "b") != found).any()
    found.sum().backward()
    assert x.grad.abs().sum() > 0


SAMPLER = SamplerConfig(num_objects=(1, 2), moving_camera=0, settings=0)


@pytest.mark.parametrize("shards", [False, True])
def test_facts_of_the_world_come_with_its_clips(shards, tmp_path):
    from scenewright.data.world_source import WorldSource, render_shards
    from scenewright.world.render import render

    source = WorldSource(sampler=SAMPLER, width=32, height=24, num_frames=4)
    config = StreamConfig(**dict(source), facts=("things", "actions"))
    if shards:
        render_shards(source, tmp_path / "clips", 4, shard_size=4)
        config = config.model_copy(update={"shards": (tmp_path / "clips",)})
    batches = Batches(config, 4)
    batch = batches[0]
    clips = batches.order.batch(0).clips
    scenes = [source.scene(int(i)) for i in clips]
    masks = render(scenes, width=32, height=24, num_frames=4, fps=8.0, outputs=("masks",))
    for index, (scene, found) in enumerate(zip(scenes, masks, strict=True)):
        assert (batch.things[index].numpy() == (found.masks > 0)).all()
        kinds = {m.kind for m in scene.motions} or {"still"}
        assert ACTIONS[batch.actions[index]].split()[0] in kinds


def recipe(objective: JudgedConfig, network=NETWORK, facts=()) -> TrainingRecipe:
    data = StreamConfig(width=32, height=32, num_frames=4, facts=facts, sampler=SAMPLER)
    stage = Stage(steps=2, batch=2, data=data)
    optimizer = {"name": "adam", "beta1": 0.0}
    return TrainingRecipe(
        name="judged",
        network=network,
        objective=objective,
        stages=(stage,),
        optimizer=optimizer,
        workers=0,
        ema_decay=0.5,
    )


JUDGE = NamedJudge(reader=TEXT)


@pytest.mark.parametrize(
    ("settings", "network", "facts", "message"),
    [
        ({"judges": (JUDGE, JUDGE)}, NETWORK, (), "names of their own"),
        ({"r1_every": 2}, NETWORK, (), "does nothing without r1"),
        ({"agreement_weight": 1.0}, NETWORK, (), "go together"),
        ({"judges": (NamedJudge(text="none"),)}, NETWORK, (), "no judge sees the text"),
        ({"judges": (NamedJudge(),)}, NETWORK, (), "reads 1024 tokens, and the network 400"),
        ({"judges": (NamedJudge(reader=TEXT, level=2),)}, NETWORK, (), "sees level 2; there are 1"),
        ({"penalties": {"mask": 1.0}}, NETWORK, (), "the network has no mask; it has none"),
        ({"colours": 1.0}, NETWORK, (), "has one; leave it out"),
        ({"regions": 1.0}, NETWORK, (), "need things: set data.facts"),
        ({}, NETWORK, ("things",), "nothing here uses things"),
        ({}, MoCoGANConfig(**SIZES, actions=28), (), "need actions: set data.facts"),
        ({"swaps": 1.0}, NETWORK, (), "has no motion apart"),
        ({"swaps": 1.0}, MoCoGANConfig(**SIZES, actions=28), ("actions",), "a judge that names actions"),
        (
            {"judges": (NamedJudge(reader=TEXT, actions=5),)},
            MoCoGANConfig(**SIZES, actions=28),
            ("actions",),
            "names 5 actions; the network 28",
        ),
    ],
)
def test_recipes_that_do_not_fit(settings, network, facts, message):
    with pytest.raises(ValueError, match=message):
        recipe(JudgedConfig(**{"judges": (JUDGE,), **settings}), network, facts)


@pytest.mark.parametrize(
    ("network", "settings", "facts"),
    [
        (VideoGANConfig(**SIZES, channels=8, least=8), {"penalties": {"mask": 1.0}, "updates": 2}, ()),
        (
            HierarchicalVideoGANConfig(**SIZES, channels=8, least=8, fine=(8, 8)),
            {"regions": 2.0, "augment": ("translation", "cutout"), "gradient_penalty": 1.0},
            ("things",),
        ),
        (
            MoCoGANConfig(**SIZES, actions=28, channels=8, least=8),
            {"swaps": 1.0, "judges": (NamedJudge(reader=TEXT, actions=28),)},
            ("actions",),
        ),
    ],
)
def test_a_run_goes_on_bit_for_bit(network, settings, facts, tmp_path):
    whole = recipe(JudgedConfig(**{"judges": (JUDGE,), "r1": 1.0, **settings}), network, facts)
    straight = Trainer(whole, tmp_path / "straight")
    straight.run()
    stopped = Trainer(whole, tmp_path / "stopped")
    stopped.run(until=1)
    stopped.save(wait=True)
    resumed = Trainer(whole, tmp_path / "stopped")
    assert resumed.step == 1
    resumed.run()
    for name, player in straight.networks.items():
        for key, value in player.state_dict().items():
            torch.testing.assert_close(resumed.networks[name].state_dict()[key], value, rtol=0, atol=0)


def test_rates_of_players():
    objective = judged(judge_rate=4.0)
    assert (objective.rate(MODEL), objective.rate("judge")) == (1.0, 4.0)
