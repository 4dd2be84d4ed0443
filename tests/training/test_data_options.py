"""Runs whose data have an order, a mixture or changes: exact over a stop, and told in the log."""

import pytest
import torch
from test_trainer import DATA, RECIPE, assert_same, final_state

from scenewright.config import load_recipe
from scenewright.data.streams import Batch, StreamConfig
from scenewright.data.world_source import WorldSource, render_shards
from scenewright.training.config import TrainingRecipe
from scenewright.training.draws import Draws
from scenewright.training.objectives import FlowMatching, FlowMatchingConfig
from scenewright.training.sinks import read_records
from scenewright.training.trainer import Trainer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("data") / "shards"
    source = WorldSource(width=16, height=16, num_frames=4, sampler=DATA.sampler, seed=6)
    render_shards(source, target, 10, shard_size=4)
    return target


def recipe(folder, **settings) -> TrainingRecipe:
    shards = {} if "mixture" in settings else {"shards": (str(folder),)}
    data = StreamConfig.model_validate({**DATA.model_dump(), **shards, **settings})
    stages = (RECIPE.stages[0].model_copy(update={"steps": 10, "batch": 4, "data": data}),)
    objective = FlowMatchingConfig(word_dropout=0.2)
    update = {"stages": stages, "objective": objective, "sample_prompts": (), "accumulate": 2}
    return RECIPE.model_copy(update=update)


OPTIONS = {
    "by loss": {"order": {"name": "loss_weighted", "alpha": 2.0}},
    "curriculum": {"order": {"name": "curriculum", "pacing": {"name": "step", "start": 0.4, "every": 2}}},
    "strata": {"order": {"name": "stratified", "column": "shape"}},
    "changes": {"augment": {"flip": {"probability": 0.5}, "crop": {"probability": 0.5}}},
    "mixture": {"mixture": [{"weight": 3, "data": {"seed": 4}}, {"data": {"seed": 5, "split": "all"}}]},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_run_stopped_in_the_middle_of_an_epoch_equals_one_that_was_not(name, folder, tmp_path):
    whole = recipe(folder, **OPTIONS[name])
    Trainer(whole, tmp_path / "whole").run()
    Trainer(whole, tmp_path / "run").run(until=3)
    Trainer(whole.model_copy(update={"workers": 2}), tmp_path / "run").run(until=5)
    Trainer(whole, tmp_path / "run").run()
    assert_same(final_state(tmp_path / "whole"), final_state(tmp_path / "run"))
    lines = [line for line in read_records(tmp_path / "whole" / "log.jsonl") if "loss" in line]
    told = {"curriculum": "curriculum", "changes": "augmented", "mixture": "share_of_part_0"}.get(name)
    assert told is None or all(told in line for line in lines)


def test_a_run_on_clips_of_several_sizes_equals_one_that_was_stopped(folder, tmp_path):
    source = WorldSource(width=32, height=16, num_frames=4, sampler=DATA.sampler, seed=7)
    render_shards(source, tmp_path / "wide", 6, shard_size=3)
    shards = [str(folder), str(tmp_path / "wide")]
    mixed = recipe(folder, order={"name": "buckets"}, width=32, shards=shards)
    Trainer(mixed, tmp_path / "whole").run()
    Trainer(mixed, tmp_path / "run").run(until=3)
    Trainer(mixed.model_copy(update={"workers": 2}), tmp_path / "run").run()
    assert_same(final_state(tmp_path / "whole"), final_state(tmp_path / "run"))
    lines = [line for line in read_records(tmp_path / "whole" / "log.jsonl") if "loss" in line]
    # Ten small clips, eight to a batch, then two; six wide ones, four and two.
    assert {(line["width"], line["batch"]) for line in lines} == {(16, 8), (16, 2), (32, 4), (32, 2)}


def test_clips_with_a_high_loss_are_known_to_the_order(folder, tmp_path):
    trainer = Trainer(recipe(folder, **OPTIONS["by loss"]), tmp_path / "run")
    trainer.run()
    assert trainer.feed._order is not None
    weighted = trainer.feed._order[1]._weighted
    assert weighted._seen.sum() >= 8
    assert weighted._loss.std() > 0
    probabilities = weighted.probabilities()
    assert probabilities[weighted._loss.argmax()] == probabilities.max()


def test_weights_multiply_the_losses_of_their_samples():
    class Half(torch.nn.Module):
        def encode_text(self, ids, mask):
            return ids, ids

        def forward(self, z, sigma, words, pooled, mask):
            return 0.5 * z

    torch.manual_seed(0)
    frames = torch.randint(0, 255, (3, 4, 8, 8, 3), dtype=torch.uint8)
    objective = FlowMatching(FlowMatchingConfig())
    nothing = torch.zeros(3, 1, dtype=torch.int64)
    encode = lambda texts: (nothing, nothing.bool())  # noqa: E731
    draws = Draws(0, 0, 3, range(3))
    plain = objective.prepare(Batch(frames, ["a"] * 3, range(3)), encode, draws)
    loss, _ = objective.loss(Half(), plain)
    each = objective.sample_losses
    assert loss == pytest.approx(each.mean().item())
    weights = torch.tensor([0.0, 2.0, 0.5])
    weighted = objective.prepare(Batch(frames, ["a"] * 3, range(3), weights=weights), encode, draws)
    loss, _ = objective.loss(Half(), weighted)
    assert loss.item() == pytest.approx((weights * each).mean().item())
    assert torch.equal(objective.sample_losses, each)
    last = objective.loss(Half(), weighted.part(range(2, 3)))[0]
    assert last.item() == pytest.approx(0.5 * each[2].item(), rel=1e-5)


def test_words_are_left_out_at_their_rate_and_the_same_in_every_share():
    objective = FlowMatching(FlowMatchingConfig(word_dropout=0.3, caption_dropout=0.0))
    texts = [" ".join(f"w{i}" for i in range(50)) for _ in range(20)]
    frames = torch.zeros(20, 1, 2, 2, 3, dtype=torch.uint8)
    seen: list[list[str]] = []

    def encode(captions):
        seen.append(list(captions))
        return torch.zeros(len(captions), 1, dtype=torch.int64), torch.ones(
            len(captions), 1, dtype=torch.bool
        )

    draws = Draws(1, 7, 20, range(20))
    objective.prepare(Batch(frames, texts, range(20)), encode, draws)
    objective.prepare(Batch(frames[10:], texts[10:], range(10, 20)), encode, draws.part(range(10, 20)))
    whole, share = seen
    assert share == whole[10:]
    kept = [len(text.split()) for text in whole]
    assert sum(kept) / 1000 == pytest.approx(0.7, abs=0.04)
    assert len(set(whole)) == 20
    for text in whole:
        numbers = [int(word[1:]) for word in text.split()]
        assert numbers == sorted(numbers)


def test_what_cannot_go_by_loss_is_refused(folder):
    by_loss = recipe(folder, **OPTIONS["by loss"]).model_dump()
    meetings = {"workers": 2, "worker": 0, "folder": "meet"}
    with pytest.raises(ValueError, match=r"does not go with parallel\.local_steps"):
        TrainingRecipe.model_validate({**by_loss, "parallel": {"local_steps": meetings}})


def test_options_can_be_said_on_the_command_line(folder):
    overrides = [f"stages.3.data.shards=[{folder}]", "stages.3.data.order.name=loss_weighted"]
    overrides += ["stages.3.data.order.floor=0.2", "stages.3.data.augment.flip.probability=0.5"]
    data = load_recipe(TrainingRecipe, "nano", overrides).stages[3].data
    assert (data.order.name, data.order.floor) == ("loss_weighted", 0.2)
    assert data.augment.flip.probability == 0.5
