import pytest
import torch
from torch import nn

from scenewright.training.freezing import FreezeConfig, Freezer
from scenewright.training.optimizers import OptimizerConfig, build_optimizers, set_rate


def make_net():
    torch.manual_seed(0)
    return nn.ModuleDict(
        {
            "embed": nn.Linear(3, 6),
            "blocks": nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)]),
            "head": nn.Linear(6, 2),
        }
    )


def loss_of(net, step):
    generator = torch.Generator().manual_seed(step)
    x = net["embed"](torch.randn(4, 3, generator=generator))
    for block in net["blocks"]:
        x = torch.tanh(block(x))
    return net["head"](x).square().mean() + net["head"](x).mean()


def train(net, freezer, optimizers, first, last):
    for step in range(first, last):
        freezer.apply(step)
        loss_of(net, step).backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()


GRADUAL = FreezeConfig(
    never=("embed.*",),
    unfreeze=(
        {"at_step": 2, "patterns": ["blocks.1.*"]},
        {"at_step": 4, "patterns": ["blocks.*.weight"]},
    ),
)


def trainable(net):
    return {name for name, parameter in net.named_parameters() if parameter.requires_grad}


def test_what_trains_is_a_function_of_the_step_alone():
    head, top = {"head.weight", "head.bias"}, {"blocks.1.weight", "blocks.1.bias"}
    expected = {0: head, 1: head, 2: head | top, 3: head | top, 4: head | top | {"blocks.0.weight"}}
    # blocks.0.bias is in no pattern, so it is left as it was.
    expected = {step: names | {"blocks.0.bias"} for step, names in expected.items()}
    net = make_net()
    freezer = Freezer(net, GRADUAL)
    for step in (0, 1, 2, 3, 4, 1, 4, 0, 3):
        before = trainable(net)
        changed = freezer.apply(step)
        assert trainable(net) == expected[step]
        assert set(changed) == before ^ trainable(net)
        other = make_net()
        Freezer(other, GRADUAL).apply(step)
        assert trainable(other) == expected[step]


@pytest.mark.parametrize("name", OptimizerConfig.FIELDS)
@pytest.mark.parametrize("built", ["before freezing", "after freezing"])
def test_frozen_parameters_are_neither_stepped_nor_decayed_until_they_train(name, built):
    config = OptimizerConfig(name=name, lr=0.05, weight_decay=0.5)
    net = make_net()
    start = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    # Gradients from before must not move what is frozen now.
    loss_of(net, 0).backward()
    if built == "before freezing":
        optimizers = build_optimizers(net, config)
        freezer = Freezer(net, GRADUAL)
    else:
        freezer = Freezer(net, GRADUAL)
        freezer.apply(0)
        optimizers = build_optimizers(net, config)
    for optimizer in optimizers:
        getattr(optimizer, "train", lambda: None)()
    begins = {"embed": 9, "blocks.1": 2, "blocks.0.weight": 4, "blocks.0.bias": 0, "head": 0}
    for step in range(6):
        train(net, freezer, optimizers, step, step + 1)
        for key, parameter in net.named_parameters():
            (begin,) = [at for prefix, at in begins.items() if key.startswith(prefix)]
            assert torch.equal(parameter, start[key]) == (step < begin), (step, key)


@pytest.mark.parametrize("name", ["muon", "adamw", "sgd"])
def test_a_resumed_run_with_gradual_unfreezing_repeats_the_uninterrupted_one(name):
    config = OptimizerConfig(name=name, lr=0.01, layer_decay=0.8)
    whole = make_net()
    optimizers = build_optimizers(whole, config)
    train(whole, Freezer(whole, GRADUAL), optimizers, 0, 7)
    part = make_net()
    optimizers = build_optimizers(part, config)
    train(part, Freezer(part, GRADUAL), optimizers, 0, 3)
    resumed = make_net()
    resumed.load_state_dict(part.state_dict())
    again = build_optimizers(resumed, config)
    for optimizer, saved in zip(again, optimizers, strict=True):
        optimizer.load_state_dict(saved.state_dict())
    set_rate(again, 0.01)
    train(resumed, Freezer(resumed, GRADUAL), again, 3, 7)
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"never": ["embd.weight"]}, "matches 'embd.weight'; the closest are embed.weight"),
        (
            {"unfreeze": [{"at_step": 3, "patterns": ["head.*", "block.0.*"]}]},
            r"matches 'block.0.\*'; the closest are blocks.0.bias",
        ),
        ({"never": ["*"]}, "leaves no parameter to train at step 0"),
        ({"unfreeze": [{"at_step": 1, "patterns": ["*"]}]}, "leaves no parameter to train at step 0"),
        (
            {"never": ["embed.*"], "unfreeze": [{"at_step": 1, "patterns": ["embed.*"]}]},
            r"unfreezing 'embed.\*' at step 1 does nothing",
        ),
        (
            {"unfreeze": [{"at_step": 9, "patterns": ["embed.*"]}, {"at_step": 4, "patterns": ["e*"]}]},
            r"unfreezing 'embed.\*' at step 9 does nothing",
        ),
        ({"unfreeze": [{"at_step": 0, "patterns": ["embed.*"]}]}, "greater than or equal to 1"),
        ({"unfreeze": [{"at_step": 1, "patterns": []}]}, "at least 1 item"),
    ],
)
def test_patterns_that_do_nothing_are_refused(config, message):
    with pytest.raises(ValueError, match=message):
        Freezer(make_net(), FreezeConfig(**config))


def test_without_patterns_nothing_changes():
    net = make_net()
    net["head"].bias.requires_grad_(False)
    before = trainable(net)
    assert Freezer(net, FreezeConfig()).apply(0) == []
    assert trainable(net) == before
