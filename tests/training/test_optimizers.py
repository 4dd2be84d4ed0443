import copy
import re
import sys

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from scenewright.config import ConfigError, load_recipe, to_yaml
from scenewright.training.ema import EMA
from scenewright.training.optimizers import (
    Muon,
    OptimizerConfig,
    build_optimizers,
    keeps_average,
    orthogonalise,
    own_average,
    set_rate,
)


@pytest.mark.parametrize("shape", [(24, 24), (16, 40), (40, 16)])
def test_orthogonalise_keeps_the_singular_vectors_and_levels_the_values(shape):
    torch.manual_seed(0)
    u, _ = torch.linalg.qr(torch.randn(shape[0], min(shape)))
    v, _ = torch.linalg.qr(torch.randn(shape[1], min(shape)))
    matrix = u @ torch.diag(torch.linspace(0.2, 2.0, min(shape))) @ v.T
    result = orthogonalise(matrix[None])[0]
    values = u.T @ result @ v
    assert torch.linalg.svdvals(result).min() > 0.6
    assert torch.linalg.svdvals(result).max() < 1.3
    assert (values - torch.diag(values.diagonal())).abs().max() < 1e-3


def test_the_iteration_in_bfloat16_stays_close():
    torch.manual_seed(0)
    matrix = torch.randn(3, 24, 40)
    close = orthogonalise(matrix, dtype=torch.bfloat16)
    assert close.dtype == torch.float32
    assert (close - orthogonalise(matrix)).abs().max() < 0.05


def test_a_stack_is_orthogonalised_matrix_by_matrix():
    torch.manual_seed(0)
    stack = torch.randn(3, 8, 12)
    torch.testing.assert_close(orthogonalise(stack), torch.stack([orthogonalise(m) for m in stack]))


def test_muon_finds_the_least_squares_solution():
    torch.manual_seed(0)
    inputs, truth = torch.randn(64, 6), torch.randn(6, 4)
    weight = nn.Parameter(torch.zeros(6, 4))
    muon = Muon([weight], lr=0.1)
    for step in range(300):
        muon.param_groups[0]["lr"] = 0.1 * (1 - step / 300)
        loss = (inputs @ weight - inputs @ truth).square().mean()
        loss.backward()
        muon.step()
        muon.zero_grad()
    assert (weight - truth).abs().max() < 0.02


def test_blocks_of_rows_are_orthogonalised_by_themselves():
    torch.manual_seed(0)
    gradient = torch.randn(16, 6)
    whole, split = nn.Parameter(torch.zeros(16, 6)), nn.Parameter(torch.zeros(16, 6))
    for weight, rows in ((whole, None), (split, 4)):
        weight.grad = gradient.clone()
        Muon([weight], lr=1.0, block_rows=rows).step()
    momentum = gradient * (1 - 0.95 * 0.95)
    for block in range(4):
        part = slice(4 * block, 4 * block + 4)
        expected = -orthogonalise(momentum[None, part])[0] * 0.2 * 6**0.5
        torch.testing.assert_close(split.data[part], expected)
    assert not torch.allclose(whole, split)


def test_muon_refuses_vectors():
    with pytest.raises(ValueError, match="for matrices"):
        Muon([nn.Parameter(torch.zeros(3))], lr=0.1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch_in = nn.Linear(4, 8)
        self.blocks = nn.ModuleList([nn.ModuleDict({"mlp": nn.Linear(8, 8), "modulation": nn.Linear(8, 8)})])


def test_muon_gets_the_hidden_matrices_only_and_every_parameter_has_one_optimizer():
    net = Net()
    muon, adamw = build_optimizers(net, OptimizerConfig(name="muon"))
    assert [id(p) for g in muon.param_groups for p in g["params"]] == [id(net.blocks[0]["mlp"].weight)]
    everyone = [p for o in (muon, adamw) for g in o.param_groups for p in g["params"]]
    assert sorted(map(id, everyone)) == sorted(map(id, net.parameters()))
    (only,) = build_optimizers(net, OptimizerConfig(name="adamw"))
    assert sorted(id(p) for g in only.param_groups for p in g["params"]) == sorted(map(id, net.parameters()))
    assert all(p.ndim < 2 for g in only.param_groups if g["weight_decay"] == 0 for p in g["params"])


def test_ema_is_the_weighted_sum_of_the_past():
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 1.0)
    ema = EMA(net, decay=0.5)
    expected = 1.0
    for step in range(1, 8):
        nn.init.constant_(net.weight, float(step))
        ema.update(net)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert ema.weights["weight"].item() == pytest.approx(expected)


class Tower(nn.Module):
    """Two stacks of blocks, with something before, between and after them."""

    def __init__(self):
        super().__init__()
        self.patch_in = nn.Linear(4, 8)
        self.encoder = nn.ModuleDict({"blocks": nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])})
        self.middle = nn.Linear(8, 8, bias=False)
        self.blocks = nn.ModuleList([nn.Linear(8, 8) for _ in range(11)])
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        x = self.patch_in(x)
        for layer in (*self.encoder["blocks"], self.middle, *self.blocks):
            x = x + torch.tanh(layer(x))
        return self.out(x)


def tower():
    torch.manual_seed(0)
    return Tower()


def train_step(model, optimizers, step):
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(step))
    (model(x) - x[:, :3].sin()).square().mean().backward()
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()


def train(model, optimizers, steps, first=0):
    for step in range(first, first + steps):
        train_step(model, optimizers, step)


def split(model, decay):
    return [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": decay},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]


@pytest.mark.parametrize(
    ("settings", "make"),
    [
        ({"name": "sgd"}, lambda g: torch.optim.SGD(g, momentum=0.9)),
        (
            {"name": "sgd", "momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
            lambda g: torch.optim.SGD(g, momentum=0.8, nesterov=True),
        ),
        ({"name": "rmsprop"}, lambda g: torch.optim.RMSprop(g)),
        (
            {"name": "rmsprop", "smoothing": 0.9, "centered": True, "momentum": 0.5, "eps": 1e-3},
            lambda g: torch.optim.RMSprop(g, alpha=0.9, centered=True, momentum=0.5, eps=1e-3),
        ),
        ({"name": "adam"}, lambda g: torch.optim.Adam(g)),
        (
            {"name": "adam", "beta1": 0.7, "beta2": 0.9, "weight_decay": 0.1, "eps": 1e-3},
            lambda g: torch.optim.Adam(g, betas=(0.7, 0.9), eps=1e-3),
        ),
        ({"name": "adamw"}, lambda g: torch.optim.AdamW(g, betas=(0.9, 0.95))),
        (
            {"name": "adamw", "beta1": 0.7, "beta2": 0.9, "weight_decay": 0.4, "eps": 1e-3},
            lambda g: torch.optim.AdamW(g, betas=(0.7, 0.9), eps=1e-3),
        ),
    ],
)
def test_elementwise_optimizers_are_those_of_torch_with_vectors_undecayed(settings, make):
    config = OptimizerConfig(**settings)
    ours, theirs = tower(), tower()
    reference = make(split(theirs, config.weight_decay))
    optimizers = build_optimizers(ours, config)
    for step in range(12):
        rate = 0.01 / (1 + step)
        set_rate(optimizers, rate)
        for group in reference.param_groups:
            group["lr"] = rate
        train_step(ours, optimizers, step)
        train_step(theirs, [reference], step)
    assert_same(ours, theirs, atol=1e-6)


def assert_same(ours, theirs, **tolerance):
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, msg=lambda m, name=name: f"{name}: {m}", **tolerance)


@pytest.mark.parametrize("shape", [(8, 8), (6, 20), (20, 6)])
def test_muon_in_bfloat16_is_that_of_torch(shape):
    generator = torch.Generator().manual_seed(1)
    weights = [nn.Parameter(torch.randn(shape, generator=generator)) for _ in range(3)]
    copies = copy.deepcopy(weights)
    ours = Muon(weights, lr=0.02, momentum=0.9, weight_decay=0.3, steps=4, dtype=torch.bfloat16)
    theirs = torch.optim.Muon(
        copies, lr=0.02, momentum=0.9, weight_decay=0.3, ns_steps=4, adjust_lr_fn="match_rms_adamw"
    )
    before = [weight.detach().clone() for weight in weights]
    for _ in range(6):
        for a, b in zip(weights, copies, strict=True):
            a.grad = torch.randn(shape, generator=generator)
            b.grad = a.grad.clone()
        ours.step()
        theirs.step()
    for a, b, start in zip(weights, copies, before, strict=True):
        assert (a - b).norm() < 0.02 * (a - start).norm()


def test_muon_takes_a_closure_and_leaves_weights_without_gradient():
    torch.manual_seed(0)
    weight, still = nn.Parameter(torch.randn(4, 4)), nn.Parameter(torch.randn(4, 4))
    before = still.detach().clone()
    muon = Muon([weight, still], lr=0.01, weight_decay=0.5)

    def closure():
        muon.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        return loss

    losses = [muon.step(closure).item() for _ in range(10)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]
    assert torch.equal(still, before)
    assert still not in muon.state


def test_matrices_of_one_shape_and_two_precisions_are_stepped_as_if_alone():
    torch.manual_seed(0)
    together = [nn.Parameter(torch.randn(4, 6, dtype=d)) for d in (torch.float32, torch.float64)]
    alone = copy.deepcopy(together)
    for a, b in zip(together, alone, strict=True):
        a.grad = torch.randn_like(a)
        b.grad = a.grad.clone()
        Muon([b], lr=0.1, dtype=torch.float64).step()
    Muon(together, lr=0.1, dtype=torch.float64).step()
    assert all(torch.equal(a, b) for a, b in zip(together, alone, strict=True))


def test_schedule_free_is_the_average_of_its_base_sequence():
    """Defazio et al. 2024: y = (1-b) z + b x, z steps by the normalised gradient at y, x averages z."""
    beta1, beta2, rate, decay, warmup = 0.8, 0.9, 0.05, 0.1, 4
    torch.manual_seed(0)
    model = nn.Linear(3, 2, bias=False)
    z = model.weight.detach().double().clone()
    x, second, total = z.clone(), torch.zeros_like(z), 0.0
    config = OptimizerConfig(
        name="schedule_free_adamw", lr=rate, beta1=beta1, beta2=beta2, weight_decay=decay
    )
    optimizers = build_optimizers(model, config)
    for step in range(15):
        now = rate * min(1.0, (step + 1) / warmup)
        set_rate(optimizers, now)
        data = torch.randn(6, 3, generator=torch.Generator().manual_seed(step))
        y = ((1 - beta1) * z + beta1 * x).requires_grad_()
        (data.double() @ y.T).sin().sum().backward()
        second = beta2 * second + (1 - beta2) * y.grad**2
        normal = y.grad / ((second / (1 - beta2 ** (step + 1))).sqrt() + 1e-8)
        z = (z - now * (normal + decay * y.detach())).detach()
        total += now**2
        x = x + now**2 / total * (z - x)
        torch.testing.assert_close(model.weight.double(), y, atol=1e-5, rtol=1e-5)
        model(data).sin().sum().backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    trained = model.weight.detach().clone()
    with own_average(optimizers):
        average = model.weight.detach().clone()
    torch.testing.assert_close(average.double(), x, atol=1e-5, rtol=1e-5)
    assert (average - trained).abs().max() > 1e-3
    assert torch.equal(model.weight, trained)


def test_a_schedule_free_run_goes_on_as_if_its_average_had_not_been_looked_at():
    config = OptimizerConfig(name="schedule_free_adamw", lr=0.01, layer_decay=0.9)
    whole, looked, resumed = tower(), tower(), tower()
    optimizers = build_optimizers(whole, config)
    train(whole, optimizers, 6)
    optimizers = build_optimizers(looked, config)
    train(looked, optimizers, 4)
    before = copy.deepcopy(looked)
    with own_average(optimizers):
        moved = [a - b for a, b in zip(looked.parameters(), before.parameters(), strict=True)]
        assert max(m.abs().max() for m in moved) > 1e-3
    assert_same(looked, before, atol=0)
    train(looked, optimizers, 2, first=4)
    assert_same(looked, whole, atol=0)
    resumed.load_state_dict(looked.state_dict())
    again = build_optimizers(resumed, config)
    for optimizer, saved in zip(again, optimizers, strict=True):
        optimizer.load_state_dict(copy.deepcopy(saved.state_dict()))
    assert_same(resumed, whole, atol=0)


def test_only_schedule_free_keeps_an_average():
    free = OptimizerConfig(name="schedule_free_adamw")
    assert [keeps_average(build_optimizers(tower(), c)) for c in (free, OptimizerConfig())] == [True, False]


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "schedulefree", None)
    with pytest.raises(ValueError, match=re.escape("pip install 'scenewright[train]'")):
        build_optimizers(tower(), OptimizerConfig(name="schedule_free_adamw"))


#: Of Tower: what comes before the blocks, the 13 blocks in order, and what follows them.
DEPTHS = {
    "patch_in": 14,
    "encoder.blocks.0": 13,
    "encoder.blocks.1": 12,
    "middle": 12,
    **{f"blocks.{i}": 11 - i for i in range(11)},
    "out": 0,
}


@pytest.mark.parametrize("name", OptimizerConfig.FIELDS)
def test_rates_fall_with_depth(name):
    model = tower()
    optimizers = build_optimizers(model, OptimizerConfig(name=name, lr=0.3, layer_decay=0.5))
    set_rate(optimizers, 0.02)
    rate = {id(p): g["lr"] for o in optimizers for g in o.param_groups for p in g["params"]}
    seen = set()
    for key, parameter in model.named_parameters():
        part = key.rpartition(".")[0]
        seen.add(part)
        assert rate[id(parameter)] == pytest.approx(0.02 * 0.5 ** DEPTHS[part]), key
    assert seen == set(DEPTHS)


def test_a_step_of_sgd_moves_each_part_by_its_own_rate():
    model, start = tower(), tower()
    (sgd,) = build_optimizers(model, OptimizerConfig(name="sgd", lr=0.3, momentum=0.0, layer_decay=0.7))
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    sgd.step()
    for (key, a), b in zip(model.named_parameters(), start.parameters(), strict=True):
        moved = (b - a).mean().item()
        assert moved == pytest.approx(0.3 * 0.7 ** DEPTHS[key.rpartition(".")[0]], rel=1e-4), key


def test_without_layer_decay_one_rate_serves_all_and_with_it_blocks_are_needed():
    model = nn.Linear(2, 2)
    optimizers = build_optimizers(model, OptimizerConfig(name="adam"))
    assert {g["lr_scale"] for o in optimizers for g in o.param_groups} == {1.0}
    with pytest.raises(ValueError, match="layer_decay below 1 needs a model with blocks"):
        build_optimizers(model, OptimizerConfig(name="adam", layer_decay=0.9))


def test_a_model_of_hidden_matrices_only_has_muon_only_and_integers_have_no_optimizer():
    model = nn.Module()
    model.blocks = nn.ModuleList([nn.Linear(3, 3, bias=False)])
    model.codes = nn.Parameter(torch.zeros(4, dtype=torch.int8), requires_grad=False)
    (only,) = build_optimizers(model, OptimizerConfig(name="muon"))
    assert isinstance(only, Muon)


OTHER = {
    "rates": {"*": 0.5},
    "layer_decay": 0.5,
    "weight_decay": 0.37,
    "beta1": 0.55,
    "beta2": 0.66,
    "eps": 0.05,
    "momentum": 0.44,
    "nesterov": True,
    "smoothing": 0.33,
    "centered": True,
    "newton_schulz_steps": 2,
    "block_rows": 4,
    "newton_schulz_precision": "bfloat16",
}


@pytest.mark.parametrize("name", OptimizerConfig.FIELDS)
def test_settings_of_other_optimizers_are_refused_and_own_ones_change_the_result(name):
    assert set(OTHER) == set(OptimizerConfig.model_fields) - {"name", "lr"}

    def result(**settings):
        model = tower()
        optimizers = build_optimizers(model, OptimizerConfig(name=name, **settings))
        train(model, optimizers, 3)
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    usual = result()
    for key, value in {"lr": 0.02, **OTHER}.items():
        if key in ("lr", "layer_decay", "rates") or key in OptimizerConfig.FIELDS[name]:
            assert not torch.equal(result(**{key: value}), usual), key
        else:
            with pytest.raises(ValidationError, match=f"{key} = .* does nothing for {name}"):
                OptimizerConfig(name=name, **{key: value})


def test_what_cannot_be_is_refused():
    with pytest.raises(ValidationError, match="nesterov = true needs momentum above 0"):
        OptimizerConfig(name="sgd", momentum=0.0, nesterov=True)
    with pytest.raises(ValidationError, match="beta1 = 0 leaves schedule_free_adamw nothing"):
        OptimizerConfig(name="schedule_free_adamw", beta1=0.0)
    with pytest.raises(ValidationError, match="should be 'sgd'"):
        OptimizerConfig(name="lion")


def test_a_dumped_config_reads_back_and_defaults_are_the_optimizers_own(tmp_path):
    path = tmp_path / "optimizer.yaml"
    for name in OptimizerConfig.FIELDS:
        config = OptimizerConfig(name=name, layer_decay=0.9)
        path.write_text(to_yaml(config))
        assert load_recipe(OptimizerConfig, path) == config
        assert load_recipe(OptimizerConfig, path, ["lr=0.5"]).lr == 0.5
    assert OptimizerConfig(name="muon").momentum == 0.95
    assert OptimizerConfig(name="sgd").momentum == 0.9
    assert OptimizerConfig(name="sgd", momentum=None) == OptimizerConfig(name="sgd")
    assert OptimizerConfig(name="adamw").momentum is None
    with pytest.raises(ConfigError, match="block_rows = 64 does nothing for adamw; leave it out"):
        load_recipe(OptimizerConfig, None, ["name=adamw", "block_rows=64"])
    assert load_recipe(OptimizerConfig, None, ["name=adamw", "block_rows=null"]).name == "adamw"
