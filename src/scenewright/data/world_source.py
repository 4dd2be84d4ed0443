"""The procedural world as a source of captioned clips, live or rendered to shards beforehand.

Clip ``i`` of a source depends only on (seed, i): any process can make any clip.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from pydantic import Field

from scenewright.clip import Clip
from scenewright.config import Config, fingerprint
from scenewright.data.shards import ShardsInfo, ShardWriter
from scenewright.media import encode
from scenewright.media.atomic import atomic
from scenewright.media.mel import mel_frames
from scenewright.seeds import keyed_seed
from scenewright.world.grammar import partial, write
from scenewright.world.layout import SamplerConfig, description_of, sample_scene
from scenewright.world.scene import ACTIONS, CameraMove, Description, Scene
from scenewright.world.splits import TRAIN_EXCLUDED

J = TypeVar("J")

#: Samples a second of the sound that networks learn from: as many as their highest band needs.
SOUND_RATE = 16_000


class WorldSource(Config):
    """Which scenes, how large and how long.

    ``sampler`` sets the difficulty. ``split``: "train" never shows the combinations and counts that
    :mod:`scenewright.world.splits` holds out, "all" may show anything.
    """

    sampler: SamplerConfig = SamplerConfig()
    split: Literal["train", "all"] = "train"
    seed: int = 0
    width: int = Field(default=128, ge=1)
    height: int = Field(default=128, ge=1)
    num_frames: int = Field(default=16, ge=1)
    fps: float = Field(default=8.0, gt=0)

    @cached_property
    def _sampler(self) -> SamplerConfig:
        return self.sampler.model_copy(update=dict(TRAIN_EXCLUDED)) if self.split == "train" else self.sampler

    def scene(self, index: int) -> Scene:
        return sample_scene(keyed_seed(self.seed, "scene", index), config=self._sampler)

    def render(self, scenes: Sequence[Scene]) -> np.ndarray:
        """uint8 (N, T, H, W, 3)."""
        from scenewright.world.render import render

        renders = render(
            scenes, width=self.width, height=self.height, num_frames=self.num_frames, fps=self.fps
        )
        return np.stack([r.rgb for r in renders if r.rgb is not None])

    def things(self, scenes: Sequence[Scene]) -> np.ndarray:
        """bool (N, T, H, W): the pixels at whose centre a thing is seen."""
        from scenewright.world.render import render

        renders = render(
            scenes,
            width=self.width,
            height=self.height,
            num_frames=self.num_frames,
            fps=self.fps,
            outputs=("masks",),
        )
        return np.stack([r.masks > 0 for r in renders if r.masks is not None])

    def sound(self, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
        """What is heard of a scene: float32 (T, :data:`scenewright.media.mel.FEATURES`), and its events,
        float32 (T, K, :data:`scenewright.world.hearing.COLUMNS`)."""
        from scenewright.world.hearing import event_table, heard
        from scenewright.world.physics import simulate
        from scenewright.world.sound import synthesise

        states = simulate(scene, self.num_frames, self.fps)
        waveform = synthesise(scene, states, rate=SOUND_RATE)
        events = event_table(heard(scene, states), self.num_frames, self.fps)
        return mel_frames(waveform, self.num_frames, self.fps), events


def action(scene: Scene) -> int:
    """The index in :data:`.scene.ACTIONS` of what happens first in a scene."""
    if not scene.motions:
        return 0
    first = min(scene.motions, key=lambda motion: motion.start)
    return ACTIONS.index(f"{first.kind} {first.direction}" if first.direction else first.kind)


#: What a scene has when nothing special is chosen; people rarely say it, and so do the captions.
_USUAL = {"camera": CameraMove(), "ground": "plain", "sky": "clear", "time": "noon"}
_SAY_USUAL = 0.12


def caption(scene: Scene, seed: int) -> str:
    """One of the many ways to say a scene in the training phrasings; most leave something out."""
    return say(description_of(scene), seed)


def say(description: Description, seed: int) -> str:
    """:func:`caption` of a full description."""
    rng = random.Random(seed)
    unsaid = {
        name: None
        for name, usual in _USUAL.items()
        if getattr(description, name) == usual and rng.random() >= _SAY_USUAL
    }
    said = description.model_copy(update=unsaid)
    return write(partial(said, seed, keep_color=0.92, keep_direction=0.96, keep_setting=0.8), seed)


def render_shards(
    source: WorldSource,
    folder: Path,
    clips: int,
    *,
    shard_size: int = 64,
    workers: int = 1,
    frames: bool = True,
    on_done: Callable[[int], None] | None = None,
) -> None:
    """Write ``clips`` clips and their scenes; goes on where an earlier run of the same source stopped.

    ``frames`` False leaves the clips out: the scenes alone. ``on_done`` is told the number of clips of each
    finished shard.
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
    missing = writer.missing(frames)
    if on_done:
        on_done(clips - sum(info.count(shard) for shard in missing))
    _run(_render_shard, [(source, writer, shard, frames) for shard in missing], workers, on_done)


def render_videos(
    source: WorldSource,
    folder: Path,
    clips: int,
    *,
    workers: int = 1,
    on_done: Callable[[int], None] | None = None,
) -> None:
    """Write ``clips`` MP4 files with sound, and ``index.jsonl``: file, caption, scene. Resumes as shards do.

    Raises:
        ValueError: the folder holds the clips of another source.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "source.json"
    content = source.model_dump_json(indent=2) + "\n"
    if manifest.exists() and manifest.read_text("utf-8") != content:
        raise ValueError(f"{folder} holds clips of other settings; choose another folder or delete it")
    manifest.write_text(content, "utf-8")
    missing = [i for i in range(clips) if not (folder / _video_name(i)).exists()]
    if on_done:
        on_done(clips - len(missing))
    _run(_render_video, [(source, folder, i) for i in missing], workers, on_done)
    with atomic(folder / "index.jsonl") as part, part.open("w", encoding="utf-8") as file:
        for i in range(clips):
            scene = source.scene(i)
            row = {
                "file": _video_name(i),
                "caption": caption(scene, keyed_seed(source.seed, "caption", i)),
                "scene": scene.model_dump(mode="json"),
            }
            file.write(json.dumps(row, separators=(",", ":")) + "\n")


def _run(
    work: Callable[[J], int], jobs: Sequence[J], workers: int, on_done: Callable[[int], None] | None
) -> None:
    if workers <= 1:
        for job in jobs:
            done = work(job)
            if on_done:
                on_done(done)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_one_thread) as pool:
        for done in pool.map(work, jobs):
            if on_done:
                on_done(done)


def _render_video(job: tuple[WorldSource, Path, int]) -> int:
    from scenewright.world.physics import simulate
    from scenewright.world.sound import synthesise

    source, folder, index = job
    scene = source.scene(index)
    clip = Clip(
        frames=source.render([scene])[0],
        fps=source.fps,
        audio=synthesise(scene, simulate(scene, source.num_frames, source.fps)),
    )
    encode(clip, folder / _video_name(index), metadata={"scene": scene.model_dump(mode="json")})
    return 1


def _video_name(index: int) -> str:
    return f"clip-{index:06d}.mp4"


def _render_shard(job: tuple[WorldSource, ShardWriter, int, bool]) -> int:
    source, writer, shard, rendered = job
    first = shard * writer.info.shard_size
    count = writer.info.count(shard)
    scenes = [source.scene(first + i) for i in range(count)]
    frames = source.render(scenes) if rendered else None
    writer.write(shard, frames, [json.loads(scene.model_dump_json()) for scene in scenes])
    return count


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
