"""Which scenes and which words are kept from training, by construction.

Four splits, each a question about generalisation:

- ``train``: everything else.
- ``held_out_phrasings``: the same scenes, said in sentence forms that training text never has
  (:data:`~scenewright.world.grammar.HELD_OUT_TEMPLATES`, with at most one held-out synonym). It is a property
  of the text, so :func:`split_of` never returns it.
- ``held_out_combinations``: a colour on a shape, or a shape in a motion, that training scenes never show
  together although they show each by itself.
- ``held_out_counts``: a number of a shape that training scenes never show, although they show that number of
  other shapes and other numbers of that shape.

Pairs are chosen so that no colour loses more than one of the seven shapes, no shape more than two of the
twelve colours and one motion, no motion more than one shape.
"""

from __future__ import annotations

from typing import Literal, TypedDict, get_args

from scenewright.world.lexicon import held_out_synonyms, held_out_words, known_words, unknown_words
from scenewright.world.scene import Color, Description, MotionKind, Scene, Shape

Split = Literal["train", "held_out_phrasings", "held_out_combinations", "held_out_counts"]
SPLITS: tuple[Split, ...] = get_args(Split)

#: 8 of the 84 pairs.
HELD_OUT_COLOR_SHAPE: frozenset[tuple[Color, Shape]] = frozenset(
    {
        ("purple", "sphere"),
        ("pink", "cube"),
        ("brown", "cylinder"),
        ("cyan", "cone"),
        ("white", "torus"),
        ("orange", "pyramid"),
        ("green", "capsule"),
        ("black", "cone"),
    }
)
#: 7 of the 105 pairs.
HELD_OUT_SHAPE_MOTION: frozenset[tuple[Shape, MotionKind]] = frozenset(
    {
        ("cone", "jump"),
        ("pyramid", "spin"),
        ("capsule", "slide"),
        ("cube", "bounce"),
        ("torus", "grow"),
        ("cylinder", "fall"),
        ("sphere", "shrink"),
    }
)
#: Numbers of alike objects; ``None`` would stand for any shape.
HELD_OUT_COUNTS: frozenset[tuple[int, Shape | None]] = frozenset(
    {(2, "pyramid"), (3, "torus"), (4, "cube"), (4, "cone"), (5, "sphere"), (6, "capsule")}
)


class _Exclusions(TypedDict):
    excluded_color_shape: frozenset[tuple[Color, Shape]]
    excluded_shape_motion: frozenset[tuple[Shape, MotionKind]]
    excluded_counts: frozenset[tuple[int, Shape | None]]


#: What training scenes leave out, under the names that ``SamplerConfig`` has for it.
TRAIN_EXCLUDED: _Exclusions = {
    "excluded_color_shape": HELD_OUT_COLOR_SHAPE,
    "excluded_shape_motion": HELD_OUT_SHAPE_MOTION,
    "excluded_counts": HELD_OUT_COUNTS,
}

__all__ = [
    "HELD_OUT_COLOR_SHAPE",
    "HELD_OUT_COUNTS",
    "HELD_OUT_SHAPE_MOTION",
    "SPLITS",
    "TRAIN_EXCLUDED",
    "Split",
    "held_out_synonyms",
    "held_out_words",
    "is_train",
    "known_words",
    "split_of",
    "unknown_words",
]


def is_train(world: Scene | Description) -> bool:
    """Whether training may show or say ``world``: no held-out pair and no held-out count in it."""
    return split_of(world) == "train"


def split_of(world: Scene | Description) -> Split:
    """The split that a scene, or what a description says, belongs to. With a held-out pair and a held-out
    count in it, it is ``held_out_combinations``. What a description leaves open is not held against it."""
    if isinstance(world, Scene):
        from scenewright.world.describing import description_of

        world = description_of(world)
    entities = world.entities
    if any((entity.color, entity.shape) in HELD_OUT_COLOR_SHAPE for entity in entities):
        return "held_out_combinations"
    for event in world.events:
        movers = [event.subject]
        if event.kind == "swap" and event.target is not None:
            movers.append(event.target)
        if any((entities[i].shape, event.kind) in HELD_OUT_SHAPE_MOTION for i in movers):
            return "held_out_combinations"
    if any((e.count, e.shape) in HELD_OUT_COUNTS or (e.count, None) in HELD_OUT_COUNTS for e in entities):
        return "held_out_counts"
    return "train"
