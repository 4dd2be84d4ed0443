"""Which of a few actions a clip shows, learned from footage of one's own, where there is too little of it
for a network: logistic regression on where and when the picture changes.

N clips, T frames, D features, A actions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Changes below this, of 1, are the camera's noise.
_NOISE = 0.04
#: Places in which changes are summed, each way.
GRID = 8


def energy_features(frames: np.ndarray) -> np.ndarray:
    """float64 (D,) of uint8 (T, H, W, 3): of each of :data:`GRID` x :data:`GRID` places the mean over time of
    the differences of grey frames that follow each other, and how much they vary; square roots of both.

    Raises:
        ValueError: fewer than two frames, or fewer pixels than places.
    """
    if len(frames) < 2 or min(frames.shape[1:3]) < GRID:
        raise ValueError(f"motion needs two frames of {GRID}x{GRID}, not {frames.shape[:3]}")
    grey = frames.mean(-1, dtype=np.float64) / 255
    changes = np.maximum(np.abs(np.diff(grey, axis=0)) - _NOISE, 0)
    rows = np.array_split(changes, GRID, axis=1)
    energy = np.array([[x.mean((1, 2)) for x in np.array_split(row, GRID, axis=2)] for row in rows])
    return np.sqrt(np.concatenate([energy.mean(-1).ravel(), energy.std(-1).ravel()]))


@dataclass(frozen=True, eq=False)
class ActionClassifier:
    """``actions``: names. A feature is centred by ``mean`` and scaled by ``scale``, (D,), before ``weights``
    (D, A) and ``bias`` (A,)."""

    actions: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    @classmethod
    def fit(
        cls, clips: Sequence[np.ndarray], labels: Sequence[str], *, penalty: float = 0.01
    ) -> ActionClassifier:
        """Learn from clips, uint8 (T, H, W, 3) each. ``penalty``: of the squared weights, in the mean loss.

        Raises:
            ValueError: no clips, or one action alone.
        """
        import torch

        actions = tuple(sorted(set(labels)))
        if len(actions) < 2:
            raise ValueError(f"a classifier needs clips of two actions, not of {len(actions)}")
        x = np.stack([energy_features(clip) for clip in clips])
        mean, scale = x.mean(0), x.std(0) + 0.1 * x.std()
        z = torch.from_numpy((x - mean) / scale)
        wanted = torch.tensor([actions.index(label) for label in labels])
        weights = torch.zeros(z.shape[1], len(actions), dtype=z.dtype, requires_grad=True)
        bias = torch.zeros(len(actions), dtype=z.dtype, requires_grad=True)
        optimizer = torch.optim.LBFGS([weights, bias], max_iter=200, line_search_fn="strong_wolfe")

        def loss() -> torch.Tensor:
            optimizer.zero_grad()
            wrong = torch.nn.functional.cross_entropy(z @ weights + bias, wanted)
            found = wrong + penalty * weights.square().sum()
            found.backward()
            return found

        optimizer.step(loss)
        return cls(actions, mean, scale, weights.detach().numpy(), bias.detach().numpy())

    def logits(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        """float64 (N, A)."""
        x = np.stack([energy_features(clip) for clip in clips])
        return (x - self.mean) / self.scale @ self.weights + self.bias

    def __call__(self, clips: Sequence[np.ndarray]) -> list[str]:
        """The likeliest action of each clip."""
        return [self.actions[i] for i in self.logits(clips).argmax(1)]
