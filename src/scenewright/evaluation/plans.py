"""Planned layouts, scored as clips are: fact by fact against the text, without making a clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scenewright.evaluation.exact import score
from scenewright.evaluation.metric import intervals
from scenewright.evaluation.reading import Reading, ReadMotion, ReadObject
from scenewright.evaluation.statistics import Interval
from scenewright.evaluation.suites import load_suite
from scenewright.generation.loading import load_pipeline
from scenewright.generation.planner import Planner
from scenewright.generation.text_embedding import TextEmbedder
from scenewright.layout import Layout
from scenewright.world.parser import parse

#: Texts that are planned together.
_TOGETHER = 16


def plans(
    planner: Planner,
    *,
    text_encoder: str | Path = "nano",
    prompts: int = 24,
    sections: tuple[str, ...] = ("single", "two-objects"),
) -> dict[str, Interval]:
    """Exact scores of the plans of the first ``prompts`` of each section of ``world-core``, named as those of
    :func:`.metric.world_core`. ``text_encoder``: the model whose text encoder the planner reads.

    What a clip of the plan can reach: what the plan has wrong, the clip has wrong.

    Raises:
        ValueError: the planner reads another text encoder.
    """
    embedder = TextEmbedder.of(load_pipeline(text_encoder))
    if embedder.hash != planner.text_encoder:
        raise ValueError(f"the planner does not read the text encoder of {text_encoder}")
    device = next(planner.network.parameters()).device
    asked = load_suite("world-core").select(tuple(sections), prompts).prompts
    answers = []
    for start in range(0, len(asked), _TOGETHER):
        part = asked[start : start + _TOGETHER]
        words, mask = embedder.embed_together([*(p.text for p in part), *[""] * len(part)])
        made = planner.plan(words.to(device), mask.to(device), [p.seed for p in part])
        answers += [score(parse(p.text).description, reading_of(x)) for p, x in zip(part, made, strict=True)]
    return intervals(asked, answers)


def reading_of(layout: Layout) -> Reading:
    """What a reader would see in a clip that shows the layout; of a thing's motions the first."""
    return Reading(tuple(_thing(layout, i) for i in range(len(layout))), layout.boxes.shape[1])


def _thing(layout: Layout, index: int) -> ReadObject:
    label: dict[str, Any] = dict(layout.labels[index])
    motions: tuple[ReadMotion, ...] = ()
    if label["motion"] != "none":
        direction = None if label["direction"] == "none" else label["direction"]
        motions = (ReadMotion(label["motion"], direction),)
    return ReadObject(
        **{name: label[name] for name in ("shape", "color", "size", "material")},
        boxes=layout.boxes[index],
        motions=motions,
        seen=(layout.depth[index] > 0).astype(np.float32),
        depth=layout.depth[index],
    )
