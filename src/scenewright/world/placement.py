"""Finds a place for every object: many random placements at once, of which a good one is kept.

A placement is good when every object stays in the picture, nothing passes through anything else, nobody is
hidden, and every relation holds clearly in every frame. Motions keep as much of their wanted size as fits.
Axes: B placements, K times, N objects, M motions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenewright.world.paths import Paths
from scenewright.world.proposals import Candidates, Plan, propose
from scenewright.world.relations import CLEAR, View, relation_holds
from scenewright.world.states import CameraPath

#: Share of an object's disc that must lie in the picture, always and while it falls into it.
IN_FRAME = 0.85
_IN_FRAME_FALLING = 0.7
#: Share of an object's width that another one may hide on average; less of those that are to be counted.
_HIDDEN = 0.3
_HIDDEN_ALIKE = 0.12
#: Room between objects, in sums of their radii.
_CLEARANCE = 1.03
#: Shares of the wanted size of motions, tried one after the other.
_TIERS = ((0.92, 1.06), (0.76, 0.92), (0.58, 0.76), (0.42, 0.58), (0.28, 0.42))


@dataclass(frozen=True)
class Placement:
    """Start positions (N, 3) and the motions' amounts and travels (M,)."""

    position: np.ndarray
    amount: np.ndarray
    travel: np.ndarray


def place(plan: Plan, rng: np.random.Generator) -> Placement | None:
    """A placement with motions as large as fit, or ``None`` where none was found."""
    alone = len(plan.cast.shape) == 1
    batch = 16 if alone else 96
    rounds = 2 if alone else 3
    for tier in _TIERS if plan.cast.motions else _TIERS[:1] * 3:
        for _ in range(rounds):
            candidates = propose(plan, rng, batch, tier)
            good = _accept(plan, candidates)
            if good.any():
                chosen = int(np.argmax(good))
                return Placement(
                    candidates.position[chosen], candidates.amount[chosen], candidates.travel[chosen]
                )
    return None


# ------------------------------------------------------------------------------------------------ testing


def _accept(plan: Plan, candidates: Candidates) -> np.ndarray:
    """bool (B,): which placements are good."""
    paths = candidates.paths
    good = _in_frame(plan, paths)
    if len(plan.cast.shape) == 1 or not good.any():
        return good
    good &= _apart(plan, paths)
    if plan.relations or plan.opening:
        good &= _relations_hold(plan, paths)
    if good.any():
        good &= _unhidden(plan, paths)
    return good


def _image(plan: Plan, paths: Paths) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x, y (tangents over the half height), disc radius and depth of every bounding sphere, (B, K, N)."""
    camera = plan.camera_path
    local = (paths.position - camera.eye[:, None].astype(float)) @ camera.rotation.astype(float)
    depth = -local[..., 2]
    ahead = np.maximum(depth, 0.2) * plan.tangent
    radius = plan.bounding * paths.scale * paths.pop / ahead
    return local[..., 0] / ahead, local[..., 1] / ahead, radius, depth


def disc_inside(distance: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Share of a disc's area on the inner side of a line, whose signed ``distance`` from the centre is
    positive where the centre is inside.
    """
    u = np.clip(distance / np.maximum(radius, 1e-9), -1.0, 1.0)
    return 1.0 - (np.arccos(u) - u * np.sqrt(1.0 - u * u)) / np.pi


def _in_frame(plan: Plan, paths: Paths) -> np.ndarray:
    x, y, radius, depth = _image(plan, paths)
    side = plan.aspect - np.abs(x)
    share = disc_inside(side, radius) * disc_inside(1.0 + y, radius)
    above = disc_inside(1.0 - y, radius)
    wanted = np.full(above.shape[1:], IN_FRAME)
    for motion in plan.cast.motions:
        if motion.kind == "fall":
            wanted[: int(0.75 * motion.end * len(plan.times)), motion.subject] = _IN_FRAME_FALLING
    inside = (share * above >= wanted) & (depth > 0.5)
    return (inside | ~paths.visible).all(axis=(1, 2))


def _apart(plan: Plan, paths: Paths) -> np.ndarray:
    cast = plan.cast
    count = len(cast.shape)
    growth = paths.scale / np.array(cast.scale)
    radius = cast.footprint * growth
    height = cast.rest * paths.scale
    good = np.ones(len(radius), dtype=bool)
    touching = {
        frozenset((m.subject, m.target)) for m in cast.motions if m.kind == "collide" and m.target is not None
    }
    for a in range(count):
        for b in range(a + 1, count):
            if cast.support[a] == b or cast.support[b] == a:
                continue
            offset = paths.position[:, :, a] - paths.position[:, :, b]
            distance = np.hypot(offset[..., 0], offset[..., 2])
            if frozenset((a, b)) in touching:
                reach = 0.985 * cast.touch(a, b) * np.maximum(growth[..., a], growth[..., b])
            else:
                reach = _CLEARANCE * (radius[..., a] + radius[..., b])
            over = np.abs(offset[..., 1]) >= height[..., a] + height[..., b]
            good &= ((distance >= reach) | over).all(axis=1)
    return good


def _relations_hold(plan: Plan, paths: Paths) -> np.ndarray:
    scale = paths.scale * paths.pop
    cameras = [plan.camera_path]
    if plan.camera.move.kind != "static":
        path = plan.camera_path
        cameras.append(CameraPath(path.eye[:1], path.rotation[:1], path.fov_degrees))
    good = np.ones(len(scale), dtype=bool)
    for camera in cameras:
        view = View.of(paths.position, scale, plan.unit_radius, plan.cast.rest, camera)
        for relation in plan.relations:
            members = [relation.subject, relation.reference, relation.second]
            seen = paths.visible[:, [n for n in members if n is not None]].all(axis=1)
            good &= (relation_holds(relation, view, CLEAR) | ~seen).all(axis=1)
        for relation in plan.opening:
            good &= relation_holds(relation, view, CLEAR)[:, 0]
    return good


def _unhidden(plan: Plan, paths: Paths) -> np.ndarray:
    """No object hides too much of another; those that pass by or circle may for a while."""
    x, y, _, depth = _image(plan, paths)
    radius = 0.85 * plan.unit_radius * paths.scale / (np.maximum(depth, 0.2) * plan.tangent)
    good = np.ones(len(x), dtype=bool)
    circling = {
        frozenset((m.subject, m.target)) for m in plan.cast.motions if m.kind in ("orbit", "swap", "follow")
    }
    count = len(plan.cast.shape)
    for a in range(count):
        for b in range(a + 1, count):
            if frozenset((a, b)) in circling or plan.cast.support[a] == b or plan.cast.support[b] == a:
                continue
            distance = np.hypot(x[..., a] - x[..., b], y[..., a] - y[..., b])
            behind = np.where(depth[..., a] > depth[..., b], radius[..., a], radius[..., b])
            seen = (distance - radius[..., a] - radius[..., b] + 2.0 * behind) / (2.0 * behind)
            seen = np.clip(seen, 0.0, 1.0)
            both = paths.visible[:, a] & paths.visible[:, b]
            hidden = np.where(both, 1.0 - seen, 0.0)
            limit = _HIDDEN_ALIKE if plan.entity[a] == plan.entity[b] else _HIDDEN
            limit += 0.03 * max(0, count - 3)
            good &= (hidden.mean(axis=1) <= limit) & (hidden.max(axis=1) <= limit + 0.4)
    return good
