"""What a network sees of the frames that it is given; the same in training and in generation.

B = batch, T = frames of the clip, t = frames that the network makes, each for a group of G of the clip.
"""

from __future__ import annotations

import torch

from scenewright.clip import frames_to_tensor


def given_input(frames: torch.Tensor, known_BT: torch.Tensor) -> torch.Tensor:
    """Pixels of what is known, 0 elsewhere, and a mask: float32 (B, 4, T, H, W).

    ``frames``: uint8 (B, T, H, W, 3); what is not known of them plays no part. ``known_BT``: bool.
    """
    mask = known_BT[:, None, :, None, None]
    x = frames_to_tensor(frames) * mask
    return torch.cat((x, mask.to(x).expand(-1, 1, -1, *x.shape[3:])), dim=1)


def settled_frames(known_BT: torch.Tensor, group: int) -> torch.Tensor:
    """bool (B, t): the frames that the network makes of which every frame of the clip is known."""
    return known_BT.unflatten(1, (-1, group)).all(-1)


def held(frames: torch.Tensor, known_BT: torch.Tensor) -> torch.Tensor:
    """``frames`` with the nearest known frame (of two as near, the earlier) where one is not known.

    ``known_BT``: of every clip one frame at least.
    """
    places = torch.arange(known_BT.shape[1], device=known_BT.device)
    distance_TT = 2 * (places[:, None] - places).abs() + (places > places[:, None])
    distance_BTT = distance_TT.expand(len(known_BT), -1, -1)
    nearest_BT = distance_BTT.masked_fill(~known_BT[:, None], 2 * len(places)).argmin(-1)
    return frames[torch.arange(len(frames), device=frames.device)[:, None], nearest_BT]
