"""Frames from first frames and sound: who sees what, what is learned by heart, and how it is used."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from heard_world import heard_world, source_of
from PIL import Image
from torch.distributions import Normal, kl_divergence

from scenewright.cli.generate import generate as generate_command
from scenewright.clip import Clip, GivenFrame, Prompt, Waveform
from scenewright.data.streams import Batches
from scenewright.data.world_source import render_shards
from scenewright.evaluation.fidelity.pixels import psnr
from scenewright.generation.loading import ModelError, load_generator, load_pipeline, untrained_generator
from scenewright.generation.sound_to_sight import SoundToSightGenerator
from scenewright.media import decode, encode, save_image
from scenewright.media.mel import FEATURES, mel_frames, silence
from scenewright.models.blocks.gaussian import Gaussian
from scenewright.models.sound_to_sight import SoundToSight, SoundToSightConfig
from scenewright.models.text_encoder import TextEncoderConfig
from scenewright.text.tokenizer import Tokenizer
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.draws import Draws
from scenewright.training.objectives import Inputs, SoundToSightObjective, SoundToSightObjectiveConfig
from scenewright.training.optimizers import OptimizerConfig
from scenewright.training.schedules import ScheduleConfig
from scenewright.training.trainer import Trainer
from scenewright.world.physics import simulate
from scenewright.world.sound import synthesise

TEXT = TextEncoderConfig(kind="bag", vocabulary=400, width=16, layers=1)
SMALL = {"text": TEXT, "channels": 32, "least": 16, "width": 64, "layers": 1, "latents": 8}
IDS, MASK = torch.tensor([[5, 9, 3], [4, 3, 0]]), torch.tensor([[True, True, True], [True, True, False]])


def network(**changes) -> SoundToSight:
    torch.manual_seed(0)
    made = SoundToSight(SoundToSightConfig(**{**SMALL, "height": 16, "width_pixels": 32, **changes})).eval()
    for parameter in made.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.2)
    return made


def random_inputs(latents=8):
    torch.manual_seed(1)
    clip, sound = torch.rand(2, 3, 8, 16, 32) * 2 - 1, torch.randn(2, 8, FEATURES)
    return clip, sound, torch.randn(2, 7, latents)


@torch.no_grad()
@pytest.mark.parametrize("given", [1, 3])
def test_all_at_once_is_frame_after_frame(given):
    made_by = network(given=given)
    clip, sound, noise = random_inputs()
    made = made_by.continued(IDS, MASK, clip[:, :, :given], sound, noise, clip)
    assert (made[:, :, :given] == clip[:, :, :given]).all()
    foreseen = made_by(IDS, MASK, clip, made, sound, noise)
    assert foreseen.frames.shape == (2, 3, 8 - given, 16, 32)
    torch.testing.assert_close(foreseen.frames, made[:, :, given:], rtol=1e-4, atol=1e-5)
    alone = made_by.continued(IDS[1:, :2], MASK[1:, :2], clip[1:, :, :given], sound[1:], noise[1:], clip[1:])
    torch.testing.assert_close(alone, made[1:], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_what_comes_later_changes_nothing_before():
    made_by = network()
    clip, sound, noise = random_inputs()
    whole = made_by(IDS, MASK, clip, clip, sound, noise)
    freely = made_by.continued(IDS, MASK, clip[:, :, :1], sound, noise)
    for at in (2, 5):
        heard, seen = sound.clone(), clip.clone()
        heard[:, at:] += 1.0
        seen[:, :, at:] *= -1
        # Frame ``at`` is made to its own sound, and after the frames before it.
        moved = made_by(IDS, MASK, clip, clip, heard, noise).frames
        again = made_by.continued(IDS, MASK, clip[:, :, :1], heard, noise)
        after = made_by(IDS, MASK, clip, seen, sound, noise).frames
        for found, true, first in (
            (moved, whole.frames, at - 1),
            (again, freely, at),
            (after, whole.frames, at),
        ):
            torch.testing.assert_close(found[:, :, :first], true[:, :, :first], rtol=1e-5, atol=1e-6)
            assert (found[:, :, first:] - true[:, :, first:]).abs().amax((1, 3, 4)).min() > 1e-4


@torch.no_grad()
def test_frames_are_made_without_a_look_at_the_true_ones(monkeypatch):
    made_by = network()
    clip, sound, noise = random_inputs()
    made = made_by.continued(IDS, MASK, clip[:, :, :1], sound, noise)

    def asked(*_):
        raise AssertionError("the posterior knows true frames")

    monkeypatch.setattr(made_by.posterior, "forward", asked)
    assert (made_by.continued(IDS, MASK, clip[:, :, :1], sound, noise) == made).all()
    with pytest.raises(AssertionError):
        made_by.continued(IDS, MASK, clip[:, :, :2], sound, noise)
    # A shorter clip is the beginning of a longer one.
    short = made_by.continued(IDS, MASK, clip[:, :, :1], sound[:, :5], noise)
    torch.testing.assert_close(short, made[:, :, :5], rtol=1e-5, atol=1e-6)


def test_divergence_is_that_of_the_library():
    torch.manual_seed(0)
    numbers = 3 * torch.randn(2, 4, 5, 6)
    a, b = Gaussian.of(numbers[0], -4.0), Gaussian.of(numbers[1])
    expected = kl_divergence(
        Normal(a.mean, (a.log_variance / 2).exp()), Normal(b.mean, (b.log_variance / 2).exp())
    )
    torch.testing.assert_close(a.divergence(b), expected.sum(-1), rtol=1e-4, atol=1e-4)
    assert a.divergence(a).abs().max() < 1e-5
    drawn = b.sample(torch.randn(20_000, 4, 5, 3))
    torch.testing.assert_close(drawn.mean(0), b.mean, rtol=0.1, atol=0.2)


def test_the_loss_is_of_what_is_not_given():
    made_by = network(given=2)
    clip, sound, _ = random_inputs()
    config = SoundToSightObjectiveConfig(gradient=0.0, divergence=0.01, free=3.0, own_frames=0.0)
    inputs = Inputs(clip, IDS, MASK, ("a", "b"), Draws(3, 1, 2, range(2)), sound=sound)
    loss, parts = SoundToSightObjective(config).loss(made_by, inputs)
    foreseen = made_by(IDS, MASK, clip, clip, sound, inputs.draws.normal("noise", (7, 8)))
    squared = (foreseen.frames - clip[:, :, 2:]).square().mean()
    divergence_BT = foreseen.posterior.divergence(foreseen.prior)
    both = divergence_BT.mean() + divergence_BT.clamp(min=3.0).mean()
    torch.testing.assert_close(loss, squared + 0.01 * both)
    assert parts["mse"] == pytest.approx(squared.item())
    # On its own frames the loss is another, and that of one sample is the same alone.
    own = SoundToSightObjective(config.model_copy(update={"own_frames": 1.0}))
    assert abs(own.loss(made_by, inputs)[0] - loss) > 1e-6
    halves = [own.loss(made_by, inputs.part(range(i, i + 1)))[0] for i in (0, 1)]
    torch.testing.assert_close(sum(halves) / 2, own.loss(made_by, inputs)[0])


# ----------------------------------------------------------------------------------------- learned by heart

FRAMES, STEPS = 5, 350
RED, GREEN = (0.9, -0.8, -0.8), (-0.8, 0.9, -0.8)


def square(colour, down, right):
    """A square that moves by so many pixels a frame, from the same place."""
    frames = torch.full((3, FRAMES, 32, 32), -0.6)
    for t in range(FRAMES):
        y, x = 12 + 2 * down * t, 12 + 2 * right * t
        frames[:, t, y : y + 8, x : x + 8] = torch.tensor(colour)[:, None, None]
    return frames


def tone(left, right):
    t = np.arange(32_000) / 16_000
    samples = np.sin(2 * np.pi * 440 * t) * np.array([[left], [right]])
    return mel_frames(Waveform(samples, 16_000), FRAMES, 4.0)


@pytest.fixture(scope="module")
def learned():
    """Two clips that begin alike and go where their tone is, two that begin alike, are silent, and go up or
    down; and a network that has learned the four."""
    ways = ((RED, 0, -1), (RED, 0, 1), (GREEN, -1, 0), (GREEN, 1, 0))
    clips = torch.stack([square(*way) for way in ways])
    sound = np.stack([tone(0.5, 0.05), tone(0.05, 0.5), silence(FRAMES), silence(FRAMES)])
    sound = torch.from_numpy(sound)
    made_by = SoundToSight(SoundToSightConfig(**SMALL, num_frames=FRAMES))
    objective = SoundToSightObjective(SoundToSightObjectiveConfig(divergence=1e-5))
    ids, mask = torch.ones(4, 1, dtype=torch.int64), torch.ones(4, 1, dtype=torch.bool)
    optimizer = torch.optim.AdamW(made_by.parameters(), lr=3e-3)
    torch.manual_seed(0)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1.0, (step + 1) / 20, 2 * (1 - step / STEPS))
        draws = Draws(1, step, 4, range(4))
        loss, _ = objective.loss(made_by, Inputs(clips, ids, mask, ("",) * 4, draws, sound=sound))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(made_by.parameters(), 1.0)
        optimizer.step()
    return made_by.eval(), clips, sound


def decibels(a, b):
    """Peak signal-to-noise ratios (B,) of the frames that are made, in [-1, 1]."""
    return 10 * torch.log10(4 / (a - b)[:, :, 1:].square().mean((1, 2, 3, 4)))


def follow(made_by, clip, sound, seeds):
    """What a network makes of a clip's first frame and a sound, with the noise of every seed."""
    count = len(seeds)
    noise = torch.stack(
        [torch.randn(FRAMES - 1, 8, generator=torch.Generator().manual_seed(s)) for s in seeds]
    )
    ids = torch.ones(count, 1, dtype=torch.int64)
    given = clip[None, :, :1].expand(count, -1, -1, -1, -1)
    return made_by.continued(ids, ids.bool(), given, sound[None].expand(count, -1, -1), noise)


def test_sound_decides_where_it_goes(learned):
    made_by, clips, sound = learned
    for own, other in ((0, 1), (1, 0)):
        made = follow(made_by, clips[own], sound[own], range(4))
        assert decibels(made, clips[own][None]).min() > 30
        swapped = follow(made_by, clips[own], sound[other], range(4))
        assert decibels(swapped, clips[other][None]).min() > 30
        assert decibels(swapped, clips[own][None]).max() < 22


def test_what_sound_does_not_decide_is_drawn(learned):
    made_by, clips, sound = learned
    silent, told = (follow(made_by, clips[i], sound[i], range(12)) for i in (2, 0))
    spread = [made[:, :, 1:].std(0).mean().item() for made in (silent, told)]
    assert spread[0] > 5 * spread[1]
    up, down = (decibels(silent, clips[i][None]) for i in (2, 3))
    assert (up > down + 1).any()
    assert (down > up + 1).any()


WORLD = heard_world(seed=27, frames=FRAMES, fps=2.5, still=0.0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a model that has learned four clips of the world, and these."""
    folder = tmp_path_factory.mktemp("sound2sight")
    source = source_of(WORLD)
    render_shards(source, folder / "clips", 4, shard_size=4)
    data = WORLD.model_copy(update={"shards": (folder / "clips",)})
    recipe = TrainingRecipe(
        name="follower",
        network=SoundToSightConfig(**SMALL, num_frames=FRAMES, fps=2.5),
        stages=(Stage(steps=220, batch=4, data=data),),
        objective=SoundToSightObjectiveConfig(),
        optimizer=OptimizerConfig(name="adamw", lr=3e-3),
        schedule=ScheduleConfig(warmup=10, decay_fraction=0.5),
        ema_decay=0.9,
        sample_every=1000,
        workers=0,
    )
    Trainer(recipe, folder / "run").run()
    scenes = [source.scene(index) for index in range(4)]
    clips = [
        Clip(frames, 2.5, synthesise(scene, simulate(scene, FRAMES, 2.5)))
        for frames, scene in zip(source.render(scenes), scenes, strict=True)
    ]
    return folder / "run" / "model", clips


def test_it_learns_clips_of_the_world(trained):
    """From the first frame and the sound as a file has it, at another rate than that of training."""
    folder, clips = trained
    model = load_generator(folder)
    gains = []
    for clip in clips:
        prompt = Prompt(text="", given=(GivenFrame(0, clip.frames[0]),), sound=clip.audio)
        made = model.generate([prompt])[0]
        held = np.repeat(clip.frames[:1], FRAMES - 1, 0)
        found, least = (psnr(clip.frames[1:], x)[0] for x in (made.frames[1:], held))
        assert (made.frames[0] == clip.frames[0]).all()
        gains.append((found, found - least))
        assert made.audio is not None
        assert (made.audio.samples == clip.audio.samples).all()
    assert min(found for found, _ in gains) > 27, gains
    assert min(gain for _, gain in gains) > 3, gains


def test_it_is_used_from_the_command_line(trained, tmp_path):
    folder, clips = trained
    encode(clips[0], tmp_path / "a.mkv", codec="ffv1", audio=True)
    encode(clips[0].with_(audio=None), tmp_path / "silent.mp4")
    save_image(Image.fromarray(np.array(clips[0].frames[0])), tmp_path / "a.png")

    def run(*more):
        return CliRunner().invoke(generate_command, ["", "--model", str(folder), *more])

    out = tmp_path / "b.mp4"
    sound, image = ["--sound", str(tmp_path / "a.mkv")], ["--image", str(tmp_path / "a.png")]
    done = run(*sound, *image, "-o", str(out), "--seed", "3")
    assert done.exit_code == 0, done.output
    made = decode(out)
    assert len(made) == FRAMES
    assert made.audio is not None
    assert run(*sound, *image, "-o", str(tmp_path / "c.gif")).exit_code == 0
    for arguments, message in (
        (image, "give it one (--sound FILE)"),
        (sound, "goes on from the first frame of a video: give it"),
        ([*sound, *image, "--fps", "8"], "leave fps out"),
        ([*sound, *image, "--negative", "red"], "leave negative out"),
        ([*sound, *image, "--num-frames", "9"], "at most 5 frames, not 9"),
        ([*sound, *image, "--last-image", str(tmp_path / "a.png")], "none from further on"),
        ([*sound, *image, "--audio"], "leave one out"),
        (["--extend", str(out), *sound], "goes without"),
        ([*image, "--sound", str(tmp_path / "silent.mp4")], "no sound in it"),
    ):
        refused = run(*arguments, "-o", str(tmp_path / "d.mp4"))
        assert refused.exit_code != 0
        assert message in f"{refused.output} {refused.exception}", refused.output


def test_its_folder_and_its_seeds(trained):
    folder, clips = trained
    model = load_generator(folder)
    prompt = Prompt(text="", given=(GivenFrame(0, clips[0].frames[0]),), sound=clips[0].audio, num_frames=4)
    one, again = (model.generate([prompt])[0].frames for _ in range(2))
    assert (one == again).all()
    assert len(one) == 4
    assert "the rest is not heard" in " ".join(model.notes(prompt))
    with pytest.raises(ModelError, match="of the family sound-to-sight"):
        load_pipeline(folder)
    assert untrained_generator(folder, 1).identity != model.identity
    with pytest.raises(ValueError, match="does not listen"):
        load_generator("nano").check([Prompt(text="a ball", sound=clips[0].audio)])


def test_several_first_frames_are_given_in_their_places():
    tokenizer = Tokenizer.train([f"a {c} ball" for c in ("red", "blue")] * 8, 30)
    text = TEXT.model_copy(update={"vocabulary": tokenizer.size})
    model = SoundToSightGenerator(network(given=2, text=text), tokenizer)
    sound = Waveform(np.zeros((1, 8000), np.float32), 16_000)
    frames = np.random.default_rng(0).integers(0, 256, (4, 16, 32, 3), np.uint8)
    for places, right in (((0, 1), True), ((1, 0, 2), True), ((0,), False), ((0, 2), False), ((1, 2), False)):
        given = tuple(GivenFrame(at, frames[at]) for at in places)
        prompt = Prompt(text="a red ball", given=given, sound=sound)
        if right:
            made = model.generate([prompt])[0]
            assert (made.frames[: len(places)] == frames[: len(places)]).all()
            assert made.frames.shape == (8, 16, 32, 3)
            assert "what follows it is silent" in " ".join(model.notes(prompt))
            # Text and seed count.
            for changes in ({"text": "a blue ball"}, {"seed": 1}):
                other = model.generate([prompt.model_copy(update=changes)])[0]
                assert (other.frames != made.frames).any()
        else:
            with pytest.raises(ValueError, match="the first 2 frames of a video: give them"):
                model.check([prompt])


def recipe(**changes) -> TrainingRecipe:
    data = changes.pop("data", WORLD)
    settings = {
        "name": "a",
        "network": SoundToSightConfig(**SMALL, num_frames=FRAMES, fps=2.5),
        "stages": (Stage(steps=1, data=data),),
        "objective": SoundToSightObjectiveConfig(),
    }
    return TrainingRecipe(**{**settings, **changes})


def test_recipes_that_do_not_fit():
    recipe()
    for changes, message in (
        ({"data": WORLD.model_copy(update={"facts": ()})}, "needs data.facts"),
        ({"data": WORLD.model_copy(update={"fps": 8.0})}, "2.5 frames a second; the data has 8"),
        ({"data": WORLD.model_copy(update={"num_frames": 8})}, "the data has"),
        ({"objective": {"name": "regression"}}, "objective.name = sound_to_sight"),
        ({"sample_prompts": ("a ball",)}, "sample_prompts do nothing"),
    ):
        with pytest.raises(ValueError, match=message):
            recipe(**changes)
    with pytest.raises(ValueError, match="leaves nothing to make"):
        SoundToSightConfig(given=8)


def test_batches_have_sound_live_and_from_shards(tmp_path: Path):
    live = Batches(WORLD, 3)[0]
    source = source_of(WORLD)
    assert live.sound.shape == (3, FRAMES, FEATURES)
    assert live.sound.dtype == live.events.dtype == torch.float32
    scene = source.scene(1)
    sound = synthesise(scene, simulate(scene, FRAMES, 2.5), rate=16_000)
    assert (live.sound[1].numpy() == mel_frames(sound, FRAMES, 2.5)).all()
    render_shards(source, tmp_path / "clips", 3)
    stored = Batches(WORLD.model_copy(update={"shards": (tmp_path / "clips",)}), 3)[0]
    order = [int((live.frames == x).flatten(1).all(1).nonzero()[0, 0]) for x in stored.frames]
    assert (stored.sound == live.sound[order]).all()
    assert (stored.events == live.events[order]).all()
    assert Batches(WORLD.model_copy(update={"facts": ()}), 1)[0].sound is None
