"""The recognisers: that they can learn, what the shipped ones know, and what counts as agreement."""

import json

import numpy as np
import pytest
import torch

from scenewright.evaluation.reader.data import IGNORE, Labels, reader_scene, render_scenes
from scenewright.evaluation.recognition import agreement, load_recogniser, load_segments, recognise
from scenewright.evaluation.recognition.clips import as_input
from scenewright.evaluation.recognition.model import (
    ANSWERS,
    FAULT_NAMES,
    Recogniser,
    RecogniserConfig,
    SegmentNetwork,
    SegmentsConfig,
)
from scenewright.evaluation.recognition.train import check, losses, make_batch, targets, train
from scenewright.evaluation.recognition.weights import save
from scenewright.world.parser import parse
from scenewright.world.scene import ACTIONS


@pytest.fixture(scope="module")
def scenes() -> tuple[np.ndarray, Labels]:
    return render_scenes([reader_scene(seed) for seed in range(8)])


def one_hot(*names: str) -> np.ndarray:
    return np.array([float(name in names) for name in ACTIONS])


def test_actions_are_the_motions_with_their_directions():
    assert ACTIONS[0] == "still"
    assert {"roll left", "bounce", "bounce left", "spin clockwise", "vanish"} <= set(ACTIONS)
    assert len(set(ACTIONS)) == len(ACTIONS) == ANSWERS["action"]


def test_agreement_asks_for_as_many_actions_as_are_stated():
    left = parse("a red ball rolls left").description
    assert agreement(left, one_hot("roll left")) == 1.0
    assert agreement(left, one_hot("roll right")) == 0.0
    both = parse("a red cube slides left while a blue cone jumps").description
    assert agreement(both, one_hot("slide left", "spin clockwise")) == 0.5
    assert agreement(both, {"slide left": 0.4, "jump": 0.3, "jump right": 0.1}) == 1.0
    open_way = parse("a red cube jumps").description
    assert agreement(open_way, one_hot("jump right")) == 1.0
    plain = parse("a matte red sphere rolls left").description
    assert agreement(plain, one_hot("slide left")) == 1.0  # looks the same
    assert np.isnan(agreement(parse("a red ball").description, one_hot("still")))


def test_targets_follow_the_labels(scenes):
    labels = scenes[1]
    for b in range(8):
        want = targets(labels, b)
        there = [n for n in range(labels.seen.shape[2]) if labels.seen[b, :, n].sum() >= 2]
        assert want["count"] == len(there)
        assert set(np.flatnonzero(want["color"] == 1)) == {labels.classes[b, n, 1] for n in there}
        assert (want["action"] == 1).any() or (want["action"] == IGNORE).any() or not there


def test_a_batch_has_faults_and_they_hide_what_cannot_be_told(scenes):
    frames, labels = scenes
    x, wanted = make_batch(frames, labels, np.random.default_rng(3), 64, 16, faulty=1.0)
    assert x.shape == (8, 3, 16, 64, 64)
    assert -1.001 <= x.min() <= x.max() <= 1.001
    assert (wanted["fault"] > 0).all()
    for b, fault in enumerate(wanted["fault"].tolist()):
        hidden = FAULT_NAMES[fault] in ("freeze", "disorder", "paste")
        assert bool((wanted["action"][b] == IGNORE).all()) == hidden
    again = make_batch(frames, labels, np.random.default_rng(3), 64, 16, faulty=1.0)[0]
    assert torch.equal(x, again)


@pytest.mark.parametrize("kind", ["3d", "segments"])
def test_a_small_batch_is_learned_by_heart(scenes, kind):
    torch.manual_seed(0)
    network = (
        Recogniser(RecogniserConfig(stem=8, widths=(16, 24, 32)))
        if kind == "3d"
        else SegmentNetwork(SegmentsConfig(widths=(8, 16, 24, 32)))
    ).train()
    x, wanted = make_batch(*scenes, np.random.default_rng(0), 64, 16, faulty=0.0)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    first = None
    for _ in range(40):
        found = losses(network(x), wanted)["action"]
        first = first or float(found.detach())
        optimizer.zero_grad()
        found.backward()
        optimizer.step()
    assert float(found.detach()) < 0.1 * first


def test_the_shipped_networks_know_the_world():
    """On scenes of seeds that training never has: of each clip's n actions, how many are among the n
    likeliest; and colours, shapes, counts, and that nothing is wrong with them."""
    found = check(load_recogniser(), 96)
    assert found["action"] >= 0.55
    assert found["color"] >= 0.7
    assert found["count"] >= 0.75
    assert found["fault"] >= 0.8
    assert check(load_segments(), 96)["action"] >= 0.4


def test_segments_are_spread_and_their_opinions_averaged():
    network = SegmentNetwork(SegmentsConfig(segments=4, span=2)).eval()
    assert network.starts().tolist() == [1, 5, 8, 12]
    assert network.starts(torch.zeros(4)).tolist() == [0, 3, 7, 10]
    x = torch.randn(2, 3, 16, 64, 64)
    with torch.no_grad():
        whole = network(x)["action"]
        at = network.starts()
        snippets = [torch.cat([x[:, :, t], x[:, :, t + 2] - x[:, :, t]], 1) for t in at.tolist()]
        single = [network.head(network.snippets(s).flatten(1)) for s in snippets]
    assert torch.allclose(whole, torch.stack(single).mean(0), atol=1e-5)


def test_clips_of_any_size_and_length_are_taken():
    for shape in ((1, 20, 30, 3), (7, 64, 64, 3), (40, 90, 160, 3)):
        frames = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        assert as_input(frames, 64, 16).shape == (1, 3, 16, 64, 64)
        seen = recognise([frames])[0]
        assert seen["count"].sum() == pytest.approx(1, abs=1e-5)
        assert ((seen["action"] >= 0) & (seen["action"] <= 1)).all()


def test_training_goes_on_where_it_stopped_and_weights_are_kept_in_half_precision(tmp_path, scenes):
    frames, labels = scenes
    shard = tmp_path / "data" / "train-0000"
    shard.mkdir(parents=True)
    np.save(shard / "frames.npy", frames)
    np.savez(shard / "labels.npz", **vars(labels))
    whole = train("segments", tmp_path / "data", tmp_path / "whole", steps=4, batch=4)
    for steps in (2, 4):
        parts = train("segments", tmp_path / "data", tmp_path / "parts", steps=steps, batch=4)
    assert json.loads((tmp_path / "parts" / "log.jsonl").read_text().splitlines()[-1])["step"] == 4
    # The rate's schedule knows of four steps only in the second part.
    assert not torch.equal(whole.head.weight, parts.head.weight)
    save(whole, tmp_path / "weights")
    kept = load_segments(tmp_path / "weights")
    assert torch.allclose(kept.head.weight, whole.head.weight, atol=1e-3)
    with pytest.raises(FileNotFoundError, match="reinstall scenewright"):
        load_recogniser(tmp_path / "weights")
