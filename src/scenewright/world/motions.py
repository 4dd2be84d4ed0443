"""The motions in closed form: where every object is at any time, for many placements at once.

Arrays carry their axes in their names: B placements of the same objects (layout tries many, physics has one),
K times, N objects, M motions. Motions add up: each contributes a displacement that is zero before it starts
and constant after it ends, so that the next one begins where it left off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scenewright.world import shapes
from scenewright.world.contact import LYING_SHAPES, contact_distance, footprint, rest_height
from scenewright.world.easing import ease
from scenewright.world.scene import Direction, Motion, Relation, SceneObject, Shape, Speed

GRAVITY = 9.81
#: Speed kept at each hop of a bounce, and at the landing of a fall.
RESTITUTION = 0.75
LANDING_RESTITUTION = 0.38
#: How much a said speed changes travel, turns and hops.
PACE: dict[Speed | None, float] = {"slow": 0.6, None: 1.0, "fast": 1.5}
#: Seconds an object takes to pop up or to vanish.
POP_SECONDS = 0.15
POP_SMALLEST = 0.2
#: Share of a roll's time in which a wheel first turns to the new path, where it has to.
TURN_SHARE = 0.18
#: Share of a collision's time that passes before the impact.
_IMPACT: dict[Speed | None, float] = {"slow": 0.88, None: 0.62, "fast": 0.44}
SHAKE_HERTZ: dict[Speed | None, float] = {"slow": 1.6, None: 2.7, "fast": 3.4}

UNIT_VECTOR: dict[Direction, tuple[float, float, float]] = {
    "left": (-1.0, 0.0, 0.0),
    "right": (1.0, 0.0, 0.0),
    "toward": (0.0, 0.0, 1.0),
    "away": (0.0, 0.0, -1.0),
}


@dataclass(frozen=True)
class Cast:
    """What the paths depend on besides the placement: who plays, on whom they stand, and what they do.

    ``scale`` is one number an object, ``support`` the object each one stands on, or ``None``.
    """

    shape: tuple[Shape, ...]
    scale: tuple[float, ...]
    yaw: tuple[float, ...]
    support: tuple[int | None, ...]
    motions: tuple[Motion, ...]
    seconds: float

    @classmethod
    def of(
        cls,
        objects: Sequence[SceneObject],
        motions: Sequence[Motion],
        relations: Sequence[Relation],
        seconds: float,
    ) -> Cast:
        return cls(
            shape=tuple(o.shape for o in objects),
            scale=tuple(o.scale for o in objects),
            yaw=tuple(o.yaw for o in objects),
            support=supports(relations, len(objects)),
            motions=without_mirrored_swaps(motions),
            seconds=seconds,
        )

    @cached_property
    def lying(self) -> tuple[bool, ...]:
        """Whether an object lies on its side: cylinders and capsules that roll at some time do, always."""
        rolling = {m.subject for m in self.motions if m.kind == "roll"}
        return tuple(i in rolling and s in LYING_SHAPES for i, s in enumerate(self.shape))

    @cached_property
    def rest(self) -> np.ndarray:
        """(N,) Height of each unscaled centre over what it rests on."""
        return np.array([rest_height(s, lie) for s, lie in zip(self.shape, self.lying, strict=True)])

    @cached_property
    def footprint(self) -> np.ndarray:
        """(N,) Radius of the vertical cylinder that each object fits at its first scale, however it turns."""
        tumbling = {m.subject for m in self.motions if m.kind == "roll"}
        return np.array(
            [
                scale * (shapes.BOUNDING_RADIUS[s] if i in tumbling else footprint(s, False))
                for i, (s, scale) in enumerate(zip(self.shape, self.scale, strict=True))
            ]
        )

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Motion indices so that every motion comes after those it depends on. ``ValueError`` on a cycle."""
        count = len(self.motions)
        waiting: list[set[int]] = []
        for i, motion in enumerate(self.motions):
            sources = {motion.subject, motion.target} - {None}
            for source in tuple(sources):
                while source is not None and self.support[source] not in sources:
                    source = self.support[source]
                    sources.add(source)
            sources.discard(None)
            waiting.append(
                {j for j in range(count) if j != i and self._precedes(self.motions[j], j, motion, i, sources)}
            )
        order: list[int] = []
        left = set(range(count))
        while left:
            ready = sorted(
                (i for i in left if not waiting[i] & left), key=lambda i: (self.motions[i].start, i)
            )
            if not ready:
                kinds = sorted({self.motions[i].kind for i in left})
                raise ValueError(f"motions wait for each other in a circle: {', '.join(kinds)}")
            order += ready
            left -= set(ready)
        return tuple(order)

    @staticmethod
    def _precedes(first: Motion, i: int, then: Motion, j: int, sources: set[int | None]) -> bool:
        moved = {first.subject} | ({first.target} if first.kind in ("collide", "swap") else set())
        if not moved & sources:
            return False
        if then.kind == "collide" and first.kind in ("grow", "shrink"):
            return first.start < then.end
        if first.subject == then.subject or (first.kind == then.kind and first.kind in ("collide", "swap")):
            return (first.start, i) < (then.start, j)
        if then.start >= first.end:
            return True
        return first.start < then.end and then.target in moved

    def touch(self, a: int, b: int) -> float:
        """Distance of the centres at which two objects of their first sizes touch.

        Partners of a collision face each other; one that spins turns its widest side to the other some time.
        """
        if any(m.kind == "spin" and m.subject in (a, b) for m in self.motions):
            return float(self.footprint[a] + self.footprint[b])
        return contact_distance(
            self.shape[a], self.scale[a], self.lying[a], self.shape[b], self.scale[b], self.lying[b]
        )

    def meets(self, motion: Motion) -> bool:
        """Whether the target of a collision comes to meet the subject."""
        return any(
            m.kind == "collide"
            and m.subject == motion.target
            and m.target == motion.subject
            and m.start < motion.end
            and motion.start < m.end
            for m in self.motions
        )


def supports(relations: Sequence[Relation], count: int) -> tuple[int | None, ...]:
    """The object each of ``count`` objects stands on. ``ValueError`` where they stand on each other."""
    support: list[int | None] = [None] * count
    for relation in relations:
        if relation.kind == "on_top_of":
            support[relation.subject] = relation.reference
    for i in range(count):
        below, steps = support[i], 0
        while below is not None:
            below, steps = support[below], steps + 1
            if steps > count:
                raise ValueError("objects cannot stand on top of each other in a circle")
    return tuple(support)


def without_mirrored_swaps(motions: Sequence[Motion]) -> tuple[Motion, ...]:
    """A swap said of both partners happens once."""
    kept: list[Motion] = []
    for motion in motions:
        mirrored = motion.kind == "swap" and any(
            m.kind == "swap"
            and m.subject == motion.target
            and m.target == motion.subject
            and m.start == motion.start
            for m in kept
        )
        if not mirrored:
            kept.append(motion)
    return tuple(kept)


# ------------------------------------------------------------------------------------------------ time


def local_time(motion: Motion, seconds: float, times: np.ndarray) -> tuple[np.ndarray, float]:
    """Seconds since the motion started, held within it, and the motion's duration."""
    start, end = motion.start * seconds, motion.end * seconds
    return np.clip(times, start, end) - start, end - start


def progress(motion: Motion, seconds: float, times: np.ndarray) -> np.ndarray:
    """Eased progress of the motion, 0 to 1."""
    elapsed, duration = local_time(motion, seconds, times)
    return ease(elapsed / duration)


def event_time(motion: Motion, seconds: float) -> float:
    """When an object that appears or vanishes does so: the middle of its motion."""
    return 0.5 * (motion.start + motion.end) * seconds


def impact_time(motion: Motion, seconds: float) -> float:
    """When a collision's partners touch."""
    return (motion.start + _IMPACT[motion.speed] * (motion.end - motion.start)) * seconds


# ------------------------------------------------------------------------------------------------ ballistics


def hop_count(motion: Motion, seconds: float) -> int:
    """How many hops of a bounce or a jump fill the motion's time at its speed."""
    duration = (motion.end - motion.start) * seconds
    pace = PACE[motion.speed]
    if motion.kind == "bounce":
        return int(np.clip(round(1.0 + duration * pace), 1, 8))
    return int(np.clip(np.floor(duration * pace + 0.2), 1, 6))


def hops(motion: Motion, seconds: float, height_B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start times (since the motion's start) and durations ``(B, hops)`` of the hops of a bounce or a jump.

    A hop of height h takes ``sqrt(8 h / g)``; the next hop of a bounce keeps :data:`RESTITUTION` of its
    speed. Hops that would not fit the motion's time are made lower.
    """
    count = hop_count(motion, seconds)
    duration = (motion.end - motion.start) * seconds
    wanted = np.sqrt(8.0 * np.maximum(height_B, 0.0) / GRAVITY)[:, None]
    index = np.arange(count)
    if motion.kind == "bounce":
        shrink = RESTITUTION**index
        lasting = np.minimum(wanted, duration / shrink.sum()) * shrink
        starts = np.cumsum(lasting, axis=1) - lasting
    else:
        share = duration / count
        lasting = np.repeat(np.minimum(wanted, share), count, axis=1)
        starts = index * share + 0.5 * (share - lasting)
    return starts, lasting


def highest_hop(motion: Motion, seconds: float) -> float:
    """The height of a (first) hop that makes the hops fill the motion's time."""
    duration = (motion.end - motion.start) * seconds
    count = hop_count(motion, seconds)
    if motion.kind == "bounce":
        longest = duration / (RESTITUTION ** np.arange(count)).sum()
    else:
        longest = 0.85 * duration / count
    return float(GRAVITY * longest**2 / 8.0)


def ballistic(
    elapsed_K: np.ndarray, starts: np.ndarray, lasting: np.ndarray, gravity: np.ndarray | float = GRAVITY
) -> tuple[np.ndarray, np.ndarray]:
    """Height and share of the time in the air that has passed, both ``(B, K)``."""
    flown = np.clip(elapsed_K[None, :, None] - starts[:, None], 0.0, lasting[:, None])
    gravity = np.asarray(gravity, dtype=float).reshape(-1, 1)
    height = 0.5 * gravity * (flown * (lasting[:, None] - flown)).sum(axis=2)
    total = np.maximum(lasting.sum(axis=1, keepdims=True), 1e-12)
    return height, flown.sum(axis=2) / total


@dataclass(frozen=True)
class Drop:
    """The timing of a fall, ``(B,)`` each: wait or lift, then the drop, then small hops ``(B, hops)``."""

    lift: np.ndarray
    wait: np.ndarray
    falling: np.ndarray
    gravity: np.ndarray
    starts: np.ndarray
    lasting: np.ndarray

    def height(self, elapsed_K: np.ndarray, drop_B: np.ndarray) -> np.ndarray:
        """(B, K) Height over where the motion began."""
        rising = np.clip(elapsed_K / self.wait[:, None], 0.0, 1.0)
        up = self.lift[:, None] * rising**2 * (3.0 - 2.0 * rising)
        flown = np.clip(elapsed_K - self.wait[:, None], 0.0, self.falling[:, None])
        down = np.minimum(0.5 * self.gravity[:, None] * flown**2, drop_B[:, None])
        return up - down + ballistic(elapsed_K, self.starts, self.lasting, self.gravity)[0]


def drop(motion: Motion, seconds: float, drop_B: np.ndarray, lift_B: np.ndarray) -> Drop:
    """A fall by ``drop_B``. An object that is not up there yet is first lifted by ``lift_B``.

    Said speeds change gravity (a slow fall is the fall of something light); a fall too deep for the motion's
    time is hurried.
    """
    duration = (motion.end - motion.start) * seconds
    drop_B = np.maximum(drop_B, 1e-6)
    wait = np.where(lift_B > 1e-6, 0.3, 0.08) * duration
    falling = np.sqrt(2.0 * drop_B / GRAVITY) / PACE[motion.speed]
    falling = np.minimum(falling, 0.9 * (duration - wait))
    gravity = 2.0 * drop_B / falling**2
    lasting = 2.0 * falling[:, None] * LANDING_RESTITUTION ** np.arange(1, 4)
    starts = (wait + falling)[:, None] + np.cumsum(lasting, axis=1) - lasting
    lasting = np.where(starts + lasting <= duration, lasting, 0.0)
    return Drop(lift_B, wait, falling, gravity, starts, lasting)


# ------------------------------------------------------------------------------------------------ rolling


def tumble_steps(shape: Shape, scale: float, amount_B: np.ndarray) -> np.ndarray:
    """How many times a cube tips over its edge to get about ``amount_B`` far, at least once."""
    return np.maximum(np.round(amount_B / (2.0 * shapes.CUBE_HALF * scale)), 1.0)


def tumble(share_BK: np.ndarray, steps_B: np.ndarray, half: float) -> tuple[np.ndarray, np.ndarray]:
    """Forward distance and rise of the centre of a cube of half side ``half`` that tips over its edges."""
    angle = share_BK * steps_B[:, None] * (np.pi / 2.0)
    done = np.minimum(np.floor(angle / (np.pi / 2.0) + 1e-9), steps_B[:, None] - 1.0)
    around = 0.75 * np.pi - (angle - done * (np.pi / 2.0))
    reach = half * np.sqrt(2.0)
    return 2.0 * half * done + half + reach * np.cos(around), reach * np.sin(around) - half


def roll_turn(cast: Cast, index: int) -> bool:
    """Whether a lying or wheel-like object must turn to its path before the roll ``index`` can start."""
    motion = cast.motions[index]
    if cast.shape[motion.subject] not in ("cylinder", "torus", "capsule", "cube"):
        return False
    along_x = abs(np.cos(cast.yaw[motion.subject])) > 1.0 - 1e-9
    along_z = abs(np.sin(cast.yaw[motion.subject])) > 1.0 - 1e-9
    if cast.shape[motion.subject] == "cube":
        along_x = along_z = along_x or along_z
    for other in cast.motions:
        if other.subject != motion.subject or other.start >= motion.start:
            continue
        if other.kind in ("spin", "swap", "collide", "follow"):
            along_x = along_z = False
        elif other.kind == "roll" and cast.shape[motion.subject] != "cube":
            along_x, along_z = other.direction in ("left", "right"), other.direction in ("toward", "away")
    return not (along_x if motion.direction in ("left", "right") else along_z)


def roll_progress(cast: Cast, index: int, times: np.ndarray) -> np.ndarray:
    """Progress of a roll along its path; it waits for the turn where there is one."""
    elapsed, duration = local_time(cast.motions[index], cast.seconds, times)
    u = elapsed / duration
    if roll_turn(cast, index):
        u = np.clip((u - TURN_SHARE) / (1.0 - TURN_SHARE), 0.0, 1.0)
    return ease(u)
