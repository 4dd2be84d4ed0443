"""Where the clips of a stream come from: rendered as they are asked for, or read from shards."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch

from scenewright.data.augmentation import AugmentConfig, augment
from scenewright.data.curriculum import scene_columns
from scenewright.data.encoded import Encoded
from scenewright.data.footage import caption_of
from scenewright.data.order import Columns
from scenewright.data.shards import Shards
from scenewright.data.world_source import action, caption
from scenewright.layout import Layout
from scenewright.seeds import keyed_seed
from scenewright.world.boxes import layout_of
from scenewright.world.scene import ACTIONS, Scene

if TYPE_CHECKING:
    from scenewright.data.streams import StreamConfig


#: Clips whose sounds a reader keeps, some 10 to 30 kB each.
_MOST_SOUNDS = 4096


class Item(NamedTuple):
    """One clip. ``frames``: uint8 (T, H, W, 3), T = 0 where its ``latents``, float16 (Z, t, h, w), do;
    ``words``: vectors of the caption's words, (S, E), where they come from a cache. ``changed``, ``refused``:
    whether augmentation changed it, and whether the caption forbade a change. ``layout``: where things are;
    ``things``: bool (T, H, W), the pixels that show them; ``action``: what happens; ``sound``,
    ``events``: what is heard, see :meth:`.world_source.WorldSource.sound`; where the stream tells."""

    frames: np.ndarray
    caption: str
    latents: np.ndarray | None = None
    words: torch.Tensor | None = None
    changed: bool = False
    refused: bool = False
    layout: Layout | None = None
    things: np.ndarray | None = None
    action: int | None = None
    sound: np.ndarray | None = None
    events: np.ndarray | None = None


class Reader(Protocol):
    """Makes clips. ``count``: how many there are, None where they never end. ``actions``: the names of what
    may happen in them, by their numbers."""

    count: int | None
    actions: tuple[str, ...]

    def read(self, samples: Sequence[int], clips: Sequence[int]) -> list[Item]:
        """``clips``, which ones; ``samples``: the how manieth of the stream each is, which decides its
        caption and its changes."""

    @property
    def columns(self) -> Columns:
        """What is known of every clip."""


class WorldReader:
    """Renders as it goes: every clip is new."""

    def __init__(self, config: StreamConfig) -> None:
        self.config = config
        self.count: int | None = None
        self.actions = ACTIONS

    def read(self, samples: Sequence[int], clips: Sequence[int]) -> list[Item]:
        scenes = [self.config.scene(i) for i in clips]
        if self.config.layouts == "instead":
            rendered: Sequence[np.ndarray] = [_no_frames(self.config)] * len(scenes)
        else:
            rendered = list(self.config.render(scenes))
        found = []
        for frames, scene, sample in zip(rendered, scenes, samples, strict=True):
            text = caption(scene, keyed_seed(self.config.seed, "caption", sample))
            item = _augmented(self.config, frames, text, sample)
            found.append(item._replace(layout=_layout(self.config, scene, text)))
        found = _with_facts(self.config, found, scenes)
        if "sound" not in self.config.facts:
            return found
        return [_with_sound(x, self.config.sound(scene)) for x, scene in zip(found, scenes, strict=True)]

    @property
    def columns(self) -> Columns:
        raise ValueError(
            "order needs clips that are there beforehand; make shards (scenewright world sample)"
        )


class ShardReader:
    """Reads finished shards of one or more folders.

    Raises:
        ValueError: their clips are of another size than the stream's, or it asks for what nobody knows of
            them.
    """

    def __init__(self, config: StreamConfig) -> None:
        self.config = config
        self.datasets = [Shards(folder) for folder in config.shards]
        for dataset in self.datasets:
            info = dataset.info
            if config.layouts != "instead" and not dataset.has_frames:
                raise ValueError(f"{dataset.folder} holds scenes without frames; make shards of them")
            found = (info.num_frames, info.height, info.width)
            if found != (config.num_frames, config.height, config.width):
                raise ValueError(
                    f"{dataset.folder} holds clips of (frames, height, width) {found}; the recipe asks for "
                    f"{(config.num_frames, config.height, config.width)}"
                )
        self.actions = self._actions()
        pairs = zip(config.latents, self.datasets, strict=False)
        self.latents = [Encoded(folder, dataset, "latents") for folder, dataset in pairs]
        pairs = zip(config.texts, self.datasets, strict=False)
        self.texts = [Encoded(folder, dataset, "texts") for folder, dataset in pairs]
        self.ends = np.cumsum([len(dataset) for dataset in self.datasets])
        self.count: int | None = int(self.ends[-1])
        self._sounds: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def read(self, samples: Sequence[int], clips: Sequence[int]) -> list[Item]:
        items = [self._item(sample, clip) for sample, clip in zip(samples, clips, strict=True)]
        if not self.config.facts:
            return items
        if self._footage:
            numbers = [self.actions.index(self._row(clip)["action"]) for clip in clips]
            return [item._replace(action=n) for item, n in zip(items, numbers, strict=True)]
        items = _with_facts(self.config, items, [self._scene(clip) for clip in clips])
        if "sound" not in self.config.facts:
            return items
        return [_with_sound(item, self._sound(clip)) for item, clip in zip(items, clips, strict=True)]

    def _sound(self, clip: int) -> tuple[np.ndarray, np.ndarray]:
        """Of scenes that come again and again, kept: making a sound takes longer than reading frames."""
        if clip not in self._sounds:
            if len(self._sounds) >= _MOST_SOUNDS:
                self._sounds.pop(next(iter(self._sounds)))
            self._sounds[clip] = self.config.sound(self._scene(clip))
        return self._sounds[clip]

    @property
    def _footage(self) -> bool:
        return self.datasets[0].info.holds == "footage"

    def _actions(self) -> tuple[str, ...]:
        """The names of what happens. ValueError where the datasets do not go together, or nothing is known of
        what the stream asks for."""
        infos = [dataset.info for dataset in self.datasets]
        if len({(info.holds, info.actions) for info in infos}) > 1:
            folders = ", ".join(str(folder) for folder in self.config.shards)
            raise ValueError(f"{folders} hold clips of other kinds or actions; put them into a mixture")
        if not self._footage:
            return ACTIONS
        folder = self.datasets[0].folder
        if unlike := next((d for d in self.datasets if d.info.fps != self.config.fps), None):
            raise ValueError(
                f"{unlike.folder} holds clips of {unlike.info.fps:g} frames a second; set data.fps to that"
            )
        if self.config.layouts != "none" or {"things", "sound"} & set(self.config.facts):
            raise ValueError(
                f"{folder} holds footage; where its things are and what they sound like, nobody knows"
            )
        if "actions" in self.config.facts:
            rows = (dataset.row(i) for dataset in self.datasets for i in range(len(dataset)))
            if unnamed := next((row["file"] for row in rows if "action" not in row), None):
                raise ValueError(f"{folder} does not say the action of {unnamed}; leave out data.facts")
        return infos[0].actions

    def _row(self, clip: int) -> dict[str, Any]:
        which, index = self._place(clip)
        return self.datasets[which].row(index)

    def _scene(self, clip: int) -> Scene:
        return Scene.model_validate(self._row(clip))

    def _place(self, clip: int) -> tuple[int, int]:
        """Which folder a clip is in, and its number there."""
        which = int(np.searchsorted(self.ends, clip, side="right"))
        return which, int(clip - (self.ends[which - 1] if which else 0))

    @cached_property
    def columns(self) -> Columns:
        if self._footage:
            return {"action": np.array([self._row(i).get("action", "") for i in range(self.ends[-1])])}
        scenes = [self._scene(i) for i in range(self.ends[-1])]
        first = [scene.objects[0] for scene in scenes]
        kinds = [scene.motions[0].kind if scene.motions else "still" for scene in scenes]
        words = {"shape": [o.shape for o in first], "color": [o.color for o in first], "motion": kinds}
        return scene_columns(scenes) | {name: np.array(values) for name, values in words.items()}

    def _item(self, sample: int, clip: int) -> Item:
        which, index = self._place(clip)
        dataset = self.datasets[which]
        latents = self.latents[which].values(index) if self.latents else None
        if self.config.layouts != "instead" and (latents is None or self.config.frames_too):
            frames = dataset.frames(index)
        else:
            frames = _no_frames(self.config)
        key = keyed_seed(self.config.seed, "caption", sample)
        if self.texts:
            texts = self.texts[which]
            chosen = key % texts.info.shape[0]
            text, length = texts.notes(index)[chosen]
            words = torch.from_numpy(texts.values(index)[chosen, :length].copy())
            item = Item(frames, text, latents, words)
            if self.config.layouts == "none":
                return item
            return item._replace(layout=_layout(self.config, self._scene(clip), text))
        text = caption_of(dataset, index, key)
        item = Item(frames, text, latents) if self.latents else _augmented(self.config, frames, text, sample)
        if self.config.layouts == "none":
            return item
        return item._replace(layout=_layout(self.config, self._scene(clip), text))


def _layout(config: StreamConfig, scene: Scene, text: str) -> Layout | None:
    if config.layouts == "none":
        return None
    return layout_of(
        scene,
        width=config.width,
        height=config.height,
        num_frames=config.num_frames,
        fps=config.fps,
        text=text,
    )


def _with_facts(config: StreamConfig, items: list[Item], scenes: Sequence[Scene]) -> list[Item]:
    if "actions" in config.facts:
        items = [x._replace(action=action(scene)) for x, scene in zip(items, scenes, strict=True)]
    if "things" in config.facts:
        items = [x._replace(things=m) for x, m in zip(items, config.things(scenes), strict=True)]
    return items


def _with_sound(item: Item, sound: tuple[np.ndarray, np.ndarray]) -> Item:
    return item._replace(sound=sound[0], events=sound[1])


def _no_frames(config: StreamConfig) -> np.ndarray:
    return np.empty((0, config.height, config.width, 3), np.uint8)


def _augmented(config: StreamConfig, frames: np.ndarray, text: str, sample: int) -> Item:
    if config.augment == AugmentConfig():
        return Item(frames, text)
    found = augment(frames, text, config.augment, keyed_seed(config.seed, "augment", sample))
    return Item(found.frames, found.caption, changed=bool(found.applied), refused=bool(found.refused))
