"""How near two sets of videos are, by the features that a network sees in them.

All arithmetic is on features, float (N, D), in double precision. Every distance depends on N: compare
numbers of the same N only, or extrapolate.
"""

from scenewright.evaluation.distribution.classes import inception_score
from scenewright.evaluation.distribution.frechet import (
    Extrapolated,
    Moments,
    extrapolated_frechet,
    frechet_distance,
)
from scenewright.evaluation.distribution.kernels import KERNELS, Kernel, kernel_distance, mmd
from scenewright.evaluation.distribution.neighbours import Neighbours, neighbours
from scenewright.evaluation.distribution.stored import read_statistics

__all__ = [
    "KERNELS",
    "Extrapolated",
    "Kernel",
    "Moments",
    "Neighbours",
    "extrapolated_frechet",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "mmd",
    "neighbours",
    "read_statistics",
]
