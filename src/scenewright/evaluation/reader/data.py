"""Training data of the reader: renders of the world with true boxes, attributes, motions and depth.

``python -m scenewright.evaluation.reader.data FOLDER --clips N`` writes shards of uncompressed frames, so
that training maps them into memory. A shard appears by rename and is never written twice, so that an
interrupted run goes on where it stopped. ``--mixture subtle`` writes scenes of the motions that are hardest
to tell apart; training reads all the shards of a folder as one set.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scenewright.evaluation.reader.model import FRAME_DIRECTIONS, FRAME_MOTIONS
from scenewright.world.scene import (
    COLORS,
    MATERIALS,
    MAX_OBJECTS,
    MOTION_DIRECTIONS,
    SHAPES,
    SIZES,
    Motion,
    MotionKind,
    Scene,
)
from scenewright.world.states import States

#: Label of what is unknown or not there: no loss.
IGNORE = -100
#: Side in pixels and number of the frames that are stored.
STORED_SIDE, STORED_FRAMES = 96, 16
#: An object counts as seen in a frame from this many visible pixels (at the stored side) on.
SEEN_PIXELS = 10
#: Seeds of training, validation and test scenes never meet.
SEED_OFFSETS = {"train": 0, "validation": 1_000_000_000, "test": 2_000_000_000}
#: Weights of the motions in the scenes of the mixture ``subtle``: which way a thing spins, and whether it
#: rolls or slides, shows in little but how its surface moves.
SUBTLE: dict[MotionKind, float] = {
    "spin": 6.0,
    "roll": 2.0,
    "slide": 2.0,
    "shake": 1.0,
    "bounce": 1.0,
    "jump": 1.0,
}


@dataclass
class Labels:
    """Truth of L clips, padded to N = MAX_OBJECTS objects.

    ``boxes``: float32 (L, T, N, 4), centre x, y, width, height of the visible pixels as fractions;
    ``seen``: bool (L, T, N); ``classes``: int64 (L, N, 4), shape, color, size, material or IGNORE;
    ``motion``, ``direction``: int64 (L, T, N); ``depth``: float32 (L, T, N), along the view axis.
    """

    boxes: np.ndarray
    seen: np.ndarray
    classes: np.ndarray
    motion: np.ndarray
    direction: np.ndarray
    depth: np.ndarray

    FIELDS = ("boxes", "seen", "classes", "motion", "direction", "depth")

    @classmethod
    def stack(cls, items: Sequence[Labels]) -> Labels:
        return cls(**{name: np.concatenate([getattr(item, name) for item in items]) for name in cls.FIELDS})


def label(scene: Scene, states: States, masks_THW: np.ndarray) -> Labels:
    """Labels of one clip (L = 1), from its scene, its states and its instance masks (index + 1, or 0)."""
    T, N = len(states.times), MAX_OBJECTS
    out = Labels(
        boxes=np.zeros((1, T, N, 4), np.float32),
        seen=np.zeros((1, T, N), bool),
        classes=np.full((1, N, 4), IGNORE, np.int64),
        motion=np.full((1, T, N), IGNORE, np.int64),
        direction=np.full((1, T, N), IGNORE, np.int64),
        depth=np.zeros((1, T, N), np.float32),
    )
    H, W = masks_THW.shape[1:]
    least = SEEN_PIXELS * H * W / STORED_SIDE**2
    back = states.camera.rotation[:, :, 2]
    for n, item in enumerate(scene.objects):
        out.classes[0, n] = (
            SHAPES.index(item.shape),
            COLORS.index(item.color),
            SIZES.index(item.size),
            MATERIALS.index(item.material),
        )
        offset = states.position[:, n] - states.camera.eye
        out.depth[0, :, n] = -(offset * back).sum(-1)
        out.motion[0, :, n], out.direction[0, :, n] = frame_motions(scene, n, states.times)
        for t in range(T):
            own = masks_THW[t] == n + 1
            if own.sum() >= least:
                out.boxes[0, t, n] = _box(own, H, W)
                out.seen[0, t, n] = True
    return out


def frame_motions(scene: Scene, index: int, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices (T,) into FRAME_MOTIONS and FRAME_DIRECTIONS of what object ``index`` does in each frame."""
    motion = np.zeros(len(times), np.int64)
    direction = np.zeros(len(times), np.int64)
    share = times / scene.seconds
    for m in sorted(scene.motions, key=lambda m: m.start):
        if m.subject != index and not (m.kind == "swap" and m.target == index):
            continue
        during = (share >= m.start - 1e-6) & (share <= m.end + 1e-6)
        motion[during] = FRAME_MOTIONS.index(m.kind)
        direction[during] = _direction_index(m)
    return motion, direction


def _direction_index(motion: Motion) -> int:
    if motion.direction is None and None not in MOTION_DIRECTIONS[motion.kind]:
        return IGNORE
    return FRAME_DIRECTIONS.index(motion.direction or "none")


def _box(own: np.ndarray, H: int, W: int) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(own.any(1)), np.flatnonzero(own.any(0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return (left + right) / 2 / W, (top + bottom) / 2 / H, (right - left) / W, (bottom - top) / H


def reader_scene(seed: int) -> Scene:
    """A scene of the reader's training mixture: mostly one object, some with several; all motions, cameras
    and settings, and no combination held out (the reader must know them all)."""
    from scenewright.world.layout import SamplerConfig, sample_scene

    rng = np.random.default_rng([seed, 0x8EAD])
    several = rng.random()
    objects = (1, 1) if several < 0.55 else (2, 2) if several < 0.82 else (3, 3) if several < 0.95 else (4, 6)
    config = SamplerConfig(
        num_objects=objects,
        still=0.15,
        sequences=0.15 if objects[1] < 3 else 0.05,
        settings=0.3,
        moving_camera=0.15,
        groups=0.15,
    )
    return sample_scene(seed, config=config)


def subtle_scene(seed: int) -> Scene:
    """A scene of one object or two that mostly do what :data:`SUBTLE` lists."""
    from scenewright.world.layout import SamplerConfig, sample_scene

    rng = np.random.default_rng([seed, 0x5B71])
    config = SamplerConfig(
        num_objects=(1, 1) if rng.random() < 0.85 else (2, 2),
        motions=dict(SUBTLE),
        still=0.08,
        sequences=0.1,
        settings=0.2,
        moving_camera=0.08,
    )
    return sample_scene(seed, config=config)


#: What ``--mixture`` chooses from.
MIXTURES: dict[str, Callable[[int], Scene]] = {"all": reader_scene, "subtle": subtle_scene}


def render_scenes(scenes: Sequence[Scene], side: int = STORED_SIDE) -> tuple[np.ndarray, Labels]:
    """uint8 frames (L, T, side, side, 3) and their labels; one rendering serves for both."""
    from scenewright.world.physics import simulate
    from scenewright.world.render import render

    states = [simulate(scene, STORED_FRAMES, STORED_FRAMES / scene.seconds) for scene in scenes]
    renders = render(
        scenes, states, width=side, height=side, num_frames=STORED_FRAMES, outputs=("rgb", "masks")
    )
    frames, labels = [], []
    for scene, state, result in zip(scenes, states, renders, strict=True):
        assert result.rgb is not None
        assert result.masks is not None
        frames.append(result.rgb)
        labels.append(label(scene, state, result.masks))
    return np.stack(frames), Labels.stack(labels)


def write_shards(
    folder: Path, split: str, clips: int, *, mixture: str = "all", first: int = 0, shard_size: int = 128
) -> None:
    """Writes ``clips`` labelled clips of a split (rounded up to whole shards) and skips shards that exist.

    ``first``: the shard to begin with, so that several processes can share the work.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = split if mixture == "all" else f"{split}-{mixture}"
    for k in range(first, first + -(-clips // shard_size)):
        target = folder / f"{name}-{k:04d}"
        if target.exists():
            continue
        seed = SEED_OFFSETS[split] + k * shard_size
        frames, labels = [], []
        for start in range(seed, seed + shard_size, 16):
            part = render_scenes(
                [MIXTURES[mixture](s) for s in range(start, min(start + 16, seed + shard_size))]
            )
            frames.append(part[0])
            labels.append(part[1])
        partial = folder / f".{target.name}.{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        np.save(partial / "frames.npy", np.concatenate(frames))
        np.savez(partial / "labels.npz", **vars(Labels.stack(labels)))
        partial.rename(target)
        print(f"{target.name} written", flush=True)


class Shards:
    """All finished shards of a split, frames mapped into memory. Raises FileNotFoundError for none."""

    def __init__(self, folder: Path, split: str) -> None:
        found = sorted(folder.glob(f"{split}-*"))
        if not found:
            raise FileNotFoundError(f"no {split} shards in {folder}; write them first")
        self.frames = [np.load(shard / "frames.npy", mmap_mode="r") for shard in found]
        self.labels = Labels.stack([_load_labels(shard) for shard in found])
        self.place = [(f, i) for f, shard in enumerate(self.frames) for i in range(len(shard))]

    def __len__(self) -> int:
        return len(self.place)

    def batch(self, indices: Sequence[int]) -> tuple[np.ndarray, Labels]:
        """uint8 frames (B, T, S, S, 3) and labels of the chosen clips."""
        frames = np.stack([self.frames[f][i] for f, i in (self.place[index] for index in indices)])
        picked = np.asarray(indices)
        return frames, Labels(**{name: getattr(self.labels, name)[picked] for name in Labels.FIELDS})


def _load_labels(shard: Path) -> Labels:
    with np.load(shard / "labels.npz") as stored:
        return Labels(**{name: stored[name] for name in Labels.FIELDS})


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", choices=list(SEED_OFFSETS), default="train")
    parser.add_argument("--clips", type=int, required=True)
    parser.add_argument("--mixture", choices=list(MIXTURES), default="all")
    parser.add_argument("--first-shard", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    write_shards(
        options.folder, options.split, options.clips, mixture=options.mixture, first=options.first_shard
    )


if __name__ == "__main__":
    main()
