"""From a scene to its exact states: positions, rotations, scales, visibility and contacts over time."""

from __future__ import annotations

import numpy as np

from scenewright.world import motions as law
from scenewright.world.camera import camera_path, pitch_matrix, yaw_matrix
from scenewright.world.contact import ROLLING_RADIUS
from scenewright.world.easing import ease
from scenewright.world.motions import Cast
from scenewright.world.paths import Paths, trace
from scenewright.world.scene import Motion, Scene
from scenewright.world.states import Contact, States


def simulate(scene: Scene, num_frames: int, fps: float) -> States:
    """The states of ``scene`` at the times ``i / fps``, in closed form: no step size, no drift.

    A motion's start and end are fractions of ``scene.seconds``, whatever the number of frames; after the end
    of the scene everything holds still. Two renderings of a scene agree wherever their times do.
    Raises ``ValueError`` for fewer than one frame, a rate that is not positive, or motions that wait for each
    other in a circle.
    """
    if num_frames < 1:
        raise ValueError(f"a simulation needs at least one frame, not {num_frames}")
    if not 0.0 < fps < float("inf"):
        raise ValueError(f"fps must be a positive number, not {fps}")
    times = np.arange(num_frames) / float(fps)
    cast = Cast.of(scene.objects, scene.motions, scene.relations, scene.seconds)
    starts = np.array([m.start * scene.seconds for m in cast.motions])
    grid = np.concatenate([times, starts])
    position = np.array([[o.position for o in scene.objects]])
    amount = np.array([[m.amount for m in cast.motions]]).reshape(1, -1)
    travel = np.array([[m.travel for m in cast.motions]]).reshape(1, -1)
    paths = trace(cast, position, amount, travel, grid)
    rotation = np.stack(
        [_rotation(cast, n, paths, amount[0], grid) for n in range(len(scene.objects))], axis=1
    )
    keep = slice(0, num_frames)
    return States(
        times=times.astype(np.float32),
        position=paths.position[0, keep].astype(np.float32),
        rotation=rotation[keep].astype(np.float32),
        scale=(paths.scale[0, keep] * paths.pop[keep]).astype(np.float32),
        visible=paths.visible[keep].copy(),
        camera=camera_path(scene.camera, times, scene.seconds, scene.seed),
        contacts=_contacts(cast, paths, position, amount, travel),
    )


def axis_matrix(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotations ``(..., 3, 3)`` by ``angle`` radians about the unit vectors ``axis``, ``(..., 3)``."""
    x, y, z = np.moveaxis(np.asarray(axis, dtype=float), -1, 0)
    c, s = np.cos(angle), np.sin(angle)
    k = 1.0 - c
    rows = [
        c + x * x * k,
        x * y * k - z * s,
        x * z * k + y * s,
        y * x * k + z * s,
        c + y * y * k,
        y * z * k - x * s,
        z * x * k - y * s,
        z * y * k + x * s,
        c + z * z * k,
    ]
    entries = np.stack(np.broadcast_arrays(*rows), axis=-1)
    return entries.reshape(*entries.shape[:-1], 3, 3)


def _rotation(cast: Cast, n: int, paths: Paths, amount: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """(K, 3, 3) Orientation of object ``n``: its motions' rotations, one after the other."""
    upright = cast.shape[n] != "torus" and not cast.lying[n]
    pose = np.eye(3) if upright else pitch_matrix(np.pi / 2.0)
    rotation = np.repeat((yaw_matrix(cast.yaw[n]) @ pose)[None], len(grid), axis=0)
    frames = len(grid) - len(cast.motions)
    for i in sorted(range(len(cast.motions)), key=lambda j: cast.motions[j].start):
        motion = cast.motions[i]
        if motion.subject == n and motion.kind == "roll" and cast.shape[n] in (*ROLLING_RADIUS, "cube"):
            rotation = _rolled(cast, i, amount[i], rotation, rotation[frames + i], paths, grid)
        elif motion.subject == n and motion.kind == "spin":
            sign = -1.0 if motion.direction == "clockwise" else 1.0
            rotation = yaw_matrix(sign * amount[i] * law.progress(motion, cast.seconds, grid)) @ rotation
    if cast.shape[n] == "sphere":
        glide = paths.glide[0, :, n]
        distance = np.linalg.norm(glide, axis=-1)
        axis = np.cross([0.0, 1.0, 0.0], glide) / np.maximum(distance, 1e-12)[:, None]
        rotation = axis_matrix(axis, distance / paths.scale[0, :, n]) @ rotation
    below = cast.support[n]
    while below is not None:
        rotation = yaw_matrix(paths.turned[0, :, below]) @ rotation
        below = cast.support[below]
    return rotation


def _rolled(
    cast: Cast,
    i: int,
    amount: float,
    rotation: np.ndarray,
    at_start: np.ndarray,
    paths: Paths,
    grid: np.ndarray,
) -> np.ndarray:
    """``rotation`` (K, 3, 3) followed by the roll ``i`` without slip; ``at_start``: when the roll begins."""
    motion = cast.motions[i]
    n = motion.subject
    assert motion.direction is not None
    forward = np.array(law.UNIT_VECTOR[motion.direction])
    axis = np.cross([0.0, 1.0, 0.0], forward)
    if law.roll_turn(cast, i):
        elapsed, duration = law.local_time(motion, cast.seconds, grid)
        share = ease(np.clip(elapsed / duration / law.TURN_SHARE, 0.0, 1.0))
        rotation = yaw_matrix(share * _turn_needed(cast.shape[n], at_start, axis)) @ rotation
    share = law.roll_progress(cast, i, grid)
    if cast.shape[n] == "cube":
        angle = share * law.tumble_steps("cube", cast.scale[n], np.array([amount]))[0] * (np.pi / 2.0)
    else:
        start = len(grid) - len(cast.motions) + i
        angle = share * amount / (ROLLING_RADIUS[cast.shape[n]] * paths.scale[0, start, n])
    return axis_matrix(axis, angle) @ rotation


def _turn_needed(shape: str, rotation: np.ndarray, axis: np.ndarray) -> float:
    """The smallest turn about the vertical that brings a wheel's axle (a cube's edge) onto ``axis``."""
    wanted = np.arctan2(-axis[2], axis[0])
    period = np.pi
    pointer = rotation[:, 1]
    if shape == "cube":
        period = np.pi / 2.0
        pointer = rotation[:, int(np.argmin(np.abs(rotation[1])))]
    turn = wanted - np.arctan2(-pointer[2], pointer[0])
    return float((turn + period / 2.0) % period - period / 2.0)


# ------------------------------------------------------------------------------------------------ sound


def _contacts(
    cast: Cast, paths: Paths, position: np.ndarray, amount: np.ndarray, travel: np.ndarray
) -> tuple[Contact, ...]:
    """Everything audible, ordered by start."""
    found: list[Contact] = []
    for i, motion in enumerate(cast.motions):
        found += _contacts_of(cast, i, motion, position, amount, travel)
    return tuple(sorted(found, key=lambda c: (c.start, c.end, c.object, c.kind)))


def _contacts_of(
    cast: Cast, i: int, motion: Motion, position: np.ndarray, amount: np.ndarray, travel: np.ndarray
) -> list[Contact]:
    n, kind = motion.subject, motion.kind
    begin, end = motion.start * cast.seconds, motion.end * cast.seconds
    below = cast.support[n]

    def sustained(sound: str, speed: float, first: float = begin, last: float = end, who: int = n) -> Contact:
        strength = float(np.clip(speed / 3.0, 0.05, 1.0))
        other = motion.target if sound == "whoosh" else cast.support[who]
        return Contact(sound, who, first, last, strength, other)  # type: ignore[arg-type]

    def impact(when: float, speed: float, other: int | None = below) -> Contact:
        return Contact("impact", n, when, when, float(np.clip(speed / 7.0, 0.02, 1.0)), other)

    size = float(amount[0, i])
    if kind == "roll" and cast.shape[n] == "cube":
        steps = int(law.tumble_steps("cube", cast.scale[n], amount[:, i])[0])
        wait = law.TURN_SHARE * (end - begin) if law.roll_turn(cast, i) else 0.0
        every = (end - begin - wait) / steps
        return [impact(begin + wait + (k + 1) * every, 2.0) for k in range(steps)]
    if kind == "roll":
        sound = "roll" if cast.shape[n] in ROLLING_RADIUS else "slide"
        return [sustained(sound, size / (end - begin))]
    if kind == "slide":
        return [sustained("slide", size / (end - begin))]
    if kind in ("bounce", "jump"):
        starts, lasting = law.hops(motion, cast.seconds, amount[:, i])
        return [
            impact(begin + float(s + d), law.GRAVITY * float(d) / 2.0)
            for s, d in zip(starts[0], lasting[0], strict=True)
        ]
    if kind == "fall":
        lift = _lift(cast, i, position, amount, travel)
        fall = law.drop(motion, cast.seconds, amount[:, i], lift)
        landing = begin + float(fall.wait[0] + fall.falling[0])
        speed = float(fall.gravity[0] * fall.falling[0])
        sounds = [
            sustained("whoosh", speed / 2.0, begin + float(fall.wait[0]), landing),
            impact(landing, speed),
        ]
        for s, d in zip(fall.starts[0], fall.lasting[0], strict=True):
            if d > 0.0:
                sounds.append(impact(begin + float(s + d), float(fall.gravity[0] * d / 2.0)))
        return sounds
    if kind == "spin":
        return [sustained("spin", size / (end - begin) / 2.0)]
    if kind in ("appear", "vanish"):
        when = law.event_time(motion, cast.seconds)
        return [Contact(kind, n, when, when, 0.6)]
    if kind == "collide":
        when = law.impact_time(motion, cast.seconds)
        return [_glide_sound(cast, n, begin, when), impact(when, 4.0, motion.target)]
    if kind == "follow":
        return [_glide_sound(cast, n, min(begin + size, end), end)]
    if kind == "swap":
        assert motion.target is not None
        return [_glide_sound(cast, who, begin, end) for who in (n, motion.target)]
    if kind == "orbit":
        return [sustained("whoosh", 1.5)]
    return [sustained("whoosh", {"shake": 1.5}.get(kind, 0.5))]


def _glide_sound(cast: Cast, n: int, start: float, end: float) -> Contact:
    kind = "roll" if cast.shape[n] == "sphere" else "slide"
    return Contact(kind, n, start, max(start, end), 0.4, cast.support[n])  # type: ignore[arg-type]


def _lift(cast: Cast, i: int, position: np.ndarray, amount: np.ndarray, travel: np.ndarray) -> np.ndarray:
    """(1,) How far the object of the fall ``i`` is lifted before it can fall."""
    n, begin = cast.motions[i].subject, cast.motions[i].start * cast.seconds
    before = [j for j, m in enumerate(cast.motions) if j != i]
    others = Cast(
        cast.shape, cast.scale, cast.yaw, cast.support, tuple(cast.motions[j] for j in before), cast.seconds
    )
    at = trace(others, position, amount[:, before], travel[:, before], np.array([begin]))
    below = cast.support[n]
    ground = 0.0
    if below is not None:
        ground = position[0, below, 1] + cast.rest[below] * cast.scale[below]
    base = ground + cast.rest[n] * at.scale[:, 0, n]
    return np.maximum(base - (at.position[:, 0, n, 1] - amount[:, i]), 0.0)
