"""Which pretrained network gives which measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from scenewright.evaluation.consistency import consistency_measures
from scenewright.evaluation.matching import matching_measures
from scenewright.evaluation.measures import Measure
from scenewright.evaluation.pretrained.agreement import clip_measures, nli_measures
from scenewright.evaluation.pretrained.detection import detector_measures

#: ``--with KIND=FOLDER``.
KINDS: Mapping[str, Callable[[Path], list[Measure]]] = {
    "clip": clip_measures,
    "nli": nli_measures,
    "detector": detector_measures,
    "frames": consistency_measures,
}
#: The kind that is no network for transformers but one of the zoo, and is told what else is asked for.
MATCHING = "matching"


def measures_with(choices: list[str], texts: Callable[[], Sequence[str]] = tuple) -> list[Measure]:
    """Measures of the networks that ``choices`` name, each ``KIND=FOLDER``. ``texts``: gives all prompts, for
    measures that compare each with the others.

    Raises:
        ValueError: an unknown kind, or a folder that holds no such network.
    """
    found: list[Measure] = []
    for choice in choices:
        kind, separator, folder = choice.partition("=")
        if not separator or kind not in (*KINDS, MATCHING):
            raise ValueError(
                f"--with {choice}: give KIND=FOLDER, with one of {', '.join((*KINDS, MATCHING))}"
            )
        if kind == MATCHING:
            found += matching_measures(folder, texts())
            continue
        if not Path(folder).is_dir():
            raise ValueError(f"--with {choice}: there is no folder {folder}")
        found += KINDS[kind](Path(folder).resolve())
    return found
