"""Sound events from frames: losses by brute force, clips learned by heart, sound that is put under them."""

import math

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from heard_world import heard_world, source_of

from scenewright.cli.sound import sound as sound_command
from scenewright.clip import Clip
from scenewright.data.streams import Batches
from scenewright.data.world_source import render_shards
from scenewright.evaluation.sound import event_scores
from scenewright.generation.foley import Foley, load_foley
from scenewright.generation.loading import ModelError, load_generator
from scenewright.generation.model_folder import SHIPPED
from scenewright.media import decode, encode
from scenewright.models.sight_to_sound import SightToSound, SightToSoundConfig, Sounding
from scenewright.training.config import Stage, TrainingRecipe
from scenewright.training.draws import Draws
from scenewright.training.objectives import Inputs, SightToSoundObjective, SightToSoundObjectiveConfig
from scenewright.training.optimizers import OptimizerConfig
from scenewright.training.schedules import ScheduleConfig
from scenewright.training.trainer import Trainer
from scenewright.world.hearing import LATE, MATERIAL, ONSET, SOUNDING, STRENGTH, heard
from scenewright.world.physics import simulate

SMALL = {"channels": 32, "least": 16, "width": 64, "layers": 1}
WORLD = heard_world(seed=36, frames=8, fps=4.0, still=0.3)
CLIPS = 4
SOURCE = source_of(WORLD)


def test_the_loss_cell_by_cell():
    batch = Batches(WORLD, 6)[0]
    true = batch.events
    torch.manual_seed(0)
    made = Sounding(torch.randn(6, 8, 7, 2), torch.randn(6, 8, 7, 4), torch.randn(6, 8, 7, 5))
    config = SightToSoundObjectiveConfig(manner=3.0)
    ids = torch.zeros(6, 0, dtype=torch.int64)
    inputs = Inputs(
        torch.zeros(6, 3, 8, 32, 32), ids, ids.bool(), ("",) * 6, Draws(0, 0, 6, range(6)), events=true
    )
    found, parts = SightToSoundObjective(config).loss(lambda x: made, inputs)
    total = 0.0
    for cell in np.ndindex(6, 8, 7):
        row = true[cell]
        for column in (ONSET, SOUNDING):
            p = 1 / (1 + math.exp(-made.present[cell][column]))
            total -= math.log(p if row[column] else 1 - p)
        if row[SOUNDING]:
            for column in range(STRENGTH, MATERIAL):
                if column != LATE or row[ONSET]:
                    total += 3.0 * float(made.manner[cell][column - STRENGTH] - row[column]) ** 2
            total -= float(made.materials[cell].log_softmax(-1)[int(row[MATERIAL])])
    assert found.item() == pytest.approx(total / (6 * 8), rel=1e-5)
    assert sum(parts.values()) + 2 * parts["manner"] == pytest.approx(found.item(), rel=1e-5)
    # Tables have probabilities, values as they are, and the likeliest material.
    assert torch.equal(made.tables[..., MATERIAL].long(), made.materials.argmax(-1))
    torch.testing.assert_close(made.tables[..., ONSET], made.present[..., 0].sigmoid())
    assert torch.equal(made.tables[..., STRENGTH:MATERIAL], made.manner)


def test_long_clips_are_seen_in_pieces_that_overlap():
    class Places(SightToSound):
        """Says of every frame how bright it is, and how far from the middle of what it sees."""

        def forward(self, x):
            count = x.shape[2]
            off = (torch.arange(count) - (count - 1) / 2).abs()
            manner = torch.stack([x.mean((1, 3, 4))[0], off, off, off], -1)[None, :, None]
            return Sounding(
                torch.zeros(1, count, 7, 2), manner.expand(-1, -1, 7, -1), torch.zeros(1, count, 7, 5)
            )

    foley = Foley(Places(SightToSoundConfig(**SMALL)))
    for count in (1, 5, 8, 9, 20, 23):
        frames = (
            np.zeros((count, 32, 32, 3), np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None, None]
        )
        table = foley.table(frames)
        assert len(table) == count
        np.testing.assert_allclose((table[:, 0, STRENGTH] + 1) * 127.5, np.arange(count), atol=1e-3)
        # Within the clip no frame is told of by a piece in whose outer quarter it is.
        assert (table[4 : count - 4, 0, LATE] <= 2.5).all()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a model that has learned a handful of clips, the scenes and the clips."""
    folder = tmp_path_factory.mktemp("sight2sound")
    render_shards(SOURCE, folder / "clips", CLIPS, shard_size=CLIPS)
    recipe = TrainingRecipe(
        name="listener",
        network=SightToSoundConfig(**SMALL),
        stages=(
            Stage(steps=220, batch=CLIPS, data=WORLD.model_copy(update={"shards": (folder / "clips",)})),
        ),
        objective=SightToSoundObjectiveConfig(),
        optimizer=OptimizerConfig(name="adamw", lr=3e-3),
        schedule=ScheduleConfig(warmup=10, decay_fraction=0.5),
        ema_decay=0.9,
        sample_every=1000,
        workers=0,
    )
    Trainer(recipe, folder / "run").run()
    scenes = [SOURCE.scene(index) for index in range(CLIPS)]
    return folder / "run" / "model", scenes, [Clip(x, 4.0) for x in SOURCE.render(scenes)]


def test_it_hears_all_and_only_what_is_seen(trained):
    folder, scenes, clips = trained
    foley = load_foley(folder)
    silent = 0
    for scene, clip in zip(scenes, clips, strict=True):
        true, found = heard(scene, simulate(scene, 8, 4.0)), foley.events(clip)
        assert {e.kind for e in found} == {e.kind for e in true}
        scores = event_scores([e.start for e in true], [e.start for e in found], tolerance=0.1)
        assert scores.f1 == 1.0
        assert all(e.material == scene.objects[0].material for e in found)
        silent += not true
        sounded = foley.sounded(clip).audio
        assert sounded is not None
        assert bool(sounded.samples.any()) == bool(true)
    assert 0 < silent < CLIPS


def test_the_sound_has_its_energy_at_the_events(trained):
    folder, scenes, clips = trained
    foley, checked = load_foley(folder), 0
    for scene, clip in zip(scenes, clips, strict=True):
        impacts = [e for e in heard(scene, simulate(scene, 8, 4.0)) if e.kind == "impact"]
        audio = foley.sounded(clip).audio
        if impacts and audio is not None:
            energy = (audio.samples**2).sum(0).reshape(-1, audio.rate // 50).mean(1)  # of 20 ms
            rise, starts = np.diff(energy, prepend=0.0), [e.start for e in impacts]
            assert min(abs(rise.argmax() * 0.02 - start) for start in starts) < 0.1
            for start in starts:
                near = np.abs(np.arange(len(rise)) * 0.02 - start) < 0.1
                assert rise[near].max() > 0.03 * rise.max()
            checked += len(impacts)
    assert checked > 1


def test_it_is_used_from_the_command_line(trained, tmp_path):
    folder, scenes, clips = trained
    busy = next(i for i, s in enumerate(scenes) if heard(s, simulate(s, 8, 4.0)))
    fast = Clip(np.repeat(clips[busy].frames, 3, 0), 12.0)
    encode(fast, tmp_path / "a.mkv", codec="ffv1")
    out = tmp_path / "b.mkv"
    done = CliRunner().invoke(
        sound_command, [str(tmp_path / "a.mkv"), "--model", str(folder), "-o", str(out)]
    )
    assert done.exit_code == 0, done.output
    event = load_foley(folder).events(clips[busy])[0]
    assert f"{event.start:.2f}" in done.output
    assert f"{event.kind} ({event.material})" in done.output
    made = decode(out)
    assert (made.frames == fast.frames).all()
    assert made.audio is not None
    assert made.audio.samples.any()
    again = CliRunner().invoke(
        sound_command, [str(tmp_path / "a.mkv"), "--model", str(folder), "-o", str(out)]
    )
    assert again.exit_code == 2
    assert "exists" in again.output
    told = CliRunner().invoke(sound_command, [str(tmp_path / "a.mkv"), "--model", str(folder), "--json"])
    assert f'"kind": "{event.kind}"' in told.output
    with pytest.raises(ModelError, match="makes no videos from text"):
        load_generator(folder)
    with pytest.raises(ModelError, match="of no network that says what is heard"):
        load_foley(SHIPPED / "nano")


def test_recipes_that_do_not_fit():
    stages = (Stage(steps=1, data=WORLD),)
    settings = {"name": "a", "network": SightToSoundConfig(**SMALL), "objective": {"name": "sight_to_sound"}}
    TrainingRecipe(stages=stages, **settings)
    for changes, message in (
        ({"facts": ("sound", "things")}, "needs data.facts"),
        ({"height": 16}, "the data has"),
    ):
        data = WORLD.model_copy(update=changes)
        with pytest.raises(ValueError, match=message):
            TrainingRecipe(stages=(Stage(steps=1, data=data),), **settings)
    with pytest.raises(ValueError, match="trained by objective"):
        TrainingRecipe(stages=stages, **{**settings, "objective": {"name": "sound_to_sight"}})
    with pytest.raises(ValueError, match="reads no texts; leave text_init_from out"):
        TrainingRecipe(stages=stages, text_init_from="judge", **settings)
