"""What can be evaluated: a model, a folder of videos, or the world's own renders.

A system gives one clip a prompt and says by a key what it is, so that results are never mixed up.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from scenewright.clip import Clip, GivenFrame, Prompt
from scenewright.evaluation.given import frames_of
from scenewright.evaluation.suites import Suite, SuitePrompt
from scenewright.generation.names import ORACLE

if TYPE_CHECKING:
    from scenewright.generation.generator import Generator

#: The name that means the world itself.
WORLD = "world"


class System(Protocol):
    """``name`` for people, ``key`` changes whenever the clips could."""

    name: str
    key: str

    def given(self, prompts: Sequence[SuitePrompt], seed: int) -> list[tuple[GivenFrame, ...]]:
        """The frames that come with each prompt, at the size of the system's clips; mostly none."""
        ...

    def clips(
        self, prompts: Sequence[SuitePrompt], seed: int, given: Sequence[tuple[GivenFrame, ...]] = ()
    ) -> list[Clip]:
        """One clip for each prompt, in order; ``given``: what comes with each, empty for nothing."""
        ...


class WorldSystem:
    """Completes and renders each prompt: what a perfect model would make, and so the ceiling."""

    name = WORLD

    def __init__(self, width: int = 128, height: int = 128, num_frames: int = 16, fps: float = 8.0) -> None:
        from scenewright.generation.oracle import Oracle

        self._oracle = Oracle((width, height), num_frames, fps)
        self.key = f"{WORLD}:{self._oracle.identity}"

    def given(self, prompts: Sequence[SuitePrompt], seed: int) -> list[tuple[GivenFrame, ...]]:
        if not any(p.given for p in prompts):
            return [()] * len(prompts)
        return [frames_of(p, c) for p, c in zip(prompts, self.clips(prompts, seed), strict=True)]

    def clips(
        self, prompts: Sequence[SuitePrompt], seed: int, given: Sequence[tuple[GivenFrame, ...]] = ()
    ) -> list[Clip]:
        return self._oracle.generate([Prompt(text=p.text, seed=p.seed + seed) for p in prompts])


class ModelSystem:
    """A pipeline; ``untrained`` gives its network fresh random weights. ``settings``: how to sample, by
    default as the model's makers recommend; ``fast``: as they recommend for few steps.

    Raises:
        ValueError: ``fast`` for a model that has not learned to make videos in few steps.
    """

    def __init__(
        self, model: str | Path, *, untrained: bool = False, fast: bool = False, **settings: Any
    ) -> None:
        from scenewright.generation.loading import load_generator, untrained_generator

        self.pipeline: Generator = untrained_generator(model) if untrained else load_generator(model)
        self.name = self.pipeline.name
        self.settings = self.pipeline.recommended(fast=fast, changes=settings)
        identity = self.pipeline.identity + (self.settings.model_dump_json() if self.settings else "")
        self.key = f"{self.name}:{hashlib.sha256(identity.encode()).hexdigest()[:16]}"

    def given(self, prompts: Sequence[SuitePrompt], seed: int) -> list[tuple[GivenFrame, ...]]:
        pipeline = self.pipeline
        if pipeline.most_frames is None:
            raise ValueError(f"{self.name} takes no given frames; it makes videos of any length from text")
        world = WorldSystem(*pipeline.native_size, pipeline.most_frames, pipeline.fps)
        return world.given(prompts, seed)

    def clips(
        self, prompts: Sequence[SuitePrompt], seed: int, given: Sequence[tuple[GivenFrame, ...]] = ()
    ) -> list[Clip]:
        frames = given or [()] * len(prompts)
        return self.pipeline.generate(
            [
                Prompt(text=p.text, seed=p.seed + seed, given=shown)
                for p, shown in zip(prompts, frames, strict=True)
            ],
            self.settings,
        )


class _Videos:
    """Clips that are read from ``files``, by the prompts' ids."""

    files: dict[str, Path]

    def given(self, prompts: Sequence[SuitePrompt], seed: int) -> list[tuple[GivenFrame, ...]]:
        return [()] * len(prompts)

    def clips(
        self, prompts: Sequence[SuitePrompt], seed: int, given: Sequence[tuple[GivenFrame, ...]] = ()
    ) -> list[Clip]:
        from scenewright.media import decode

        return [decode(self.files[p.id], audio=False) for p in prompts]

    def _key(self, more: str = "") -> str:
        """Changes with ``more``, and with the names, sizes and times of the files that are there."""
        existing = [file for file in self.files.values() if file.is_file()]
        stamps = "".join(f"{f}{f.stat().st_size}{f.stat().st_mtime_ns}" for f in existing)
        return f"folder:{hashlib.sha256((more + stamps).encode()).hexdigest()[:16]}"


class FolderSystem(_Videos):
    """A folder of videos with ``index.jsonl``: one ``{"file": …, "prompt": …}`` a line, paths inside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name or str(folder)
        index = folder / "index.jsonl"
        if not index.is_file():
            raise ValueError(
                f'{folder} has no index.jsonl; write one line {{"file": …, "prompt": …}} a video'
            )
        self.files = {}
        prompts = []
        for number, line in enumerate(index.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                file, text = str(row["file"]), str(row["prompt"])
            except (json.JSONDecodeError, KeyError, TypeError):
                raise ValueError(f'{index}, line {number}: not an object with "file" and "prompt"') from None
            identifier = f"{number:05d}"
            self.files[identifier] = folder / file
            prompts.append(SuitePrompt(identifier, str(row.get("section", "folder")), text, 0))
        if not prompts:
            raise ValueError(f"{index} names no videos")
        self.prompts = tuple(prompts)
        self.key = self._key(index.read_text())

    def suite(self) -> Suite:
        """The folder's own prompts as a suite."""
        return Suite(self.name, self.prompts)


class PairedFolder(_Videos):
    """References for the videos of a folder: files of the same names in another."""

    def __init__(self, folder: Path, tested: FolderSystem) -> None:
        self.name = folder.name or str(folder)
        self.files = {name: folder / file.relative_to(tested.folder) for name, file in tested.files.items()}
        if not any(file.is_file() for file in self.files.values()):
            raise ValueError(f"{folder} has no file with the name of a video of {tested.folder}")
        self.key = self._key()

    def clips(
        self, prompts: Sequence[SuitePrompt], seed: int, given: Sequence[tuple[GivenFrame, ...]] = ()
    ) -> list[Clip]:
        for prompt in prompts:
            if not self.files[prompt.id].is_file():
                raise ValueError(f"there is no reference {self.files[prompt.id]}")
        return super().clips(prompts, seed, given)


def find_references(name: str, tested: System, size: tuple[int, int]) -> System:
    """What clips of ``tested`` should be the same as: ``world``, the renders of its prompts at ``size``, or,
    for a folder of videos, a folder with files of the same names.

    Raises:
        ValueError: it is neither.
    """
    if name == WORLD:
        return WorldSystem(*size)
    if not isinstance(tested, FolderSystem) or not Path(name).is_dir():
        raise ValueError(f"--reference {name}: give a folder with files of the names of the videos, or world")
    return PairedFolder(Path(name), tested)


def find_system(name: str, *, fast: bool = False, steps: int | None = None) -> System:
    """``world`` (or ``zoo/oracle``), a folder with an index of videos, or a model by name or folder.
    ``fast``, ``steps``: how a model samples, see :class:`ModelSystem`.

    Raises ValueError where it is none of them, or is no model and is to sample in some way.
    """
    if is_model(name):
        return ModelSystem(name, fast=fast, steps=steps)
    if fast or steps is not None:
        raise ValueError(f"{name} is no model; leave --fast and --steps out")
    return WorldSystem() if name in (WORLD, ORACLE) else FolderSystem(Path(name))


def is_model(name: str) -> bool:
    """Whether ``name`` is neither ``world`` nor a folder of videos."""
    path = Path(name)
    return name not in (WORLD, ORACLE) and not (path.is_dir() and not (path / "config.json").is_file())
