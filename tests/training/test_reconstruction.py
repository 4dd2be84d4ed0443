"""Autoencoders: what they learn, and runs of them."""

import json

import pytest
import torch
from test_trainer import assert_same, final_state

from scenewright.config import load_recipe
from scenewright.data.streams import Batch, StreamConfig, batches
from scenewright.evaluation.reconstruction import psnr as psnr_of_frames
from scenewright.generation.autoencoder import load_autoencoder
from scenewright.models.blocks.bottlenecks import BottleneckConfig
from scenewright.models.video_autoencoder import VideoAutoencoder, VideoAutoencoderConfig
from scenewright.registry import metrics
from scenewright.training.callbacks import ValidationConfig
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.draws import Draws
from scenewright.training.objectives import MODEL, Reconstruction, ReconstructionConfig
from scenewright.training.objectives.adversarial import AdversarialConfig
from scenewright.training.objectives.reconstruction import psnr
from scenewright.training.optimizers import OptimizerConfig, build_optimizers, set_rate
from scenewright.training.planning.workload import workload
from scenewright.training.schedules import ScheduleConfig
from scenewright.training.trainer import Trainer
from scenewright.world.layout import SamplerConfig

DATA = StreamConfig(
    sampler=SamplerConfig(num_objects=(1, 1), moving_camera=0), width=24, height=24, num_frames=8
)
NETWORK = VideoAutoencoderConfig(
    patch=(4, 2, 2), widths=(16, 24), encoder_blocks=(1, 1), decoder_blocks=(1, 1)
)
RECIPE = TrainingRecipe(
    name="tiny-autoencoder",
    network=NETWORK,
    stages=(Stage(steps=6, batch=4, data=DATA),),
    objective=ReconstructionConfig(crop=16),
    schedule=ScheduleConfig(warmup=2),
    validation=ValidationConfig(
        every=3,
        batches=2,
        batch=2,
        data=DATA.model_copy(update={"seed": 9}),
        metrics={"reconstruction": {"clips": 2, "data": {"width": 16, "height": 16, "num_frames": 5}}},
        best="reconstruction/psnr",
    ),
    sample_every=3,
    checkpoint_every=2,
    log_every=1,
    threads=1,
    workers=0,
)


def with_network(**changes) -> TrainingRecipe:
    return RECIPE.model_copy(update={"network": NETWORK.model_copy(update=changes)})


def vq(**settings) -> BottleneckConfig:
    return BottleneckConfig(name="vq", channels=4, codes=16, **settings)


@pytest.mark.parametrize(
    ("bottleneck", "steps", "least"),
    [
        (BottleneckConfig(channels=16), 250, 30.0),
        (BottleneckConfig(name="fsq", levels=(8,) * 10), 150, 28.0),
        (BottleneckConfig(name="vq", channels=16, codes=256), 150, 24.0),
    ],
    ids=["kl", "fsq", "vq"],
)
def test_a_few_clips_are_learned_by_heart(bottleneck, steps, least):
    torch.manual_seed(0)
    config = NETWORK.model_copy(update={"widths": (32, 48), "bottleneck": bottleneck})
    network = VideoAutoencoder(config)
    batch = next(batches(DATA.model_copy(update={"width": 16, "height": 16}), 3, 0, 1, workers=0))
    objective = Reconstruction(ReconstructionConfig(single_start=0.0))
    optimizers = build_optimizers(network, OptimizerConfig(lr=5e-3, weight_decay=0.0))
    for step in range(steps):
        inputs = objective.prepare(batch, None, Draws(0, step, 3, batch.rows))
        network.zero_grad()
        objective.loss(network, inputs)[0].backward()
        for optimizer in optimizers:
            set_rate([optimizer], 5e-3 * (1 - step / steps))
            optimizer.step()
        objective.after_update(network, MODEL, step)
    network.eval()
    with torch.no_grad():
        latents = network.encode(inputs.x)
        assert psnr(network.decode(latents, 8), inputs.x).mean() > least
    moments = latents.movedim(1, -1).flatten(0, -2)
    torch.testing.assert_close(moments.mean(0), torch.zeros(moments.shape[1]), atol=0.3, rtol=0)
    torch.testing.assert_close(moments.std(0), torch.ones(moments.shape[1]), atol=0.3, rtol=0)


def test_psnr_is_that_of_skimage():
    metrics_of = pytest.importorskip("skimage.metrics")
    generator = torch.Generator().manual_seed(0)
    original = torch.randint(0, 256, (5, 8, 9, 3), generator=generator, dtype=torch.uint8)
    made = (original.int() + torch.randint(-9, 10, original.shape, generator=generator)).clamp(0, 255)
    made = made.to(torch.uint8)
    expected = metrics_of.peak_signal_noise_ratio(original.numpy(), made.numpy())
    assert psnr_of_frames(made, original) == pytest.approx(expected, abs=1e-4)
    assert psnr_of_frames(original, original) == 100
    both = [(x.movedim(-1, 0)[None].float() / 127.5 - 1) for x in (made, original)]
    assert psnr(*both).item() == pytest.approx(expected, abs=1e-4)


def test_the_loss_is_its_formula():
    torch.manual_seed(1)
    network = VideoAutoencoder(NETWORK).eval()
    config = ReconstructionConfig(l1=2.0, l2=3.0, gradient=5.0, penalty=0.25)
    objective = Reconstruction(config)
    batch = next(batches(DATA, 2, 0, 1, workers=0))
    inputs = objective.prepare(batch, None, Draws(0, 0, 2, batch.rows))
    with torch.no_grad():
        loss, parts = objective.loss(network, inputs)
        made = network(objective._single_starts(inputs, 4))
    error = made.x - objective._single_starts(inputs, 4)
    edges = [
        (error[:, :, 1:] - error[:, :, :-1]).abs().mean(),
        (error[..., 1:, :] - error[..., :-1, :]).abs().mean(),
        (error[..., 1:] - error[..., :-1]).abs().mean(),
    ]
    expected = 2 * error.abs().mean() + 3 * error.square().mean() + 5 * sum(edges) / 3
    torch.testing.assert_close(loss, expected + 0.25 * made.code.penalty)
    assert parts["penalty"] == pytest.approx(made.code.penalty.item())


def test_crops_and_single_starts_are_of_the_clip_and_keyed_by_the_step():
    frames = torch.arange(2 * 8 * 24 * 24 * 3).view(2, 8, 24, 24, 3).remainder(251).to(torch.uint8)
    batch = Batch(frames, ["a", "b"], range(2))
    objective = Reconstruction(ReconstructionConfig(crop=16, single_start=1.0))
    one, same, other = (objective.prepare(batch, None, Draws(5, step, 2, range(2))).x for step in (1, 1, 2))
    assert one.shape == (2, 3, 8, 16, 16)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    pixels = ((one[0] + 1) * 127.5).round().to(torch.uint8).movedim(0, -1)
    windows = frames[0].unfold(1, 16, 1).unfold(2, 16, 1).permute(1, 2, 0, 4, 5, 3)
    assert (windows == pixels).flatten(2).all(-1).sum() == 1
    inputs = objective.prepare(batch, None, Draws(5, 1, 2, range(2)))
    started = objective._single_starts(inputs, 4)
    assert torch.equal(started[:, :, :4], inputs.x[:, :, 3:4].expand(-1, -1, 4, -1, -1))
    assert torch.equal(started[:, :, 4:], inputs.x[:, :, 4:])


def test_a_run_leaves_a_log_pictures_and_an_autoencoder(tmp_path):
    Trainer(RECIPE, tmp_path / "run").run()
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    found = [line["validation"] for line in lines if "validation" in line]
    assert [set(v) for v in found] == [{"loss", "reconstruction/psnr"}] * 2
    assert all("psnr" in line for line in lines if "loss" in line)
    assert len(list((tmp_path / "run" / "samples").iterdir())) == 2
    loaded = load_autoencoder(tmp_path / "run" / "model")
    trainer = Trainer(RECIPE, tmp_path / "run")
    batch = next(batches(DATA, 1, 0, 1, workers=0))
    expected = trainer.pipeline().encode(batch.frames).float()
    torch.testing.assert_close(loaded.encode(batch.frames).float(), expected, atol=0.02, rtol=0.02)
    assert int(loaded.network.settled) == 6
    assert loaded.reconstruct(batch.frames).shape == batch.frames.shape
    again = RECIPE.model_copy(update={"init_from": tmp_path / "run" / "model"})
    start = Trainer(again, tmp_path / "again").model.state_dict()
    for name, value in loaded.network.state_dict().items():
        assert torch.equal(value, start[name])


JUDGES = {
    "hinge": AdversarialConfig(start=2, width=4, depth=2),
    "normed": AdversarialConfig(
        start=2, width=4, depth=2, loss="non_saturating", r1=0.1, norm="batch", spectral_norm=True, updates=2
    ),
}


@pytest.mark.parametrize("kind", [*JUDGES, "vq"])
def test_a_run_stopped_and_resumed_equals_one_that_was_not(kind, tmp_path):
    if kind == "vq":
        recipe = with_network(bottleneck=vq())
    else:
        objective = RECIPE.objective.model_copy(update={"adversarial": JUDGES[kind]})
        recipe = RECIPE.model_copy(update={"objective": objective})
    Trainer(recipe, tmp_path / "whole").run()
    Trainer(recipe, tmp_path / "run").run(until=3)
    Trainer(recipe, tmp_path / "run").run()
    one = final_state(tmp_path / "whole")
    assert_same(one, final_state(tmp_path / "run"))
    assert one["networks.model.weights.settled"] == 6
    if kind != "vq":
        assert any(name.startswith("networks.discriminator.weights.layers.0.") for name in one)
        assert load_recipe(TrainingRecipe, tmp_path / "run" / "recipe.yaml") == recipe


def test_the_discriminator_tells_real_from_made_and_teaches_from_its_start_on(tmp_path):
    torch.manual_seed(2)
    config = ReconstructionConfig(adversarial=AdversarialConfig(start=3, width=8, depth=2, weight=0.5))
    objective, network = Reconstruction(config), VideoAutoencoder(NETWORK)
    assert [objective.turns(step) for step in (2, 3)] == [(MODEL,), (MODEL, "discriminator")]
    often = ReconstructionConfig(adversarial=AdversarialConfig(updates=3))
    assert Reconstruction(often).turns(0) == (MODEL, *["discriminator"] * 3)
    batch = next(batches(DATA, 2, 0, 1, workers=0))

    def inputs(step):
        return objective.prepare(batch, None, Draws(0, step, 2, batch.rows))

    optimizer = torch.optim.Adam(objective.discriminator.parameters(), lr=3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        loss, parts = objective.loss(network, inputs(3), "discriminator")
        loss.backward()
        optimizer.step()
    assert parts["real"] > 0.5
    assert parts["fake"] < -0.5
    assert all(parameter.grad is None for parameter in network.parameters())
    plain = objective.loss(network, inputs(2))[0]
    judged, parts = objective.loss(network, inputs(3))
    noise = config.model_copy(update={"adversarial": None})
    without = Reconstruction(noise).loss(network, inputs(3))[0]
    torch.testing.assert_close(judged, without - 0.5 * parts["real"])
    assert "real" not in objective.loss(network, inputs(2))[1]
    assert plain.item() != judged.item()


@pytest.mark.parametrize("bottleneck", [BottleneckConfig(channels=4), vq()], ids=["kl", "vq"])
def test_micro_batches_settle_as_the_large_batch(bottleneck, tmp_path):
    found = []
    for accumulate in (1, 2):
        recipe = with_network(bottleneck=bottleneck).model_copy(update={"accumulate": accumulate})
        trainer = Trainer(recipe, tmp_path / str(accumulate))
        trainer.run(until=1)
        found.append(dict(trainer.model.named_buffers()))
    for name, value in found[0].items():
        torch.testing.assert_close(found[1][name], value, atol=1e-5, rtol=1e-4)
    assert found[0]["settled"] == 1


def test_what_a_skipped_step_has_seen_is_forgotten():
    torch.manual_seed(3)
    network, objective = VideoAutoencoder(NETWORK), Reconstruction(ReconstructionConfig())
    batch = next(batches(DATA, 2, 0, 1, workers=0))
    bad = objective.prepare(batch, None, Draws(0, 7, 2, batch.rows))
    bad.x.fill_(float("nan"))
    objective.loss(network, bad)
    good = objective.prepare(batch, None, Draws(0, 7, 2, batch.rows))
    objective.loss(network, good)
    objective.after_update(network, MODEL, 7)
    assert network.latent_mean.isfinite().all()
    assert network.settled == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample_prompts": ("a ball",)}, "sample_prompts do nothing"),
        ({"objective": {"name": "flow_matching"}}, "trained by objective.name = reconstruction"),
        ({"network": {}}, "reconstruction trains other families"),
        ({"autoencoder": "x"}, "does nothing for an autoencoder"),
        ({"objective": {"name": "reconstruction", "crop": 18}}, "height must be a multiple of 4"),
    ],
)
def test_recipes_that_mean_nothing_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        TrainingRecipe.model_validate({**RECIPE.model_dump(), **changes})


def test_fsq_has_no_penalty_to_weigh():
    network = {"family": "video-autoencoder", "bottleneck": {"name": "fsq"}}
    objective = {"name": "reconstruction", "penalty": 0.1}
    stage = {"steps": 1, "data": {}}
    with pytest.raises(ValueError, match="penalty does nothing for fsq"):
        TrainingRecipe.model_validate(
            {"name": "x", "network": network, "objective": objective, "stages": [stage]}
        )


def test_what_is_planned_is_a_flow_transformer():
    with pytest.raises(ValueError, match="not this video-autoencoder"):
        workload(RECIPE, "cpu")


def test_the_metric_is_for_autoencoders(tiny_pipeline):
    with pytest.raises(ValueError, match="for autoencoders"):
        metrics.get("reconstruction")(tiny_pipeline)
