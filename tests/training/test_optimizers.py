from itertools import pairwise

import pytest
import torch
from torch import nn

from scenewright.training.ema import EMA
from scenewright.training.optimizers import Muon, OptimizerConfig, build_optimizers, orthogonalise
from scenewright.training.schedules import warmup_stable_decay


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
    assert ema.model.weight.item() == pytest.approx(expected)


def test_warmup_stable_decay():
    factor = [warmup_stable_decay(s, warmup=10, total=100, decay_fraction=0.3) for s in range(101)]
    assert factor[0] == 0.1
    assert factor[9:70] == [1.0] * 61
    assert factor[85] == pytest.approx(0.5)
    assert factor[100] == 0.0
    assert all(a >= b for a, b in pairwise(factor[10:]))
