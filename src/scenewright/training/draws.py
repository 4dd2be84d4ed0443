"""The random numbers of a training step: the same for any number of processes and any micro-batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from scenewright.seeds import keyed_generator, keyed_seed


@dataclass(frozen=True)
class Draws:
    """Numbers keyed by (seed, step, purpose), for the samples ``rows`` of a batch of ``batch``."""

    seed: int
    step: int
    batch: int
    rows: range

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, rows: range) -> Draws:
        """The draws of some of these samples, counted from the first one here."""
        return replace(self, rows=self.rows[rows.start : rows.stop])

    def uniform(self, purpose: str) -> torch.Tensor:
        """float32 (rows,) in [0, 1), independent."""
        return torch.rand(self.batch, generator=self._generator(purpose))[self._slice]

    def stratified(self, purpose: str) -> torch.Tensor:
        """float32 (rows,) in [0, 1): over the whole batch one number in each of ``batch`` equal strata."""
        generator = self._generator(purpose)
        strata = torch.randperm(self.batch, generator=generator)
        return ((strata + torch.rand(self.batch, generator=generator)) / self.batch)[self._slice]

    def normal(self, purpose: str, shape: Sequence[int]) -> torch.Tensor:
        """float32 (rows, *shape), standard normal; each sample's numbers come from a seed of its own."""
        out = torch.empty(len(self.rows), *shape)
        generator = torch.Generator()
        for place, row in enumerate(self.rows):
            generator.manual_seed(keyed_seed(self.seed, self.step, purpose, row))
            torch.randn(*shape, generator=generator, out=out[place])
        return out

    def key(self, purpose: str) -> int:
        """A seed for what draws by itself."""
        return keyed_seed(self.seed, self.step, purpose)

    @property
    def _slice(self) -> slice:
        return slice(self.rows.start, self.rows.stop)

    def _generator(self, purpose: str) -> torch.Generator:
        return keyed_generator(self.seed, self.step, purpose)
