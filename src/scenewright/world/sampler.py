"""Random scenes for training and testing, from one object at rest to many in motion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from scenewright.world.completion import MATERIAL_WEIGHTS, complete
from scenewright.world.expansion import pick
from scenewright.world.scene import (
    CAMERA_DIRECTIONS,
    CAMERA_KINDS,
    COLORS,
    DIRECTIONS,
    GROUNDS,
    MAX_OBJECTS,
    MOTION_DIRECTIONS,
    ROLLING_SHAPES,
    SHAPES,
    SIZES,
    SKIES,
    TARGETED_MOTIONS,
    TIMES_OF_DAY,
    CameraKind,
    CameraMove,
    Color,
    Description,
    Direction,
    Entity,
    Event,
    Material,
    MotionKind,
    Relation,
    RelationKind,
    Scene,
    Shape,
    Size,
    Speed,
)
from scenewright.world.shapes import FLAT_TOPPED, PATTERNED, ROUND

T = TypeVar("T")

_MOTION_WEIGHTS: dict[MotionKind, float] = {
    "roll": 2.0,
    "slide": 1.6,
    "bounce": 1.4,
    "fall": 1.2,
    "jump": 1.2,
    "spin": 1.2,
    "orbit": 0.8,
    "grow": 1.0,
    "shrink": 1.0,
    "appear": 0.7,
    "vanish": 0.7,
    "follow": 0.6,
    "collide": 0.8,
    "swap": 0.6,
    "shake": 0.9,
}
_RELATION_WEIGHTS: dict[RelationKind, float] = {
    "left_of": 1.5,
    "right_of": 1.5,
    "in_front_of": 1.2,
    "behind": 1.2,
    "on_top_of": 1.0,
    "between": 0.6,
    "near": 0.6,
}
#: What an object can do on top of another.
_STAYS_ON_TOP: frozenset[MotionKind] = frozenset(
    {"spin", "grow", "shrink", "jump", "bounce", "shake", "fall"}
)
_CARRIES: frozenset[MotionKind] = frozenset({"slide", "spin", "shake"})
_IN_PLACE: frozenset[MotionKind] = frozenset(
    {"bounce", "fall", "jump", "spin", "grow", "shrink", "appear", "vanish", "shake"}
)
#: What the target of a motion can do meanwhile.
_TARGETS_MAY: dict[MotionKind, frozenset[MotionKind]] = {
    "orbit": frozenset({"spin", "shake", "shrink", "bounce", "jump"}),
    "follow": frozenset({"roll", "slide"}),
    "collide": frozenset({"spin"}),
    "swap": frozenset({"spin"}),
}


class _Doing(NamedTuple):
    """A motion that an entity is to do. ``rooted``: it must not travel."""

    kind: MotionKind
    target: int | None
    rooted: bool


class SamplerConfig(BaseModel):
    """What :func:`sample_scene` draws from. Weights need not sum to one; a missing kind is never drawn.

    ``num_objects``: least and most objects. ``still``: probability that an object does nothing;
    ``max_moving``: at most so many entities move. ``sequences``: that a moving object does a second thing
    afterwards. ``speeds``: that a speed is slow or fast. ``relations``: that scenes with several objects have
    one or two. ``groups``: that several identical objects do the same. ``moving_camera`` and ``settings``
    (each of ground, sky and time of day): that they are not the plain ones. ``excluded_*``: combinations that
    never occur: (colour, shape), (shape, motion), and (count, shape), in which ``None`` stands for any shape.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_objects: tuple[int, int] = (1, 3)
    shapes: tuple[Shape, ...] = SHAPES
    colors: tuple[Color, ...] = COLORS
    sizes: tuple[Size, ...] = SIZES
    materials: dict[Material, float] = Field(default_factory=lambda: dict(MATERIAL_WEIGHTS))
    motions: dict[MotionKind, float] = Field(default_factory=lambda: dict(_MOTION_WEIGHTS))
    directions: tuple[Direction, ...] = DIRECTIONS
    cameras: dict[CameraKind, float] = Field(default_factory=lambda: dict.fromkeys(CAMERA_KINDS[1:], 1.0))
    relation_kinds: dict[RelationKind, float] = Field(default_factory=lambda: dict(_RELATION_WEIGHTS))
    still: float = Field(default=0.2, ge=0.0, le=1.0)
    max_moving: int = Field(default=MAX_OBJECTS, ge=0)
    sequences: float = Field(default=0.12, ge=0.0, le=1.0)
    speeds: float = Field(default=0.3, ge=0.0, le=1.0)
    relations: float = Field(default=0.6, ge=0.0, le=1.0)
    groups: float = Field(default=0.12, ge=0.0, le=1.0)
    moving_camera: float = Field(default=0.15, ge=0.0, le=1.0)
    settings: float = Field(default=0.3, ge=0.0, le=1.0)
    excluded_color_shape: frozenset[tuple[Color, Shape]] = frozenset()
    excluded_shape_motion: frozenset[tuple[Shape, MotionKind]] = frozenset()
    excluded_counts: frozenset[tuple[int, Shape | None]] = frozenset()
    seconds: float = Field(default=2.0, gt=0.0)


def sample_scene(seed: int, *, config: SamplerConfig | None = None) -> Scene:
    """A random scene, the same for the same seed and configuration. Raises ``ValueError`` where the
    configuration leaves nothing to draw.
    """
    config = config or SamplerConfig()
    for attempt in range(20):
        description = sample_description(seed, config=config, attempt=attempt)
        try:
            return complete(description, seed, seconds=config.seconds, attempts=1 + attempt // 4)
        except ValueError:
            if attempt == 19:
                raise
    raise AssertionError("unreachable")


def sample_description(seed: int, *, config: SamplerConfig | None = None, attempt: int = 0) -> Description:
    """A random description in which everything is said."""
    return _Sampling(config or SamplerConfig(), np.random.default_rng([seed, attempt, 0xD1CE])).description()


class _Sampling:
    def __init__(self, config: SamplerConfig, rng: np.random.Generator) -> None:
        least, most = config.num_objects
        if not 1 <= least <= most <= MAX_OBJECTS:
            raise ValueError(
                f"num_objects must be an increasing range within 1 to {MAX_OBJECTS}, not {least}, {most}"
            )
        self.config, self.rng = config, rng

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pick(self, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
        if not options:
            raise ValueError("the sampler's configuration leaves nothing to draw")
        return pick(self.rng, options, weights)

    def description(self) -> Description:
        counts = self._counts()
        relations = self._relations(counts)
        doings = self._doings(counts, relations)
        entities = self._entities(counts, doings, relations)
        events = self._events(entities, doings)
        config = self.config
        camera = CameraMove()
        if self.chance(config.moving_camera):
            kind = self.pick(list(config.cameras), list(config.cameras.values()))
            options = CAMERA_DIRECTIONS[kind]
            camera = CameraMove(kind=kind, direction=self.pick(options) if options else None)
        return Description(
            entities=entities,
            events=events,
            relations=relations,
            camera=camera,
            ground=self.pick(GROUNDS[1:]) if self.chance(config.settings) else "plain",
            sky=self.pick(SKIES[1:]) if self.chance(config.settings) else "clear",
            time=self.pick([t for t in TIMES_OF_DAY if t != "noon"])
            if self.chance(config.settings)
            else "noon",
        )

    def _counts(self) -> list[int]:
        """Objects of every entity."""
        least, most = self.config.num_objects
        total = int(self.rng.integers(least, most + 1))
        if total == 1 or not self.chance(self.config.groups):
            return [1] * total
        group = int(self.rng.integers(2, total + 1))
        if (group, None) in self.config.excluded_counts:
            return [1] * total
        counts = [group] + [1] * (total - group)
        self.rng.shuffle(counts)
        return counts

    def _relations(self, counts: list[int]) -> tuple[Relation, ...]:
        """Up to two relations that go together, of entities."""
        config, found = self.config, list[Relation]()
        if len(counts) < 2 or not config.relation_kinds or not self.chance(config.relations):
            return ()
        for _ in range(2 if len(counts) > 2 and self.chance(0.3) else 1):
            kind = self.pick(list(config.relation_kinds), list(config.relation_kinds.values()))
            single = kind in ("on_top_of", "between", "near")
            usable = [i for i, c in enumerate(counts) if c == 1 or not single]
            need = 3 if kind == "between" else 2
            if len(usable) < need:
                continue
            chosen = [int(i) for i in self.rng.permutation(usable)[:need]]
            pairs = {frozenset((r.subject, r.reference)) for r in found}
            if frozenset(chosen[:2]) in pairs or any(r.kind in ("on_top_of", "between") for r in found):
                continue
            if found and single:
                continue
            found.append(
                Relation(
                    kind=kind,
                    subject=chosen[0],
                    reference=chosen[1],
                    second=chosen[2] if need == 3 else None,
                )
            )
        return tuple(found)

    def _doings(self, counts: list[int], relations: tuple[Relation, ...]) -> list[list[_Doing]]:
        """What every entity does: nothing, one motion, or one after the other."""
        config = self.config
        bound = {i for r in relations for i in (r.subject, r.reference, r.second) if i is not None}
        allowed = [{k for k, w in config.motions.items() if w > 0.0} for _ in counts]
        rooted: set[int] = set()
        for relation in relations:
            if relation.kind == "on_top_of":
                allowed[relation.subject] &= _STAYS_ON_TOP
                allowed[relation.reference] &= _CARRIES
                rooted |= {relation.subject, relation.reference}
            elif relation.kind in ("near", "between"):
                close = {relation.subject, relation.reference, relation.second} - {None}
                for n in close:
                    allowed[n] &= _IN_PLACE - {"grow"}  # type: ignore[index]
                rooted |= close  # type: ignore[arg-type]
        doings: list[list[_Doing]] = [[] for _ in counts]
        free = [int(i) for i in self.rng.permutation(len(counts))]
        while free:
            n = free.pop()
            if sum(map(bool, doings)) >= config.max_moving or self.chance(config.still):
                continue
            targets = [m for m in free if m not in bound and counts[m] == 1]
            options = allowed[n]
            if n in bound or counts[n] > 1 or not targets:
                options = options - TARGETED_MOTIONS
            if not options:
                continue
            kind = self._kind(options)
            target = None
            if kind in TARGETED_MOTIONS:
                target = self.pick(targets)
                allowed[target] &= _TARGETS_MAY[kind]
                if kind != "follow":
                    rooted.add(target)
                bound |= {n, target}
            doings[n].append(_Doing(kind, target, rooted=n in rooted))
            then = options - {kind, "appear", "fall", *TARGETED_MOTIONS}
            ready = target is None and kind != "vanish" and n not in rooted
            if ready and then and self.chance(config.sequences):
                doings[n].append(_Doing(self._kind(then), None, rooted=False))
        return doings

    def _kind(self, options: set[MotionKind]) -> MotionKind:
        kinds = [k for k in self.config.motions if k in options]
        return self.pick(kinds, [self.config.motions[k] for k in kinds])

    def _entities(
        self, counts: list[int], doings: list[list[_Doing]], relations: tuple[Relation, ...]
    ) -> tuple[Entity, ...]:
        config = self.config
        carrying = {r.reference for r in relations if r.kind == "on_top_of"}
        riding = {r.subject for r in relations if r.kind == "on_top_of"}
        entities: list[Entity] = []
        seen: set[tuple[Color, Shape]] = set()
        for n, count in enumerate(counts):
            kinds = [doing.kind for doing in doings[n]]
            shapes = [
                s
                for s in config.shapes
                if ("roll" not in kinds or s in ROLLING_SHAPES)
                and not any((s, k) in config.excluded_shape_motion for k in kinds)
                and (count, s) not in config.excluded_counts
                and (n not in carrying or s in FLAT_TOPPED)
            ]
            if not shapes and kinds:
                doings[n].clear()
                shapes = [s for s in config.shapes if n not in carrying or s in FLAT_TOPPED]
            pairs = [
                (c, s)
                for s in shapes
                for c in config.colors
                if (c, s) not in config.excluded_color_shape and (c, s) not in seen
            ]
            shape = self.pick(sorted({s for _, s in pairs}))
            color = self.pick([c for c, s in pairs if s == shape])
            seen.add((color, shape))
            sizes = list(config.sizes)
            if n in carrying:
                sizes = [s for s in sizes if s == "large"] or sizes
            elif n in riding or len(counts) > 3:
                sizes = [s for s in sizes if s != "large"] or sizes
            entities.append(
                Entity(
                    shape=shape,
                    color=color,
                    size=self.pick(sizes),
                    material=self._material(shape, kinds),
                    count=count,
                )
            )
        return tuple(entities)

    def _material(self, shape: Shape, kinds: list[MotionKind]) -> Material:
        """A round shape that spins has a pattern, if there is one to draw: else nobody sees it spin."""
        weights = self.config.materials
        if "spin" in kinds and shape in ROUND:
            weights = {m: w for m, w in weights.items() if m in PATTERNED and w > 0.0} or weights
        return self.pick(list(weights), list(weights.values()))

    def _events(self, entities: tuple[Entity, ...], doings: list[list[_Doing]]) -> tuple[Event, ...]:
        events: list[Event] = []
        for n, doing in enumerate(doings):
            for stage, (kind, target, rooted) in enumerate(doing):
                speed: Speed | None = None
                if kind not in ("appear", "vanish") and self.chance(self.config.speeds):
                    speed = self.pick(("slow", "fast"))
                options = [d for d in MOTION_DIRECTIONS[kind] if d is None or d in self.config.directions]
                if kind == "roll" and entities[n].shape == "torus":
                    # Rolling along the view shows its edge, in which nobody sees a ring.
                    options = [d for d in options if d in ("left", "right")] or options
                direction = None if rooted and None in options else self.pick(options)
                events.append(
                    Event(kind=kind, subject=n, direction=direction, speed=speed, target=target, stage=stage)
                )
        return tuple(events)
