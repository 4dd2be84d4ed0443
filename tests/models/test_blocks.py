import math
import warnings

import pytest
import torch
from torch.nn import functional as F

from scenewright.models.blocks.attention import Attention, attend
from scenewright.models.blocks.feed_forward import SwiGLU
from scenewright.models.blocks.norm import RMSNorm, rms_norm
from scenewright.models.blocks.positions import grid_coordinates, rotary_angles, rotate, sinusoid
from scenewright.models.blocks.regularisation import BranchDropout, linear_depth_rates


def test_attention_equals_the_formula_written_out():
    torch.manual_seed(0)
    layer = Attention(width=12, heads=3)
    x = torch.randn(2, 5, 12)
    key, value = layer.key_value(x).chunk(2, -1)
    query = layer.query(x)
    rows = []
    for head in range(3):
        part = slice(4 * head, 4 * head + 4)
        q, k, v = query[..., part], key[..., part], value[..., part]
        q = q / (q.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        k = k / (k.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        rows.append(torch.softmax(q @ k.mT / math.sqrt(4), -1) @ v)
    torch.testing.assert_close(layer(x), layer.out(torch.cat(rows, -1)), atol=1e-5, rtol=1e-5)


def test_masked_words_change_nothing():
    torch.manual_seed(0)
    layer = Attention(width=8, heads=2, context_width=6)
    x, words = torch.randn(2, 4, 8), torch.randn(2, 5, 6)
    mask = torch.tensor([[True] * 3 + [False] * 2] * 2)
    other = words.clone()
    other[:, 3:] = 100.0
    torch.testing.assert_close(layer(x, words, mask), layer(x, other, mask))
    assert not torch.allclose(layer(x, words, mask), layer(x, other))


@pytest.mark.parametrize("masked", [False, True])
def test_short_attention_in_bfloat16_equals_the_fused_kernel(masked):
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, n, 16) for n in (10, 12, 12))
    mask = torch.rand(2, 1, 1, 12) > 0.3 if masked else None
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    found = attend(q.bfloat16(), k.bfloat16(), v.bfloat16(), mask)
    assert found.dtype == torch.bfloat16
    assert (found.float() - expected).abs().max() < 0.03


def test_width_must_divide_into_heads():
    with pytest.raises(ValueError, match="not a multiple of 3 heads"):
        Attention(width=8, heads=3)


def test_rotary_scores_depend_on_relative_position_only():
    torch.manual_seed(0)
    q, k = torch.randn(16), torch.randn(16)

    def score(at_q: tuple[float, ...], at_k: tuple[float, ...]) -> float:
        angles = rotary_angles(torch.tensor([at_q, at_k]), head_width=16)
        return float(rotate(q[None], angles[:1])[0] @ rotate(k[None], angles[1:])[0])

    assert score((1, 2, 3), (2, 5, 1)) == pytest.approx(score((4, 0, 7), (5, 3, 5)), abs=1e-4)
    assert score((1, 2, 3), (2, 5, 1)) != pytest.approx(score((1, 2, 3), (2, 5, 2)), abs=1e-3)
    assert score((1, 2, 3), (2, 5, 1)) != pytest.approx(score((1, 2, 3), (3, 5, 1)), abs=1e-3)


def test_rotation_keeps_length():
    x = torch.randn(3, 7, 8)
    turned = rotate(x, rotary_angles(torch.randn(7, 3), head_width=8))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))


def test_the_same_place_has_the_same_coordinate_at_every_resolution():
    coarse = grid_coordinates((2, 4, 4)).view(2, 4, 4, 3)
    fine = grid_coordinates((2, 8, 8)).view(2, 8, 8, 3)
    pooled = F.avg_pool2d(fine.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
    torch.testing.assert_close(pooled, coarse)


def test_sinusoid_is_cosines_then_sines():
    features = sinusoid(torch.tensor([0.0, 2.0]), 4, max_period=100.0)
    rates = [1.0, 0.1]
    expected = [[math.cos(v * r) for r in rates] + [math.sin(v * r) for r in rates] for v in (0.0, 2.0)]
    torch.testing.assert_close(features, torch.tensor(expected))


def test_swiglu_formula():
    torch.manual_seed(0)
    layer = SwiGLU(4, 6)
    x = torch.randn(3, 4)
    gate, up = x @ layer.gate_up.weight[:6].T, x @ layer.gate_up.weight[6:].T
    expected = (gate * torch.sigmoid(gate) * up) @ layer.down.weight.T
    torch.testing.assert_close(layer(x), expected)


def test_dropout_zeroes_values_and_stochastic_depth_whole_branches():
    torch.manual_seed(0)
    x = torch.ones(4000, 8)
    values = BranchDropout(dropout=0.25)(x)
    assert values.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert (values == 0).float().mean() == pytest.approx(0.25, abs=0.02)
    whole = BranchDropout(depth=0.4)(x)
    assert torch.equal(whole.amin(1), whole.amax(1))
    assert (whole[:, 0] == 0).float().mean() == pytest.approx(0.4, abs=0.03)
    assert whole.mean() == pytest.approx(1, abs=0.05)
    assert torch.equal(BranchDropout(0.25, 0.4).eval()(x), x)


def test_stochastic_depth_grows_with_depth():
    assert linear_depth_rates(0.4, 5) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert linear_depth_rates(0.4, 1) == [0]


@pytest.mark.parametrize("width", [8, 192])
def test_rms_norm_and_its_gradient_are_those_of_pytorch(width):
    torch.manual_seed(0)
    ours, theirs = RMSNorm(width, eps=1e-6).double(), torch.nn.RMSNorm(width, eps=1e-6).double()
    torch.nn.init.normal_(ours.weight)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(3, 5, width, dtype=torch.float64, requires_grad=True)
    direction = torch.randn_like(x)
    found, expected = ours(x), theirs(x)
    torch.testing.assert_close(found, expected)
    for mine, right in zip(
        torch.autograd.grad(found, (x, ours.weight), direction),
        torch.autograd.grad(expected, (x, theirs.weight), direction),
        strict=True,
    ):
        torch.testing.assert_close(mine, right)
    torch.testing.assert_close(rms_norm(x), F.rms_norm(x, (width,), eps=1e-6))


def test_rms_norm_stays_in_the_precision_of_its_input_with_the_mean_in_float32():
    torch.manual_seed(0)
    norm = RMSNorm(64, eps=1e-6)
    x = 1000 * torch.randn(7, 64).bfloat16()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = norm(x)
        norm(x.requires_grad_()).sum().backward()
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), norm(x.float()), atol=0.0, rtol=0.02)
