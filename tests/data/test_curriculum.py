from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import rankdata

from scenewright.config import ConfigError, load_recipe
from scenewright.data.curriculum import Curriculum, PacingConfig, difficulty, scene_columns
from scenewright.world.layout import SamplerConfig, sample_scene
from scenewright.world.scene import Camera, CameraMove, Motion, Relation, Scene, SceneObject


def test_scenes_are_measured_by_what_happens_in_them():
    thing = SceneObject(shape="cube", color="red", size="small", material="matte", position=(0, 0.4, 0))
    still = Scene(objects=(thing,))
    busy = Scene(
        objects=(thing, thing, thing),
        motions=(
            Motion(kind="slide", subject=0, direction="left", end=0.5),
            Motion(kind="spin", subject=0, direction="clockwise", start=0.5, stage=1),
            Motion(kind="shake", subject=2, end=0.5),
        ),
        relations=(Relation(kind="near", subject=0, reference=1),),
        camera=Camera(move=CameraMove(kind="pan", direction="left")),
    )
    columns = scene_columns([still, busy])
    assert {name: column.tolist() for name, column in columns.items()} == {
        "objects": [1, 3],
        "moving": [0, 2],
        "stages": [0, 2],
        "relations": [0, 1],
        "camera": [0, 1],
    }
    assert difficulty(columns).tolist() == [0, 1]


def test_ranks_are_those_of_scipy_and_any_columns_mix():
    rng = np.random.default_rng(0)
    seconds, pixels = rng.integers(0, 5, 40).astype(float), rng.exponential(size=40) * 1e6
    rank = {"seconds": (rankdata(seconds) - 1) / 39, "pixels": (rankdata(pixels) - 1) / 39}
    columns = {"seconds": seconds, "pixels": pixels, "unused": np.zeros(40)}
    np.testing.assert_allclose(
        difficulty(columns, {"seconds": 3, "pixels": 1}), 0.75 * rank["seconds"] + 0.25 * rank["pixels"]
    )
    np.testing.assert_allclose(difficulty(columns, {"pixels": -2}), 1 - rank["pixels"])
    assert difficulty({"a": [5.0]}).tolist() == [0.0]
    with pytest.raises(ValueError, match="must be for some of the columns"):
        difficulty(columns, {"second": 1})
    with pytest.raises(ValueError, match="differ in length"):
        difficulty({"a": [1.0], "b": [1.0, 2.0]})
    with pytest.raises(ValueError, match="column a must be finite"):
        difficulty({"a": [np.nan]})


def test_pacing_functions_are_their_closed_forms():
    linear = PacingConfig(name="linear", start=0.1, steps=100)
    root = PacingConfig(name="root", start=0.1, steps=100, power=2)
    step = PacingConfig(name="step", start=0.1, growth=2, every=10)
    for k in range(0, 130, 7):
        assert linear.share(k) == pytest.approx(min(1, 0.1 + 0.9 * k / 100))
        assert root.share(k) == pytest.approx(min(1, (0.01 + 0.99 * k / 100) ** 0.5))
        assert step.share(k) == pytest.approx(min(1, 0.1 * 2 ** (k // 10)))
    baby = PacingConfig(name="step", start=0.3, growth=1 / 0.3, every=50)
    assert [baby.share(k) for k in (0, 49, 50, 99)] == [0.3, 0.3, 1, 1]


@pytest.mark.parametrize(
    "pacing",
    [
        PacingConfig(name="linear", start=0.05, steps=37),
        PacingConfig(name="root", start=0.05, steps=37, power=3),
        PacingConfig(name="step", start=0.1, growth=10**0.5, every=9),
        PacingConfig(name="step", start=1.0, every=9),
        PacingConfig(name="linear", start=1.0),
    ],
)
def test_pacing_never_falls_and_is_full_when_it_says(pacing):
    shares = [pacing.share(k) for k in range(80)]
    assert shares[0] == pytest.approx(pacing.start)
    assert all(a <= b for a, b in pairwise(shares))
    assert next(k for k, share in enumerate(shares) if share == 1) == pacing.full_from


def test_fields_of_another_pacing_are_refused():
    with pytest.raises(ConfigError, match=r"growth = 2.* does nothing for linear"):
        load_recipe(PacingConfig, None, ["name=linear", "growth=2"])
    config = PacingConfig(name="step", start=0.5)
    assert PacingConfig.model_validate(config.model_dump()) == config


def test_only_the_easiest_are_drawn_and_all_of_them():
    scores = np.random.default_rng(0).permutation(100).astype(float)
    curriculum = Curriculum(scores, PacingConfig(name="linear", start=0.1, steps=90), batch=5, seed=1)
    for step in range(90):
        batch = curriculum.batch(step)
        assert len(set(batch.tolist())) == 5
        # Sample of score s is let in at the step at which 10 + step samples are.
        assert scores[batch].max() < 10 + step
    first = PacingConfig(name="step", start=0.1, growth=10, every=400)
    counts = Counter()
    for step in range(400):
        counts.update(scores[Curriculum(scores, first, batch=5, seed=2).batch(step)].tolist())
    assert set(counts) == set(range(10))
    # 2000 draws of ten: 200 each, with a standard deviation under 13.
    assert all(abs(n - 200) < 55 for n in counts.values())


def test_when_all_are_let_in_every_epoch_holds_each_once():
    curriculum = Curriculum(np.arange(12.0), PacingConfig(name="root", steps=10), batch=4)
    epochs = [np.concatenate([curriculum.batch(10 + 3 * e + i) for i in range(3)]) for e in range(2)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(12))] * 2
    assert list(epochs[0]) != list(epochs[1])


def test_fewer_easy_samples_than_a_batch_repeat():
    curriculum = Curriculum(np.arange(20.0), PacingConfig(name="linear", start=0.1, steps=1000), batch=8)
    assert set(curriculum.batch(0).tolist()) == {0, 1}


def test_equally_hard_samples_are_let_in_at_random():
    pacing = PacingConfig(name="step", start=0.5, growth=2, every=10)
    orders = {tuple(Curriculum(np.zeros(10), pacing, batch=2, seed=s).order) for s in range(5)}
    assert len(orders) == 5


def test_a_curriculum_can_be_entered_anywhere():
    scores = np.random.default_rng(0).random(30)
    pacing = PacingConfig(name="root", start=0.2, steps=20)
    whole = [Curriculum(scores, pacing, batch=4, seed=3).batch(k) for k in range(40)]
    fresh = Curriculum(scores, pacing, batch=4, seed=3)
    for step in (33, 5, 20):
        np.testing.assert_array_equal(fresh.batch(step), whole[step])


def test_a_curriculum_of_the_world_begins_with_its_plainest_scenes():
    scenes = [sample_scene(s, config=SamplerConfig(num_objects=(1, 4))) for s in range(60)]
    columns = scene_columns(scenes)
    curriculum = Curriculum(difficulty(columns), PacingConfig(name="linear", steps=100), batch=6)
    early = np.concatenate([curriculum.batch(k) for k in range(10)])
    for name in ("objects", "moving"):
        assert columns[name][early].mean() < columns[name].mean() - 0.5


def test_toy_regression_learns_from_easy_samples_first():
    # Easy samples agree about the answer; hard ones are noise. Early batches must then be nearer to it.
    rng = np.random.default_rng(0)
    scores = rng.random(400)
    answers = 2.0 + rng.normal(size=400) * 5 * scores
    curriculum = Curriculum(scores, PacingConfig(name="root", start=0.05, steps=400), batch=8)
    spread = [np.std([answers[curriculum.batch(k)].mean() for k in range(a, a + 50)]) for a in (0, 150, 400)]
    assert spread[0] < 0.35 * spread[1]
    assert spread[1] < spread[2]


def test_wrong_difficulties_are_refused():
    with pytest.raises(ValueError, match="finite numbers"):
        Curriculum([1.0, np.inf], PacingConfig(), batch=2)
    with pytest.raises(ValueError, match="at least one sample, not 0"):
        Curriculum([1.0], PacingConfig(), batch=0)
