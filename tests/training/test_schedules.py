import math
from itertools import pairwise

import pytest
import torch
from pydantic import ValidationError

from scenewright.config import ConfigError, load_recipe, to_yaml
from scenewright.training.schedules import ScheduleConfig, build_schedule, warmup_stable_decay

lr_scheduler = torch.optim.lr_scheduler


def factors(total, **settings):
    schedule = build_schedule(ScheduleConfig(**settings), total)
    return [schedule.factor(step) for step in range(total + 1)]


def torch_factors(steps, make, lr=1.0):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("settings", "make"),
    [
        ({"name": "constant"}, lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
        ({"name": "linear", "floor": 0.1}, lambda o: lr_scheduler.LinearLR(o, 1.0, 0.1, total_iters=40)),
        ({"name": "linear"}, lambda o: lr_scheduler.LinearLR(o, 1.0, 0.0, total_iters=40)),
        ({"name": "cosine"}, lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=40)),
        ({"name": "cosine", "floor": 0.2}, lambda o: lr_scheduler.CosineAnnealingLR(o, 40, eta_min=0.2)),
        ({"name": "exponential", "gamma": 0.9, "every": 1}, lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
        ({"name": "step", "every": 7, "gamma": 0.5}, lambda o: lr_scheduler.StepLR(o, 7, gamma=0.5)),
        (
            {"name": "step", "milestones": [5, 8, 33], "gamma": 0.3},
            lambda o: lr_scheduler.MultiStepLR(o, [5, 8, 33], gamma=0.3),
        ),
    ],
)
def test_shapes_are_those_of_torch(settings, make):
    assert factors(40, **settings) == pytest.approx(torch_factors(41, make), abs=1e-9)


@pytest.mark.parametrize(("total", "peak"), [(40, 0.3), (40, 0.55), (41, 0.9), (10, 0.25)])
def test_one_cycle_is_that_of_torch(total, peak):
    expected = torch_factors(
        total - 1,
        lambda o: lr_scheduler.OneCycleLR(
            o, 1.0, total_steps=total, pct_start=peak, cycle_momentum=False, div_factor=20, final_div_factor=5
        ),
    )
    made = factors(total, name="one_cycle", peak_fraction=peak, start=1 / 20, floor=1 / 100)
    assert made[: total - 1] == pytest.approx(expected, abs=1e-9)
    assert made[total - 1] == made[total] == pytest.approx(1 / 100)


def test_warmup_stable_decay():
    factor = [warmup_stable_decay(s, warmup=10, total=100, decay_fraction=0.3) for s in range(101)]
    assert factor[0] == 0.1
    assert factor[9:70] == [1.0] * 61
    assert factor[85] == pytest.approx(0.5)
    assert factor[100] == 0.0
    assert all(a >= b for a, b in pairwise(factor[10:]))
    made = factors(100, name="warmup_stable_decay", warmup=10, decay_fraction=0.3)
    assert made == factor
    floored = factors(100, name="warmup_stable_decay", warmup=10, decay_fraction=0.3, floor=0.2)
    assert floored[85] == pytest.approx(0.6)
    assert floored[100] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({"name": "constant"}, lambda t: 1.0),
        ({"name": "linear", "floor": 0.3}, lambda t: 1 - 0.7 * t / 30),
        ({"name": "cosine"}, lambda t: math.cos(math.pi * t / 60) ** 2),
        ({"name": "exponential", "gamma": 0.04}, lambda t: 0.04 ** (t / 30)),
        ({"name": "exponential", "gamma": 0.5, "every": 3, "floor": 0.1}, lambda t: max(0.1, 2 ** (-t / 3))),
        ({"name": "step", "every": 8, "gamma": 0.5, "floor": 0.2}, lambda t: max(0.2, 0.5 ** (t // 8))),
        ({"name": "step", "milestones": [20, 25]}, lambda t: 1 if t < 10 else 0.1 if t < 15 else 0.01),
        ({"name": "reduce_on_plateau"}, lambda t: 1.0),
    ],
)
def test_the_shape_begins_after_a_linear_warmup(settings, shape):
    made = factors(40, warmup=10, **settings)
    assert made[:10] == pytest.approx([(s + 1) / 10 for s in range(10)])
    assert made[10:] == pytest.approx([shape(t) for t in range(31)], abs=1e-9)


@pytest.mark.parametrize("name", ScheduleConfig.FIELDS)
@pytest.mark.parametrize("total", [1, 2, 3, 500])
def test_factors_stay_between_zero_and_one_in_any_run_and_after_it(name, total):
    schedule = build_schedule(ScheduleConfig(name=name, **({"every": 2} if name == "step" else {})), total)
    assert all(0 <= schedule.factor(step) <= 1 for step in range(2 * total + 5))
    assert schedule.factor(0) > 0


@pytest.mark.parametrize(
    "settings",
    [
        {"factor": 0.5, "patience": 0},
        {"factor": 0.5, "patience": 2, "cooldown": 3, "threshold": 0.05, "floor": 0.1},
        {"factor": 0.3, "patience": 1, "threshold": 0.0, "mode": "max"},
    ],
)
def test_reduce_on_plateau_is_that_of_torch_also_across_a_resume(settings):
    config = ScheduleConfig(name="reduce_on_plateau", **settings)
    names = {"floor": "min_lr"}
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = lr_scheduler.ReduceLROnPlateau(
        optimizer,
        eps=0.0,
        **{names.get(key, key): value for key, value in config.chosen.items() if key != "warmup"},
    )
    generator = torch.Generator().manual_seed(3)
    scores = (2 + torch.randn(80, generator=generator) / 4 - torch.arange(80) / 80).tolist()
    scores[20] = math.nan
    schedule, seen = build_schedule(config, 100), set()
    for score in scores:
        resumed = build_schedule(config, 100)
        resumed.load_state_dict(schedule.state_dict())
        schedule = resumed
        schedule.observe(score)
        reference.step(score)
        assert schedule.factor(50) == pytest.approx(optimizer.param_groups[0]["lr"])
        seen.add(schedule.factor(50))
    assert len(seen) >= 3


def test_a_negative_score_must_get_better_by_the_threshold_too():
    schedule = build_schedule(ScheduleConfig(name="reduce_on_plateau", threshold=0.1, patience=0), 10)
    schedule.observe(-10.0)
    schedule.observe(-11.5)
    assert schedule.factor(5) == 1.0
    schedule.observe(-11.6)  # less than a tenth better
    assert schedule.factor(5) == pytest.approx(0.1)


def test_scores_do_not_matter_to_a_function_of_the_step():
    schedule = build_schedule(ScheduleConfig(name="cosine"), 10)
    before = [schedule.factor(step) for step in range(10)]
    for score in (1.0, 1.0, 1.0):
        schedule.observe(score)
    assert [schedule.factor(step) for step in range(10)] == before
    assert schedule.state_dict() == {}
    schedule.load_state_dict({})
    plateau = build_schedule(ScheduleConfig(name="reduce_on_plateau"), 10)
    with pytest.raises(ValueError, match="saved schedule is of another kind"):
        schedule.load_state_dict(plateau.state_dict())
    with pytest.raises(ValueError, match="saved schedule is of another kind"):
        plateau.load_state_dict({})


@pytest.mark.parametrize("name", ScheduleConfig.FIELDS)
def test_fields_of_other_schedules_are_refused_and_own_ones_change_the_rate(name):
    needs = {"every": 4} if name == "step" else {}
    other = {
        "warmup": 7,
        "floor": 0.5,
        "decay_fraction": 0.8,
        "gamma": 0.77,
        "every": 3,
        "milestones": (9, 11),
        "start": 0.6,
        "peak_fraction": 0.7,
        "factor": 0.6,
        "patience": 1,
        "threshold": 0.4,
        "cooldown": 2,
        "mode": "max",
    }
    assert set(other) == set(ScheduleConfig.model_fields) - {"name"}

    def course(**settings):
        schedule = build_schedule(ScheduleConfig(name=name, **settings), 60)
        factors = []
        for step in range(60):
            factors.append(schedule.factor(step))
            schedule.observe(3.0 - step / 30)
            schedule.observe(3.0 - step / 30)
        return factors

    if name == "warmup_stable_decay":
        needs = {"warmup": 5}
    if name == "reduce_on_plateau":
        needs = {"patience": 0, "factor": 0.8, "floor": 1e-9}
    for key, value in other.items():
        if key not in ScheduleConfig.FIELDS[name]:
            with pytest.raises(ValidationError, match=f"{key} = .* does nothing for {name}"):
                ScheduleConfig(name=name, **needs, **{key: value})
        else:
            mine = {**needs, key: value}
            if key == "milestones":
                del mine["every"]
            assert course(**mine) != course(**needs), key


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "step"}, "set one of the two"),
        ({"name": "step", "every": 3, "milestones": [4]}, "set one of the two"),
        ({"name": "step", "milestones": [8, 5]}, "must rise, all after the warm-up"),
        ({"name": "step", "milestones": [8], "warmup": 9}, "must rise, all after the warm-up"),
        ({"name": "cosin"}, "should be 'constant', 'linear'"),
        ({"name": "linear", "floor": 1.5}, "less than or equal to 1"),
        (
            {"name": "constant", "gamma": 0.5},
            r"gamma = 0.5 does nothing for constant; leave it out \(it takes",
        ),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        ScheduleConfig(**settings)


def test_a_run_has_a_step():
    with pytest.raises(ValueError, match="1 step or more, not 0"):
        build_schedule(ScheduleConfig(), 0)


def test_a_dumped_schedule_reads_back_and_a_wrong_key_is_one_line(tmp_path):
    path = tmp_path / "schedule.yaml"
    for name in ScheduleConfig.FIELDS:
        config = ScheduleConfig(name=name, **({"milestones": [200]} if name == "step" else {}))
        path.write_text(to_yaml(config))
        assert load_recipe(ScheduleConfig, path) == config
    with pytest.raises(ConfigError, match="patience = 3 does nothing for cosine"):
        load_recipe(ScheduleConfig, None, ["name=cosine", "patience=3"])
