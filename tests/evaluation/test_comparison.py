"""Measures in a run, fingerprints, and comparisons, up to the command line."""

import json
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from scenewright.cli.compare import compare as compare_command
from scenewright.cli.evaluate import evaluate as evaluate_command
from scenewright.clip import Clip
from scenewright.evaluation.comparison import Results, compare, sign_flip_test
from scenewright.evaluation.distribution.sets import SETS, score_set
from scenewright.evaluation.measures import GROUPS, Sample, find_measures
from scenewright.evaluation.protocol import differences
from scenewright.evaluation.report import Outcome, Report
from scenewright.evaluation.suites import load_suite
from scenewright.evaluation.systems import WorldSystem
from scenewright.media import encode
from scenewright.registry import measures, metrics


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    prompts = load_suite("world-core").select(("single",), 3).prompts
    return WorldSystem(96, 96, 8).clips(prompts, 0)


@pytest.fixture(scope="module")
def folders(clips, tmp_path_factory) -> dict[str, Path]:
    """Renders, and the same ones blurred and noisy, with an index."""
    home = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    faults = {
        "plain": lambda f: f,
        "blurred": lambda f: np.stack([cv2.GaussianBlur(x, (0, 0), 1.5) for x in f]),
        "noisy": lambda f: np.clip(f + rng.normal(0, 20, f.shape), 0, 255).astype(np.uint8),
    }
    for name, fault in faults.items():
        (home / name).mkdir()
        lines = []
        for i, clip in enumerate(clips):
            encode(Clip(frames=fault(clip.frames), fps=clip.fps), home / name / f"{i}.mp4", crf=8)
            lines.append(json.dumps({"file": f"{i}.mp4", "prompt": clip.caption}))
        (home / name / "index.jsonl").write_text("\n".join(lines) + "\n")
    return {name: home / name for name in faults}


def run(command, *arguments: object):
    return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)


def test_every_measure_of_the_registry_is_complete_and_gives_a_number(clips):
    found = [measures.get(name) for name in measures.names()]
    assert {m.group for m in found} <= set(GROUPS)
    assert [m.name for m in found] == measures.names()
    sample = Sample(clips[0], clips[0].caption, clips[0])
    for measure in found:
        value = measure.compute(sample)
        if measure.name in ("camera", "camera-path"):
            continue  # NaN where the prompt says nothing of the camera, or it stands still
        assert np.isfinite(value), measure.name
        assert not measure.rate or 0 <= value <= 1
        if measure.reference:
            assert value >= measure.compute(Sample(clips[1], clips[0].caption, clips[0])), measure.name
    with pytest.raises(ValueError, match="there is no measure 'psnrr'; did you mean psnr"):
        find_measures(["psnrr"])
    names = [m.name for m in find_measures(["motion", "psnr", "exact"])]
    assert "psnr" in names
    assert "jerk" in names
    assert "ssim" not in names


def test_measures_are_metrics_of_training(tiny_pipeline):
    found = metrics.get("measures")(tiny_pipeline, names=("flicker", "frozen", "dynamic"), prompts=2)
    assert set(found) == {"flicker", "minus-frozen"}
    assert 0 <= found["flicker"].value <= 1
    assert -1 <= found["minus-frozen"].low <= found["minus-frozen"].high <= 0
    with pytest.raises(ValueError, match="psnr need references"):
        metrics.get("measures")(tiny_pipeline, names=("psnr",))


def test_true_renders_entail_their_prompts_and_others_contradict_them(clips):
    entailed, contradicted = measures.get("entailed"), measures.get("contradicted")
    right = [entailed.compute(Sample(c, c.caption)) for c in clips]
    assert np.mean(right) >= 2 / 3
    wrong = [contradicted.compute(Sample(c, "three purple cubes")) for c in clips]
    assert np.mean(wrong) == 1.0
    distance = measures.get("graph-distance")
    for clip in clips:
        assert distance.compute(Sample(clip, clip.caption)) < distance.compute(
            Sample(clip, "three purple cubes")
        )


def test_measures_from_the_command_line(folders, tmp_path):
    base = ["--metric", "fidelity", "--metric", "motion", "--reference", folders["plain"], "--json"]
    found = {
        name: json.loads(run(evaluate_command, folders[name], *base, "--output", tmp_path / name).stdout)
        for name in ("plain", "blurred", "noisy")
    }
    scores = {name: result["scores"] for name, result in found.items()}
    assert scores["plain"]["psnr"]["value"] == 100.0
    assert scores["plain"]["ssim"]["value"] == 1.0
    assert scores["noisy"]["psnr"]["value"] < 25
    assert scores["blurred"]["ms-ssim"]["value"] < 1
    assert scores["noisy"]["warping-error"]["value"] > 3 * scores["plain"]["warping-error"]["value"]
    assert scores["plain"]["psnr"]["n"] == 3
    assert "colour" not in scores["plain"]
    for result in found.values():
        for score in result["scores"].values():
            protocol = result["protocols"][score["fingerprint"]]
            assert protocol["clips"] == [{"fps": 8.0, "frames": 8, "height": 96, "width": 96}]
    table = run(evaluate_command, folders["noisy"], *base[:-1]).stdout
    assert "warping-error" in table
    assert "psnr" in table


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "psnr"], "psnr: name what to compare with"),
        (["--reference", "world"], "only with a metric of fidelity"),
        (["--metric", "psnr", "--reference", "nothing"], "give a folder with files of the names"),
        (["--metric", "motionn"], "there is no measure 'motionn'"),
    ],
)
def test_wrong_options_get_one_line(folders, arguments, message):
    done = CliRunner().invoke(evaluate_command, [str(folders["plain"]), *arguments])
    assert done.exit_code != 0
    assert message in done.output + str(done.exception)


def test_a_reference_of_another_size_is_reported_and_the_rest_is_measured(folders, clips, tmp_path):
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for i, clip in enumerate(clips):
        frames = clip.frames[:, :64] if i == 1 else clip.frames
        encode(Clip(frames=frames, fps=8), mixed / f"{i}.mp4")
    done = run(evaluate_command, folders["plain"], "--metric", "psnr", "--reference", mixed)
    assert "left out: the reference is 96x64 and the test 96x96" in done.output
    assert " 2 prompts" in done.output


def results(name: str, values: dict[str, float], **facts) -> Results:
    """Of one measure, made without clips."""
    clip = {"frames": 8, "width": 64, "height": 64, "fps": 8.0}
    outcomes = [Outcome(p, "s", p, values={"jerk": v}, clip=clip | facts) for p, v in values.items()]
    report = Report("suite", name, outcomes, measures=find_measures(["jerk"]))
    return Results(name, {**report.to_json(), "system": name}, tuple(outcomes))


def test_a_difference_is_paired_by_prompt():
    rng = np.random.default_rng(0)
    hard = {f"p{i}": float(v) for i, v in enumerate(rng.normal(5, 3, 30))}
    easier = {p: v - 0.2 + 0.05 * float(rng.normal()) for p, v in hard.items()}
    (found,) = compare(results("old", hard), results("new", easier))
    assert found.metric == "jerk"
    assert found.better == "new"
    assert found.difference.value == pytest.approx(-0.2, abs=0.03)
    assert found.difference.low < -0.15 < found.difference.high + 0.1
    assert found.corrected < 0.001
    assert found.effect < -2
    (back,) = compare(results("new", easier), results("old", hard))
    assert back.better == "new"
    assert back.difference.value == -found.difference.value
    (same,) = compare(results("a", hard), results("b", hard))
    assert same.better is None
    assert same.p_value == 1.0
    unsure = {p: v + float(rng.normal(0, 1)) for p, v in hard.items()}
    assert compare(results("a", hard), results("b", unsure))[0].better is None


def test_what_was_not_measured_alike_is_refused_with_the_reason():
    values = {"a": 1.0, "b": 2.0}
    with pytest.raises(ValueError, match=r"jerk of one and of two .*: clips: .*64.* and .*128"):
        compare(results("one", values), results("two", values, width=128))
    with pytest.raises(ValueError, match="no prompt in common"):
        compare(results("one", values), results("two", {"c": 1.0, "d": 2.0}))
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3}) == ["b: 2 and 3"]


def test_the_sign_flip_test_is_exact_and_keeps_its_level():
    x = np.array([1.0, 2.0, -0.5, 3.0])
    sums = [abs(np.dot(s, x)) for s in product((1, -1), repeat=4)]
    assert sign_flip_test(x) == pytest.approx(np.mean([s >= abs(x.sum()) - 1e-9 for s in sums]))
    rng = np.random.default_rng(1)
    rejected = np.mean([sign_flip_test(rng.normal(size=20), resamples=500) <= 0.05 for _ in range(400)])
    assert 0.02 < rejected < 0.08
    assert sign_flip_test(rng.normal(1.0, 1.0, 40)) < 0.001


def test_many_metrics_are_corrected_for(tmp_path, folders):
    """On noise of two seeds nothing is better, however many measures are looked at."""
    outputs = []
    for name in ("plain", "noisy"):
        outputs.append(tmp_path / name)
        run(evaluate_command, folders[name], "--metric", "motion", "--output", outputs[-1])
    done = CliRunner().invoke(compare_command, [str(o) for o in outputs])
    assert done.exit_code == 0, done.output + str(done.exception)
    assert "noisy minus plain" in done.stdout
    found = json.loads(run(compare_command, *outputs, "--json").stdout)
    assert found["systems"] == ["plain", "noisy"]
    rows = {row["metric"]: row for row in found["pairs"]}
    assert rows["warping-error"]["second_value"] > rows["warping-error"]["first_value"]
    assert all(row["corrected"] >= row["p_value"] for row in rows.values())
    assert all(row["better"] is None for row in rows.values())  # three prompts settle nothing
    with pytest.raises(ValueError, match="holds no results"):
        Results.read(tmp_path)


def test_frame_rates_that_differ_are_one_line(clips):
    slow = Clip(clips[0].frames, 4.0)
    with pytest.raises(ValueError, match="the clip has 8 frames a second and its reference 4"):
        measures.get("psnr").compute(Sample(clips[0], clips[0].caption, slow))


def set_results(name: str, shift: float, seed: int, texts: list[str]) -> Results:
    """Features around ``shift`` against features around 0, seen by nothing but the test."""
    rng = np.random.default_rng(7)
    reference = rng.normal(size=(200, 3))
    test = np.random.default_rng(seed).normal(size=(len(texts), 3)) + shift
    outcomes = tuple(
        Outcome(f"p-{i}", "videos", text, {}, (), {}, {"frames": 8}) for i, text in enumerate(texts)
    )
    score = score_set(SETS["frechet"], reference, test, [o.id for o in outcomes])
    facts = {"network": {"network": "none"}, "reference": "normal"}
    return Results(name, Report("videos", name, outcomes, facts=facts, sets=[score]).to_json(), outcomes)


def test_distances_of_sets_are_compared_by_what_groups_of_prompts_change():
    texts = [f"a clip {i}" for i in range(100)]
    near, far = set_results("near", 0.2, 1, texts), set_results("far", 1.2, 2, texts)
    (found,) = compare(near, far)
    assert (found.metric, found.better) == ("frechet", "near")
    assert found.difference.low > 0
    assert found.difference.value == pytest.approx(found.second - found.first)
    assert found.corrected < 0.01
    (unsettled,) = compare(near, set_results("as near", 0.2, 3, texts))
    assert unsettled.better is None
    assert unsettled.difference.low < 0 < unsettled.difference.high
    with pytest.raises(ValueError, match="are of different prompts"):
        compare(near, set_results("other", 0.2, 1, texts[::-1]))


def test_the_level_of_the_comparison_of_sets():
    """Two systems of one distribution seldom differ: 5 % of the times, not much more."""
    texts = [f"a clip {i}" for i in range(60)]
    found = [
        compare(set_results("a", 0.3, 2 * k, texts), set_results("b", 0.3, 2 * k + 1, texts))[0].p_value
        for k in range(60)
    ]
    assert np.mean(np.array(found) <= 0.05) <= 0.15
    assert np.mean(np.array(found) <= 0.5) >= 0.3


def test_conventions_name_the_weights():
    for name, files in {"action": {"network3d"}, "agreement": {"network3d", "agreement"}}.items():
        (measure,) = find_measures([name])
        weights = measure.settings["weights"]
        assert set(weights) == files
        assert all(len(digest) == 16 for digest in weights.values())
    assert all("weights" in m.settings for m in find_measures(["consistency"]))
    assert "weights" not in find_measures(["warping-error"])[0].settings
