"""From a description to a complete scene: what was not said is drawn from the seed, everything is placed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from scenewright.world import motions as law
from scenewright.world.contact import LYING_SHAPES
from scenewright.world.expansion import check_relations, members, object_motions, object_relations, pick
from scenewright.world.motions import Cast
from scenewright.world.placement import place
from scenewright.world.proposals import Plan
from scenewright.world.scene import (
    CAMERA_DIRECTIONS,
    COLORS,
    GROUNDS,
    MATERIALS,
    ROLLING_SHAPES,
    SHAPES,
    SIZES,
    SKIES,
    TIMES_OF_DAY,
    Camera,
    CameraMove,
    Color,
    Description,
    Material,
    Motion,
    Relation,
    Scene,
    SceneObject,
    Shape,
    Size,
)
from scenewright.world.shapes import FLAT_TOPPED, FOOTPRINT_RADIUS, PATTERNED, ROUND

T = TypeVar("T")

MATERIAL_WEIGHTS: dict[Material, float] = {
    "matte": 0.5,
    "metal": 0.15,
    "glass": 0.11,
    "striped": 0.12,
    "chequered": 0.12,
}
#: How often an unsaid ground, sky or time of day is the plain one.
_PLAIN_SETTING = 0.7
#: Whole camera moves: radians (pan, tilt, orbit, shake) and world units (dolly).
CAMERA_AMOUNT: dict[str, float] = {
    "static": 0.0,
    "pan": 0.24,
    "tilt": 0.17,
    "dolly": 1.7,
    "orbit": 0.55,
    "shake": 0.016,
}
#: Turns of a spin and an orbit that last two seconds. At 8 frames a second even a fast spin turns 32 degrees
#: a frame at most, so that shapes and patterns that repeat every 90 degrees are seen to turn the right way.
_TURNS = {"spin": 0.75, "orbit": 0.9}
#: How much further away the camera stands at each attempt to place everything.
_ZOOMS = (1.0, 1.0, 1.12, 1.0, 1.15, 1.3, 1.5, 1.8)
_FOLLOW_LAG_SHARE = 0.1


def complete(
    description: Description, seed: int, *, seconds: float = 2.0, aspect: float = 1.0, attempts: int = 8
) -> Scene:
    """A scene that fits ``description``, the same for the same ``seed``.

    Attributes that are left out are drawn at random (the camera stands still, ground, sky and time are mostly
    plain). Objects are placed so that they stay in a picture of ``aspect`` (width over height) for the whole
    ``seconds``, do not pass through each other, and every relation holds in every frame; motions are as large
    as fits. Relations of an object to the one it circles, follows or swaps places with hold in the first
    frame only, and are left out of the scene's; so are, where nothing else helps, others of what moves.

    A demanded roll of a shape that cannot roll becomes what comes closest: a cube tumbles over its edges, a
    capsule rolls lying on its side, a cone and a pyramid slide. An object that follows one that stands still
    makes it move: it rolls or slides to one side. A round shape that spins has a pattern, if no material is
    said: else nobody would see it spin.

    ``attempts``: how often unsaid things are drawn anew, from ever further away, before giving up.
    Raises ``ValueError`` where the description contradicts itself or leaves no room.
    """
    if not 0.0 < seconds < float("inf"):
        raise ValueError(f"a scene must last a positive number of seconds, not {seconds}")
    if not aspect > 0.0:
        raise ValueError(f"the aspect (width over height) must be positive, not {aspect}")
    if attempts < 1:
        raise ValueError(f"a scene needs at least one attempt, not {attempts}")
    for attempt in range(attempts):
        rng = np.random.default_rng([seed, attempt, 0x5CE4E])
        draft = _Draft.of(description, rng, attempt)
        zoom = _ZOOMS[min(attempt, len(_ZOOMS) - 1)]
        scene = draft.scene(rng, seed, seconds, aspect, zoom)
        if scene is not None:
            return scene
    raise ValueError(
        f"found no place for {description.object_count} objects where they stay in view, keep apart and keep "
        "their relations; ask for fewer or smaller objects, or fewer relations"
    )


@dataclass(frozen=True)
class _Draft:
    """Everything but numbers: objects without positions, motions without amounts."""

    description: Description
    objects: tuple[SceneObject, ...]
    motions: tuple[Motion, ...]
    relations: tuple[Relation, ...]
    opening: tuple[Relation, ...]
    camera: CameraMove

    @classmethod
    def of(cls, description: Description, rng: np.random.Generator, attempt: int) -> _Draft:
        relations = object_relations(description)
        check_relations(relations, description.object_count)
        shapes = _shapes(description, relations, rng)
        motions = object_motions(description, shapes, rng)
        objects = _objects(description, shapes, motions, relations, rng, modest=attempt >= 3)
        conflicting = {
            frozenset((m.subject, m.target)) for m in motions if m.kind in ("orbit", "swap", "follow")
        }
        moving = {n for m in motions if m.kind not in ("spin", "shake") for n in (m.subject, m.target)} - {
            None
        }
        opening = tuple(
            r
            for r in relations
            if (r.kind not in ("on_top_of", "near") and any(frozenset(p) in conflicting for p in _pairs(r)))
            or (r.kind != "on_top_of" and attempt >= 4 and moving & {r.subject, r.reference, r.second})
        )
        lasting = tuple(r for r in relations if r not in opening)
        return cls(description, objects, motions, lasting, opening, _camera_move(description, rng))

    def scene(
        self, rng: np.random.Generator, seed: int, seconds: float, aspect: float, zoom: float
    ) -> Scene | None:
        camera = _camera(self.camera, zoom * (0.87 + 0.06 * len(self.objects)))
        cast = Cast.of(self.objects, self.motions, self.relations, seconds)
        amount, travel = _wishes(cast, camera, aspect, rng)
        tied = _tied(self.objects, cast.motions)
        amount, travel = amount[list(tied)], travel[list(tied)]
        plan = Plan(
            cast=cast,
            camera=camera,
            seed=seed,
            amount=amount,
            travel=travel,
            relations=self.relations,
            opening=self.opening,
            tied=tied,
            entity=tuple(o.entity for o in self.objects),
            aspect=aspect,
        )
        placement = place(plan, rng)
        if placement is None:
            return None
        objects = tuple(
            o.model_copy(update={"position": _rounded(p)})
            for o, p in zip(self.objects, placement.position, strict=True)
        )
        objects = _face(objects, cast)
        motions = tuple(
            m.model_copy(update={"amount": round(float(a), 5), "travel": round(float(t), 5)})
            for m, a, t in zip(cast.motions, placement.amount, placement.travel, strict=True)
        )
        said = self.description
        ground = _setting(rng, GROUNDS, "plain")
        sky = _setting(rng, SKIES, "clear")
        time = _setting(rng, TIMES_OF_DAY, "noon")
        return Scene(
            objects=objects,
            motions=motions,
            relations=self.relations,
            camera=camera,
            ground=said.ground or ground,
            sky=said.sky or sky,
            time=said.time or time,
            seconds=seconds,
            seed=seed,
        )


def _pairs(relation: Relation) -> list[tuple[int, int]]:
    pairs = [(relation.subject, relation.reference)]
    if relation.second is not None:
        pairs.append((relation.subject, relation.second))
    return pairs


def _setting(rng: np.random.Generator, options: Sequence[T], plain: T) -> T:
    if rng.random() < _PLAIN_SETTING:
        return plain
    return pick(rng, [o for o in options if o != plain])


def _shapes(
    description: Description, relations: tuple[Relation, ...], rng: np.random.Generator
) -> tuple[Shape, ...]:
    """One shape an object; unsaid ones suit what the object does and carries."""
    bases = {r.reference for r in relations if r.kind == "on_top_of"}
    shapes: list[Shape] = []
    for index, (entity, group) in enumerate(zip(description.entities, members(description), strict=True)):
        options: list[Shape] = list(SHAPES)
        if any(e.kind == "roll" and e.subject == index for e in description.events):
            options = [s for s in options if s in ROLLING_SHAPES]
        if bases & set(group):
            options = [s for s in options if s in FLAT_TOPPED] or options
        drawn = pick(rng, options)
        shapes += [entity.shape or drawn] * entity.count
    return tuple(shapes)


def _objects(
    description: Description,
    shapes: tuple[Shape, ...],
    motions: tuple[Motion, ...],
    relations: tuple[Relation, ...],
    rng: np.random.Generator,
    *,
    modest: bool,
) -> tuple[SceneObject, ...]:
    objects: list[SceneObject] = []
    taken: set[Color | None] = {e.color for e in description.entities}
    groups = members(description)
    base = law.supports(relations, description.object_count)
    carriers = {b for b in base if b is not None}
    for index, entity in enumerate(description.entities):
        other_color = pick(rng, [c for c in COLORS if c not in taken] or COLORS)
        color = entity.color or other_color
        taken.add(color)
        spins = any(m.kind == "spin" and m.subject in groups[index] for m in motions)
        options = PATTERNED if spins and shapes[groups[index][0]] in ROUND else MATERIALS
        other_material = pick(rng, options, [MATERIAL_WEIGHTS[m] for m in options])
        material = entity.material or other_material
        stands = any(base[n] is not None for n in groups[index])
        carries = any(n in carriers for n in groups[index])
        size = entity.size or _size(rng, description.object_count, stands, carries, modest)
        for n in groups[index]:
            objects.append(
                SceneObject(
                    shape=shapes[n],
                    color=color,
                    size=size,
                    material=material,
                    position=(0.0, 0.0, 0.0),
                    yaw=_yaw(n, shapes[n], motions, rng),
                    entity=index,
                )
            )
    return tuple(objects)


def _size(rng: np.random.Generator, count: int, stands: bool, carries: bool, modest: bool) -> Size:
    if carries:
        return "large" if not stands else "medium"
    if stands or (modest and count > 2):
        return pick(rng, ("small", "medium"), (0.6, 0.4)) if not modest else "small"
    if count > 3:
        return pick(rng, SIZES, (0.45, 0.4, 0.15))
    return pick(rng, SIZES)


def _yaw(n: int, shape: Shape, motions: tuple[Motion, ...], rng: np.random.Generator) -> float:
    """A yaw that suits the first roll, or shows the shape well."""
    free = float(rng.uniform(-1.0, 1.0))
    rolls = sorted((m for m in motions if m.subject == n and m.kind == "roll"), key=lambda m: m.start)
    if rolls and (shape in LYING_SHAPES or shape == "torus"):
        return 0.0 if rolls[0].direction in ("left", "right") else round(float(np.pi / 2.0), 12)
    if rolls and shape == "cube":
        return 0.0
    if shape == "torus":
        return round(0.45 * free, 5)
    return round(0.25 * np.pi * free, 5)


def _camera_move(description: Description, rng: np.random.Generator) -> CameraMove:
    move = description.camera or CameraMove()
    if move.direction is None and CAMERA_DIRECTIONS[move.kind]:
        return CameraMove(kind=move.kind, direction=pick(rng, CAMERA_DIRECTIONS[move.kind]))
    return move


def _camera(move: CameraMove, zoom: float) -> Camera:
    """The usual view from ``zoom`` times as far away, which the middle of the move gives."""
    target = np.array(Camera().target)
    back = (np.array(Camera().eye) - target) * zoom
    amount = CAMERA_AMOUNT[move.kind]
    half = 0.5 * amount
    aim = target.copy()
    eye = target + back
    if move.kind == "pan":
        sign = 1.0 if move.direction == "right" else -1.0
        offset = target - eye
        c, s = np.cos(sign * half), np.sin(sign * half)
        aim = eye + np.array([c * offset[0] + s * offset[2], offset[1], c * offset[2] - s * offset[0]])
    elif move.kind == "tilt":
        pitch = np.arcsin(-back[1] / np.linalg.norm(back)) + (half if move.direction == "down" else -half)
        flat = np.hypot(back[0], back[2])
        aim = eye + np.array([0.0, np.tan(pitch) * flat, -flat])
    elif move.kind == "dolly":
        step = half * back / np.linalg.norm(back)
        eye = eye + (step if move.direction == "in" else -step)
    elif move.kind == "orbit":
        angle = -half if move.direction == "right" else half
        c, s = np.cos(angle), np.sin(angle)
        eye = target + np.array([c * back[0] + s * back[2], back[1], c * back[2] - s * back[0]])
    return Camera(
        move=move,
        eye=_rounded(eye),
        target=_rounded(aim),
        amount=amount,
    )


def _rounded(point: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (round(float(v), 5) for v in point)
    return x, y, z


def _wishes(
    cast: Cast, camera: Camera, aspect: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Amounts and travels (M,) that the motions would like: large enough to be read at a glance."""
    distance = float(np.linalg.norm(np.subtract(camera.eye, camera.target)))
    width = 2.0 * distance * float(np.tan(np.radians(camera.fov_degrees) / 2.0)) * min(aspect, 1.4)
    amount, travel = np.ones(len(cast.motions)), np.zeros(len(cast.motions))
    for i, motion in enumerate(cast.motions):
        share = motion.end - motion.start
        pace = {"slow": 0.6, None: 1.0, "fast": 1.2}[motion.speed]
        duration = share * cast.seconds
        reach = np.sqrt(min(share / (0.8 if motion.speed == "fast" else 1.0), 1.0))
        if motion.kind in ("roll", "slide"):
            sideways = motion.direction in ("left", "right")
            full = width * rng.uniform(0.58, 0.7) if sideways else distance * rng.uniform(0.46, 0.56)
            amount[i] = full * pace * reach
        elif motion.kind in ("bounce", "jump"):
            amount[i] = min(law.highest_hop(motion, cast.seconds), 1.5)
            if motion.direction is not None:
                travel[i] = width * rng.uniform(0.48, 0.6) * pace * reach
        elif motion.kind == "fall":
            amount[i] = 3.0 * distance / 7.9
        elif motion.kind in ("spin", "orbit"):
            turns = _TURNS[motion.kind] * law.PACE[motion.speed] * min(duration / 2.0, 2.0)
            amount[i] = 2.0 * np.pi * turns
        elif motion.kind == "grow":
            amount[i] = 1.75 ** law.PACE[motion.speed]
        elif motion.kind == "shrink":
            amount[i] = 0.5 ** law.PACE[motion.speed]
        elif motion.kind == "follow":
            amount[i] = _FOLLOW_LAG_SHARE * duration
        elif motion.kind == "collide":
            amount[i] = rng.uniform(0.2, 0.35)
        elif motion.kind == "swap":
            assert motion.target is not None
            amount[i] = 0.56 * (cast.footprint[motion.subject] + cast.footprint[motion.target])
        elif motion.kind == "shake":
            amount[i] = 0.14 + 0.08 * cast.scale[motion.subject]
        below = cast.support[motion.subject]
        if below is not None and motion.direction in law.UNIT_VECTOR:
            room = 1.5 * cast.scale[below] * FOOTPRINT_RADIUS[cast.shape[below]] * 0.7
            amount[i] = min(amount[i], room) if motion.kind in ("roll", "slide") else amount[i]
            travel[i] = min(travel[i], room)
    return amount, travel


def _tied(objects: tuple[SceneObject, ...], motions: tuple[Motion, ...]) -> tuple[int, ...]:
    """For every motion the first one by which an object of the same entity does the same."""
    first: dict[tuple[object, ...], int] = {}
    return tuple(
        first.setdefault((objects[m.subject].entity, m.stage, m.kind, m.direction, m.speed), i)
        for i, m in enumerate(motions)
    )


def _face(objects: tuple[SceneObject, ...], cast: Cast) -> tuple[SceneObject, ...]:
    """Turns the partners of collisions towards each other, so that they touch with their faces."""
    turned = list(objects)
    for motion in cast.motions:
        if motion.kind != "collide" or motion.target is None:
            continue
        a, b = objects[motion.subject].position, objects[motion.target].position
        angle = float(np.arctan2(-(b[2] - a[2]), b[0] - a[0]))
        for n in (motion.subject, motion.target):
            rolls = any(m.kind == "roll" and m.subject == n for m in cast.motions)
            if rolls and objects[n].shape in ("cylinder", "capsule", "torus", "cube"):
                continue
            quarter = np.pi if objects[n].shape == "torus" else np.pi / 2.0
            yaw = (angle + quarter / 2.0) % quarter - quarter / 2.0
            turned[n] = turned[n].model_copy(update={"yaw": round(float(yaw), 5)})
    return tuple(turned)
