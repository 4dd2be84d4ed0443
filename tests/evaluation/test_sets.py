"""Measures of sets: what they say beside the arithmetic, on features and from the command line."""

import json
import pickle
import zlib
from types import MappingProxyType

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from scenewright.cli.evaluate import evaluate as evaluate_command
from scenewright.clip import Clip
from scenewright.evaluation.corruptions import FAULTS, SETS_SEE
from scenewright.evaluation.distribution import Moments, frechet_distance
from scenewright.evaluation.distribution.against import features_of, score_sets, videos_of
from scenewright.evaluation.distribution.networks import WorldFeatures
from scenewright.evaluation.distribution.sets import SETS, find_sets, score_set
from scenewright.evaluation.report import Outcome
from scenewright.evaluation.suites import SuitePrompt, load_suite
from scenewright.evaluation.systems import WorldSystem
from scenewright.media import decode, encode
from scenewright.registry import metrics


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def normal(n: int, seed: int, mean: float = 0.0, d: int = 6) -> np.ndarray:
    return mean + np.random.default_rng(seed).normal(size=(n, d))


def test_the_interval_covers_what_other_samples_get():
    """Of one reference, the jackknife's error is that of the value over fresh sets, within a third."""
    reference = normal(2000, 0)
    values = [SETS["frechet"].compute(reference, normal(200, seed, 0.5)) for seed in range(1, 60)]
    errors = []
    for seed in range(1, 10):
        score = score_set(SETS["frechet"], reference, normal(200, seed, 0.5))
        errors.append((score.high - score.low) / (2 * 1.96))
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.33)


def test_prompts_are_left_out_as_a_whole():
    """Each sample four times over tells no more than once: with its prompt known, the interval stays wide."""
    reference, once = normal(500, 0), normal(60, 1)
    copies, prompts = np.repeat(once, 4, 0), np.repeat(np.arange(60), 4).tolist()
    width = [
        (s.high - s.low)
        for s in (
            score_set(SETS["kernel"], reference, once),
            score_set(SETS["kernel"], reference, copies, prompts),
            score_set(SETS["kernel"], reference, copies[np.random.default_rng(0).permutation(240)]),
        )
    ]
    assert width[1] == pytest.approx(width[0], rel=0.25)
    assert width[2] < 0.75 * width[1]


def test_two_sets_of_one_distribution_get_what_same_says_and_the_bias_is_known():
    reference, more = normal(400, 0), normal(400, 2)
    score = score_set(SETS["frechet"], reference, normal(400, 1), same=more)
    assert score.same == pytest.approx(frechet_distance(Moments.of(reference), Moments.of(more)))
    assert score.value == pytest.approx(score.same, rel=0.6)
    assert 0 < score.bias < 1.2 * score.value
    halves = score_set(SETS["frechet"], reference, normal(400, 1))
    assert halves.same > score.same  # of fewer samples
    assert score_set(SETS["precision"], reference, normal(400, 1), same=more).same > 0.9


def test_too_few_videos_are_a_clear_line():
    with pytest.raises(ValueError, match="precision needs at least 6 videos of each set, not 4"):
        score_set(SETS["precision"], normal(30, 0), normal(4, 1))
    heard: list[str] = []
    outcomes = [Outcome(str(i), "s", "t", features=tuple(row)) for i, row in enumerate(normal(4, 0))]

    class Nothing:
        convention = MappingProxyType({"network": "none"})

        def logits(self, features):
            return None

    found = score_sets(list(SETS.values()), outcomes, normal(4, 1), Nothing(), on_error=heard.append)
    assert {score.measure.name for score in found} == {"frechet", "kernel", "mmd-gaussian"}
    assert any("inception-score left out: the feature network gives no classes" in line for line in heard)
    assert any("frechet-infinite left out: " in line for line in heard)


@pytest.fixture(scope="module")
def renders():
    prompts = load_suite("world-core").select(("single",), 40).prompts
    return WorldSystem(64, 64, 16).clips(prompts, 0), WorldSystem(64, 64, 16).clips(prompts, 77)


@pytest.fixture(scope="module")
def clean(renders):
    """The features of both."""
    network = WorldFeatures()
    return tuple(np.stack([network(clip) for clip in clips]) for clips in renders)


def test_every_measure_of_sets_claims_to_see_something():
    assert set(SETS_SEE) == set(SETS)


@pytest.mark.parametrize("fault", ["blur", "noise", "flicker", "freeze", "disorder", "paste", "shake"])
def test_distances_grow_with_faults_seen_by_the_network_of_the_package(renders, clean, fault):
    network = WorldFeatures()
    whole, reference = clean
    values = [whole]
    for strength in (0.25, 0.5, 0.75, 1.0):
        keys = [zlib.crc32(f"{fault}{i}".encode()) for i in range(len(renders[0]))]
        faulty = [
            FAULTS[fault](clip, strength, np.random.default_rng(key))
            for clip, key in zip(renders[0], keys, strict=True)
        ]
        values.append(np.stack([network(clip) for clip in faulty]))
    for name, measure in SETS.items():
        if fault not in SETS_SEE[name]:
            continue
        sign = 1 if measure.better == "lower" else -1
        sets = [reference, *values]
        if measure.classes:
            sets = [network.logits(features) for features in sets]
        found = [sign * measure.compute(sets[0], part) for part in sets[1:]]
        assert found == sorted(found), name
        assert found[0] < found[-1], name
    for name in ("precision", "coverage"):
        shares = [SETS[name].compute(reference, features) for features in values]
        if fault in ("noise", "flicker", "paste", "shake"):
            assert shares == sorted(shares, reverse=True), name
            assert shares[-1] < 0.5 * shares[0], name
        else:  # too little for shares of 40 clips
            assert shares[-1] <= shares[0], name


def test_the_network_is_called_what_it_is(renders):
    network = WorldFeatures()
    assert str(network.convention["network"]).startswith("world-3d:")
    features = np.stack([network(clip) for clip in renders[0][:3]])
    assert features.shape == (3, 128)
    logits = network.logits(features)
    assert logits.shape == (3, 28)
    assert np.array_equal(network(renders[0][0]), features[0])


def test_features_of_a_reference_are_kept(tmp_path):
    (tmp_path / "videos").mkdir()
    for i in range(3):
        frames = np.random.default_rng(i).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
        encode(Clip(frames, 8.0), tmp_path / "videos" / f"{i}.mp4")

    class Counting:
        convention = MappingProxyType({"network": "mean"})
        calls = 0

        def __call__(self, clip):
            self.calls += 1
            return clip.frames.mean((0, 1, 2))

    network = Counting()
    videos = videos_of(str(tmp_path / "videos"))
    assert videos.count == 3
    first = features_of(videos, network, tmp_path / "kept")
    assert np.array_equal(features_of(videos, network, tmp_path / "kept"), first)
    assert network.calls == 3
    encode(Clip(np.zeros((4, 16, 16, 3), np.uint8), 8.0), tmp_path / "videos" / "3.mp4")
    assert features_of(videos_of(str(tmp_path / "videos")), network, tmp_path / "kept").shape == (4, 3)


def run(*arguments: object):
    return CliRunner().invoke(evaluate_command, [str(a) for a in arguments], catch_exceptions=False)


def test_distances_from_the_command_line():
    done = run(
        "world",
        "--metric",
        "distribution",
        "--reference",
        "world",
        "--section",
        "single",
        "--limit",
        24,
        "--json",
    )
    result = json.loads(done.stdout)
    scores = result["scores"]
    assert set(scores) == set(SETS)
    for name, score in scores.items():
        assert set(score) == {
            *(
                "value",
                "low",
                "high",
                "n",
                "floor",
                "ceiling",
                "fingerprint",
                "references",
                "bias",
                "left_out",
            )
        }
        assert score["n"] == 24
        protocol = result["protocols"][score["fingerprint"]]
        assert protocol["network"]["network"].startswith("world-3d:")
        assert protocol["metric"] == name
    assert scores["frechet"]["value"] == pytest.approx(0, abs=1e-3)  # the very same renders
    assert scores["frechet"]["ceiling"] > 1
    assert scores["precision"]["value"] == 1.0
    assert "24 videos for 128 features" in done.stderr


class Colours(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat((x.mean((2, 3, 4)), x.std((2, 3, 4))), 1)


def test_a_network_of_ones_own_and_a_folder_of_videos(tmp_path):
    torch.jit.script(Colours()).save(str(tmp_path / "colours.pt"))
    (tmp_path / "real").mkdir()
    prompts = [SuitePrompt(str(i), "s", "a red ball rolls left", i) for i in range(8)]
    for i, clip in enumerate(WorldSystem(32, 32, 12).clips(prompts, 0)):
        encode(clip, tmp_path / "real" / f"{i}.mp4")
    arguments = ["world", "--metric", "frechet", "--section", "single", "--limit", 8]
    arguments += ["--reference", tmp_path / "real", "--network", tmp_path / "colours.pt"]
    done = run(*arguments)
    assert "against" in done.stdout
    assert "8 and 8 videos" in done.stdout
    compat = run(*arguments, "--compat", "common-metrics", "--json")
    protocol = next(iter(json.loads(compat.stdout)["protocols"].values()))
    assert protocol["network"]["preset"]["resize"] == "crop"
    for wrong, message in (
        (["--network", tmp_path / "nothing.pt"], "there is no feature network"),
        (["--preset", "i3d"], "there is no preset 'i3d'"),
        (["--compat", "fvd"], "--compat fvd: give one of stylegan-v"),
        (["--reference", tmp_path / "none"], "give a folder with videos"),
    ):
        with pytest.raises(ValueError, match=message):
            run(*arguments, *wrong)
    with pytest.raises(ValueError, match="frechet: name what to compare with"):
        run("world", "--metric", "frechet")
    with pytest.raises(ValueError, match="name the network's file"):
        run("world", "--compat", "jedi", "--reference", "world")


def test_names_of_sets():
    assert [m.name for m in find_sets(["frechet", "motion", "recall"])] == ["frechet", "recall"]
    assert len(find_sets(["distribution"])) == len(SETS)


def test_distances_are_metrics_of_training(tiny_pipeline):
    found = metrics.get("distances")(tiny_pipeline, names=("kernel", "recall"), prompts=8)
    assert set(found) == {"minus-kernel", "recall"}
    assert found["minus-kernel"].low <= found["minus-kernel"].value <= found["minus-kernel"].high
    assert found["minus-kernel"].value < 0  # noise is far from the world
    assert found["recall"].n == 8
    with pytest.raises(ValueError, match="fvd: no measure of sets; known: frechet"):
        metrics.get("distances")(tiny_pipeline, names=("fvd",))


def test_published_statistics_are_a_reference(tmp_path, renders):
    """Of the same features, they give the distance that the videos' features give; what needs the videos is
    left out with the reason."""
    (tmp_path / "videos").mkdir()
    for i, clip in enumerate(renders[0][:24]):
        encode(clip, tmp_path / "videos" / f"{i:02d}.mp4")
    lines = (json.dumps({"file": f"{i:02d}.mp4", "prompt": renders[0][i].caption}) for i in range(24))
    (tmp_path / "videos" / "index.jsonl").write_text("\n".join(lines) + "\n")
    runner, network = CliRunner(), WorldFeatures()
    features = np.random.default_rng(0).normal(size=(60, len(network(renders[0][0]))))
    state = {"num_items": 60, "raw_mean": features.sum(0), "raw_cov": features.T @ features}
    statistics = tmp_path / "statistics.pkl"
    statistics.write_bytes(pickle.dumps(state))
    arguments = [str(tmp_path / "videos"), "--metric", "frechet", "--metric", "kernel", "--json"]
    found = runner.invoke(evaluate_command, [*arguments, "--reference", str(statistics)])
    assert found.exit_code == 0, found.output
    assert "kernel left out: statistics are not enough" in found.stderr
    scores = json.loads(found.stdout)["scores"]
    own = np.stack([network(decode(f)) for f in sorted((tmp_path / "videos").glob("*.mp4"))])
    assert scores["frechet"]["value"] == pytest.approx(
        frechet_distance(Moments.of(features), Moments.of(own)), rel=1e-4
    )
    assert scores["frechet"]["references"] == 60
    statistics.write_bytes(b"nothing")
    for file, message in (
        (statistics, "holds no statistics"),
        (tmp_path / "gone.pkl", "there is no file of"),
    ):
        refused = runner.invoke(evaluate_command, [*arguments, "--reference", str(file)])
        assert isinstance(refused.exception, ValueError)
        assert message in str(refused.exception)
