"""When a spatial relation holds: one definition for layout, for captions and for evaluation.

Left and right are meant in the picture, front and behind along the ground as the camera looks, near and
between along the ground. Distances are measured in the objects' own sizes, so that a relation that holds
is one that can be seen. A relation holds in a clip when it holds in every frame, both for that frame's
camera and for the first frame's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np

from scenewright.world.contact import rest_height
from scenewright.world.motions import Cast
from scenewright.world.scene import Relation, RelationKind, Scene
from scenewright.world.shapes import FOOTPRINT_RADIUS
from scenewright.world.states import CameraPath, States


@dataclass(frozen=True)
class Margins:
    """How clear a relation must be. Distances in sums of the two objects' radii."""

    beside: float
    depth: float
    near: float
    between: float
    aside: float


#: What is enough to say that a relation holds, and what layout aims at so that it holds clearly.
HOLDS = Margins(beside=0.55, depth=0.55, near=1.6, between=0.22, aside=0.75)
CLEAR = Margins(beside=0.85, depth=0.8, near=1.42, between=0.3, aside=0.5)


@dataclass(frozen=True)
class Standing:
    """Where boxes in a picture are, of a thing that stands on another. ``least`` and ``most``: how far its
    foot is above the other's top, in sums of both heights. ``aside``: how far its middle is from the other's,
    in widths of the wider. ``depth``: how much nearer or farther it is, in sums of the two radii."""

    least: float
    most: float
    aside: float
    depth: float


#: What is enough to see that a thing stands on another.
STANDS_ON = Standing(least=-0.3, most=0.12, aside=0.6, depth=0.75)
_LATERAL = 3.0
_CONTACT = 0.03


@dataclass(frozen=True)
class View:
    """What relations read. Axes: (..., K, N) for placements, frames, objects.

    ``x``: horizontal image position over depth (a tangent); ``half``: half of the objects' image width, in
    the same unit; ``back``: distance over the ground along the view; ``ground``: (..., K, N, 2);
    ``bottom`` and ``top``: heights; ``radius``: in world units.
    """

    x: np.ndarray
    half: np.ndarray
    back: np.ndarray
    ground: np.ndarray
    bottom: np.ndarray
    top: np.ndarray
    radius: np.ndarray

    @classmethod
    def of(
        cls,
        position: np.ndarray,
        scale: np.ndarray,
        unit_radius: np.ndarray,
        rest: np.ndarray,
        camera: CameraPath,
    ) -> View:
        """``position``: (..., K, N, 3); ``scale``: (..., K, N); ``camera``: K poses or one."""
        rotation, eye = camera.rotation.astype(float), camera.eye.astype(float)
        away = -rotation[:, :, 2] * np.array([1.0, 0.0, 1.0])
        away = away / np.linalg.norm(away, axis=-1, keepdims=True)
        offset = position - eye[:, None]
        local = offset @ rotation
        depth = np.maximum(-local[..., 2], 0.1)
        radius = scale * unit_radius
        return cls(
            x=local[..., 0] / depth,
            half=radius / depth,
            back=(offset * away[:, None]).sum(axis=-1),
            ground=position[..., [0, 2]],
            bottom=position[..., 1] - scale * rest,
            top=position[..., 1] + scale * rest,
            radius=radius,
        )


def relation_holds(relation: Relation, view: View, margins: Margins = HOLDS) -> np.ndarray:
    """bool (..., K): whether the relation holds at each frame, seen from the view's camera."""
    a, b, c = relation.subject, relation.reference, relation.second
    kind = relation.kind
    reach = view.radius[..., a] + view.radius[..., b]
    image_reach = view.half[..., a] + view.half[..., b]
    across = view.x[..., b] - view.x[..., a]
    if kind == "left_of":
        return across >= margins.beside * image_reach
    if kind == "right_of":
        return -across >= margins.beside * image_reach
    if kind in ("in_front_of", "behind"):
        sign = 1.0 if kind == "in_front_of" else -1.0
        apart = sign * (view.back[..., b] - view.back[..., a])
        widest = (view.half[..., a].max(axis=-1) + view.half[..., b].max(axis=-1))[..., None]
        return (apart >= margins.depth * reach) & (np.abs(across) <= _LATERAL * widest)
    offset = view.ground[..., a, :] - view.ground[..., b, :]
    distance = np.linalg.norm(offset, axis=-1)
    if kind == "on_top_of":
        above = view.bottom[..., a] >= view.top[..., b] - _CONTACT
        return above & (distance <= 0.95 * view.radius[..., b] + 1e-6)
    if kind == "near":
        # Judged by the largest size: what shrinks beside another does not move away from it.
        reach = (view.radius[..., a].max(axis=-1) + view.radius[..., b].max(axis=-1))[..., None]
        level = np.abs(view.bottom[..., a] - view.bottom[..., b]) <= 2.0 * reach
        return (distance <= margins.near * reach) & level
    line = view.ground[..., c, :] - view.ground[..., b, :]
    length = np.maximum(np.linalg.norm(line, axis=-1), 1e-9)
    along = (offset * line).sum(axis=-1) / length**2
    aside = np.abs(offset[..., 0] * line[..., 1] - offset[..., 1] * line[..., 0]) / length
    centred = (along >= margins.between) & (along <= 1.0 - margins.between)
    width = 0.5 * (reach + view.radius[..., c])
    # What passes through between two others is between them in the picture.
    sign = np.sign(view.x[..., c] - view.x[..., b])
    from_b = sign * (view.x[..., a] - view.x[..., b]) >= margins.beside * image_reach
    to_c = sign * (view.x[..., c] - view.x[..., a]) >= margins.beside * (
        view.half[..., a] + view.half[..., c]
    )
    through = from_b & to_c & (aside <= _LATERAL * width)
    return (centred & (aside <= margins.aside * width)) | through


def relation_touches(relation: Relation, view: View) -> np.ndarray:
    """bool (..., K): whether the subject of ``on_top_of`` stands on the other object at each frame."""
    a, b = relation.subject, relation.reference
    return np.abs(view.bottom[..., a] - view.top[..., b]) <= 2.0 * _CONTACT


def relations_in(scene: Scene, states: States) -> tuple[Relation, ...]:
    """All relations that hold in every frame in which their objects are visible, of every kind.

    A relation of objects that are never seen together does not hold. ``left_of(a, b)`` and
    ``right_of(b, a)`` are both listed, and so are the others' mirror images; of ``between`` only one.
    """
    return tuple(r for r in _conceivable(len(scene.objects)) if relation_in(r, scene, states))


def relation_in(relation: Relation, scene: Scene, states: States) -> bool:
    """Whether one relation holds in every frame in which its objects are visible."""
    return all(_holds_throughout(relation, view, states.visible) for view in views(scene, states))


def views(scene: Scene, states: States) -> tuple[View, ...]:
    """What relations read of every frame, by each frame's camera and by the first frame's."""
    cast = Cast.of(scene.objects, scene.motions, scene.relations, scene.seconds)
    unit_radius = np.array([FOOTPRINT_RADIUS[o.shape] for o in scene.objects])
    rest = np.array([rest_height(o.shape, lie) for o, lie in zip(scene.objects, cast.lying, strict=True)])
    position, scale = states.position.astype(float), states.scale.astype(float)
    first = CameraPath(states.camera.eye[:1], states.camera.rotation[:1], states.camera.fov_degrees)
    return tuple(View.of(position, scale, unit_radius, rest, camera) for camera in (states.camera, first))


def _holds_throughout(relation: Relation, view: View, visible: np.ndarray) -> bool:
    members = [i for i in (relation.subject, relation.reference, relation.second) if i is not None]
    seen = visible[:, members].all(axis=1)
    if not seen.any() or not relation_holds(relation, view)[seen].all():
        return False
    return relation.kind != "on_top_of" or bool(relation_touches(relation, view)[seen].any())


def _conceivable(count: int) -> Iterator[Relation]:
    kinds: tuple[RelationKind, ...] = (
        "left_of",
        "right_of",
        "in_front_of",
        "behind",
        "on_top_of",
        "near",
    )
    for a, b in permutations(range(count), 2):
        for kind in kinds:
            yield Relation(kind=kind, subject=a, reference=b)
    for a in range(count):
        for b, c in combinations([i for i in range(count) if i != a], 2):
            yield Relation(kind="between", subject=a, reference=b, second=c)
