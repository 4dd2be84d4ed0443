"""Training of the reader.

``python -m scenewright.evaluation.reader.train --data FOLDER --run FOLDER --steps N`` trains on shards
written by :mod:`scenewright.evaluation.reader.data`, goes on from the run's last checkpoint, logs JSON
lines, and writes the averaged weights in half precision for the package.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from scenewright.evaluation.reader.augment import augment
from scenewright.evaluation.reader.data import IGNORE, Labels, Shards
from scenewright.evaluation.reader.decode import DEPTH_UNIT, find_tracks, other_tracks, read_weights
from scenewright.evaluation.reader.model import (
    FRAME_DIRECTIONS,
    Reader,
    ReaderConfig,
    channels_last,
    crop_tubes,
)
from scenewright.evaluation.reader.tracks import crop_side, fill_gaps
from scenewright.evaluation.small_run import SmallRun
from scenewright.machine import keep_freed_memory
from scenewright.media.atomic import atomic
from scenewright.world.scene import COLORS

#: From this share of training on, half of the batches use the detector's own tracks.
OWN_TRACKS_FROM = 0.4
_TURNS = torch.tensor([FRAME_DIRECTIONS.index(d) for d in ("clockwise", "counterclockwise")])


def detector_losses(dense: torch.Tensor, look: torch.Tensor, labels: Labels) -> dict[str, torch.Tensor]:
    """Focal loss on centres (Zhou et al. 2019, equation 1), L1 on offset and log size, and the look at the
    centres."""
    B, T, _, G, _ = dense.shape
    heat = np.zeros((B, T, G, G), np.float32)
    cells = np.arange(G) + 0.5
    b, t, n = np.nonzero(labels.seen)
    box = labels.boxes[b, t, n]
    sigma = np.clip(box[:, 2:].mean(1) * G / 5, 0.6, 3.0)
    dy = (cells[None, :, None] - box[:, 1, None, None] * G) ** 2
    dx = (cells[None, None, :] - box[:, 0, None, None] * G) ** 2
    np.maximum.at(heat, (b, t), np.exp(-(dx + dy) / (2 * sigma**2)[:, None, None]).astype(np.float32))
    x = np.clip((box[:, 0] * G).astype(int), 0, G - 1)
    y = np.clip((box[:, 1] * G).astype(int), 0, G - 1)
    heat[b, t, y, x] = 1.0
    target = torch.from_numpy(heat)
    logit = dense[:, :, 0]
    p = logit.sigmoid()
    centre = (1 - p).square() * F.logsigmoid(logit)
    rest = (1 - target).pow(4) * p.square() * F.logsigmoid(-logit)
    count = max(1, len(b))
    at = dense[b, t, :, y, x]
    offset = torch.from_numpy(box[:, :2] * G - np.stack([x, y], 1) - 0.5)
    size = torch.from_numpy(np.log(box[:, 2:] * G))
    looks = look[b, t, :, y, x]
    classes = torch.from_numpy(labels.classes[b, n])
    return {
        "heat": -torch.where(target == 1, centre, rest).sum() / count,
        "offset": F.l1_loss(at[:, 1:3], offset),
        "box": F.l1_loss(at[:, 3:5], size),
        "look": F.cross_entropy(looks[:, : len(COLORS)], classes[:, 1])
        + F.cross_entropy(looks[:, len(COLORS) :], classes[:, 0]),
    }


def true_tracks(labels: Labels, rng: np.random.Generator) -> list[list[tuple[np.ndarray, int]]]:
    """Each clip's true tracks, shaken as a detector would, with the object's index; and some false ones
    (index -1) in places where nothing is."""
    out: list[list[tuple[np.ndarray, int]]] = []
    for b in range(len(labels.boxes)):
        tracks = []
        for n in np.flatnonzero(labels.seen[b].sum(0) >= 2):
            seen = labels.seen[b, :, n] & (rng.random(labels.seen.shape[1]) > 0.03)
            if seen.any():
                tracks.append((_shaken(labels.boxes[b, :, n], seen, rng), int(n)))
        if rng.random() < 0.15:
            tracks.append((_false_track(labels.boxes[b].shape[0], rng), -1))
        out.append(tracks)
    return out


def own_tracks(dense: torch.Tensor, look: torch.Tensor, labels: Labels) -> list[list[tuple[np.ndarray, int]]]:
    """The detector's tracks with the index of the object that each follows, or -1 for none."""
    out = []
    for b, tracks in enumerate(find_tracks(dense, look)):
        pairs, taken = [], set()
        for rows in tracks[:8]:
            n = _followed(rows, labels, b)
            pairs.append((rows, -1 if n in taken else n))
            taken.add(n)
        out.append(pairs)
    return out


def describer_losses(
    reader: Reader,
    x: torch.Tensor,
    summary: torch.Tensor,
    tracks: list[list[tuple[np.ndarray, int]]],
    labels: Labels,
) -> dict[str, torch.Tensor]:
    """Cross-entropy of every attribute, of motion and direction per frame, L1 of depth, and whether a track
    is an object at all.

    Which way a thing turns has a term of its own: few frames turn, and in the mean over all frames their
    gradient was lost among the others' (the answer stayed at chance, though the network can learn it).
    """
    clip = np.array([b for b, items in enumerate(tracks) for _ in items], int)
    if len(clip) == 0:
        return {}
    index = np.array([n for items in tracks for _, n in items], int)
    rows = np.stack([r for items in tracks for r, _ in items]).astype(np.float32)
    sides = torch.tensor([crop_side(r) for items in tracks for r, _ in items], dtype=torch.float32)
    track, owner = torch.from_numpy(rows), torch.from_numpy(clip)
    others, mask = other_tracks(track, owner)
    tubes = crop_tubes(x, owner, track[:, :, :2], sides, reader.config.tube)
    out = reader.describer(tubes, track, sides, others, mask, summary[owner])
    real = index >= 0
    classes = torch.from_numpy(np.where(real[:, None], labels.classes[clip, index], IGNORE))
    motion = torch.from_numpy(np.where(real[:, None], labels.motion[clip, :, index], IGNORE))
    direction = torch.from_numpy(np.where(real[:, None], labels.direction[clip, :, index], IGNORE))
    losses = {"real": F.binary_cross_entropy_with_logits(out["real"], torch.from_numpy(real).float())}
    if not real.any():
        return losses
    for k, name in enumerate(("shape", "color", "size", "material")):
        losses[name] = F.cross_entropy(out[name], classes[:, k], ignore_index=IGNORE)
    losses["motion"] = F.cross_entropy(out["motion"].flatten(0, 1), motion.flatten(), ignore_index=IGNORE)
    ways, way = out["direction"].flatten(0, 1), direction.flatten()
    losses["direction"] = F.cross_entropy(ways, way, ignore_index=IGNORE)
    turning = torch.isin(way, _TURNS)
    if turning.any():
        losses["turn"] = F.cross_entropy(ways[turning], way[turning])
    at = torch.from_numpy(labels.depth[clip, :, index][real]) / DEPTH_UNIT
    losses["depth"] = 4 * F.l1_loss(out["depth"][torch.from_numpy(real)], at)
    return losses


def train(
    data: Path,
    run: Path,
    *,
    steps: int,
    batch: int = 16,
    lr: float = 1.2e-3,
    seed: int = 0,
    start: Path | None = None,
) -> Reader:
    """Trains for ``steps`` in all (those of an interrupted run counted) and returns the averaged reader.

    ``start``: a folder with the weights that the run begins with, else it begins from nothing. Parts of the
    network that those weights lack begin from nothing too.
    """
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    reader = channels_last(Reader(ReaderConfig())).train()
    if start is not None:
        unknown = reader.load_state_dict(read_weights(start), strict=False).unexpected_keys
        if unknown:
            raise ValueError(f"{start} holds weights that this reader does not have: {', '.join(unknown)}")
    trained = SmallRun(reader, run, lr)
    shards = Shards(data, "train")
    means: dict[str, list[float]] = {}
    while trained.step < steps:
        step = trained.step
        if step % 25 == 0:
            shards = Shards(data, "train")  # more may have been written
        rng = np.random.default_rng([seed, step])
        frames, labels = shards.batch(rng.choice(len(shards), batch, replace=len(shards) < batch).tolist())
        x, labels = augment(frames, labels, rng)
        losses = _step_losses(reader, x, labels, rng, step, step / steps >= OWN_TRACKS_FROM)
        trained.take(torch.stack(list(losses.values())).sum(), lr * _schedule(step, steps))
        step = trained.step
        for name, value in losses.items():
            means.setdefault(name, []).append(float(value.detach()))
        if step % 25 == 0 or step == steps:
            rounded = {name: round(float(np.mean(values)), 4) for name, values in means.items()}
            trained.log({"clips": len(shards), **rounded})
            means = {}
        if step % 50 == 0 or step == steps:
            trained.save()
    trained.finish()
    return reader


def save_reader(reader: Reader, folder: Path) -> None:
    """Half-precision weights and the configuration, as :func:`decode.load_reader` reads them."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in reader.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    with atomic(folder / "model.safetensors") as partial:
        save_file(state, partial)
    (folder / "config.json").write_text(reader.config.model_dump_json(indent=2) + "\n")


def _step_losses(
    reader: Reader, x: torch.Tensor, labels: Labels, rng: np.random.Generator, step: int, own: bool
) -> dict[str, torch.Tensor]:
    learn_detector = step % 3 == 0 or step < 60
    with torch.autocast("cpu", torch.bfloat16):
        with torch.set_grad_enabled(learn_detector):
            dense, look, summary = reader.detector(x)
        tracks = true_tracks(labels, rng)
        if own and rng.random() < 0.5:
            tracks = own_tracks(dense.detach(), look.detach(), labels)
        losses = describer_losses(reader, x, summary.float(), tracks, labels)
    if learn_detector:
        losses |= detector_losses(dense, look, labels)
    return losses


def _schedule(step: int, steps: int) -> float:
    warm = min(1.0, (step + 1) / 25)
    return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps))))


def _shaken(boxes: np.ndarray, seen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    T = len(boxes)
    rows = np.concatenate([boxes, np.zeros((T, 1))], 1).astype(np.float32)
    extent = boxes[:, 2:4].copy()
    shift = rng.normal(0, 0.04, (1, 2)) + rng.normal(0, 0.025, (T, 2))
    rows[:, :2] += extent * shift
    rows[:, 2:4] *= np.exp(rng.normal(0, 0.05, (1, 2)) + rng.normal(0, 0.04, (T, 2)))
    rows[:, 4] = seen * rng.uniform(0.5, 0.98, T)
    return fill_gaps(rows)


def _false_track(T: int, rng: np.random.Generator) -> np.ndarray:
    rows = np.empty((T, 5), np.float32)
    rows[:, :2] = rng.uniform(0.1, 0.9, 2)
    if rng.random() < 0.5:
        rows[:, :2] = np.linspace(rng.uniform(0.1, 0.9, 2), rng.uniform(0.1, 0.9, 2), T)
    rows[:, 2:4] = rng.uniform(0.1, 0.3)
    rows[:, 4] = rng.uniform(0.2, 0.9, T)
    return rows


def _followed(rows: np.ndarray, labels: Labels, b: int) -> int:
    """The object within whose box the track lies in most of its frames, -1 for none."""
    both = labels.seen[b] & (rows[:, 4:5] > 0)
    away = np.abs(labels.boxes[b, :, :, :2] - rows[:, None, :2]) / np.maximum(labels.boxes[b, :, :, 2:], 1e-3)
    inside = both & (away.max(-1) < 0.4)
    share = inside.sum(0) / max(1, (rows[:, 4] > 0).sum())
    best = int(share.argmax())
    return best if share[best] >= 0.6 else -1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=1.2e-3)
    parser.add_argument("--start", type=Path, help="folder of the weights to begin with")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", type=Path, help="folder for the weights")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    reader = train(
        options.data,
        options.run,
        steps=options.steps,
        batch=options.batch,
        lr=options.lr,
        start=options.start,
    )
    if options.save:
        save_reader(reader, options.save)


if __name__ == "__main__":
    main()
