"""The oracle: a sentence becomes a scene graph, the scene graph a scene, and the scene is rendered.

Nothing in it is learned. It makes what a perfect model of the procedural world would make, at any size and
length, and so is the ceiling of every comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scenewright.clip import Clip, Prompt
from scenewright.generation.generator import Progress
from scenewright.generation.requests import check_nothing_to_sample, check_text_alone
from scenewright.generation.resizing import wanted_size
from scenewright.generation.settings import SamplingSettings
from scenewright.world.layout import complete
from scenewright.world.parser import parse
from scenewright.world.render import render
from scenewright.world.scene import Scene
from scenewright.world.version import world_version


class Oracle:
    """A :class:`~scenewright.generation.generator.Generator` that parses and renders. ``size``: (width,
    height), and ``num_frames`` at ``fps``, of clips whose prompts leave them open."""

    name = "oracle"
    settings: SamplingSettings | None = None

    def __init__(self, size: tuple[int, int] = (128, 128), num_frames: int = 16, fps: float = 8.0) -> None:
        self._size, self._num_frames, self._fps = size, num_frames, fps

    @property
    def native_size(self) -> tuple[int, int]:
        return self._size

    @property
    def most_frames(self) -> int | None:
        return None

    @property
    def fps(self) -> float:
        return self._fps

    @property
    def identity(self) -> str:
        width, height = self._size
        return f"{world_version()}:{width}x{height}:{self._num_frames}@{self._fps:g}"

    def recommended(
        self, *, fast: bool = False, changes: Mapping[str, Any] | None = None
    ) -> SamplingSettings | None:
        check_nothing_to_sample(self.name, fast, changes)
        return None

    def check(self, prompts: Sequence[Prompt], settings: SamplingSettings | None = None) -> None:
        for prompt in prompts:
            self._scene(prompt)

    def notes(self, prompt: Prompt) -> list[str]:
        return []

    def generate(
        self,
        prompts: Sequence[Prompt],
        settings: SamplingSettings | None = None,
        progress: Progress | None = None,
    ) -> list[Clip]:
        """One clip a prompt. Raises ``ValueError`` for a text in which the world's grammar finds no scene."""
        scenes = [self._scene(prompt) for prompt in prompts]
        groups: dict[tuple[tuple[int, int], int, float], list[int]] = {}
        for index, prompt in enumerate(prompts):
            groups.setdefault(self._format(prompt), []).append(index)
        clips: dict[int, Clip] = {}
        for ((width, height), frames, fps), members in groups.items():
            chosen = [scenes[index] for index in members]
            renders = render(chosen, width=width, height=height, num_frames=frames, fps=fps)
            for index, rendered in zip(members, renders, strict=True):
                assert rendered.rgb is not None
                prompt = prompts[index]
                clips[index] = Clip(rendered.rgb, fps, caption=prompt.text, metadata=self._facts(prompt))
                if progress is not None:
                    progress(index, 1, 1)
        return [clips[index] for index in range(len(prompts))]

    def _format(self, prompt: Prompt) -> tuple[tuple[int, int], int, float]:
        """Size, number of frames and frame rate."""
        return wanted_size(prompt, self._size), prompt.num_frames or self._num_frames, prompt.fps or self._fps

    def _scene(self, prompt: Prompt) -> Scene:
        """ValueError where there is none, or the prompt has more than a text."""
        check_text_alone(self.name, prompt)
        _, frames, fps = self._format(prompt)
        return complete(parse(prompt.text).description, prompt.seed, seconds=frames / fps)

    def _facts(self, prompt: Prompt) -> dict[str, Any]:
        """What a file must say to be made again."""
        return {"prompt": prompt.text, "seed": prompt.seed, "model": self.name, "world": world_version()}
