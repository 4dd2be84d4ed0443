"""Feature networks from files: what reaches the network is what each preset promises."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from scenewright.clip import Clip
from scenewright.evaluation.distribution import Moments, frechet_distance
from scenewright.evaluation.distribution.networks import PRESETS, Preset, load_network, prepared


class Statistics(nn.Module):
    """Says what it was given: mean, least, most, and sizes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sizes = torch.tensor([x.shape[2], x.shape[3], x.shape[4]], dtype=torch.float32)
        return torch.cat((torch.stack((x.mean(), x.min(), x.max())), sizes))[None]


class Itself(nn.Module):
    """As StyleGAN-V's: called with flags."""

    def forward(self, x: torch.Tensor, rescale: bool, resize: bool, return_features: bool) -> torch.Tensor:
        if rescale and resize and return_features:
            return x.amax(dim=(1, 2, 3, 4))[None]
        return x.mean(dim=(1, 2, 3, 4))[None]


def clip(frames: int = 16, height: int = 48, width: int = 64, seed: int = 0) -> Clip:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    values[0, 0, 0] = [0, 128, 255]
    return Clip(frames=values, fps=8)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    home = tmp_path_factory.mktemp("networks")
    torch.jit.script(Statistics()).save(str(home / "statistics.pt"))
    torch.jit.script(Itself()).save(str(home / "itself.pt"))
    example = (torch.zeros(1, 3, 16, 48, 64),)
    torch.export.save(
        torch.export.export(nn.Sequential(nn.AvgPool3d((16, 48, 64)), nn.Flatten()), example),
        home / "mean.pt2",
    )
    return home


@pytest.mark.parametrize("name", [n for n in PRESETS if n != "i3d-stylegan-v"])
def test_the_network_sees_what_the_preset_promises(files, name):
    preset, given = PRESETS[name], clip()
    mean, least, most, frames, height, width = load_network(files / "statistics.pt", name)(given)
    assert frames == 16
    sizes = (48, 64) if preset.resize == "none" else (224, 224)
    assert (height, width) == sizes
    if name == "vjepa":
        assert least == pytest.approx((0 - 0.485) / 0.229, abs=0.4)
        assert most == pytest.approx((1 - 0.406) / 0.225, abs=0.4)
        return
    middle = (preset.low + preset.high) / 2
    assert mean == pytest.approx(middle, abs=0.05 * (preset.high - preset.low))
    assert preset.low <= least < most <= preset.high


def test_resizing_is_that_of_each_program():
    frames = clip(10, 96, 128).frames
    x = torch.from_numpy(frames).movedim(-1, 1).float()
    squashed = F.interpolate(x, (224, 224), mode="bilinear", align_corners=False) / 127.5 - 1
    torch.testing.assert_close(prepared(frames, PRESETS["i3d-fastvideo"])[0], squashed.movedim(0, 1))
    whole = F.interpolate(x, (224, 299), mode="bilinear", align_corners=False)[..., 37:261] / 127.5 - 1
    torch.testing.assert_close(prepared(frames, PRESETS["i3d-common"])[0], whole.movedim(0, 1))
    sharp = Preset(resize="squash", side=32, antialias=True)
    assert not torch.allclose(prepared(frames, sharp), prepared(frames, Preset(resize="squash", side=32)))
    as_they_are = prepared(frames, Preset(low=0, high=255))[0]
    torch.testing.assert_close(as_they_are, x.movedim(0, 1))


def test_frames_are_spread_over_the_clip_and_too_few_are_refused():
    frames = np.zeros((31, 8, 8, 3), np.uint8) + np.arange(31, dtype=np.uint8)[:, None, None, None]
    seen = prepared(frames, Preset(frames=4, low=0, high=255))[0, 0, :, 0, 0]
    assert seen.tolist() == [0, 10, 20, 30]
    with pytest.raises(ValueError, match="needs 10 frames, not 9"):
        prepared(frames[:9], PRESETS["i3d-common"])


def test_flags_and_exported_programs(files):
    given = clip()
    assert load_network(files / "itself.pt", "i3d-stylegan-v")(given).tolist() == [255.0]
    found = load_network(files / "mean.pt2", Preset(low=0, high=255))(given)
    assert found == pytest.approx(given.frames.mean((0, 1, 2)), rel=1e-4)


def test_features_make_a_distance_that_reacts(files):
    network = load_network(files / "statistics.pt")
    bright = [
        Clip(frames=(c.frames // 2 + 127).astype(np.uint8), fps=8) for c in (clip(seed=s) for s in range(6))
    ]
    plain, again = (Moments.of(network.features(clip(seed=s) for s in r)) for r in (range(6), range(6, 12)))
    other = Moments.of(network.features(bright))
    assert frechet_distance(plain, other) > 10 * frechet_distance(plain, again)
    assert network.convention["network"] == network.hash
    assert len(network.hash) == 16


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: load_network(f / "none.pt"), "there is no feature network"),
        (lambda f: load_network(f / "statistics.pt", "i4d"), "no preset 'i4d'; known: plain"),
        (lambda f: load_network(__file__), "no TorchScript file or exported program"),
        (lambda f: load_network(f / "statistics.pt").features([]), "no clips"),
    ],
)
def test_what_is_no_network_gets_one_line(files, make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make(files)
    assert "\n" not in str(caught.value)
