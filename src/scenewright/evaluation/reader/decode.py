"""The reader as a whole: uint8 frames in, :class:`Reading` out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from scenewright.evaluation.reader.model import (
    FRAME_DIRECTIONS,
    FRAME_MOTIONS,
    Reader,
    ReaderConfig,
    channels_last,
    crop_tubes,
)
from scenewright.evaluation.reader.tracks import crop_side, find_peaks, link
from scenewright.evaluation.reading import Reading, ReadMotion, ReadObject
from scenewright.world.scene import COLORS, MATERIALS, MOTION_DIRECTIONS, SHAPES, SIZES

WEIGHTS = Path(__file__).parents[2] / "weights" / "reader"

#: A track is an object if the describer is at least this sure that it is one.
REAL = 0.5
#: Nats that a change of motion from one frame to the next must be worth.
SWITCH_COST = 2.5
#: Shortest stretch of a motion, as a fraction of the clip.
SHORTEST = 0.15
#: Depth is learned in units of this many world units.
DEPTH_UNIT = 10.0


@lru_cache(maxsize=2)
def load_reader(folder: str | Path = WEIGHTS) -> Reader:
    """The trained reader, in evaluation mode. Raises FileNotFoundError where its weights are missing."""
    folder = Path(folder)
    state = read_weights(folder)
    reader = Reader(ReaderConfig.model_validate_json((folder / "config.json").read_text()))
    reader.load_state_dict(state)
    return channels_last(reader).eval()


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The reader's weights in float32. Raises FileNotFoundError where they are missing."""
    from safetensors.torch import load_file

    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise FileNotFoundError(f"no reader weights at {weights}; reinstall scenewright or train the reader")
    return {name: w.float() if w.is_floating_point() else w for name, w in load_file(weights).items()}


def read_clips(clips: Sequence[np.ndarray], *, reader: Reader | None = None, batch: int = 8) -> list[Reading]:
    """Reads videos: each uint8 (T, H, W, 3), any T >= 1 and any size. One :class:`Reading` each.

    Each is resampled to the reader's own frames and canvas (nearest in time; in space with antialiasing,
    the shorter side padded with its border so that nothing is squashed). Tracks come back at the reader's
    number of frames, in fractions of the original picture.
    """
    reader = reader or load_reader()
    readings: list[Reading] = []
    for start in range(0, len(clips), batch):
        part = clips[start : start + batch]
        canvases = [to_canvas(frames, reader.config) for frames in part]
        with torch.inference_mode():
            read = _read_batch(torch.stack(canvases), reader)
        readings += [
            Reading(tuple(_to_picture(item, frames.shape) for item in objects), len(frames))
            for objects, frames in zip(read, part, strict=True)
        ]
    return readings


def to_canvas(frames: np.ndarray, config: ReaderConfig) -> torch.Tensor:
    """uint8 (T, H, W, 3) to float32 (num_frames, 3, canvas, canvas) in [-1, 1]."""
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise ValueError(f"the reader reads uint8 (T, H, W, 3), not {frames.dtype} of shape {frames.shape}")
    T, H, W, _ = frames.shape
    pick = np.floor((np.arange(config.num_frames) + 0.5) * T / config.num_frames).astype(int)
    x = torch.from_numpy(np.ascontiguousarray(frames[pick])).movedim(-1, 1).float()
    side = max(H, W)
    top, left = (side - H) // 2, (side - W) // 2
    if H != W:
        x = F.pad(x, (left, side - W - left, top, side - H - top), mode="replicate")
    if side != config.canvas:
        size = (config.canvas, config.canvas)
        x = F.interpolate(x, size=size, mode="bilinear", antialias=True, align_corners=False)
    return x.div(127.5).sub(1).clamp(-1, 1)


def find_tracks(dense: torch.Tensor, look: torch.Tensor) -> list[list[np.ndarray]]:
    """Tracks of each clip, from what the detector returns; see :func:`tracks.link`."""
    centres = torch.cat([dense[:, :, :1].sigmoid(), dense[:, :, 1:]], 2).float().numpy()
    colors = look[:, :, : len(COLORS)].softmax(2)
    shapes = look[:, :, len(COLORS) :].softmax(2)
    looks = torch.cat([colors, shapes], 2).float().numpy()
    return [link(find_peaks(d, k)) for d, k in zip(centres, looks, strict=True)]


def describe(
    reader: Reader, x_BTCHW: torch.Tensor, summary: torch.Tensor, tracks: list[list[np.ndarray]]
) -> dict[str, torch.Tensor] | None:
    """Runs the describer on all tracks of a batch, clip by clip in order; ``None`` where there are none."""
    clip = [b for b, items in enumerate(tracks) for _ in items]
    if not clip:
        return None
    rows = np.stack([item for items in tracks for item in items]).astype(np.float32)
    sides = torch.tensor([crop_side(item) for items in tracks for item in items], dtype=torch.float32)
    track = torch.from_numpy(rows)
    owner = torch.tensor(clip)
    tubes = crop_tubes(x_BTCHW, owner, track[:, :, :2], sides, reader.config.tube)
    others, mask = other_tracks(track, owner)
    return reader.describer(tubes, track, sides, others, mask, summary[owner])


def other_tracks(track_NTF: torch.Tensor, owner_N: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """For each track the others of its clip: (N, M, T, 5) and the mask (N, M) of those that exist."""
    together = (owner_N[:, None] == owner_N[None]) & ~torch.eye(len(owner_N), dtype=torch.bool)
    M = int(together.sum(1).max())
    order = torch.sort(together.float(), dim=1, descending=True, stable=True).indices[:, :M]
    return track_NTF[order], together.gather(1, order)


def _read_batch(x: torch.Tensor, reader: Reader) -> list[list[ReadObject]]:
    dense, look, summary = reader.detector(x)
    tracks = find_tracks(dense, look)
    out = describe(reader, x, summary, tracks)
    if out is None:
        return [[] for _ in tracks]
    real = out["real"].sigmoid().numpy()
    names = ("shape", "color", "size", "material", "motion", "direction")
    p = {name: out[name].softmax(-1).numpy() for name in names}
    depth = out["depth"].numpy() * DEPTH_UNIT
    read, n = [], 0
    for items in tracks:
        found = []
        for rows in items:
            if real[n] >= REAL:
                found.append(_to_object({k: v[n] for k, v in p.items()}, rows, depth[n], float(real[n])))
            n += 1
        read.append(found)
    return read


def _to_object(p: dict[str, np.ndarray], rows: np.ndarray, depth: np.ndarray, real: float) -> ReadObject:
    half = rows[:, 2:4] / 2
    return ReadObject(
        shape=SHAPES[p["shape"].argmax()],
        color=COLORS[p["color"].argmax()],
        size=SIZES[p["size"].argmax()],
        material=MATERIALS[p["material"].argmax()],
        boxes=np.concatenate([rows[:, :2] - half, rows[:, :2] + half], 1),
        seen=rows[:, 4],
        depth=depth,
        presence=real,
        motions=segment(p["motion"], p["direction"]),
        probabilities=p,
    )


def segment(motion: np.ndarray, direction: np.ndarray) -> tuple[ReadMotion, ...]:
    """The most likely sequence of motions, by the Viterbi algorithm with a fixed cost per change.

    ``motion``: (T, kinds) probabilities in the order of FRAME_MOTIONS; ``direction``: (T, directions) in
    that of FRAME_DIRECTIONS. A motion's direction is the most probable one over its frames among those that
    the kind can have.
    """
    T, K = motion.shape
    logs = np.log(np.maximum(motion, 1e-6))
    best, back = logs[0].copy(), np.zeros((T, K), int)
    for t in range(1, T):
        source = int(best.argmax())
        stay, change = best, best[source] - SWITCH_COST
        back[t] = np.where(stay >= change, np.arange(K), source)
        best = np.maximum(stay, change) + logs[t]
    path = [int(best.argmax())]
    for t in range(T - 1, 0, -1):
        path.append(int(back[t, path[-1]]))
    path.reverse()
    edges = [0, *[t for t in range(1, T) if path[t] != path[t - 1]], T]
    found = []
    for a, b in pairwise(edges):
        kind = FRAME_MOTIONS[path[a]]
        if kind == "still" or (b - a) / T < SHORTEST:
            continue
        allowed = MOTION_DIRECTIONS[kind]
        columns = [FRAME_DIRECTIONS.index(d or "none") for d in allowed]
        chosen = allowed[int(direction[a:b, columns].sum(0).argmax())]
        found.append(ReadMotion(kind, chosen, a / T, b / T, float(motion[a:b, path[a]].mean())))
    return tuple(found)


def _to_picture(item: ReadObject, shape: tuple[int, ...]) -> ReadObject:
    _, H, W, _ = shape
    if H == W:
        return item
    side = max(H, W)
    offset = np.array([(side - W) // 2, (side - H) // 2] * 2) / side
    return item.with_(boxes=(item.boxes - offset) * (side / np.array([W, H, W, H])))
