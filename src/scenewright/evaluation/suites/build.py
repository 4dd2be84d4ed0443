"""Builds the suites of the world from its grammar and splits.

``python -m scenewright.evaluation.suites.build`` writes the YAML files anew. A file is what counts: prompts
stay as they are when the grammar grows, so that scores stay comparable; a changed suite takes a new name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from scenewright.evaluation.given import PLACES
from scenewright.evaluation.suites import HERE, Suite, SuitePrompt, save_suite
from scenewright.seeds import keyed_seed
from scenewright.world.grammar import write
from scenewright.world.layout import SamplerConfig, complete, sample_description
from scenewright.world.parser import parse
from scenewright.world.scene import (
    COLORS,
    MATERIALS,
    ROLLING_SHAPES,
    SHAPES,
    SIZES,
    Color,
    Description,
    Direction,
    Entity,
    Event,
    MotionKind,
    Shape,
)
from scenewright.world.splits import (
    HELD_OUT_COLOR_SHAPE,
    HELD_OUT_COUNTS,
    HELD_OUT_SHAPE_MOTION,
    TRAIN_EXCLUDED,
    is_train,
    unknown_words,
)

NAME = "world-core"
GIVEN = "world-given"
UNSEEN, PARAPHRASE, HARD = "world-unseen", "world-paraphrase", "world-hard"

#: How many prompts of the main section ask for each motion and direction: 96 in all.
SINGLE: dict[tuple[MotionKind, Direction | None], int] = {
    **{("roll", d): 4 for d in ("left", "right", "toward", "away")},
    **{("slide", d): 4 for d in ("left", "right", "toward", "away")},
    **{("bounce", d): 4 for d in (None, "left", "right")},
    **{("jump", d): 4 for d in (None, "left", "right")},
    **{("spin", d): 4 for d in ("clockwise", "counterclockwise")},
    ("fall", None): 8,
    ("grow", None): 6,
    ("shrink", None): 6,
    ("appear", None): 4,
    ("vanish", None): 4,
    ("shake", None): 4,
}
PAIRS, TRIPLES, COMBINATIONS, UNSEEN_WORDS = 32, 24, 32, 24
#: Phrasings of a description that are tried.
ATTEMPTS = 40


def build() -> Suite:
    """The suite, the same every time."""
    prompts = [
        *_say("single", _single(), held_out_phrasings=True),
        *_say("two-objects", _several(2, PAIRS), held_out_phrasings=True),
        *_say("three-objects", _several(3, TRIPLES), held_out_phrasings=True),
        *_say("combinations", _combinations()),
        *_say("unseen-words", _single(), held_out_synonyms=True)[:UNSEEN_WORDS],
    ]
    return Suite(NAME, tuple(prompts))


def build_given() -> Suite:
    """One object, and frames of its scene: a quarter of the motions with each choice of frames."""
    singles = _single()
    part = len(singles) // len(PLACES)
    prompts = []
    for number, places in enumerate(PLACES):
        said = _say(places, singles[number * part : (number + 1) * part], held_out_phrasings=True, name=GIVEN)
        prompts += [replace(prompt, given=places) for prompt in said]
    return Suite(GIVEN, tuple(prompts))


def _say(
    section: str,
    descriptions: Sequence[Description],
    *,
    held_out_phrasings: bool = False,
    held_out_synonyms: bool = False,
    name: str = NAME,
) -> list[SuitePrompt]:
    """One sentence a description. Only with ``held_out_synonyms`` has it words that training never says, and
    then at least one; descriptions that the language cannot say so are left out."""
    prompts: list[SuitePrompt] = []
    for i, description in enumerate(descriptions):
        for attempt in range(ATTEMPTS):
            seed = keyed_seed(name, section, i, attempt) % 2**31
            text = write(
                description,
                seed,
                held_out_phrasings=held_out_phrasings,
                held_out_synonyms=held_out_synonyms,
            )
            if bool(unknown_words(text)) == held_out_synonyms:
                complete(parse(text).description, seed)  # a prompt without a possible scene has no ceiling
                prompts.append(SuitePrompt(f"{section}-{len(prompts):03d}", section, text, seed))
                break
    return prompts


def build_unseen() -> Suite:
    """What training never shows: pairs of colour and shape or of shape and motion, and numbers of a shape."""
    prompts = [
        *_say("combinations", _combinations(UNSEEN, 64), name=UNSEEN),
        *_say("counts", _counts(24), name=UNSEEN),
    ]
    return Suite(UNSEEN, tuple(prompts))


def build_paraphrase() -> Suite:
    """What training never says: sentence forms, words, and both at once."""
    singles = _single(PARAPHRASE)
    prompts = [
        *_say("phrasings", singles[:48], held_out_phrasings=True, name=PARAPHRASE),
        *_say("words", singles, held_out_synonyms=True, name=PARAPHRASE)[:48],
        *_say("both", singles[::-1], held_out_phrasings=True, held_out_synonyms=True, name=PARAPHRASE)[:32],
    ]
    return Suite(PARAPHRASE, tuple(prompts))


def build_hard() -> Suite:
    """Four to six objects; things that pass behind others; two or three motions one after the other."""
    many = SamplerConfig(
        num_objects=(4, 6),
        max_moving=2,
        still=0.4,
        sequences=0.0,
        speeds=0.0,
        groups=0.5,
        relations=0.5,
        moving_camera=0.0,
        settings=0.0,
        **TRAIN_EXCLUDED,
    )
    hidden = many.model_copy(
        update={
            "num_objects": (2, 3),
            "groups": 0.0,
            "relations": 1.0,
            "relation_kinds": {"behind": 1.0, "in_front_of": 1.0},
        }
    )
    long = many.model_copy(
        update={"num_objects": (1, 2), "groups": 0.0, "relations": 0.0, "sequences": 1.0, "still": 0.0}
    )
    sequences = (d for d in _distinct(long, 96, HARD) if len({e.stage for e in d.events}) > 1)
    prompts = [
        *_say("many", list(_distinct(many, 32, HARD)), name=HARD),
        *_say("occlusion", list(_distinct(hidden, 32, HARD)), name=HARD),
        *_say("long", list(sequences)[:32], name=HARD),
    ]
    return Suite(HARD, tuple(prompts))


def _counts(count: int) -> list[Description]:
    """As many of a shape as training never shows, in one colour."""
    rng = np.random.default_rng(keyed_seed(UNSEEN, "counts"))
    groups = sorted((n, shape) for n, shape in HELD_OUT_COUNTS if shape is not None)
    out = []
    for i in range(count):
        number, shape = groups[i % len(groups)]
        colors = [c for c in COLORS if (c, shape) not in HELD_OUT_COLOR_SHAPE]
        color = colors[int(rng.integers(len(colors)))]
        out.append(Description(entities=(Entity(color=color, shape=shape, count=number),)))
    return out


def _single(name: str = NAME) -> list[Description]:
    """Colours, shapes and sizes as evenly spread over the motions as the held-out pairs allow."""
    rng = np.random.default_rng(keyed_seed(name, "single"))
    cells = [cell for cell, count in SINGLE.items() for _ in range(count)]
    cells.sort(key=lambda cell: (cell[0] != "roll", rng.random()))
    used: Counter[str] = Counter()
    chosen = {}
    for i, (kind, direction) in enumerate(cells):
        options = [
            (
                used[color] / len(SHAPES) + used[shape] / len(COLORS) + used[f"{shape} {kind}"],
                rng.random(),
                color,
                shape,
            )
            for color in COLORS
            for shape in SHAPES
            if kind != "roll" or shape in ROLLING_SHAPES
            if is_train(_one(color, shape, kind, direction))
        ]
        _, _, color, shape = min(options)
        used.update((color, shape, f"{shape} {kind}"))
        entity = Entity(
            color=color,
            shape=shape,
            size=SIZES[i // 2 % len(SIZES)] if i % 2 else None,
            material=MATERIALS[i // 4 % len(MATERIALS)] if i % 4 == 0 else None,
        )
        chosen[i] = Description(
            entities=(entity,), events=(Event(kind=kind, subject=0, direction=direction),)
        )
    return [chosen[i] for i in rng.permutation(len(chosen)).tolist()]


def _several(objects: int, count: int) -> list[Description]:
    """Different objects with relations and motions; only what the exact measure scores is said."""
    config = SamplerConfig(
        num_objects=(objects, objects),
        max_moving=2,
        still=0.35,
        sequences=0.0,
        speeds=0.0,
        groups=0.0,
        relations=0.7,
        moving_camera=0.0,
        settings=0.0,
        **TRAIN_EXCLUDED,
    )
    return list(_distinct(config, count))


def _distinct(config: SamplerConfig, count: int, name: str = NAME) -> Iterator[Description]:
    rng = np.random.default_rng(keyed_seed(name, "several", config.num_objects[0]))
    found = 0
    while found < count:
        drawn = sample_description(int(rng.integers(2**31)), config=config)
        looks = {(e.color, e.shape) for e in drawn.entities}
        if len(looks) < len(drawn.entities) or drawn.object_count < config.num_objects[0]:
            continue
        entities = tuple(
            Entity(color=e.color, shape=e.shape, size=e.size if rng.random() < 0.4 else None, count=e.count)
            for e in drawn.entities
        )
        description = Description(entities=entities, events=drawn.events, relations=drawn.relations)
        if not (description.events or description.relations):
            continue
        try:
            complete(description, 0)
        except ValueError:
            continue
        found += 1
        yield description


def _combinations(name: str = NAME, count: int = COMBINATIONS) -> list[Description]:
    """One object with a pair that training never shows."""
    rng = np.random.default_rng(keyed_seed(name, "combinations"))
    looks = sorted(HELD_OUT_COLOR_SHAPE)
    moves = sorted(HELD_OUT_SHAPE_MOTION)
    cells = [cell for cell in SINGLE if cell[0] != "roll"]
    out = []
    for i in range(count // 2):
        color, shape = looks[i % len(looks)]
        free = [c for c in cells if (shape, c[0]) not in HELD_OUT_SHAPE_MOTION]
        kind, direction = free[int(rng.integers(len(free)))]
        out.append(_one(color, shape, kind, direction))
        shape, kind = moves[i % len(moves)]
        colors = [c for c in COLORS if (c, shape) not in HELD_OUT_COLOR_SHAPE]
        directions = [d for k, d in SINGLE if k == kind]
        direction = directions[int(rng.integers(len(directions)))]
        out.append(_one(colors[int(rng.integers(len(colors)))], shape, kind, direction))
    return out


def _one(color: Color, shape: Shape, kind: MotionKind, direction: Direction | None) -> Description:
    return Description(
        entities=(Entity(color=color, shape=shape),),
        events=(Event(kind=kind, subject=0, direction=direction),),
    )


if __name__ == "__main__":
    for suite in (build(), build_given(), build_unseen(), build_paraphrase(), build_hard()):
        save_suite(suite, HERE / f"{suite.name}.yaml")
