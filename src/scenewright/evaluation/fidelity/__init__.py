"""How close a clip is to its reference, frame by frame: for codecs, autoencoders and reconstruction.

Every measure has named conventions, because their numbers differ more than most results do, and a limit for
frames that are the same, so that none is infinite or not a number.
"""

from scenewright.evaluation.fidelity.lpips import Lpips, load_lpips, lpips
from scenewright.evaluation.fidelity.pixels import MSE, PSNR, PsnrConvention, mse, psnr
from scenewright.evaluation.fidelity.similarity import (
    MS_SSIM,
    SSIM,
    MsSsimConvention,
    SsimConvention,
    ms_ssim,
    ssim,
)
from scenewright.evaluation.fidelity.vmaf import VMAF, vmaf

__all__ = [
    "MSE",
    "MS_SSIM",
    "PSNR",
    "SSIM",
    "VMAF",
    "Lpips",
    "MsSsimConvention",
    "PsnrConvention",
    "SsimConvention",
    "load_lpips",
    "lpips",
    "ms_ssim",
    "mse",
    "psnr",
    "ssim",
    "vmaf",
]
