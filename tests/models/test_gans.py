"""Adversarial networks: what their parts compute, and what they learn by heart."""

import pytest
import torch
from overfitting import SIZES, TEXT, handful, learned
from torch import nn

from scenewright.models.blocks.conditioning import ConditioningAugmentation, WordAttention
from scenewright.models.blocks.convolution import ConditionalNorm, FrameConv, Painter, TimeConv
from scenewright.models.blocks.fusion import CompactBilinear, TextFusion
from scenewright.models.blocks.growth import growth
from scenewright.models.conditional_gan import ConditionalGAN, ConditionalGANConfig
from scenewright.models.direct import shrunk
from scenewright.models.hierarchical_video_gan import HierarchicalVideoGAN, HierarchicalVideoGANConfig
from scenewright.models.judge import Judge, JudgeConfig
from scenewright.models.keyframe_gan import GapFiller, KeyframeGAN, KeyframeGANConfig, warped
from scenewright.models.moco_gan import MoCoGAN, MoCoGANConfig
from scenewright.models.stacked_gan import StackedGAN, StackedGANConfig
from scenewright.models.video_gan import VideoGAN, VideoGANConfig
from scenewright.training.objectives import JudgedConfig, NamedJudge
from scenewright.training.optimizers import OptimizerConfig
from scenewright.training.schedules import ScheduleConfig
from scenewright.world.scene import ACTIONS

IDS = torch.tensor([[2, 5, 9, 3, 0, 0], [2, 7, 8, 30, 31, 3]])
MASK = IDS > 0


def judge(name: str, **settings) -> NamedJudge:
    return NamedJudge(name=name, reader=TEXT, channels=24, most=96, **settings)


LEVELS = tuple(judge(f"level {n}", level=n) for n in range(3))
#: Of each family: network, and its objective's settings.
GANS = {
    "c-gan": (ConditionalGANConfig(**SIZES, channels=48, noise=8), {"judges": (judge("clips"),)}),
    "video-gan": (
        VideoGANConfig(**SIZES, channels=48, noise=8),
        {"judges": (judge("clips"),), "penalties": {"mask": 0.1}},
    ),
    "hierarchical-video-gan": (
        HierarchicalVideoGANConfig(**SIZES, channels=48, noise=8),
        {"judges": LEVELS, "regions": 4.0, "penalties": {"mask": 0.1}},
    ),
    "moco-gan": (
        MoCoGANConfig(**SIZES, channels=48, content=8, motion=4, actions=len(ACTIONS)),
        {"judges": (judge("frames", sees="frames"), judge("clips", actions=len(ACTIONS)))},
    ),
    "stack-gan": (
        StackedGANConfig(**SIZES, channels=48, noise=8, condition=16),
        {"judges": LEVELS, "colours": 1.0, "penalties": {"divergence": 0.02}},
    ),
    "attn-gan": (
        StackedGANConfig(**SIZES, channels=48, noise=8, condition=16, attention=True),
        {"judges": LEVELS, "colours": 1.0, "penalties": {"divergence": 0.02}},
    ),
    "text2video-gan": (
        KeyframeGANConfig(**SIZES, channels=48, noise=8, keyframes=2),
        {"judges": (judge("keys", level=0, sees="frames"), judge("clips")), "penalties": {"filling": 5.0}},
    ),
}
#: What must be seen of what four captions say.
ENOUGH = {"colour": 0.66, "shape": 0.75}
FACTS = {"hierarchical-video-gan": ("things",), "moco-gan": ("actions",)}
NETWORKS = [
    ConditionalGAN,
    VideoGAN,
    HierarchicalVideoGAN,
    MoCoGAN,
    StackedGAN,
    KeyframeGAN,
]


@pytest.mark.parametrize("name", GANS)
def test_it_learns_a_handful_of_clips(name, tmp_path):
    network, settings = GANS[name]
    found = learned(
        tmp_path,
        handful(tmp_path, facts=FACTS.get(name, ())),
        {"moco-gan": 750, "text2video-gan": 260}.get(name, 350),
        enough=ENOUGH,
        network=network,
        objective=JudgedConfig(
            r1=0.1, r1_every=4 if name == "text2video-gan" else 2, reconstruction=10.0, **settings
        ),
        optimizer=OptimizerConfig(name="adam", lr=2e-3, beta1=0.0, beta2=0.99),
        schedule=ScheduleConfig(warmup=10, decay_fraction=0.4),
        gradient_clip=10.0,
    )
    assert all(found[fact] >= least for fact, least in ENOUGH.items()), found


@pytest.mark.parametrize("network", NETWORKS)
def test_levels_noise_padding_and_the_rest_of_a_batch(network):
    torch.manual_seed(0)
    made_of = network(network.Config(text=TEXT, num_frames=16, height=32, width_pixels=64)).eval()
    noise = torch.randn(2, *made_of.noise_shape)
    both = made_of(IDS, MASK, noise, torch.rand(2, 3, 16, 32, 64))
    assert [tuple(level.shape[2:]) for level in both.levels] == list(made_of.config.levels)
    assert both.clips.shape == (2, 3, 16, 32, 64)
    assert set(both.penalties) == set(network.PENALTIES)
    alone = made_of(IDS[:1, :4], MASK[:1, :4], noise[:1])
    torch.testing.assert_close(alone.clips, both.clips[:1], rtol=1e-3, atol=1e-4)
    other = made_of(IDS, MASK, torch.randn(2, *made_of.noise_shape)).clips
    assert (other - both.clips).abs().mean() > 1e-3
    said = made_of(IDS.flip(0), MASK.flip(0), noise).clips
    assert (said - both.clips).abs().mean() > 1e-3


def test_convolutions_of_frames_and_of_time_are_those_in_three_dimensions():
    x = torch.randn(2, 5, 4, 6, 8)
    for ours, kernel in ((FrameConv(5, 3), (1, 3, 3)), (TimeConv(5, 3), (3, 1, 1))):
        whole = nn.Conv3d(5, 3, kernel, padding=tuple(size // 2 for size in kernel))
        with torch.no_grad():
            whole.weight.copy_(ours.weight.view_as(whole.weight))
            whole.bias.copy_(ours.bias)
        torch.testing.assert_close(ours(x), whole(x), rtol=1e-4, atol=1e-5)


def test_a_painter_begins_without_a_chequered_pattern():
    painted = Painter(16)(torch.randn(2, 16, 3, 4, 5))
    assert painted.shape == (2, 3, 3, 8, 10)
    four = painted.unflatten(3, (4, 2)).unflatten(5, (5, 2))
    torch.testing.assert_close(four, four[:, :, :, :, :1, :, :1].expand_as(four))


def test_a_condition_scales_and_shifts_a_norm():
    norm = ConditionalNorm(8, condition=2)
    x = torch.randn(3, 8, 5, 5)
    torch.testing.assert_close(norm(x, torch.randn(3, 2)), norm.norm(x))
    with torch.no_grad():
        norm.scale_shift.bias.copy_(torch.cat([torch.full((8,), 2.0), torch.full((8,), -1.0)]))
    torch.testing.assert_close(norm(x, torch.zeros(3, 2)), 3 * norm.norm(x) - 1)


def test_the_divergence_of_a_condition_is_that_of_its_gaussian():
    augment = ConditioningAugmentation(6, 4)
    text = torch.randn(5, 6)
    mean, log_variance = nn.functional.glu(augment.gaussian(text)).chunk(2, -1)
    own = torch.distributions.Normal(mean, (log_variance / 2).exp())
    expected = torch.distributions.kl_divergence(own, torch.distributions.Normal(0.0, 1.0)).sum(-1)
    found = augment(text, torch.zeros(5, 4))
    torch.testing.assert_close(found.divergence, expected)
    torch.testing.assert_close(found.value, mean)


def test_places_look_at_words_and_at_no_padding():
    attention = WordAttention(4, 6)
    x, words = torch.randn(2, 4, 3, 2, 2), torch.randn(2, 6, 6)
    seen = attention(x, words, MASK)
    assert seen.shape == x.shape
    assert attention.maps.shape == (2, 6, 3, 2, 2)
    torch.testing.assert_close(attention.maps.sum(1), torch.ones(2, 3, 2, 2))
    assert (attention.maps[0, 4:] == 0).all()
    place = (x[1, :, 0, 1, 1] @ attention.project(words[1]).T / 2).softmax(-1) @ attention.project(words[1])
    torch.testing.assert_close(seen[1, :, 0, 1, 1], place)


def test_a_sketch_of_a_product_keeps_products_of_pairs():
    """The property that the sketch is for: inner products of sketches estimate those of outer products."""
    torch.manual_seed(0)
    pool = CompactBilinear(12, 9, 8192)
    a, b, c, d = (torch.randn(n) for n in (12, 9, 12, 9))
    a, c = a, a + 0.3 * c
    b, d = b, b + 0.3 * d
    expected = (torch.outer(a, b) * torch.outer(c, d)).sum()
    assert (pool.product(a, b) * pool.product(c, d)).sum().item() == pytest.approx(expected.item(), rel=0.1)
    brute = torch.zeros(8192)
    for i in range(12):
        for j in range(9):
            place = (pool.first_places[i] + pool.second_places[j]) % 8192
            brute[place] += pool.first_signs[i] * pool.second_signs[j] * a[i] * b[j]
    torch.testing.assert_close(pool.product(a, b), brute, rtol=1e-3, atol=1e-4)
    assert pool(a, b).norm().item() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "blocks"),
    [
        ("early", {0}),
        ("late", {3}),
        ("intermediate", {1, 2}),
        ("hierarchical", {0, 1, 2, 3}),
        ("dynamic", {0, 1, 2, 3}),
        ("bilinear", {0}),
    ],
)
def test_a_fusion_joins_where_its_name_says(name, blocks):
    torch.manual_seed(0)
    fusion = TextFusion(name, 6, [8, 8, 8, 8])
    x, words, pooled = torch.randn(2, 8, 2, 3, 3), torch.randn(2, 6, 6), torch.randn(2, 6)
    changed = {n for n in range(4) if (fusion(n, x, words, pooled, MASK) != x).any()}
    assert changed == blocks


def test_how_clips_grow():
    grown = growth((16, 64, 64), 96, 16)
    assert (grown.start, grown.steps, grown.channels) == (
        (2, 4, 4),
        [(2, 2, 2), (2, 2, 2), (2, 2, 2)],
        [96, 96, 48, 24],
    )
    assert growth((3, 32, 64), 8, 8).start == (3, 4, 8)
    for size in ((16, 48, 48), (16, 64, 72), (16, 4, 4)):
        with pytest.raises(ValueError, match="is not grown by doublings"):
            growth(size, 8, 8)


def test_a_foreground_passes_before_a_background_by_its_mask():
    torch.manual_seed(0)
    network = VideoGAN(VideoGANConfig(**SIZES)).eval()
    noise = torch.randn(1, *network.noise_shape)
    with torch.no_grad():
        network.streams.front.painter.paint.bias[12:] = -50.0
        still = network(IDS[1:], MASK[1:], noise)
    assert still.region.max() < 1e-6
    assert still.penalties["mask"].item() < 1e-6
    torch.testing.assert_close(still.clips, still.clips[:, :, :1].expand_as(still.clips))


def test_keyframes_stay_and_gaps_are_blends_by_time_at_first():
    torch.manual_seed(0)
    network = KeyframeGAN(KeyframeGANConfig(**{**SIZES, "num_frames": 7}, keyframes=3)).eval()
    made = network(IDS, MASK, torch.randn(2, *network.noise_shape))
    keys, clips = made.levels
    torch.testing.assert_close(clips[:, :, ::3], keys)
    blend = keys[:, :, 0] * 2 / 3 + keys[:, :, 1] / 3
    torch.testing.assert_close(clips[:, :, 1], blend, rtol=1e-3, atol=1e-3)
    real = torch.rand(2, 3, 7, 32, 32)
    torch.testing.assert_close(network.config.at_level(0, real), real[:, :, [0, 3, 6]])
    assert network.config.at_level(-1, real) is real
    error = network(IDS, MASK, torch.randn(2, *network.noise_shape), real).penalties["filling"]
    between = (1, 2, 4, 5)
    ends = [(real[:, :, t // 3 * 3], real[:, :, t // 3 * 3 + 3]) for t in between]
    linear = torch.stack([torch.lerp(*pair, t % 3 / 3) for pair, t in zip(ends, between, strict=True)], 2)
    expected = (linear - real[:, :, between]).abs().mean((1, 2, 3, 4)) * 4 / 7
    torch.testing.assert_close(error, expected, rtol=1e-2, atol=1e-3)


def test_a_gap_filler_learns_what_moves_between():
    """A square that moves: half way it is half way, and no blend of both places."""
    torch.manual_seed(0)

    def square(left: torch.Tensor) -> torch.Tensor:
        columns = torch.arange(16) + 0.5
        inside = ((columns > left[:, None]) & (columns < left[:, None] + 5)).float()
        return inside[:, None, None].expand(-1, 3, 16, -1) * 2 - 1

    filler = GapFiller(16, 24, 2)
    optimizer = torch.optim.Adam(filler.parameters(), lr=3e-3)
    for step in range(250):
        torch.manual_seed(step)
        left, moved = torch.randint(1, 8, (16,)), 2 * torch.randint(-1, 2, (16,))
        left = left.clamp(min=2)
        before, behind = square(left), square(left + moved)
        made = filler(before, behind, torch.full((16,), 0.5), torch.zeros(16, 2))
        loss = (made - square(left + moved // 2)).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    left = torch.tensor([3, 4])
    moved = torch.tensor([2, -2])
    made = filler(square(left), square(left + moved), torch.full((2,), 0.5), torch.zeros(2, 2))
    blend = (square(left) + square(left + moved)) / 2
    truth = square(left + moved // 2)
    assert (made - truth).abs().mean() < (blend - truth).abs().mean() / 3


def test_pictures_are_fetched_from_where_a_flow_says():
    picture = torch.rand(1, 3, 8, 16)
    flow = torch.zeros(1, 2, 8, 16)
    torch.testing.assert_close(warped(picture, flow), picture)
    flow[:, 0] = 8 * 3 / 16
    torch.testing.assert_close(warped(picture, flow)[..., :-3], picture[..., 3:], rtol=1e-4, atol=1e-5)


def test_content_and_motion_can_be_swapped():
    torch.manual_seed(0)
    network = MoCoGAN(MoCoGANConfig(**SIZES, actions=5)).eval()
    pooled = network.encode_text(IDS, MASK).pooled
    noise = torch.randn(1, *network.noise_shape).expand(2, -1)
    own = network.swapped(pooled, pooled, noise)
    swapped = network.swapped(pooled, pooled.flip(0), noise)
    torch.testing.assert_close(own.actions, swapped.actions.flip(0))
    assert (own.clips - swapped.clips).abs().mean() > 1e-5
    asked = network(IDS, MASK, noise, motion_of=torch.tensor([1, 0]))
    torch.testing.assert_close(asked.clips, swapped.clips)
    torch.testing.assert_close(asked.actions, swapped.actions)
    torch.testing.assert_close(network(IDS, MASK, noise).clips, own.clips)


def test_a_level_is_every_other_frame_and_means_of_pixels():
    x = torch.randn(2, 3, 8, 12, 12)
    level = shrunk(x, (4, 6, 6))
    torch.testing.assert_close(level, nn.functional.avg_pool3d(x[:, :, ::2], (1, 2, 2)))
    assert shrunk(x, (8, 12, 12)).equal(x)
    with pytest.raises(ValueError, match="no multiple"):
        shrunk(x, (3, 6, 6))


@pytest.mark.parametrize("text", ["none", "concat", "projection"])
@pytest.mark.parametrize("sees", ["clip", "frames"])
def test_a_judge_has_the_opinions_that_it_is_asked_for(text, sees):
    torch.manual_seed(0)
    config = JudgeConfig(sees=sees, text=text, reader=TEXT, actions=5, unconditional=False, norm="group")
    found = Judge(config, (16, 32, 64))
    x = torch.randn(2, 3, 16, 32, 64) if sees == "clip" else torch.randn(2, 3, 32, 64)
    verdict = found(x, IDS, MASK)
    places = (2, 4, 4, 8) if sees == "clip" else (2, 4, 8)
    assert [tuple(logits.shape) for logits in verdict.opinions] == [places]
    assert verdict.actions.shape == (2, 5)
    if text == "none":
        assert verdict.told is None
        return
    other = found(x, IDS.flip(0), MASK.flip(0))
    assert (other.told - verdict.told).abs().mean() > 1e-4


def test_spectral_norm_holds_every_layer_of_a_judge():
    torch.manual_seed(0)
    found = Judge(JudgeConfig(spectral_norm=True, reader=TEXT), (4, 16, 16))
    x = torch.randn(2, 3, 4, 16, 16)
    for _ in range(60):
        found(x, IDS, MASK)
    for layer in found.layers:
        if isinstance(layer, nn.Conv3d):
            assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, rel=0.02)


def test_content_and_motion_come_from_where_they_are_said_to():
    torch.manual_seed(0)
    network = MoCoGAN(MoCoGANConfig(**SIZES, channels=16, content=8, motion=4, actions=5)).eval()
    texts = network.encode_text(IDS, MASK).pooled
    noise, moving = torch.randn(2, 2, *network.noise_shape)
    with torch.no_grad():
        swapped = network.swapped(texts, texts.flip(0), noise, moving).clips
        # Of the one noise nothing but the content counts, and of the other nothing but the motion.
        noise[:, 8:], moving[:, :8] = 0, 0
        assert torch.equal(swapped, network.swapped(texts, texts.flip(0), noise, moving).clips)
        whole = torch.cat([noise[:, :8], moving[:, 8:]], 1)
        assert torch.equal(swapped, network.swapped(texts, texts.flip(0), whole).clips)
        assert not torch.equal(swapped, network.swapped(texts, texts, whole).clips)
