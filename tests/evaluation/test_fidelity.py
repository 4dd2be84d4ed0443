"""Measures with a reference: against other libraries, closed forms, ffmpeg's own filters, and faults."""

import re
import subprocess

import cv2
import imageio_ffmpeg
import numpy as np
import pytest
import torch
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure as their_ms_ssim,
)
from torchmetrics.functional.image import structural_similarity_index_measure as their_ssim

from scenewright.clip import Clip
from scenewright.evaluation.fidelity import (
    MS_SSIM,
    PSNR,
    SSIM,
    VMAF,
    PsnrConvention,
    SsimConvention,
    ms_ssim,
    mse,
    psnr,
    ssim,
    vmaf,
)
from scenewright.media import encode
from scenewright.world.layout import complete
from scenewright.world.parser import parse
from scenewright.world.render import render


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    """A moving scene with edges, texture and shading, uint8 (6, 192, 256, 3)."""
    scene = complete(parse("a large red cube slides right on grass").description, 3, seconds=1)
    (found,) = render([scene], width=256, height=192, num_frames=6, fps=6)
    assert found.rgb is not None
    return found.rgb


def noisy(frames: np.ndarray, strength: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, strength, frames.shape)
    return np.clip(frames + noise, 0, 255).round().astype(np.uint8)


def blurred(frames: np.ndarray, strength: float) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(frame, (0, 0), strength) for frame in frames])


def as_tensor(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames).movedim(-1, 1).double()


def test_psnr_is_its_formula_and_that_of_scikit_image(clip):
    other = noisy(clip, 12)
    value, frames = psnr(clip, other)
    assert value == pytest.approx(peak_signal_noise_ratio(clip, other), abs=1e-9)
    assert frames == pytest.approx(
        [peak_signal_noise_ratio(a, b) for a, b in zip(clip, other, strict=True)], abs=1e-9
    )
    assert mse(clip, other).mean() == pytest.approx(((clip.astype(float) - other) ** 2).mean())
    off = np.where(clip > 127, clip - 1, clip + 1).astype(np.uint8)
    assert psnr(clip, off)[0] == pytest.approx(20 * np.log10(255))


def test_the_ratio_of_the_clip_is_below_the_mean_of_its_frames(clip):
    """By Jensen's inequality; one bad frame shows in it."""
    other = clip.copy()
    other[2] = noisy(clip[2:3], 60)[0]
    pooled, frames = psnr(clip, other)
    assert psnr(clip, other, "frames")[0] == pytest.approx(frames.mean())
    assert frames.max() == 100.0
    assert pooled < frames.mean() - 20


@pytest.mark.parametrize("strength", [3, 25])
def test_ssim_is_that_of_scikit_image_and_torchmetrics(clip, strength):
    other = noisy(clip, strength)
    pairs = list(zip(clip, other, strict=True))
    expected = [structural_similarity(a, b, channel_axis=2) for a, b in pairs]
    assert ssim(clip, other, "skimage")[1] == pytest.approx(expected, abs=2e-5)
    theirs = their_ssim(as_tensor(clip), as_tensor(other), data_range=255.0, reduction="none")
    assert ssim(clip, other, "torchmetrics")[1] == pytest.approx(theirs.numpy(), abs=2e-5)
    gray = {"gaussian_weights": True, "use_sample_covariance": False, "full": True, "channel_axis": 2}
    full = [structural_similarity(a, b, **gray)[1] for a, b in pairs]
    inner = np.mean([image[5:-5, 5:-5].mean() for image in full])
    assert ssim(clip, other, "rgb")[0] == pytest.approx(inner, abs=2e-5)


def test_published_numbers_of_a_photograph():
    """What scikit-image's own tests hold: its camera picture with noise of 20."""
    picture = data.camera()
    noise = picture + 20.0 * np.random.RandomState(5).randn(*picture.shape)
    pair = [x.clip(0, 255).astype(np.uint8)[None, ..., None].repeat(3, axis=3) for x in (picture, noise)]
    assert psnr(*pair)[0] == pytest.approx(22.409353363576034, abs=1e-6)
    gaussian = SsimConvention(border="reflect")
    assert ssim(*pair, gaussian)[0] == pytest.approx(0.357959091663, abs=2e-3)


def test_ms_ssim_is_that_of_torchmetrics(clip):
    other = blurred(noisy(clip, 6), 1.2)
    theirs = their_ms_ssim(as_tensor(clip), as_tensor(other), data_range=255.0, reduction="none")
    assert ms_ssim(clip, other, "rgb")[1] == pytest.approx(theirs.numpy(), abs=1e-3)
    weights = MS_SSIM["small"].weights
    assert sum(weights) == pytest.approx(1, abs=1e-3)
    assert 0 < ms_ssim(clip[:, :48, :48], other[:, :48, :48], "small")[0] < 1


def test_a_window_is_compared_by_the_formula():
    """One window of two colours, by hand."""
    rng = np.random.default_rng(1)
    a, b = (rng.integers(0, 256, (1, 7, 7, 1), dtype=np.uint8).repeat(3, axis=3) for _ in range(2))
    x, y = a[0, :, :, 0].astype(float), b[0, :, :, 0].astype(float)
    covariance = np.cov(x.ravel(), y.ravel(), ddof=1)
    c1, c2 = 2.55**2, 7.65**2
    expected = (2 * x.mean() * y.mean() + c1) * (2 * covariance[0, 1] + c2)
    expected /= (x.mean() ** 2 + y.mean() ** 2 + c1) * (covariance[0, 0] + covariance[1, 1] + c2)
    assert ssim(a, b, "skimage")[0] == pytest.approx(expected, abs=1e-5)


def test_every_measure_has_a_limit_for_the_same_and_worsens_with_the_fault(clip):
    assert psnr(clip, clip)[0] == 100.0
    assert psnr(clip, clip, "vmaf")[0] == 60.0
    assert not mse(clip, clip).any()
    flat = np.full_like(clip, 128)
    assert ssim(flat, flat)[0] == ms_ssim(flat, flat)[0] == 1.0
    for measure, conventions in ((psnr, PSNR), (ssim, SSIM), (ms_ssim, MS_SSIM)):
        for name in conventions:
            for fault in (noisy, blurred):
                values = [measure(clip, fault(clip, s), name)[0] for s in (1, 3, 9)]
                assert values[0] > values[1] > values[2], (measure, name, fault)
    assert ssim(flat, flat, "zero")[0] == 1.0


def test_what_each_convention_sees(clip):
    """A change of colour alone is seen in colours and hardly in gray; a shift by a pixel is seen by all."""
    ycc = cv2.cvtColor(clip.reshape(-1, 256, 3), cv2.COLOR_RGB2YCrCb).astype(int)
    ycc[..., 1] += 24
    tinted = cv2.cvtColor(np.clip(ycc, 0, 255).astype(np.uint8), cv2.COLOR_YCrCb2RGB).reshape(clip.shape)
    assert psnr(clip, tinted)[0] < psnr(clip, tinted, PsnrConvention(colors="gray"))[0] - 3
    assert ssim(clip, tinted, "rgb")[0] < ssim(clip, tinted)[0] - 0.005
    shifted = np.roll(clip, 1, axis=2)
    assert ssim(clip, shifted)[0] < 0.99
    large = clip.repeat(3, axis=1).repeat(3, axis=2)
    noise = noisy(large, 20)
    assert ssim(large, noise, "wang2004")[0] > ssim(large, noise)[0] + 0.05


@pytest.mark.parametrize("name", list(VMAF))
def test_vmaf_is_high_for_the_same_and_falls_with_the_fault(clip, name):
    values = [vmaf(clip, other, name)[0] for other in (clip, blurred(clip, 0.4), blurred(clip, 0.7))]
    assert values[0] > 95
    assert values[0] > values[1] > values[2]


def test_neg_gives_nothing_for_sharpening(clip):
    sharp = np.clip(clip + 1.5 * (clip - blurred(clip, 1.0).astype(float)), 0, 255).astype(np.uint8)
    default, neg = (vmaf(clip, sharp, name)[0] for name in ("default", "neg"))
    assert neg < default


def test_files_are_judged_as_ffmpeg_judges_them(clip, tmp_path):
    """VMAF of files is that of the bare command; PSNR and SSIM of luma are near ffmpeg's own filters."""
    reference, test = tmp_path / "a:b's.mp4", tmp_path / "test.mp4"
    encode(Clip(frames=clip, fps=6), reference, crf=8)
    encode(Clip(frames=blurred(clip, 1.5), fps=6), test, crf=8)
    scale = "scale=-2:1080:flags=bicubic:out_color_matrix=bt709:out_range=tv,format=yuv420p"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(test), "-i", str(reference), "-lavfi"]
    command += [f"[0:v]{scale}[a];[1:v]{scale}[b];[a][b]libvmaf", "-f", "null", "-"]
    log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    expected = float(re.search(r"VMAF score: ([\d.]+)", log)[1])
    value, frames = vmaf(reference, test)
    assert value == pytest.approx(expected, abs=0.01)
    assert len(frames) == len(clip)
    with pytest.raises(ValueError, match="there is no video file"):
        vmaf(tmp_path / "none.mp4", test)
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(ValueError, match="ffmpeg could not compute VMAF"):
        vmaf(tmp_path / "text.mp4", test)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (lambda x: x[:3], "the reference has 6 frames and the test 3"),
        (lambda x: x[:, :100], "the reference is 256x192 and the test 256x100"),
        (lambda x: x.astype(float), "the test must be uint8"),
        (lambda x: x[:0], "the test has no frames"),
    ],
)
def test_pairs_that_do_not_fit_get_one_line(clip, changed, message):
    for measure in (mse, psnr, ssim, ms_ssim, vmaf):
        with pytest.raises(ValueError, match=message):
            measure(clip, changed(clip))


def test_frames_smaller_than_a_window_get_one_line(clip):
    small = clip[:, :64, :64]
    with pytest.raises(ValueError, match="64x64 are too small for this convention, which needs 176 pixels"):
        ms_ssim(small, small)
    with pytest.raises(ValueError, match="give both clips as arrays, or both as files"):
        vmaf(clip, "file.mp4")
