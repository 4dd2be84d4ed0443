"""How a network of the zoo that matches clips and texts finds a clip's own text among others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

import torch

from scenewright.evaluation.measures import Measure, Sample
from scenewright.evaluation.semantics import entails
from scenewright.generation.loading import find_model
from scenewright.generation.matching import Agreement, load_agreement
from scenewright.generation.rivals import far_rivals, near_rivals
from scenewright.world.scene import Description

#: Other prompts that a clip's own is compared with, at most, as for the R-precision of Xu et al. (2018).
OTHERS = 99


def matching_measures(model: str, texts: Sequence[str]) -> list[Measure]:
    """Measures by a network that matches clips and texts: a folder, or a name such as ``zoo/damsm``.

    - ``r-precision``: whether the network gives a clip's own text the highest score of it and up to 99 other
      prompts (Xu et al. 2018); those that may be true of the same clip are left out.
    - ``match-margin``: by how much its own text's score, a logit, is above the mean of those others'.
    - ``one-fact-precision``: of texts in which one fact of its own is another (shape, colour, size, motion or
      direction), the share with a lower score. NaN for texts that name nothing of the procedural world.

    ``texts``: the prompts that a clip's own is compared with. Where there are no others, the first two are
    NaN.

    Raises:
        ValueError: there is no such network.
    """
    folder = find_model(model).resolve()
    agreement = _loaded(folder)
    pool = tuple(sorted(set(texts)))
    prompts = hashlib.sha256("\n".join(pool).encode()).hexdigest()[:16]
    network = {"network": agreement.digest[:16]}
    among = {**network, "others": prompts, "most": OTHERS}
    return [
        Measure(
            "r-precision", "semantics", "higher", partial(_first, folder=folder, pool=pool), among, rate=True
        ),
        Measure("match-margin", "semantics", "higher", partial(_margin, folder=folder, pool=pool), among),
        Measure(
            "one-fact-precision", "semantics", "higher", partial(_near, folder=folder), network, rate=True
        ),
    ]


def _first(sample: Sample, folder: Path, pool: tuple[str, ...]) -> float:
    own, others = _scores(sample, folder, _others(sample.text, pool))
    return float((own > others).all()) if len(others) else float("nan")


def _margin(sample: Sample, folder: Path, pool: tuple[str, ...]) -> float:
    own, others = _scores(sample, folder, _others(sample.text, pool))
    return float(own - others.mean())


def _near(sample: Sample, folder: Path) -> float:
    own, others = _scores(sample, folder, tuple(near_rivals(sample.text)))
    return float((own > others).float().mean())


def _scores(sample: Sample, folder: Path, others: tuple[str, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of the clip's own text, and of the others."""
    scores = _loaded(folder).scores([sample.frames], [sample.text, *others])[0]
    return scores[0], scores[1:]


@lru_cache(maxsize=512)
def _others(text: str, pool: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(far_rivals(text, pool, OTHERS, _compatible))


def _compatible(one: Description, other: Description) -> bool:
    """Whether one follows from the other, so that a clip may well show both."""
    return "entailed" in (entails(one, other), entails(other, one))


@lru_cache(maxsize=2)
def _loaded(folder: Path) -> Agreement:
    return load_agreement(folder)
