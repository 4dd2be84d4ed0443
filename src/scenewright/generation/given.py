"""What a network sees of the frames that it is given; the same in training and in generation.

B = batch, T = frames of the clip, t = frames that the network sees, each for a group of G of the clip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from scenewright.clip import frames_to_tensor

if TYPE_CHECKING:
    from scenewright.generation.autoencoder import Autoencoder

#: What stands, before encoding, where a frame is not known.
GRAY = 128


def given_input(
    frames: torch.Tensor, known_BT: torch.Tensor, autoencoder: Autoencoder | None = None
) -> torch.Tensor:
    """Pixels or latents of what is known, and masks: float32 (B, C + G, t, H, W).

    ``frames``: uint8 (B, T, H, W, 3); what is not known of them plays no part. ``known_BT``: bool. A latent
    frame is encoded with gray for what is not known, and is 0 where nothing of its group is.
    """
    known = known_BT[:, :, None, None, None]
    if autoencoder is None:
        x = frames_to_tensor(frames) * known.movedim(-1, 1)
        group = 1
    else:
        group = autoencoder.config.compression[0]
        x = autoencoder.encode(torch.where(known, frames, GRAY)).float()
        x = x * known_BT.unflatten(1, (-1, group)).any(-1)[:, None, :, None, None]
    masks_BGt = known_BT.unflatten(1, (-1, group)).movedim(-1, 1).to(x)
    return torch.cat((x, masks_BGt[..., None, None].expand(-1, -1, -1, *x.shape[3:])), dim=1)


def settled_frames(known_BT: torch.Tensor, group: int) -> torch.Tensor:
    """bool (B, t): the frames that the network sees of which every frame of the clip is known."""
    return known_BT.unflatten(1, (-1, group)).all(-1)
