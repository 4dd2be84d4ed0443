"""A policy of motion: what it draws and does, what it learns by heart, and what rewards add."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from overfitting import CLIPS, SIZES, handful, learned
from torch.distributions import Normal

from scenewright.cli.generate import generate as generate_command
from scenewright.clip import Prompt
from scenewright.config import load_recipe
from scenewright.generation.loading import load_generator
from scenewright.models.damsm import DAMSMConfig
from scenewright.models.motion_policy import (
    EXTENT,
    FIRST,
    PLACEMENT,
    UNITS,
    Content,
    MotionPolicy,
    MotionPolicyConfig,
)
from scenewright.models.text_encoder import TextEncoderConfig
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.objectives import ActorCriticConfig, MatchingObjectiveConfig, RegressionConfig
from scenewright.training.optimizers import OptimizerConfig
from scenewright.training.schedules import ScheduleConfig
from scenewright.training.trainer import Trainer

TEXT = TextEncoderConfig(kind="lstm", vocabulary=400, width=16, layers=1)
SMALL = MotionPolicyConfig(
    text=TEXT, num_frames=5, height=32, width_pixels=64, hidden=16, channels=8, least=8, locator=8
)
IDS = torch.randint(1, 400, (2, 6), generator=torch.Generator().manual_seed(1))
MASK = torch.tensor([[True] * 4 + [False] * 2, [True] * 6])


def policy(**changes) -> MotionPolicy:
    """Untrained, but no longer as it begins: it moves, and not every time alike."""
    torch.manual_seed(0)
    network = MotionPolicy(SMALL.model_copy(update=changes)).eval()
    with torch.no_grad():
        for layer in (network.mean, network.spread, network.value, network.locator.rest):
            torch.nn.init.normal_(layer.weight, std=0.5)
    return network


def content(network: MotionPolicy) -> Content:
    """A black background, and a thing that is a white square as large as its own picture."""
    side = network.config.side
    size = (network.config.height, network.config.width_pixels)
    return Content(torch.full((1, 3, *size), -1.0), torch.ones(1, 4, side, side))


def rendered(network: MotionPolicy, **placement: float) -> np.ndarray:
    """The brightness (T, H, W) of its clip where the thing stays at a placement."""
    where = torch.zeros(1, network.config.num_frames, len(PLACEMENT))
    for name, value in {"seen": 20.0, **placement}.items():
        where[..., PLACEMENT.index(name)] = value
    clips, region = network.render(content(network), where)
    torch.testing.assert_close(region[0, 0], (clips[0, 0] + 1) / 2, rtol=1e-4, atol=1e-4)
    return region[0, 0].numpy()


def centre(picture: np.ndarray) -> tuple[float, float]:
    """Rows and columns, in pixels."""
    rows, columns = np.indices(picture.shape)
    return float((rows * picture).sum() / picture.sum()), float((columns * picture).sum() / picture.sum())


def test_a_thing_is_put_where_its_placement_says():
    network = policy()
    middle = rendered(network)[0]
    assert centre(middle) == pytest.approx((15.5, 31.5), abs=1e-3)
    area = middle.sum()
    assert area == pytest.approx((EXTENT * 32) ** 2, rel=0.01)
    # A half of the height is 16 pixels, both ways.
    assert centre(rendered(network, right=0.5)[3]) == pytest.approx((15.5, 39.5), abs=1e-3)
    assert centre(rendered(network, down=-0.25)[0]) == pytest.approx((11.5, 31.5), abs=1e-3)
    # 16 of 32 pixels to a side, and 20: sizes at which pixels end where the thing does.
    for side in (16, 20):
        small = rendered(network, size=float(np.log(side / 32 / EXTENT)))[0]
        assert small.sum() == pytest.approx(side**2, rel=1e-3)
    turned = rendered(network, angle=np.pi / 4, size=-0.5)[0]
    assert turned.sum() == pytest.approx(area * np.exp(-1), rel=0.02)
    # A square on its corner is higher and wider by the root of 2.
    side = EXTENT * 32 * np.exp(-0.5)
    assert turned[:, 31].sum() + 1 == pytest.approx(side * np.sqrt(2), abs=1)
    assert rendered(network, seen=-3.0)[0].max() == pytest.approx(0.5, abs=1e-3)


def test_angles_are_clockwise():
    network = policy()
    drawn = content(network)
    drawn.thing[:, :, :, : network.config.side // 2] = 0
    where = torch.zeros(1, 5, len(PLACEMENT))
    where[..., PLACEMENT.index("seen")] = 20
    right = network.render(drawn, where)[1][0, 0, 0].numpy()
    where[..., PLACEMENT.index("angle")] = np.pi / 2
    down = network.render(drawn, where)[1][0, 0, 0].numpy()
    assert centre(right)[1] > 33
    assert centre(down)[0] > 17
    assert centre(down)[1] == pytest.approx(31.5, abs=1e-3)


def test_actions_lead_to_placements_and_back():
    network = policy()
    played = network.roll_out(torch.randn(2, 16), torch.randn(2, *network.noise_shape))
    torch.testing.assert_close(network.actions_of(played.placements), played.actions, rtol=1e-3, atol=1e-3)
    first = played.actions[:, 0] * torch.tensor(UNITS) * FIRST
    torch.testing.assert_close(played.placements[:, 0], first)
    moved = played.placements[:, 3] - played.placements[:, 2]
    torch.testing.assert_close(moved, played.actions[:, 3] * torch.tensor(UNITS), rtol=1e-3, atol=1e-4)


def test_what_was_played_is_followed_with_the_likelihood_of_its_gaussians():
    network = policy()
    pooled, noise = torch.randn(2, 16), torch.randn(2, *network.noise_shape)
    played = network.roll_out(pooled, noise)
    again = network.follow(pooled, played.actions)
    for found, expected in zip(again, played, strict=True):
        torch.testing.assert_close(found, expected)
    gaussian = Normal(played.means, played.spreads.exp())
    torch.testing.assert_close(played.log_likelihood, gaussian.log_prob(played.actions).sum(-1))
    torch.testing.assert_close(played.entropy, gaussian.entropy().sum(-1))
    torch.testing.assert_close((played.actions - played.means) / gaussian.stddev, noise, rtol=1e-3, atol=1e-3)
    still = network.roll_out(pooled, torch.zeros_like(noise))
    assert torch.equal(still.actions, still.means)
    # It depends on the text, on what was done, and on the frame.
    assert (again.means[0, 1] - again.means[1, 1]).abs().max() > 1e-3
    assert (network.follow(pooled, played.actions + 1).means - again.means)[:, 1:].abs().max() > 1e-3
    assert (still.means[:, 1:] - still.means[:, :-1]).abs().max() > 1e-3


def test_noise_padding_the_rest_of_a_batch_and_real_clips():
    network = policy()
    noise = torch.randn(2, *network.noise_shape)
    both = network(IDS, MASK, noise)
    assert both.clips.shape == (2, 3, 5, 32, 64)
    assert both.clips.abs().max() <= 1
    assert both.region.shape == (2, 1, 5, 32, 64)
    alone = network(IDS[:1, :4], MASK[:1, :4], noise[:1])
    torch.testing.assert_close(alone.clips, both.clips[:1], rtol=1e-3, atol=1e-4)
    assert (network(IDS, MASK, noise + 1).clips - both.clips).abs().mean() > 1e-3
    real = torch.rand(2, 3, 5, 32, 64)
    told = network(IDS, MASK, noise, real)
    assert (network(IDS, MASK, noise + 1, real).clips == told.clips).all()
    text = network.encode_text(IDS, MASK)
    located = network.locate(real, network.draw(text))
    followed = network.follow(text.pooled, network.actions_of(located))
    expected = -followed.log_likelihood.mean(1) / len(PLACEMENT)
    torch.testing.assert_close(told.penalties["imitation"], expected)


def test_a_thing_is_found_where_a_clip_differs_from_its_background():
    network = policy()
    real = torch.full((1, 3, 5, 32, 64), -1.0)
    corners = [(4, 8), (8, 20), (12, 32), (16, 40), (20, 52)]
    for frame, (row, column) in enumerate(corners):
        real[0, :, frame, row : row + 8, column : column + 8] = 1.0
    found = network.locate(real, content(network))[0]
    for frame, (row, column) in enumerate(corners):
        right, down = found[frame, :2].tolist()
        assert right == pytest.approx((column + 4 - 32) / 16, abs=0.1)
        assert down == pytest.approx((row + 4 - 16) / 16, abs=0.1)


def test_imitation_teaches_the_policy_and_not_what_it_imitates():
    network = policy()
    made = network(IDS, MASK, torch.zeros(2, *network.noise_shape), torch.rand(2, 3, 5, 32, 64))
    made.penalties["imitation"].mean().backward()
    taught = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None}
    assert taught == {"text_encoder", "begin", "mover", "mean", "spread"}


NETWORK = MotionPolicyConfig(**SIZES, hidden=32, channels=48, least=24, locator=8)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run on a handful of clips: regression, then rewards of a network that was trained to
    match the same clips with their texts; and what of their captions is seen in what it makes."""
    folder = tmp_path_factory.mktemp("moved")
    data = handful(folder)
    common = {"ema_decay": 0.9, "sample_every": 1000, "workers": 0}
    matching = TrainingRecipe(
        name="matched",
        stages=(Stage(steps=60, batch=CLIPS, data=data),),
        network=DAMSMConfig(**SIZES, channels=8, common=32),
        objective=MatchingObjectiveConfig(),
        optimizer=OptimizerConfig(name="adamw", lr=3e-3),
        **common,
    )
    Trainer(matching, folder / "matched").run()
    rewards = ActorCriticConfig(
        smoothness=0.3, agreement=folder / "matched" / "model", agreement_weight=1.0, entropy=0.0
    )
    found = learned(
        folder,
        data,
        320,
        (Stage(steps=30, batch=CLIPS, data=data, objective=rewards),),
        network=NETWORK,
        objective=RegressionConfig(penalties={"imitation": 0.03}),
        optimizer=OptimizerConfig(name="adamw", lr=4e-3),
        schedule=ScheduleConfig(warmup=10, decay_fraction=0.4),
        log_every=10,
    )
    return folder / "run", found


def test_it_learns_a_handful_of_clips(trained):
    """By heart, until the exact measure says that what was said is seen."""
    run, found = trained
    assert found["colour"] == 1.0, found
    assert found["shape"] >= 0.75, found
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]
    rewarded = [line for line in lines if "reward" in line]
    assert {line["stage"] for line in rewarded} == {1}
    for line in rewarded:
        assert line["reward"] == pytest.approx(0.3 * line["smoothness"] + line["agreement"], abs=1e-4)


def test_it_is_used_as_any_model(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = trained[0] / "model"
    done = CliRunner().invoke(generate_command, ["a red ball", "--model", str(folder), "-o", "a.mp4"])
    assert done.exit_code == 0, done.output
    first, again, other = load_generator(folder).generate(
        [Prompt(text="a red ball", seed=seed) for seed in (1, 1, 2)]
    )
    assert (first.frames == again.frames).all()
    assert (first.frames != other.frames).any()


def test_sizes_that_do_not_grow_are_refused():
    with pytest.raises(ValueError, match="is not grown by doublings"):
        MotionPolicyConfig(height=48, width_pixels=48)


def test_the_recipe_of_the_zoo():
    found = load_recipe(TrainingRecipe, "zoo/lstm-a3c")
    assert found.network.family == "motion-policy"
    assert [(stage.objective or found.objective).name for stage in found.stages] == [
        "regression",
        "actor_critic",
    ]
    assert found.stages[1].objective.workers > 1
