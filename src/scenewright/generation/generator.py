"""What makes clips from prompts: the one interface that the command line, evaluation and servers know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from scenewright.clip import Clip, Prompt
from scenewright.config import Config

#: Called after each step of the work with (prompt index, step, steps).
Progress = Callable[[int, int, int], None]


class Generator(Protocol):
    """``settings``: how it samples, in the generator's own terms (:class:`.SamplingSettings` for most), None
    where there is nothing to choose. ``native_size``: (width, height)
    in pixels of what it makes best, ``most_frames`` its longest clip, None for any, at ``fps``."""

    @property
    def name(self) -> str: ...

    @property
    def settings(self) -> Config | None: ...

    @property
    def native_size(self) -> tuple[int, int]: ...

    @property
    def most_frames(self) -> int | None: ...

    @property
    def fps(self) -> float: ...

    @property
    def identity(self) -> str:
        """Changes whenever the clips of the same prompts could, but for the settings."""
        ...

    def recommended(self, *, fast: bool = False, changes: Mapping[str, Any] | None = None) -> Config | None:
        """Its makers' settings, or those for few steps, with some changed where ``changes`` has no None.
        ValueError: it has none, or they do not fit."""
        ...

    def check(self, prompts: Sequence[Prompt], settings: Any = None) -> None:
        """ValueError, in one line, for the first prompt that cannot be made with these settings."""
        ...

    def notes(self, prompt: Prompt) -> list[str]:
        """What the user should know about how this prompt will be met, one plain sentence each."""
        ...

    def generate(
        self,
        prompts: Sequence[Prompt],
        settings: Any = None,
        progress: Progress | None = None,
    ) -> list[Clip]:
        """One clip a prompt, which does not depend on what else is in the list."""
        ...
