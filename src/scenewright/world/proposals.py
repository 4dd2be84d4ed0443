"""What is to be placed, and random proposals of where. Axes: B proposals, K times, N objects, M motions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np

from scenewright.world import motions as law
from scenewright.world.camera import camera_path
from scenewright.world.motions import Cast
from scenewright.world.paths import Paths, trace
from scenewright.world.scene import Camera, Motion, Relation
from scenewright.world.shapes import BOUNDING_RADIUS, FOOTPRINT_RADIUS
from scenewright.world.states import CameraPath

#: Times at which a placement is tested.
_TEST_TIMES = 25
_FLEXIBLE = frozenset({"roll", "slide"})


@dataclass(frozen=True)
class Plan:
    """A scene but for the placement. ``amount`` and ``travel``: (M,), what the motions would like to have.

    ``tied``: for every motion the first one that it is to equal in size, itself where there is none.
    ``entity``: what each object belongs to. ``relations`` hold in every frame, ``opening`` relations in the
    first. ``aspect`` is width over height.
    """

    cast: Cast
    camera: Camera
    seed: int
    amount: np.ndarray
    travel: np.ndarray
    relations: tuple[Relation, ...] = ()
    opening: tuple[Relation, ...] = ()
    tied: tuple[int, ...] = ()
    entity: tuple[int, ...] = ()
    aspect: float = 1.0

    @cached_property
    def times(self) -> np.ndarray:
        return np.linspace(0.0, self.cast.seconds, _TEST_TIMES)

    @cached_property
    def camera_path(self) -> CameraPath:
        return camera_path(self.camera, self.times, self.cast.seconds, self.seed)

    @cached_property
    def bounding(self) -> np.ndarray:
        return np.array([BOUNDING_RADIUS[s] for s in self.cast.shape])

    @cached_property
    def unit_radius(self) -> np.ndarray:
        return np.array([FOOTPRINT_RADIUS[s] for s in self.cast.shape])

    @cached_property
    def tangent(self) -> float:
        return float(np.tan(np.radians(self.camera.fov_degrees) / 2.0))


@dataclass(frozen=True)
class Candidates:
    position: np.ndarray
    amount: np.ndarray
    travel: np.ndarray
    paths: Paths = field(repr=False)


def propose(plan: Plan, rng: np.random.Generator, batch: int, tier: tuple[float, float]) -> Candidates:
    cast = plan.cast
    count = len(cast.shape)
    factor = rng.uniform(*tier, size=(batch, len(cast.motions)))[:, list(plan.tied)]
    amount = np.repeat(plan.amount[None], batch, axis=0)
    travel = plan.travel[None] * factor
    for i, motion in enumerate(cast.motions):
        if motion.kind in _FLEXIBLE:
            amount[:, i] *= factor[:, i]
        elif motion.kind in ("grow", "shrink"):
            amount[:, i] = amount[:, i] ** np.minimum(factor[:, i], 1.0)
        elif motion.kind in ("bounce", "jump"):
            amount[:, i] *= 0.5 + 0.5 * np.minimum(factor[:, i], 1.0)
    shift = _displacement(cast, amount, travel)
    middle = _spread(plan, rng, batch, shift)
    start = _arrange(plan, rng, middle, shift)
    position = np.zeros((batch, count, 3))
    position[..., 0], position[..., 2] = start[..., 0], start[..., 1]
    _set_heights(plan, rng, position, amount, factor)
    return Candidates(position, amount, travel, trace(cast, position, amount, travel, plan.times))


def _displacement(cast: Cast, amount: np.ndarray, travel: np.ndarray) -> np.ndarray:
    """(B, N, 2) How far the motions with a direction take each object over the ground (x, z)."""
    shift = np.zeros((len(amount), len(cast.shape), 2))
    for i, motion in enumerate(cast.motions):
        if motion.direction in law.UNIT_VECTOR and cast.support[motion.subject] is None:
            vector = law.UNIT_VECTOR[motion.direction]
            distance = amount[:, i] if motion.kind in _FLEXIBLE else travel[:, i]
            shift[:, motion.subject, 0] += vector[0] * distance
            shift[:, motion.subject, 1] += vector[2] * distance
    return shift


def _half_width(plan: Plan, z: np.ndarray, height: float = 0.5) -> np.ndarray:
    """Half of the picture's width at ``z``, in world units, for the first camera."""
    return plan.tangent * plan.aspect * _depth(plan, z, height)


def _depth(plan: Plan, z: np.ndarray, height: float) -> np.ndarray:
    eye, target = np.array(plan.camera.eye), np.array(plan.camera.target)
    forward = (target - eye) / np.linalg.norm(target - eye)
    across = np.hypot(forward[0], forward[2])
    distance = np.hypot(eye[0] - target[0], eye[2] - target[2]) - (z - target[2])
    return distance * across + (eye[1] - height) * -forward[1]


def _spread(plan: Plan, rng: np.random.Generator, batch: int, shift: np.ndarray) -> np.ndarray:
    """(B, N, 2) Random middles of the objects' ways over the ground, pushed apart from each other."""
    count = len(plan.cast.shape)
    zoom = float(np.linalg.norm(np.subtract(plan.camera.eye, plan.camera.target))) / 7.9
    back, front = (-1.3 * zoom, 0.6 * zoom) if count == 1 else (-2.9 * zoom, 1.1 * zoom)
    z = rng.uniform(back, front, size=(batch, count))
    radius = plan.cast.footprint
    room = np.maximum(_half_width(plan, z) - radius - 0.5 * np.abs(shift[..., 0]), 0.05)
    x = rng.uniform(-1.0, 1.0, size=(batch, count)) * np.minimum(room, 1.7 * zoom if count == 1 else 9.0)
    middle = np.stack([x, z], axis=-1)
    if count > 1:
        reach = 1.15 * (radius[:, None] + radius[None])
        moving = np.abs(shift).sum(axis=-1) > 0.5
        for _ in range(6):
            offset = middle[:, :, None] - middle[:, None]
            distance = np.sqrt((offset**2).sum(axis=-1)) + 1e-6
            push = np.maximum(reach - distance, 0.0) / distance
            push[:, np.arange(count), np.arange(count)] = 0.0
            step = 0.5 * push[..., None] * offset
            # Those that travel sideways need a lane of their own.
            step[..., 1] *= np.where(moving[:, :, None] | moving[:, None], 1.6, 1.0)
            middle = middle + step.sum(axis=2)
    return middle


def _arrange(plan: Plan, rng: np.random.Generator, middle: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """(B, N, 2) Start positions over the ground, moved to where relations and targets want them."""
    cast, batch = plan.cast, len(middle)
    middle = middle.copy()
    relations = plan.relations + plan.opening
    radius = cast.footprint
    paired_x: set[frozenset[int]] = {
        frozenset((r.subject, r.reference)) for r in relations if r.kind in ("left_of", "right_of")
    }
    for _ in range(3):
        for relation in relations:
            _order(relation, middle, radius, paired_x, rng)
    for motion in cast.motions:
        if motion.target is None or motion.subject == motion.target:
            continue
        _pair(motion, plan, rng, middle, shift, relations)
    for relation in relations:
        if relation.kind == "near":
            reach = (radius[relation.subject] + radius[relation.reference]) * rng.uniform(1.08, 1.36, batch)
            side = _sideways(rng, shift[:, relation.subject] - shift[:, relation.reference])
            middle[:, relation.subject] = middle[:, relation.reference] + side * reach[:, None]
        elif relation.kind == "between":
            _put_between(relation, middle, radius, rng)
    start = middle - 0.5 * shift
    _queue_up(cast, rng, start, shift)
    for motion in cast.motions:
        if motion.kind == "orbit" and motion.target is not None:
            n, t = motion.subject, motion.target
            reach = (radius[n] + radius[t]) * rng.uniform(1.12, 1.5, batch)
            angle = rng.uniform(0.0, 2.0 * np.pi, batch)
            start[:, n] = start[:, t] + np.stack([np.cos(angle), np.sin(angle)], axis=-1) * reach[:, None]
    for n in _bottom_up(cast):
        below = cast.support[n]
        if below is not None:
            start[:, n] = start[:, below] + _on_top_offset(plan, n, below, shift)
    return start


def _order(
    relation: Relation,
    middle: np.ndarray,
    radius: np.ndarray,
    paired_x: set[frozenset[int]],
    rng: np.random.Generator,
) -> None:
    """Swaps and spreads two objects' middles so that they are in the relation's order."""
    a, b = relation.subject, relation.reference
    reach = radius[a] + radius[b]
    if relation.kind in ("left_of", "right_of"):
        axis, first, then = 0, *((a, b) if relation.kind == "left_of" else (b, a))
    elif relation.kind in ("in_front_of", "behind"):
        axis, first, then = 1, *((b, a) if relation.kind == "in_front_of" else (a, b))
    else:
        return
    wrong = middle[:, first, axis] > middle[:, then, axis]
    low = np.where(wrong, middle[:, then, axis], middle[:, first, axis])
    high = np.where(wrong, middle[:, first, axis], middle[:, then, axis])
    lack = np.maximum(reach * rng.uniform(1.0, 1.5, len(middle)) - (high - low), 0.0)
    middle[:, first, axis], middle[:, then, axis] = low - 0.5 * lack, high + 0.5 * lack
    if axis == 1 and frozenset((a, b)) not in paired_x:
        side = rng.choice([-1.0, 1.0], len(middle)) * rng.uniform(0.35, 1.0, len(middle)) * reach
        centre = 0.5 * (middle[:, a, 0] + middle[:, b, 0])
        middle[:, a, 0], middle[:, b, 0] = centre + 0.5 * side, centre - 0.5 * side


def _pair(
    motion: Motion,
    plan: Plan,
    rng: np.random.Generator,
    middle: np.ndarray,
    shift: np.ndarray,
    relations: tuple[Relation, ...],
) -> None:
    """Puts the partners of a collision, a swap or an orbit at a distance that suits it."""
    a, b = motion.subject, motion.target
    assert b is not None
    batch, radius = len(middle), plan.cast.footprint
    if motion.kind == "orbit":
        middle[:, b, 0] *= 0.35
        middle[:, b, 1] = rng.uniform(-1.6, -0.2, batch)
        return
    if motion.kind not in ("collide", "swap"):
        return
    side = rng.choice([-1.0, 1.0], batch)
    for relation in relations:
        if {relation.subject, relation.reference} == {a, b} and relation.kind in ("left_of", "right_of"):
            side[:] = -1.0 if (relation.kind == "left_of") == (relation.subject == a) else 1.0
    depth = 0.5 * (middle[:, a, 1] + middle[:, b, 1]) if len(plan.cast.shape) > 2 else middle[:, b, 1]
    depth = np.clip(depth, -1.6, 0.3)
    centre = 0.25 * (middle[:, a, 0] + middle[:, b, 0])
    room = 2.0 * (_half_width(plan, depth) - 1.2 * max(radius[a], radius[b]))
    apart = np.maximum(room * rng.uniform(0.7, 0.98, batch), 1.3 * (radius[a] + radius[b]))
    if motion.kind == "swap":
        apart = np.maximum(0.85 * apart, 2.2 * max(radius[a], radius[b]))
    slack = np.maximum(0.5 * (room - apart), 0.0)
    centre = np.clip(centre, -slack, slack)
    tilt = rng.uniform(-0.25, 0.25, batch) * apart
    middle[:, a] = np.stack([centre + 0.5 * side * apart, depth + 0.5 * tilt], axis=-1)
    middle[:, b] = np.stack([centre - 0.5 * side * apart, depth - 0.5 * tilt], axis=-1)


def _sideways(rng: np.random.Generator, way: np.ndarray) -> np.ndarray:
    """(B, 2) Unit vectors across ``way``, anywhere where there is none but rather beside than behind."""
    angle = rng.uniform(0.0, 2.0 * np.pi, len(way))
    anywhere = np.stack([np.cos(angle), 0.8 * np.sin(angle)], axis=-1)
    across = np.stack([-way[:, 1], way[:, 0]], axis=-1) * rng.choice([-1.0, 1.0], (len(way), 1))
    across = across + way * rng.uniform(-0.5, 0.5, (len(way), 1))
    side = np.where(np.linalg.norm(way, axis=-1, keepdims=True) > 0.3, across, anywhere)
    return side / np.maximum(np.linalg.norm(side, axis=-1, keepdims=True), 1e-9)


def _put_between(
    relation: Relation, middle: np.ndarray, radius: np.ndarray, rng: np.random.Generator
) -> None:
    a, b, c = relation.subject, relation.reference, relation.second
    assert c is not None
    need = 2.0 * radius[a] + radius[b] + radius[c]
    line = middle[:, c] - middle[:, b]
    line[:, 1] *= 0.5
    length = np.maximum(np.linalg.norm(line, axis=-1, keepdims=True), 1e-6)
    wanted = np.maximum(length, need * rng.uniform(1.08, 1.3, (len(middle), 1)))
    centre = 0.5 * (middle[:, b] + middle[:, c])
    centre[:, 0] *= 0.4
    half = 0.5 * line / length * wanted
    middle[:, b], middle[:, c] = centre - half, centre + half
    place = (radius[b] + radius[a] - radius[c] - radius[a]) / (2.0 * wanted)
    middle[:, a] = centre + 2.0 * half * place + rng.normal(0.0, 0.05, middle[:, a].shape)


def _queue_up(cast: Cast, rng: np.random.Generator, start: np.ndarray, shift: np.ndarray) -> None:
    """Puts all who follow one object, and those who follow them, in line behind it."""
    queues: dict[int, list[int]] = {}
    for i in cast.order:
        motion = cast.motions[i]
        if motion.kind == "follow" and motion.target is not None:
            queue = next((q for q in queues.values() if motion.target in q), None)
            if queue is None:
                queue = queues.setdefault(motion.target, [motion.target])
            if motion.subject not in queue:
                queue.append(motion.subject)
    for lead, queue in queues.items():
        way = shift[:, lead]
        length = np.linalg.norm(way, axis=-1, keepdims=True)
        angle = rng.uniform(0.0, 2.0 * np.pi, len(start))
        anywhere = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        back = np.where(length > 0.2, -way / np.maximum(length, 1e-6), anywhere)
        gaps = [
            (cast.footprint[a] + cast.footprint[b]) * rng.uniform(1.06, 1.2, (len(start), 1))
            for a, b in pairwise(queue)
        ]
        place = start[:, lead] - 0.5 * sum(gaps) * back
        start[:, lead] = place
        for n, gap in zip(queue[1:], gaps, strict=True):
            place = place + gap * back
            start[:, n] = place


def _on_top_offset(plan: Plan, n: int, below: int, shift: np.ndarray) -> np.ndarray:
    """(2,) Where on its support an object starts: so that what it does up there stays centred, and side by
    side with the others that stand there.
    """
    cast = plan.cast
    offset = np.zeros(2)
    for i, motion in enumerate(cast.motions):
        if motion.subject == n and motion.direction in law.UNIT_VECTOR:
            vector = law.UNIT_VECTOR[motion.direction]
            distance = plan.amount[i] if motion.kind in _FLEXIBLE else plan.travel[i]
            offset -= 0.5 * distance * np.array([vector[0], vector[2]])
    sharing = [m for m in range(len(cast.shape)) if cast.support[m] == below]
    if len(sharing) > 1:
        widths = [2.06 * cast.footprint[m] for m in sharing]
        place = sharing.index(n)
        offset[0] += sum(widths[:place]) + 0.5 * widths[place] - 0.5 * sum(widths)
    return offset


def _bottom_up(cast: Cast) -> Iterator[int]:
    """Objects, each after what it stands on."""

    def height(n: int) -> int:
        below = cast.support[n]
        return 0 if below is None else 1 + height(below)

    yield from sorted(range(len(cast.shape)), key=height)


def _set_heights(
    plan: Plan, rng: np.random.Generator, position: np.ndarray, amount: np.ndarray, factor: np.ndarray
) -> None:
    """Puts everything on the ground or on its support, and what falls as high up as the picture goes."""
    cast = plan.cast
    for n in _bottom_up(cast):
        below = cast.support[n]
        ground = position[:, below, 1] + cast.rest[below] * cast.scale[below] if below is not None else 0.0
        position[:, n, 1] = ground + cast.rest[n] * cast.scale[n]
        falls = [i for i, m in enumerate(cast.motions) if m.subject == n and m.kind == "fall"]
        for i in falls:
            reach = _headroom(plan, position[:, n]) - 0.75 * plan.bounding[n] * cast.scale[n]
            wanted = np.minimum(plan.amount[i], reach - position[:, n, 1]) * np.minimum(factor[:, i], 1.0)
            wanted = np.maximum(wanted, 0.5)
            amount[:, i] = np.minimum(wanted, amount[:, plan.tied[i]])
        if falls and _waits_in_the_air(cast, min(falls, key=lambda i: cast.motions[i].start)):
            first = min(falls, key=lambda i: cast.motions[i].start)
            position[:, n, 1] += amount[:, first]


def _waits_in_the_air(cast: Cast, fall: int) -> bool:
    """Whether nothing that needs the ground comes before a fall."""
    motion = cast.motions[fall]
    for m in cast.motions:
        moved = {m.subject, m.target} if m.kind in ("swap", "collide") else {m.subject}
        on_ground = m.kind not in ("spin", "grow", "shrink", "appear", "vanish", "shake", "fall")
        if m.start < motion.start and motion.subject in moved and on_ground:
            return False
    return True


def _headroom(plan: Plan, position: np.ndarray) -> np.ndarray:
    """(B,) Height at which the picture ends over each position, for the first camera."""
    eye = plan.camera_path.eye[0].astype(float)
    rotation = plan.camera_path.rotation[0].astype(float)
    flat = position * np.array([1.0, 0.0, 1.0]) - eye
    up, back = rotation[:, 1], rotation[:, 2]
    # Solves (flat + h y) . up = tangent * -(flat + h y) . back for h.
    return -(flat @ up + plan.tangent * (flat @ back)) / (up[1] + plan.tangent * back[1])
