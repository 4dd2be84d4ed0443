import json
import math
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from plan_examples import SMALL, recipe
from torch.testing._internal.distributed.fake_pg import FakeStore

from scenewright.config import load_recipe
from scenewright.models.flow_transformer import FlowTransformer
from scenewright.training.config import TrainingRecipe
from scenewright.training.freezing import FreezeConfig
from scenewright.training.optimizers import OptimizerConfig
from scenewright.training.parallel import ParallelConfig, parallelize, setup_distributed
from scenewright.training.planning import CostModel, find_gpu, plan
from scenewright.training.planning.communication import Transfer
from scenewright.training.planning.layouts import candidates, refusal
from scenewright.training.planning.scaling import scaling, scaling_svg
from scenewright.training.planning.timing import LATENCY, transfer_time
from scenewright.training.planning.workload import workload


def test_nanos_plan_counts_its_parameters():
    nano = load_recipe(TrainingRecipe, "nano")
    record = plan(nano, 8, "h100").record()
    with torch.device("meta"):
        model = FlowTransformer(nano.network)
    assert record["parameters"] == sum(p.numel() for p in model.parameters())
    assert record["trained_parameters"] == record["parameters"]
    json.dumps(record, allow_nan=False)


def test_layouts_are_ranked_and_every_split_is_judged():
    found = plan(recipe(), 8, "h100")
    assert [one.seconds for one in found.layouts] == sorted(one.seconds for one in found.layouts)
    assert found.best is found.layouts[0]
    judged = [one.config for one in (*found.layouts, *found.refused)]
    # 8 = 2^3 over five axes: C(7, 4) ways, each with three kinds of activation checkpointing.
    assert len(judged) == 3 * math.comb(7, 4)
    assert all(math.prod((c.data, c.shard, c.context, c.tensor, c.pipeline)) == 8 for c in judged)
    assert all(one.reason for one in found.refused)


@pytest.mark.parametrize("processes", [4, 6])
def test_what_the_plan_refuses_cannot_run_and_what_it_allows_can(processes):
    """Against the network really being split, and the batch and its tokens divided."""
    work = workload(recipe(), "cpu")
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=processes)
    reasons = set()
    try:
        for config in candidates(processes, half=False, share=8):
            if config.activation_checkpointing != "none":
                continue
            tokens = all(stage.tokens % config.context == 0 for stage in work.stages)
            batch = all(stage.batch % (config.data * config.shard) == 0 for stage in work.stages)
            try:
                parallelize(FlowTransformer(SMALL), setup_distributed(config))
                splits = True
            except ValueError:
                splits = False
            reason = refusal(work, config)
            assert (reason is None) == (splits and tokens and batch), (config, reason)
            reasons.add(reason)
    finally:
        dist.destroy_process_group()
    assert len(reasons) > 1


def test_what_does_not_fit_says_how_much_it_needs():
    tight = find_gpu("h100").model_copy(update={"memory": 1.503e9})
    found = plan(recipe(), 2, tight)
    needs = [one for one in found.refused if one.reason.startswith("needs")]
    assert needs
    assert all(one.needed(tight) > tight.memory for one in needs)
    assert all(one.needed(tight) <= tight.memory for one in found.layouts)
    # Two ways that are the same but for what is computed again: fewer activations take less memory.
    sizes = {one.name: one.needed(tight) for one in (*found.layouts, *needs)}
    assert sizes["data 2, full"] < sizes["data 2"]
    nothing = plan(recipe(), 2, tight.model_copy(update={"memory": 1e9}))
    with pytest.raises(ValueError, match=r"no way to spread small over 2 h100 works: needs 1\.5 GB of 1 GB"):
        _ = nothing.best


def test_costs_follow_from_time_and_prices():
    cost = CostModel(price=2.5, electricity=0.2, carbon=0.1, power_usage_effectiveness=1.25, load=0.5)
    found = plan(recipe(), 4, "a100", cost=cost)
    costs, gpu = found.costs(found.best), found.gpu
    hours = found.best.seconds / 3600
    assert costs.rent == pytest.approx(4 * hours * 2.5)
    machine = 4 * (0.5 * gpu.watts + gpu.host_watts) / 1000 * hours
    assert costs.energy == pytest.approx(1.25 * machine)
    assert costs.cooling == pytest.approx(0.25 * machine)
    assert costs.electricity == pytest.approx(0.2 * costs.energy)
    assert costs.carbon == pytest.approx(0.1 * costs.energy)


def test_rates_follow_from_the_step():
    found = plan(recipe(), 16, "h100")
    for stage, one, rates in zip(found.work.stages, found.best.stages, found.rates(found.best), strict=True):
        assert rates["clips_per_second"] == pytest.approx(stage.batch / one.time.total)
        assert rates["read"] == pytest.approx(rates["clips_per_second"] * 8 * 32 * 32 * 3)
        assert rates["read_node"] == pytest.approx(rates["read"] / 2)
        assert 0 < rates["utilisation"] < found.fraction
    # Two machines: averages of gradients leave them.
    assert rates["network_node"] > rates["read_node"]


def test_a_measured_peak_and_a_whole_fraction_give_the_time_of_the_arithmetic():
    """Slow enough that nothing else counts: operations over peak."""
    slow = plan(recipe(), 1, "cpu", peak=1e9, fraction=1.0)
    stage, one = slow.work.stages[1], slow.best.stages[1]
    assert slow.best.config.activation_checkpointing != "full"
    assert one.time.bound == "arithmetic"
    assert one.time.compute == pytest.approx(16 * stage.clip.executed / 1e9)
    assert slow.rates(slow.best)[1]["utilisation"] == pytest.approx(1.0, abs=0.05)


def test_frozen_parameters_shrink_the_plan():
    whole = plan(recipe(), 1, "h100")
    frozen = plan(recipe(freeze=FreezeConfig(never=("text_encoder.*", "blocks.0.*"))), 1, "h100")
    assert frozen.record()["trained_parameters"] < whole.record()["trained_parameters"]
    assert frozen.work.stages[0].clip.backward < whole.work.stages[0].clip.backward
    assert frozen.best.stages[0].memory.gradients < whole.best.stages[0].memory.gradients
    assert frozen.work.checkpoint_bytes < whole.work.checkpoint_bytes


def test_slow_links_and_many_machines_cost_time():
    gpu = find_gpu("h100")
    config = ParallelConfig(data=16)
    near = Transfer("gradients", "all_reduce", ("data",), 8, 1, 8e9, True)
    far = Transfer("gradients", "all_reduce", ("data",), 16, 1, 8e9, True)
    # In one machine by its links; over two by eight adapters at once, which are no faster than a link.
    assert transfer_time(near, ParallelConfig(data=8), gpu) == pytest.approx(14e9 / gpu.link + 3 * LATENCY)
    assert transfer_time(far, config, gpu) == pytest.approx(15e9 / (8 * gpu.network) + 4 * LATENCY)
    # One member a machine has one adapter.
    thin = ParallelConfig(data=2, shard=8)
    copies = Transfer("gradients of copies", "all_reduce", ("data",), 2, 1, 8e9, True)
    assert transfer_time(copies, thin, gpu) == pytest.approx(8e9 / gpu.network + LATENCY)


def test_the_table_says_what_the_record_says():
    found = plan(recipe(optimizer=OptimizerConfig(name="muon")), 8, "h100", cost=CostModel(price=1.0))
    text = found.table(terminal=False, width=200)
    assert "\x1b" not in text
    assert "\x1b" in found.table(terminal=True)
    assert f"{found.record()['parameters']:,} parameters" in text
    for layout in found.layouts[:3]:
        assert layout.name in text
    for part in ("optimizer state", "activations", "forward", "sent: ", "read as raw frames", "PUE 1.56"):
        assert part in text
    assert found.refused[0].reason in text


def test_the_curve_reaches_1024_gpus_and_never_beats_proportion():
    sizes = (1, 8, 64, 1024)
    grown = scaling(recipe(), "h100", sizes=sizes)
    same = scaling(recipe(), "h100", sizes=sizes, grow=False)
    assert [point.gpus for point in grown] == list(sizes)
    assert [point.batch for point in grown] == [16 * size for size in sizes]
    assert grown[0].efficiency == 1.0
    assert all(point.efficiency < 1.01 for point in grown)
    # 1,024 GPUs have no use for a batch of 16 clips of 64 tokens.
    assert max(point.gpus for point in same) < 1024
    drawing = ElementTree.fromstring(
        scaling_svg({"batch grows": grown, "same batch": same}, "small & <fast>")
    )
    circles = drawing.findall("{http://www.w3.org/2000/svg}circle")
    assert len(circles) == len(grown) + len(same)
    assert all(
        0 <= float(circle.get("cx")) <= 640 and 0 <= float(circle.get("cy")) <= 400 for circle in circles
    )
    with pytest.raises(ValueError, match="nothing to draw"):
        scaling_svg({"none": []}, "empty")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((8, "h10"), r"there is no processor 'h10' in the table; did you mean h100\?"),
        ((0, "h100"), "gpus = 0: a run needs one at least"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        plan(recipe(), *arguments)


def test_objectives_that_do_more_are_noted():
    notes = plan(recipe(), 1, "h100").notes
    more = plan(recipe(objective=SimpleNamespace(name="adversarial")), 1, "h100").notes
    assert set(more) - set(notes) == {
        "counted: one forward and backward pass of the model a step; what adversarial adds is not"
    }
