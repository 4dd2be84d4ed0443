import numpy as np
import pytest
import torch
from scipy.fft import dctn

from scenewright.models.blocks.bottlenecks import BottleneckConfig
from scenewright.models.blocks.causal import SpatialConv, blocks_to_channels, channels_to_blocks
from scenewright.models.blocks.cosine import cosine_basis
from scenewright.models.tiling import tiled
from scenewright.models.video_autoencoder import VideoAutoencoder, VideoAutoencoderConfig

SIZES = {"patch": (4, 2, 2), "widths": (12, 16), "encoder_blocks": (1, 2), "decoder_blocks": (2, 1)}


def autoencoder(**bottleneck) -> VideoAutoencoder:
    """Random weights in every layer: what it gives depends on every input that it may depend on."""
    torch.manual_seed(0)
    config = VideoAutoencoderConfig(**SIZES, bottleneck=BottleneckConfig(**bottleneck or {"channels": 3}))
    network = VideoAutoencoder(config).eval()
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    network.latent_mean.normal_()
    network.latent_std.uniform_(0.5, 2.0)
    return network


def clip(frames: int = 16, height: int = 8, width: int = 12) -> torch.Tensor:
    return torch.rand(2, 3, frames, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_places_become_channels_and_places_again():
    x = torch.arange(2 * 4 * 4 * 6 * 3.0).view(2, 4, 4, 6, 3)
    cut = blocks_to_channels(x, (2, 2, 3))
    assert cut.shape == (2, 2, 2, 2, 36)
    assert torch.equal(cut[1, 1, 0, 1], x[1, 2:4, 0:2, 3:6].flatten())
    assert torch.equal(channels_to_blocks(cut, (2, 2, 3)), x)


@torch.no_grad()
def test_a_spatial_convolution_is_that_of_torch():
    torch.manual_seed(5)
    layer, torchs = SpatialConv(3), torch.nn.Conv2d(3, 3, 3, padding=1)
    torchs.weight.copy_(layer.weight.view(3, 3, 3, 3).permute(0, 3, 1, 2))
    torchs.bias.copy_(layer.bias.normal_())
    x = torch.randn(2, 4, 5, 6, 3)
    for clip, made in zip(x, layer(x), strict=True):
        torch.testing.assert_close(made.permute(0, 3, 1, 2), torchs(clip.permute(0, 3, 1, 2)))


@torch.no_grad()
def test_an_untrained_autoencoder_is_a_cosine_code():
    config = VideoAutoencoderConfig(**SIZES, bottleneck=BottleneckConfig(channels=7))
    network, x = VideoAutoencoder(config).eval(), clip()
    blocks = blocks_to_channels(x.movedim(1, -1), config.compression)
    basis, _ = cosine_basis(config.compression, 7)
    expected = channels_to_blocks(blocks @ basis.T @ basis, config.compression).movedim(-1, 1)
    torch.testing.assert_close(network(x).x, expected, atol=1e-5, rtol=1e-5)


def test_the_cosine_basis_is_the_lowest_frequencies_of_the_transform():
    basis, orders = cosine_basis((2, 4, 8), 192)
    torch.testing.assert_close(basis @ basis.T, torch.eye(192), atol=1e-5, rtol=0)
    assert orders.tolist() == sorted(orders.tolist())
    for row, order in zip(basis.view(-1, 2, 4, 8, 3).numpy(), orders.tolist(), strict=True):
        found = np.argwhere(np.abs(dctn(row[..., 0], norm="ortho")) > 1e-4)
        assert len(found) == 1
        differs = np.ptp(row, axis=-1).max() > 1e-4
        assert found.sum() + differs == order
    with pytest.raises(ValueError, match="192 values"):
        cosine_basis((2, 4, 8), 193)


@pytest.mark.parametrize(("frames", "latents"), [(1, 1), (4, 1), (5, 2), (16, 4), (17, 5), (18, 5)])
@torch.no_grad()
def test_clips_of_any_length_have_a_latent_frame_for_every_four_begun(frames, latents):
    network, x = autoencoder(), clip(frames)
    z = network.encode(x)
    assert z.shape == (2, 3, latents, 2, 3)
    assert network.decode(z, frames).shape == x.shape
    with pytest.raises(ValueError, match="are no clip of"):
        network.decode(z, 4 * latents + 1)


@torch.no_grad()
def test_no_latent_sees_a_later_group_and_no_frame_a_later_latent():
    network, x = autoencoder(), clip(16)
    changed = x.clone()
    changed[:, :, 8:] = clip(8).flip(0)
    before, after = network.encode(x), network.encode(changed)
    assert torch.equal(before[:, :, :2], after[:, :, :2])
    assert not torch.equal(before[:, :, 2], after[:, :, 2])
    z = before.clone()
    z[:, :, 2:] += 1.0
    frames, other = network.decode(before), network.decode(z)
    assert torch.equal(frames[:, :, :8], other[:, :, :8])
    assert (frames[:, :, 8:] != other[:, :, 8:]).any()


@torch.no_grad()
def test_an_image_is_the_first_frame_of_every_video_that_begins_with_it_alone():
    network, x = autoencoder(), clip(9)
    image, video = network.encode(x[:, :, :1]), network.encode(x)
    torch.testing.assert_close(video[:, :, :1], image)
    torch.testing.assert_close(network.decode(video, 9)[:, :, :1], network.decode(image, 1))


@pytest.mark.parametrize("chunk", [1, 2, 3])
@torch.no_grad()
def test_decoding_in_pieces_gives_exactly_the_whole(chunk):
    network = autoencoder()
    z = torch.randn(2, 3, 5, 4, 6, generator=torch.Generator().manual_seed(2))
    assert torch.equal(network.decode(z, 18, chunk=chunk), network.decode(z, 18))


@torch.no_grad()
def test_tiles_agree_with_the_whole_where_the_edge_is_far_and_blend_in_between():
    network = autoencoder()
    z = torch.randn(1, 3, 1, 30, 44, generator=torch.Generator().manual_seed(3))
    whole = network.decode(z)
    made = tiled(network.decode, z, 24, 16, network.config.compression[1:])
    assert made.shape == whole.shape
    # The first tile alone covers 6 rows and 7 columns, and the decoder reaches 2 latents far.
    torch.testing.assert_close(made[..., :24, :28], whole[..., :24, :28])
    assert (made - whole).abs().mean() < 0.1 * (whole - whole.mean()).abs().mean()
    assert torch.equal(tiled(network.decode, z, 44, 8, (4, 4)), whole)


def test_tiles_of_a_function_of_each_place_give_exactly_that_function():
    x = torch.rand(2, 37, 23, generator=torch.Generator().manual_seed(4))

    def larger(part):
        return (2 * part).repeat_interleave(2, -2).repeat_interleave(3, -1)

    for tile, overlap in ((8, 3), (16, 0), (10, 9)):
        torch.testing.assert_close(tiled(larger, x, tile, overlap, (2, 3)), larger(x))
    with pytest.raises(ValueError, match="needs tiles of more than 8"):
        tiled(larger, x, 8, 8, (2, 3))


def test_the_seam_between_tiles_fades_linearly():
    values = iter((0.0, 1.0))
    made = tiled(lambda part: torch.full_like(part, next(values)), torch.zeros(1, 12), 8, 4, (1, 1))
    torch.testing.assert_close(made[0, 4:8], torch.tensor([0.125, 0.375, 0.625, 0.875]))
    assert made[0, :4].max() == 0
    assert made[0, 8:].min() == 1


@torch.no_grad()
def test_latents_have_zero_mean_and_unit_variance_once_settled():
    network = autoencoder()
    for step in range(3):
        parts = [network.statistics(network(part).code) for part in clip(8).split(1)]
        network.settle({name: parts[0][name] + parts[1][name] for name in parts[0]}, torch.empty(0, 3))
        assert network.settled == step + 1
    z = network.encode(clip(8)).movedim(1, -1).flatten(0, -2)
    torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(3), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    "bottleneck", [{"name": "fsq", "levels": (4, 3)}, {"name": "vq", "channels": 2, "codes": 9}]
)
@torch.no_grad()
def test_codes_stand_for_latents(bottleneck):
    network = autoencoder(**bottleneck)
    codes = network.tokenize(clip())
    assert codes.shape == (2, 4, 2, 3)
    assert codes.dtype == torch.int64
    assert len(codes.unique()) > 1
    torch.testing.assert_close(network.latents_of(codes), network.encode(clip()))


def test_what_does_not_fit_is_said():
    network = autoencoder()
    with pytest.raises(ValueError, match="width must be a multiple of 4 for this autoencoder, not 10"):
        network.encode(clip(width=10))
    with pytest.raises(ValueError, match="continuous"):
        network.tokenize(clip())
    with pytest.raises(ValueError, match="continuous"):
        network.latents_of(torch.zeros(1, 1, 1, 1, dtype=torch.int64))
    with pytest.raises(ValueError, match="one entry for each resolution"):
        VideoAutoencoderConfig(widths=(8, 8, 8))
