"""What benchmarks/actions.py trains on, and what can be told of its clips: people who do one of four things,
and shapes that move one of two ways."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import trials

#: People that no training sees; of both there are all four actions.
HELD_OUT_PEOPLE = ("2", "7")
#: Which motion the two folders of moving shapes show.
WAYS = {"0": ("up", "a shape moves up"), "1": ("left", "a shape moves to the left")}
#: Shapes of each way that are trained on, and that are held out.
SHAPES, HELD_OUT_SHAPES = 2000, 256
#: Pixels of real shapes, the fewest and the most; a made one may have half, or twice, as many.
PIXELS = (47, 196)
#: Pixels that a shape must come forward in a clip to count as moving that way.
FORWARD = 8.0


class FootageSet:
    """``folder``: where the clips are kept, as shards. ``FPS``: of the clips; ``CHANGES``: of the recipe, by
    family; ``SEEDS``: clips of each caption to judge by."""

    NAME: ClassVar[str]
    FPS: ClassVar[float]
    CHANGES: ClassVar[dict[str, tuple[str, ...]]] = {}
    SEEDS: ClassVar[int]

    def __init__(self, data: Path, folder: Path) -> None:
        self.data, self.folder = data, folder

    def make(self) -> None:
        """Write the shards that are not there."""
        raise NotImplementedError

    def actions_of(self, clips: Sequence[np.ndarray]) -> list[str]:
        """What happens in clips, uint8 (T, H, W, 3) each."""
        raise NotImplementedError

    def content(self, clip: np.ndarray) -> np.ndarray:
        """Numbers of what is seen, whatever it does."""
        raise NotImplementedError

    def motion(self, clip: np.ndarray) -> np.ndarray:
        """Numbers of what happens, whatever it looks like."""
        raise NotImplementedError

    def further(self, clips: Sequence[np.ndarray]) -> dict[str, Any]:
        """What else is told of clips of this kind."""
        return {}

    def shards(self, part: str) -> Any:
        """``train`` or ``held-out``."""
        from scenewright.data.shards import Shards

        return Shards(self.folder / part)

    def clips(self, part: str, most: int | None = None) -> tuple[list[np.ndarray], list[dict[str, Any]]]:
        """Frames and rows of a part, at most so many, evenly spaced."""
        shards = self.shards(part)
        count = len(shards) if most is None else min(most, len(shards))
        places = np.linspace(0, len(shards) - 1, count).round().astype(int)
        return [np.array(shards.frames(i)) for i in places], [shards.row(i) for i in places]

    @cache  # noqa: B019
    def captions(self, part: str) -> dict[str, str]:
        """The captions of a part, each with its action, in their order."""
        shards = self.shards(part)
        rows = [shards.row(i) for i in range(len(shards))]
        return {text: row["action"] for row in rows for text in row["captions"]}


class People(FootageSet):
    """Wave with one hand or two, jumping jacks, bending: the Weizmann data of Blank et al. 2005 as MoCoGAN's
    repository has it, every second frame."""

    NAME = "people"
    FPS = 12.5
    SEEDS = 16

    def make(self) -> None:
        from scenewright.data.footage import Windows, pack, read_index

        windows = Windows(width=64, height=64, num_frames=16, fps=self.FPS, stride=2)
        for part, chosen in (("train", "without"), ("held-out", "only")):
            index = read_index(self.data / "human-actions", windows, **{chosen: {"person": HELD_OUT_PEOPLE}})
            pack(index.footage, windows, self.folder / part, actions=index.actions)

    @cached_property
    def classifier(self) -> Any:
        """Knows the people of training alone."""
        from scenewright.evaluation.motion import ActionClassifier

        clips, rows = self.clips("train")
        return ActionClassifier.fit(clips, [row["action"] for row in rows])

    def actions_of(self, clips: Sequence[np.ndarray]) -> list[str]:
        found: list[str] = self.classifier(clips)
        return found

    def content(self, clip: np.ndarray) -> np.ndarray:
        """The mean of all frames, in 16x16 places: the wall, and who stands before it."""
        return clip.mean(0).reshape(16, 4, 16, 4, 3).mean((1, 3)).ravel()

    def motion(self, clip: np.ndarray) -> np.ndarray:
        from scenewright.evaluation.motion import energy_features

        return energy_features(clip)


class Shapes(FootageSet):
    """A circle or square of one colour on a curved way up or to the left: MoCoGAN's moving shapes, every
    second frame. Texts say the way alone, so that a network has to choose the rest, as one without texts."""

    NAME = "shapes"
    FPS = 8.0
    #: A real clip of the same text has another shape of another colour elsewhere: there is nothing to copy.
    CHANGES: ClassVar[dict[str, tuple[str, ...]]] = {"moco-gan": ("objective.reconstruction=0",)}
    SEEDS = 128

    def make(self) -> None:
        from scenewright.data.footage import Windows, pack

        windows = Windows(width=64, height=64, num_frames=16, fps=self.FPS)
        actions = sorted(action for action, _ in WAYS.values())
        strips = list(read_strips(self.data / "moving-shapes" / "shapes.tar"))
        parts = {"train": range(SHAPES), "held-out": range(SHAPES, SHAPES + HELD_OUT_SHAPES)}
        for part, places in parts.items():
            own = [strips[way][i] for i in places for way in range(len(WAYS))]
            pack(own, windows, self.folder / part, actions=actions)

    def actions_of(self, clips: Sequence[np.ndarray]) -> list[str]:
        from scenewright.evaluation.motion import shape_path

        found = []
        for clip in clips:
            path = shape_path(clip)
            left, up = path[0] - path[-1]
            found.append("none" if max(left, up) < FORWARD else "left" if left > up else "up")
        return found

    def content(self, clip: np.ndarray) -> np.ndarray:
        """The mean colour of the shape."""
        from scenewright.evaluation.motion import shape_colours

        return shape_colours(clip).mean(0)

    def motion(self, clip: np.ndarray) -> np.ndarray:
        from scenewright.evaluation.motion import shape_path

        return shape_path(clip).ravel()

    def further(self, clips: Sequence[np.ndarray]) -> dict[str, Any]:
        """``acd-N``, by thresholds of N of 255; ``shape``: the share of frames in which there is about as
        much to see as a shape, without which the former says nothing."""
        from scenewright.evaluation.motion import content_distance
        from scenewright.evaluation.motion.content import THRESHOLD

        found: dict[str, Any] = {}
        for threshold in (16, 32, 64):
            values = [content_distance(clip, threshold).value for clip in clips]
            found[f"acd-{threshold}"] = trials.mean(values)
        shown = [(clip.max(-1) >= THRESHOLD).sum((1, 2)) for clip in clips]
        fits = [((PIXELS[0] / 2 <= n) & (n <= 2 * PIXELS[1])).mean() for n in shown]
        found["shape"] = trials.mean(fits, shares=True)
        return found


SETS: dict[str, type[FootageSet]] = {each.NAME: each for each in (People, Shapes)}


def read_strips(file: Path) -> Iterator[list[Any]]:
    """The footage of each folder of :data:`WAYS`: PNG files in a tar file, the square frames of a clip beside
    each other; every second one of them."""
    from scenewright.data.footage import Footage

    with tarfile.open(file) as archive:
        members = sorted((m for m in archive if m.isfile()), key=lambda member: member.name)
    for way, (action, caption) in WAYS.items():
        yield [
            Footage(m.name, (caption,), _strip(file, m).shape[0], partial(_strip, file, m), action, m.size)
            for m in members
            if m.name.split("/")[-2] == way
        ]


def _strip(file: Path, member: tarfile.TarInfo) -> np.ndarray:
    """uint8 (T, H, H, 3)."""
    from PIL import Image

    with file.open("rb") as stream:
        stream.seek(member.offset_data)
        picture = np.asarray(Image.open(io.BytesIO(stream.read(member.size))).convert("RGB"))
    side = picture.shape[0]
    return picture.reshape(side, -1, side, 3).swapaxes(0, 1)[::2]
