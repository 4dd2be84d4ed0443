"""The procedural world as a source of captioned clips, live or rendered to shards beforehand.

Clip ``i`` of a source depends only on (seed, i): any process can make any clip.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from scenewright.config import Config, fingerprint
from scenewright.seeds import keyed_seed
from scenewright.data.shards import ShardsInfo, ShardWriter
from scenewright.world.layout import SamplerConfig, description_of, sample_scene
from scenewright.world.grammar import partial, write
from scenewright.world.scene import Scene


class WorldSource(Config):
    """Which scenes, how large and how long. ``sampler`` sets the difficulty and what is held out."""

    sampler: SamplerConfig = SamplerConfig()
    seed: int = 0
    width: int = 128
    height: int = 128
    num_frames: int = 16
    fps: float = 8.0

    def scene(self, index: int) -> Scene:
        return sample_scene(keyed_seed(self.seed, "scene", index), config=self.sampler)

    def render(self, scenes: Sequence[Scene]) -> np.ndarray:
        """uint8 (N, T, H, W, 3)."""
        from scenewright.world.render import render

        renders = render(
            scenes, width=self.width, height=self.height, num_frames=self.num_frames, fps=self.fps
        )
        return np.stack([r.rgb for r in renders])


def caption(scene: Scene, seed: int) -> str:
    """One of the many ways to say a scene in the training phrasings; most leave something out."""
    return write(partial(description_of(scene), seed), seed)


def render_shards(
    source: WorldSource,
    folder: Path,
    clips: int,
    *,
    shard_size: int = 64,
    workers: int = 1,
    on_shard: Callable[[int], None] | None = None,
) -> None:
    """Write ``clips`` clips and their scenes; goes on where an earlier run of the same source stopped.

    ``on_shard`` is told the number of clips of each finished shard.
    """
    info = ShardsInfo(
        clips=clips,
        shard_size=shard_size,
        num_frames=source.num_frames,
        height=source.height,
        width=source.width,
        fps=source.fps,
        fingerprint=fingerprint(source),
    )
    writer = ShardWriter(folder, info)
    jobs = [(source, writer, shard) for shard in writer.missing()]
    if workers <= 1:
        for job in jobs:
            done = _render_shard(job)
            if on_shard:
                on_shard(done)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_one_thread) as pool:
        for done in pool.map(_render_shard, jobs):
            if on_shard:
                on_shard(done)


def _render_shard(job: tuple[WorldSource, ShardWriter, int]) -> int:
    source, writer, shard = job
    first = shard * writer.info.shard_size
    count = writer.info.count(shard)
    scenes = [source.scene(first + i) for i in range(count)]
    frames = source.render(scenes)
    writer.write(shard, frames, [json.loads(scene.model_dump_json()) for scene in scenes])
    return count


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
