"""Randomness keyed by (seed, sample, purpose), so that a result does not depend on batch size or order."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def keyed_seed(*key: int | str) -> int:
    """A 63-bit seed from any key: the first bytes of the SHA-256 of its parts."""
    text = "\x1f".join(str(part) for part in key)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def keyed_generator(*key: int | str) -> torch.Generator:
    """A CPU generator; CPU on every device, so that the same seed starts from the same noise anywhere."""
    import torch

    return torch.Generator().manual_seed(keyed_seed(*key))
