"""Evaluates the motions of a cast over time, for many placements at once.

Axes: B placements, K times, N objects, M motions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenewright.world import motions as law
from scenewright.world import shapes
from scenewright.world.easing import ease
from scenewright.world.motions import Cast
from scenewright.world.scene import Motion


@dataclass(frozen=True)
class Paths:
    """Where everything is. ``position``: float64 (B, K, N, 3); ``scale``: (B, K, N), with ``pop`` not in it;
    ``pop``: (K, N), the factor of appearing and vanishing; ``visible``: bool (K, N); ``turned``: (B, K, N),
    radians that each object has spun about the vertical; ``glide``: (B, K, N, 3), the displacement by
    follow, collide and swap, on which spheres roll.
    """

    position: np.ndarray
    scale: np.ndarray
    pop: np.ndarray
    visible: np.ndarray
    turned: np.ndarray
    glide: np.ndarray


def trace(
    cast: Cast, position: np.ndarray, amount: np.ndarray, travel: np.ndarray, times: np.ndarray
) -> Paths:
    """Paths of every placement. ``position``: (B, N, 3) at the start; ``amount``, ``travel``: (B, M), the
    motions' own; ``times``: (K,) seconds.
    """
    return _Tracer(cast, position, amount, travel, np.asarray(times, dtype=float)).run()


class _Tracer:
    def __init__(
        self, cast: Cast, position: np.ndarray, amount: np.ndarray, travel: np.ndarray, times: np.ndarray
    ) -> None:
        self.cast = cast
        self.amount, self.travel = amount, travel
        self.asked = len(times)
        # Besides the asked times, the grid holds those at which motions look up where others are.
        grid = [times]
        self.start_at: dict[int, int] = {}
        self.impact_at: dict[int, int] = {}
        self.end_at: dict[int, int] = {}
        size = len(times)
        for i, motion in enumerate(cast.motions):
            self.start_at[i] = size
            self.impact_at[i] = size + 1
            self.end_at[i] = size + 2
            grid.append(
                np.array(
                    [
                        motion.start * cast.seconds,
                        law.impact_time(motion, cast.seconds),
                        motion.end * cast.seconds,
                    ]
                )
            )
            size += 3
        self.delayed_at: dict[int, tuple[int, int]] = {}
        for i in reversed(cast.order):
            motion = cast.motions[i]
            if motion.kind == "follow":
                so_far = np.concatenate(grid)
                start = motion.start * cast.seconds
                held = np.clip(so_far, start, motion.end * cast.seconds)
                grid.append(np.maximum(held - amount[0, i], start))
                self.delayed_at[i] = (size, len(so_far))
                size += len(so_far)
        self.times = np.concatenate(grid)
        placements, count = position.shape[:2]
        shape = (placements, size, count)
        self.start_position = position
        self.own = np.repeat(position[:, None].astype(float), size, axis=1)
        self.scale = np.broadcast_to(np.array(cast.scale), shape).copy()
        self.turned = np.zeros(shape)
        self.glide = np.zeros((*shape, 3))

    def run(self) -> Paths:
        cast = self.cast
        for i in cast.order:
            motion = cast.motions[i]
            getattr(self, f"_{motion.kind}")(i, motion)
        keep = slice(0, self.asked)
        position = np.stack([self.where(n)[:, keep] for n in range(len(cast.shape))], axis=2)
        visible, pop = self._visibility(self.times[keep])
        if pop.min(initial=1.0) < 1.0:
            position[..., 1] += cast.rest * self.scale[:, keep] * (pop - 1.0)
        return Paths(
            position=position,
            scale=self.scale[:, keep],
            pop=pop,
            visible=visible,
            turned=self.turned[:, keep],
            glide=self.glide[:, keep],
        )

    def where(self, n: int) -> np.ndarray:
        """(B, K, 3) Centre of object ``n`` by the motions applied so far, carried by what it stands on."""
        below = self.cast.support[n]
        if below is None:
            return self.own[:, :, n]
        base = self.where(below)
        start = self.start_position[:, None, below]
        offset = self.own[:, :, n] - start
        angle = self.turned[:, :, below]
        c, s = np.cos(angle), np.sin(angle)
        raised = (self.scale[:, :, below] - self.cast.scale[below]) * self.cast.rest[below]
        return base + np.stack(
            [
                c * offset[..., 0] + s * offset[..., 2],
                offset[..., 1] + raised,
                c * offset[..., 2] - s * offset[..., 0],
            ],
            axis=-1,
        )

    # ------------------------------------------------------------------ one method a motion

    def _progress(self, motion: Motion) -> np.ndarray:
        return law.progress(motion, self.cast.seconds, self.times)

    def _along(self, motion: Motion, distance: np.ndarray) -> None:
        if motion.direction is not None:
            vector = law.UNIT_VECTOR[motion.direction]
            for axis in (0, 2):
                if vector[axis]:
                    self.own[:, :, motion.subject, axis] += vector[axis] * distance

    def _roll(self, i: int, motion: Motion) -> None:
        share = law.roll_progress(self.cast, i, self.times)
        distance = share * self.amount[:, i, None]
        if self.cast.shape[motion.subject] == "cube":
            scale = self.cast.scale[motion.subject]
            steps = law.tumble_steps("cube", scale, self.amount[:, i])
            half = shapes.CUBE_HALF * scale
            distance, rise = law.tumble(np.broadcast_to(share, distance.shape), steps, half)
            self.own[:, :, motion.subject, 1] += rise
        self._along(motion, distance)

    def _slide(self, i: int, motion: Motion) -> None:
        self._along(motion, self._progress(motion) * self.amount[:, i, None])

    def _bounce(self, i: int, motion: Motion) -> None:
        elapsed, _ = law.local_time(motion, self.cast.seconds, self.times)
        starts, lasting = law.hops(motion, self.cast.seconds, self.amount[:, i])
        height, share = law.ballistic(elapsed, starts, lasting)
        self.own[:, :, motion.subject, 1] += height
        self._along(motion, share * self.travel[:, i, None])

    _jump = _bounce

    def _fall(self, i: int, motion: Motion) -> None:
        elapsed, _ = law.local_time(motion, self.cast.seconds, self.times)
        depth = self.amount[:, i]
        timing = law.drop(motion, self.cast.seconds, depth, self.lift(i))
        self.own[:, :, motion.subject, 1] += timing.height(elapsed, depth)

    def lift(self, i: int) -> np.ndarray:
        """(B,) How much the object must be lifted before it can fall by the motion's amount."""
        n = self.cast.motions[i].subject
        below = self.cast.support[n]
        ground: np.ndarray | float = 0.0
        if below is not None:
            top = self.start_position[:, below, 1] + self.cast.rest[below] * self.cast.scale[below]
            ground = top
        at = self.start_at[i]
        base = ground + self.cast.rest[n] * self.scale[:, at, n]
        return np.maximum(base - (self.own[:, at, n, 1] - self.amount[:, i]), 0.0)

    def _spin(self, i: int, motion: Motion) -> None:
        sign = -1.0 if motion.direction == "clockwise" else 1.0
        self.turned[:, :, motion.subject] += sign * self._progress(motion) * self.amount[:, i, None]

    def _orbit(self, i: int, motion: Motion) -> None:
        assert motion.target is not None
        n, at = motion.subject, self.start_at[i]
        centre = self.where(motion.target)
        radius = self.where(n)[:, at] - centre[:, at]
        sign = -1.0 if motion.direction == "clockwise" else 1.0
        angle = sign * self._progress(motion) * self.amount[:, i, None]
        c, s = np.cos(angle), np.sin(angle)
        x, z = radius[:, None, 0], radius[:, None, 2]
        during = np.clip(self.times, motion.start * self.cast.seconds, motion.end * self.cast.seconds)
        carried = self._held(centre, during) - centre[:, at, None]
        self.own[:, :, n, 0] += c * x + s * z - x + carried[..., 0]
        self.own[:, :, n, 2] += c * z - s * x - z + carried[..., 2]

    def _held(self, path: np.ndarray, times: np.ndarray) -> np.ndarray:
        """``path`` with the times after a motion's end replaced by its last value within it."""
        after = self.times > times + 1e-12
        if not after.any():
            return path
        inside = np.flatnonzero(~after)
        last = inside[np.argmax(self.times[inside])]
        return np.where(after[None, :, None], path[:, last, None], path)

    def _grow(self, i: int, motion: Motion) -> None:
        n = motion.subject
        factor = 1.0 + (self.amount[:, i, None] - 1.0) * self._progress(motion)
        before = self.scale[:, :, n].copy()
        self.scale[:, :, n] *= factor
        self.own[:, :, n, 1] += self.cast.rest[n] * (self.scale[:, :, n] - before)

    _shrink = _grow

    def _appear(self, i: int, motion: Motion) -> None:
        """Only visibility changes."""

    _vanish = _appear

    def _follow(self, i: int, motion: Motion) -> None:
        assert motion.target is not None
        first, count = self.delayed_at[i]
        path = self.where(motion.target)
        step = path[:, first : first + count] - path[:, self.start_at[i], None]
        step[..., 1] = 0.0
        self.own[:, :count, motion.subject] += step
        self.glide[:, :count, motion.subject] += step

    def _collide(self, i: int, motion: Motion) -> None:
        assert motion.target is not None
        cast, n, t = self.cast, motion.subject, motion.target
        start = self.where(n)[:, self.start_at[i]]
        meeting = cast.meets(motion)
        # Both partners of a head-on collision look at where they stood, not at the other's new path.
        goal = self.where(t)[:, self.start_at[i] if meeting else self.impact_at[i]]
        line = (goal - start) * np.array([1.0, 0.0, 1.0])
        distance = np.linalg.norm(line, axis=-1, keepdims=True)
        line = line / np.maximum(distance, 1e-9)
        touch = cast.touch(n, t)
        # Partners that grow meanwhile keep the room that they will need.
        growth = np.max(
            [
                self.scale[:, at, k] / cast.scale[k]
                for at in (self.impact_at[i], self.end_at[i])
                for k in (n, t)
            ],
            axis=0,
        )
        way = np.maximum(distance - touch * growth[:, None], 0.0) * (0.5 if meeting else 1.0)
        impact = law.impact_time(motion, cast.seconds)
        begin, end = motion.start * cast.seconds, motion.end * cast.seconds
        # Full speed at the impact: only the first half of the eased profile is used.
        coming = 2.0 * ease(0.5 * np.clip((self.times - begin) / (impact - begin), 0.0, 1.0))
        step = (coming[None, :, None] * way[:, None]) * line[:, None]
        self.own[:, :, n] += step
        self.glide[:, :, n] += step
        if not meeting and self.cast.support[t] is None:
            u = np.clip((self.times - impact) / (end - impact), 0.0, 1.0)
            nudge = (1.0 - (1.0 - u) ** 2) * self.amount[:, i, None]
            pushed = nudge[..., None] * line[:, None]
            self.own[:, :, t] += pushed
            self.glide[:, :, t] += pushed

    def _swap(self, i: int, motion: Motion) -> None:
        assert motion.target is not None
        at = self.start_at[i]
        a, b = self.where(motion.subject)[:, at], self.where(motion.target)[:, at]
        half = 0.5 * (a - b) * np.array([1.0, 0.0, 1.0])
        length = np.maximum(np.linalg.norm(half, axis=-1, keepdims=True), 1e-9)
        # Quarter turn clockwise seen from above, as long as half of the width at which they pass.
        aside = np.stack([-half[:, 2], np.zeros(len(half)), half[:, 0]], axis=-1) / length
        aside = aside * self.amount[:, i, None]
        angle = np.pi * self._progress(motion)[None, :, None]
        step = (np.cos(angle) - 1.0) * half[:, None] + np.sin(angle) * aside[:, None]
        for n, sign in ((motion.subject, 1.0), (motion.target, -1.0)):
            self.own[:, :, n] += sign * step
            self.glide[:, :, n] += sign * step

    def _shake(self, i: int, motion: Motion) -> None:
        elapsed, duration = law.local_time(motion, self.cast.seconds, self.times)
        envelope = np.clip(np.minimum(elapsed, duration - elapsed) / (0.1 * duration), 0.0, 1.0)
        swing = np.sin(2.0 * np.pi * law.SHAKE_HERTZ[motion.speed] * elapsed) * envelope
        self.own[:, :, motion.subject, 0] += swing * self.amount[:, i, None]

    # ------------------------------------------------------------------ visibility

    def _visibility(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """bool (K, N) and the pop factor (K, N)."""
        count = len(self.cast.shape)
        visible = np.ones((len(times), count), dtype=bool)
        pop = np.ones((len(times), count))
        started: set[int] = set()
        switches = [m for m in self.cast.motions if m.kind in ("appear", "vanish")]
        for motion in sorted(switches, key=lambda m: m.start):
            n, when = motion.subject, law.event_time(motion, self.cast.seconds)
            if motion.kind == "appear":
                if n not in started:
                    visible[:, n] = False
                visible[times >= when - 1e-9, n] = True
                up = np.clip((times - when) / law.POP_SECONDS, 0.0, 1.0)
                pop[:, n] *= np.where(times >= when - 1e-9, law.POP_SMALLEST + (1 - law.POP_SMALLEST) * up, 1)
            else:
                visible[times >= when - 1e-9, n] = False
                down = np.clip((when - times) / law.POP_SECONDS, 0.0, 1.0)
                pop[:, n] *= np.where(times < when, law.POP_SMALLEST + (1 - law.POP_SMALLEST) * down, 1)
            started.add(n)
        return visible, pop
