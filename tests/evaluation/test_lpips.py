"""LPIPS on weights of our own: its layers against a plain stack, its distance against the formula."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from scenewright.evaluation.fidelity.lpips import Lpips, load_lpips, lpips

#: The layers as torchvision lists them: channels of convolutions, M for pooling.
ALEX = nn.Sequential(
    nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(),
    nn.MaxPool2d(3, 2), nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1),
    nn.ReLU(), nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
)  # fmt: skip


def vgg() -> nn.Sequential:
    layers, channels = [], 3
    for item in (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"):
        if item == "M":
            layers.append(nn.MaxPool2d(2, 2))
            continue
        layers += [nn.Conv2d(channels, item, 3, padding=1), nn.ReLU()]
        channels = item
    return nn.Sequential(*layers)


#: The stack, and its outputs that the authors compare.
PLAIN = {"alex": (ALEX, (1, 4, 7, 9, 11)), "vgg": (vgg(), (3, 8, 15, 22, 29))}


@pytest.fixture(scope="module", params=["alex", "vgg"])
def weights(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    stack, taps = PLAIN[request.param]
    save_file({f"features.{n}": p for n, p in stack.state_dict().items()}, folder / "features.safetensors")
    widths = {"alex": (64, 192, 384, 256, 256), "vgg": (64, 128, 256, 512, 512)}[request.param]
    heads = {f"lin{i}.model.1.weight": torch.rand(1, w, 1, 1) for i, w in enumerate(widths)}
    torch.save(heads, folder / "heads.pth")
    return request.param, folder, stack, taps, list(heads.values())


def frames(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


def test_it_is_the_weighted_distance_of_normalised_features(weights):
    name, folder, stack, taps, heads = weights
    network = load_lpips(name, folder / "features.safetensors", folder / "heads.pth")
    value, by_frame = lpips(frames(1), frames(2), network, batch=2)
    expected = []
    for a, b in zip(frames(1), frames(2), strict=True):
        total = 0.0
        found = []
        for frame in (a, b):
            x = torch.from_numpy(frame).movedim(-1, 0)[None].float() / 127.5 - 1
            mean, std = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
            x = (x - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
            outputs = []
            for index, layer in enumerate(stack):
                x = layer(x)
                if index in taps:
                    outputs.append(nn.functional.normalize(x, dim=1))
            found.append(outputs)
        for x, y, head in zip(*found, heads, strict=True):
            total += ((x - y) ** 2 * head).sum(1).mean().item()
        expected.append(total)
    assert by_frame == pytest.approx(expected, rel=1e-3)
    assert value == pytest.approx(np.mean(expected), rel=1e-3)
    assert lpips(frames(1), frames(1), network)[0] == 0.0


def test_it_grows_with_the_fault(weights):
    name, folder, *_ = weights
    network = load_lpips(name, folder / "features.safetensors", folder / "heads.pth")
    rng = np.random.default_rng(0)
    clip = frames(3) // 2 + 64
    noisy = [np.clip(clip + rng.normal(0, s, clip.shape), 0, 255).astype(np.uint8) for s in (2, 8, 32)]
    values = [lpips(clip, other, network)[0] for other in noisy]
    assert 0 < values[0] < values[1] < values[2]


def test_weights_that_do_not_fit_get_one_line(weights, tmp_path):
    name, folder, *_ = weights
    other = "vgg" if name == "alex" else "alex"
    with pytest.raises(ValueError, match=f"does not fit LPIPS on {other}: features"):
        load_lpips(other, folder / "features.safetensors", folder / "heads.pth")
    save_file({"a": torch.zeros(1)}, tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match=r"heads\.0 is missing"):
        load_lpips(name, folder / "features.safetensors", tmp_path / "none.safetensors")
    assert not any(p.requires_grad for p in Lpips(name).parameters())
