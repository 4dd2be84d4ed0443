"""Features of reference videos, and the scores of a set against them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scenewright.clip import Clip
from scenewright.evaluation.distribution.features import Features
from scenewright.evaluation.distribution.frechet import Moments
from scenewright.evaluation.distribution.sets import SetMeasure, SetScore, score_set
from scenewright.evaluation.report import Outcome
from scenewright.media.atomic import atomic


@dataclass(frozen=True)
class Videos:
    """A set of videos, one after the other. ``key`` changes whenever they could."""

    name: str
    key: str
    count: int
    clips: Callable[[], Iterator[Clip]]


def videos_of(name: str) -> Videos:
    """All videos in a folder and the folders in it, or of a dataset ``LAYOUT:FOLDER``.

    Raises:
        ValueError: there is no such folder, or no video in it.
    """
    from scenewright.evaluation.suites.layouts import VIDEO_ENDINGS, is_layout, read_layout
    from scenewright.media import decode

    if is_layout(name):
        items = read_layout(name)
        return Videos(
            name,
            _key([(item.file, item.start, item.end) for item in items]),
            len(items),
            lambda: (item.clip() for item in items),
        )
    folder = Path(name)
    if not folder.is_dir():
        raise ValueError(f"--reference {folder}: give a folder with videos, or world")
    files = sorted(f for f in folder.rglob("*") if f.suffix.lower() in VIDEO_ENDINGS and f.is_file())
    if not files:
        raise ValueError(f"{folder} holds no videos ({', '.join(VIDEO_ENDINGS)})")
    key = _key([(file, None, None) for file in files])
    return Videos(
        folder.name or str(folder), key, len(files), lambda: (decode(file, audio=False) for file in files)
    )


def _key(parts: Sequence[tuple[Path, float | None, float | None]]) -> str:
    stamps = [[str(f), f.stat().st_size, f.stat().st_mtime_ns, start, end] for f, start, end in parts]
    return f"videos:{hashlib.sha256(json.dumps(stamps).encode()).hexdigest()[:16]}"


def features_of(
    videos: Videos, network: Features, cache: Path, progress: Callable[[int, int], None] | None = None
) -> np.ndarray:
    """float64 (N, D); computed once for a set and a network, and kept in ``cache``. ValueError, with the set
    and the place of the video in it, where the network cannot take one."""
    convention = json.dumps(dict(network.convention), sort_keys=True)
    name = hashlib.sha256(f"{videos.key}{convention}".encode()).hexdigest()[:24]
    file = cache / f"features-{name}.npy"
    if file.is_file():
        return np.load(file)
    found = []
    for done, clip in enumerate(videos.clips(), 1):
        try:
            found.append(network(clip))
        except ValueError as error:
            raise ValueError(f"{videos.name}, video {done} of {videos.count}: {error}") from None
        if progress:
            progress(done, videos.count)
    features = np.stack(found)
    cache.mkdir(parents=True, exist_ok=True)
    with atomic(file) as partial:
        np.save(partial, features)
    return features


def score_sets(
    measures: Sequence[SetMeasure],
    outcomes: Sequence[Outcome],
    reference: np.ndarray | Moments,
    network: Features,
    *,
    same: np.ndarray | None = None,
    on_error: Callable[[str], None],
) -> list[SetScore]:
    """All ``measures`` of the features that ``outcomes`` hold. Those that cannot be computed are left out,
    and ``on_error`` is told why."""
    test = np.array([outcome.features for outcome in outcomes])
    prompts = [outcome.id for outcome in outcomes]
    logits = network.logits(test)
    found = []
    for measure in measures:
        pair: tuple[np.ndarray | Moments, np.ndarray] = (reference, test)
        if measure.classes:
            if logits is None:
                on_error(f"{measure.name} left out: the feature network gives no classes")
                continue
            known = None if isinstance(reference, Moments) else network.logits(reference)
            pair = (logits[:0] if known is None else known, logits)
        more = network.logits(same) if measure.classes and same is not None else same
        try:
            found.append(score_set(measure, *pair, prompts, same=more))
        except ValueError as error:
            on_error(f"{measure.name} left out: {error}")
    return found
