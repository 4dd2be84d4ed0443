"""Streams with an order, a mixture and changes: the same wherever they are entered."""

import numpy as np
import pytest

from scenewright.data.augmentation import AugmentConfig
from scenewright.data.curriculum import scene_columns
from scenewright.data.order import AHEAD, LossOrder, LossWeightedConfig
from scenewright.data.shards import Shards
from scenewright.data.streams import StreamConfig, batches
from scenewright.data.world_source import WorldSource, render_shards
from scenewright.world.layout import SamplerConfig
from scenewright.world.scene import Scene

SIZE = {"width": 16, "height": 16, "num_frames": 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """24 clips of one to three objects."""
    target = tmp_path_factory.mktemp("shards") / "few"
    sampler = SamplerConfig(num_objects=(1, 3), moving_camera=0)
    render_shards(WorldSource(**SIZE, sampler=sampler, seed=5), target, 24, shard_size=8)
    return target


def stream(folder, **settings) -> StreamConfig:
    return StreamConfig.model_validate({**SIZE, "seed": 3, "shards": (folder,), **settings})


def drain(config, batch, start, stop, workers=0, **share):
    return list(batches(config, batch, start, stop, workers, **share))


def same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.frames.numpy(), b.frames.numpy())
        assert a.captions == b.captions
        assert a.notes == b.notes


def clips_of(folder, found) -> list[int]:
    """Which clips of the folder those of a batch are, by their pixels."""
    known = {Shards(folder).frames(i).tobytes(): i for i in range(24)}
    return [known[frames.numpy().tobytes()] for frames in found.frames]


SETTINGS = {
    "curriculum": {"order": {"name": "curriculum", "pacing": {"name": "linear", "start": 0.25, "steps": 6}}},
    "stratified": {"order": {"name": "stratified", "column": "objects", "shares": "equal"}},
    "changes": {"augment": {"flip": {"probability": 0.5}, "noise": {"probability": 0.5}}},
}


@pytest.mark.parametrize("name", [*SETTINGS, "mixture"])
def test_a_stream_can_be_entered_anywhere_by_any_workers_and_shared_by_processes(name, folder):
    parts = [{"weight": 2, "data": {"shards": [str(folder)]}}, {"weight": 1, "data": {"seed": 8}}]
    settings = {"shards": (), "mixture": parts} if name == "mixture" else SETTINGS[name]
    config = stream(folder, **settings)
    whole = drain(config, 4, 0, 6)
    same(whole[2:], drain(config, 4, 2, 6))
    same(whole, drain(config, 4, 0, 6, workers=2))
    halves = [drain(config, 4, 0, 6, rank=rank, ranks=2) for rank in range(2)]
    for batch, *shares in zip(whole, *halves, strict=True):
        assert batch.captions == [text for share in shares for text in share.captions]
        frames = np.concatenate([share.frames.numpy() for share in shares])
        np.testing.assert_array_equal(batch.frames.numpy(), frames)


def test_a_curriculum_begins_with_the_easiest_and_tells_how_far_it_is(folder):
    dataset = Shards(folder)
    scenes = [Scene.model_validate(dataset.row(i)) for i in range(24)]
    objects = scene_columns(scenes)["objects"]
    order = {**SETTINGS["curriculum"]["order"], "difficulty": {"objects": 1.0}}
    found = drain(stream(folder, order=order), 4, 0, 12)
    easiest = sorted(objects)[:6]
    assert sorted(objects[clips_of(folder, found[0])])[-1] <= easiest[-1]
    shares = [batch.notes["curriculum"] for batch in found]
    assert shares[0] == pytest.approx(0.25)
    assert shares[6:] == [1.0] * 6
    assert sorted(clip for batch in found[6:] for clip in clips_of(folder, batch)) == list(range(24))


def test_strata_have_equal_shares_of_every_batch(folder):
    dataset = Shards(folder)
    counts = np.array([len(Scene.model_validate(dataset.row(i)).objects) for i in range(24)])
    for batch in drain(stream(folder, **SETTINGS["stratified"]), 6, 0, 4):
        assert sorted(counts[clips_of(folder, batch)]) == [1, 1, 2, 2, 3, 3]


def test_a_mixture_has_its_shares_and_tells_them(folder):
    parts = [{"weight": 3, "data": {"shards": [str(folder)]}}, {"data": {"seed": 8}}]
    config = StreamConfig.model_validate({**SIZE, "mixture": parts})
    known = {Shards(folder).frames(i).tobytes() for i in range(24)}
    for batch in drain(config, 8, 0, 4):
        assert sum(frames.numpy().tobytes() in known for frames in batch.frames) == 6
        assert batch.notes == {"share_of_part_0": 0.75, "share_of_part_1": 0.25}


def test_changes_are_told_and_keep_captions_true(folder):
    plain = drain(stream(folder), 8, 0, 9)
    flipped = drain(stream(folder, augment={"flip": {"probability": 1.0}}), 8, 0, 9)
    told = 0
    for before, after in zip(plain, flipped, strict=True):
        for i, (old, new) in enumerate(zip(before.captions, after.captions, strict=True)):
            mirrored = before.frames[i].flip(2)
            if old == new and bool((after.frames[i] == before.frames[i]).all()):
                continue  # refused
            assert bool((after.frames[i] == mirrored).all())
            assert [old.count("left"), old.count("right")] == [new.count("right"), new.count("left")]
            told += old != new
        assert after.notes["augmented"] + after.notes["augmentation_refused"] >= 1.0
        assert "augmented" not in before.notes
    assert told


def test_fewer_frames_come_out_where_the_changes_choose_them(folder):
    config = stream(folder, augment={"frames": 2, "temporal_jitter": {"probability": 0.5}})
    assert config.frames_out == 2
    assert drain(config, 4, 0, 1)[0].frames.shape == (4, 2, 16, 16, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shards": (), **SETTINGS["curriculum"]}, r"order\.name = curriculum needs shards"),
        ({"mixture": [{"data": {}}]}, "shards beside mixture does nothing"),
        ({"shards": (), "mixture": [{"data": {}}, {"data": {"width": 32}}]}, "differ in"),
        (
            {"shards": (), "mixture": [{"data": {"mixture": [{"data": {}}]}}]},
            "no mixture or order of its own",
        ),
        ({"latents": ("x",), "augment": {"flip": {"probability": 1}}}, "augment cannot change latents"),
    ],
)
def test_what_means_nothing_is_refused_in_one_line(folder, settings, message):
    with pytest.raises(ValueError, match=message):
        stream(folder, **settings)


def test_unknown_columns_are_refused_with_those_there_are(folder):
    with pytest.raises(ValueError, match=r"order\.column = weight: the clips have objects, .*shape"):
        drain(stream(folder, order={"name": "stratified", "column": "weight"}), 4, 0, 1)
    with pytest.raises(ValueError, match="cuts numbers, and shape is words"):
        drain(stream(folder, order={"name": "stratified", "column": "shape", "bins": 2}), 4, 0, 1)
    with pytest.raises(ValueError, match="for the data that a run learns from"):
        drain(stream(folder, order={"name": "loss_weighted"}), 4, 0, 1)


def hard_ones(order: LossOrder, start: int, stop: int, ahead: int) -> list[list[int]]:
    """A run in which clips 0 and 1 are hard, and whose workers ask so many batches ahead."""
    found = []
    for step in range(start, stop):
        chosen = order.batch(step)
        for later in range(step + 1, step + 1 + ahead):
            order.batch(later)
        found.append(chosen.clips.tolist())
        order.learn(step, np.where(chosen.clips < 2, 10.0, 0.1))
    return found


def make_order() -> LossOrder:
    return LossOrder(LossWeightedConfig(name="loss_weighted"), count=20, batch=5, seed=1)


def test_hard_clips_come_more_often_but_only_after_what_was_chosen_ahead():
    found = hard_ones(make_order(), 0, 400, ahead=3)
    early = np.mean(np.array(found[:AHEAD]) < 2)
    late = np.mean(np.array(found[100:]) < 2)
    assert early < 0.25
    assert late > 0.75
    assert set(np.array(found[AHEAD:]).ravel().tolist()) == set(range(20))


def test_the_order_by_loss_does_not_depend_on_workers_and_goes_on_from_its_state():
    whole = hard_ones(make_order(), 0, 40, ahead=0)
    assert whole == hard_ones(make_order(), 0, 40, ahead=AHEAD - 2)
    part = make_order()
    assert hard_ones(part, 0, 23, ahead=3) == whole[:23]
    again = make_order()
    again.load(part.state())
    assert hard_ones(again, 23, 40, ahead=1) == whole[23:]


def test_a_skipped_step_teaches_nothing_and_weights_make_up_for_the_order():
    order = make_order()
    for step in range(40):
        chosen = order.batch(step)
        assert chosen.weights is not None
        order.learn(step, None if step % 2 else np.where(chosen.clips < 2, 10.0, 0.1))
    chosen = order.batch(40)
    hard = chosen.clips < 2
    assert chosen.weights[hard].max() < chosen.weights[~hard].min()
    plain = LossOrder(LossWeightedConfig(name="loss_weighted", unbiased=False), 20, 5, 1)
    assert plain.batch(0).weights is None


def test_nothing_changes_by_default(folder):
    assert stream(folder).augment == AugmentConfig()
    first = drain(stream(folder), 24, 0, 1)[0]
    rng_order = clips_of(folder, first)
    assert sorted(rng_order) == list(range(24))
    assert first.notes == {}
    assert first.weights is None
