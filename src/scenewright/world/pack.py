"""Scenes and states of many clips as flat tables: what the renderer's vector operations read.

An *item* is one object in one frame. Items are ordered by shape, then frame, then object. Letters: I items,
F frames of all clips together, C clips, J light directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scenewright.world import bounds
from scenewright.world.intersect import Vec
from scenewright.world.light import light_directions, light_of, light_outline
from scenewright.world.scene import COLOR_SRGB, MATERIALS, MAX_OBJECTS, SHAPES, Color, Material, Scene
from scenewright.world.states import States
from scenewright.world.textures import PERIOD, TextureAtlas, srgb_to_linear

#: Radius of the sphere that stands in for each unit shape in ambient occlusion.
_OCCLUDER = {
    "sphere": 1.0,
    "cube": 0.98,
    "cylinder": 0.84,
    "cone": 0.72,
    "torus": 0.62,
    "pyramid": 0.74,
    "capsule": 0.62,
}
_OCCLUDERS = np.array([_OCCLUDER[shape] for shape in SHAPES])
_LEAST_OCCLUSION = 0.04
_SEAMED = np.array([shape not in ("cube", "pyramid") for shape in SHAPES])

#: sRGB of the second tone of striped and chequered objects, where it is not the general one.
_STRIPE: dict[Color, tuple[int, int, int]] = {
    "white": (172, 172, 176),
    "gray": (74, 74, 76),
    "black": (88, 88, 92),
    "yellow": (255, 250, 215),
    "brown": (222, 196, 164),
}
_CHECK: dict[Color, tuple[int, int, int]] = {
    **_STRIPE,
    "yellow": (52, 46, 30),
    "cyan": (18, 48, 58),
    "orange": (60, 34, 18),
    "pink": (255, 244, 250),
}


def base_color(color: Color) -> np.ndarray:
    """Linear-light albedo ``(3,)`` of a named colour."""
    return srgb_to_linear(np.array(COLOR_SRGB[color]) / 255.0)


def second_color(color: Color, material: Material) -> np.ndarray:
    """Linear-light albedo ``(3,)`` of the other tone of a striped or chequered object."""
    table = _CHECK if material == "chequered" else _STRIPE
    if color in table:
        return srgb_to_linear(np.array(table[color]) / 255.0)
    return 0.16 * base_color(color) + 0.84 * 0.9


@dataclass(frozen=True)
class Pack:
    """Tables of a batch on one device. Vectors are stored component first: ``(3, I)``, matrices (9, I)."""

    num_frames: int  # F
    # items
    shape_count: list[int]  # how many items of each shape, in order of SHAPES
    frame: Tensor  # (I,) int64
    slot: Tensor  # (I,) int64, the object's index in its scene
    clip: Tensor  # (I,) int64
    low: Tensor  # (I,) bool, reaches below the ground
    crowded: Tensor  # (I,) bool, its picture box meets another item's
    company: Tensor  # (I,) bool, shares its frame with another item
    table: dict[str, Tensor]  # float32 (k, I)
    light_local: Tensor  # (3, I, J) light directions in object space, scaled as local = world / scale
    box: np.ndarray  # (I, 4) pixels that may see it
    shadow_box: np.ndarray  # (I, 4) pixels that may see its shadow
    occlusion_box: np.ndarray  # (I, 4) pixels whose ground it may darken
    items_of_frame: Tensor  # (F, K) int64, item of each slot or -1
    # frames
    clip_of_frame: Tensor  # (F,) int64
    camera: dict[str, Tensor]  # float32 (k, F): eye, rotation, inverse_focal
    static: list[bool]  # per clip
    # clips
    light: dict[str, Tensor]  # float32 (k, C)
    lights: Tensor  # (3, C, J)
    ground: Tensor  # (C,) int32 texel offset of the ground texture

    def of(self, name: str, item: Tensor) -> Vec:
        """Columns of an item table, each ``(n,)``; three of them."""
        rows = self.table[name]
        return rows[0].index_select(0, item), rows[1].index_select(0, item), rows[2].index_select(0, item)

    def matrix_of(self, name: str, item: Tensor) -> list[Tensor]:
        return [row.index_select(0, item) for row in self.table[name]]

    def scalar_of(self, name: str, item: Tensor) -> Tensor:
        return self.table[name][0].index_select(0, item)


def _rows(values: np.ndarray, device: torch.device) -> Tensor:
    """(n, ...) float64 to float32 (k, n)."""
    flat = values.reshape(len(values), int(np.prod(values.shape[1:]))).T
    return torch.from_numpy(np.ascontiguousarray(flat, dtype=np.float32)).to(device)


def _crowding(box: np.ndarray, frame: np.ndarray, slot: np.ndarray, frames: int) -> np.ndarray:
    order = np.full((frames, MAX_OBJECTS), -1)
    order[frame, slot] = np.arange(len(frame))
    crowded = np.zeros(len(frame) + 1, dtype=bool)
    for i in range(MAX_OBJECTS):
        for j in range(i + 1, MAX_OBJECTS):
            a, b = order[:, i], order[:, j]
            both = (a >= 0) & (b >= 0)
            a, b = a[both], b[both]
            meet = (np.maximum(box[a, :2], box[b, :2]) < np.minimum(box[a, 2:], box[b, 2:])).all(1)
            crowded[a[meet]] = True
            crowded[b[meet]] = True
    return crowded[:-1]


def pack(
    scenes: Sequence[Scene],
    states: Sequence[States],
    frames: slice,
    *,
    width: int,
    height: int,
    light_samples: int,
    atlas: TextureAtlas,
    device: torch.device,
) -> Pack:
    """The tables of the given frames of all clips (every clip has the same number of frames)."""
    eye = np.concatenate([state.camera.eye[frames] for state in states]).astype(np.float64)
    turn = np.concatenate([state.camera.rotation[frames] for state in states]).astype(np.float64)
    steps = len(eye) // len(scenes)
    fov = np.repeat([state.camera.fov_degrees for state in states], steps)
    focal = 0.5 * height / np.tan(np.radians(fov) / 2.0)
    static = [
        bool((s.camera.eye == s.camera.eye[:1]).all() and (s.camera.rotation == s.camera.rotation[:1]).all())
        for s in states
    ]

    keys, position, rotation, scale = [], [], [], []
    for c, (scene, state) in enumerate(zip(scenes, states, strict=True)):
        t, k = np.nonzero(state.visible[frames] & (state.scale[frames] > 1e-4))
        look = np.array(
            [(SHAPES.index(o.shape), MATERIALS.index(o.material)) for o in scene.objects], dtype=np.int64
        )
        keys.append(np.stack([look[k, 0], c * steps + t, k, np.full_like(t, c), look[k, 1]], axis=-1))
        position.append(state.position[frames][t, k])
        rotation.append(state.rotation[frames][t, k])
        scale.append(state.scale[frames][t, k])
    key = np.concatenate(keys)
    order = np.lexsort((key[:, 2], key[:, 1], key[:, 0]))
    shape, frame, slot, clip, material = key[order].T
    position_I3 = np.concatenate(position).astype(np.float64)[order]
    rotation_I33 = np.concatenate(rotation).astype(np.float64)[order]
    scale_I = np.concatenate(scale).astype(np.float64)[order]

    lights = [light_of(scene.time, scene.sky) for scene in scenes]
    directions = np.stack([light_directions(light, light_samples) for light in lights])
    sun = np.stack([light.sun for light in lights])
    albedo = np.array([atlas.means[scene.ground] for scene in scenes])
    direct = np.stack([light.direct for light in lights])
    ambient = np.stack([light.ambient for light in lights])
    bounce = 0.55 * albedo * (ambient + direct * sun[:, 1:2])
    light_radius = np.array([light.radius for light in lights])
    noise = np.stack([np.random.default_rng([scene.seed, 0x6E01]).random(4) for scene in scenes])

    # Picture bounds.
    eye_I, turn_I, focal_I = eye[frame], turn[frame], focal[frame]
    radius = bounds.bounding_radius(shape, scale_I)
    corner = bounds.corners(shape, position_I3, rotation_I33, scale_I)
    view = (eye_I, turn_I, focal_I)
    box = bounds.intersect_boxes(
        bounds.boxes_of_points(corner, *view), bounds.boxes_of_spheres(position_I3, radius, *view)
    )
    spread = np.stack([light_outline(light) for light in lights])
    shadow = bounds.intersect_boxes(
        bounds.boxes_of_points(bounds.shadow_points(corner, spread[clip]), *view),
        bounds.boxes_of_points(
            bounds.sphere_shadow_points(position_I3, radius, sun[clip], light_radius[clip]), *view
        ),
    )
    occluder = _OCCLUDERS[shape] * scale_I
    reach = np.cbrt(np.maximum(position_I3[:, 1], 0.0) * occluder**2 / _LEAST_OCCLUSION)
    reach = np.sqrt(np.maximum(reach**2 - position_I3[:, 1] ** 2, 0.0)) / np.cos(np.pi / 8)
    angle = np.arange(8) * np.pi / 4
    ring = np.stack([np.cos(angle), np.zeros(8), np.sin(angle)], axis=-1)
    foot = position_I3 * (1.0, 0.0, 1.0)
    occlusion = bounds.boxes_of_points(foot[:, None] + reach[:, None, None] * ring, *view)
    pixel_box = bounds.pixel_boxes(box, width, height)

    local_view = np.swapaxes(rotation_I33, 1, 2) / scale_I[:, None, None]
    to_local = (local_view[:, :, :, None] * turn_I[:, None, :, :]).sum(2)
    local_eye = (local_view * (eye_I - position_I3)[:, None, :]).sum(2)
    light_local = (local_view[:, None] * directions[clip][:, :, None, :]).sum(-1)  # (I, J, 3)

    colors = [np.array([base_color(o.color) for o in scene.objects]) for scene in scenes]
    seconds = [np.array([second_color(o.color, o.material) for o in scene.objects]) for scene in scenes]
    base = np.array([colors[c][k] for c, k in zip(clip, slot, strict=True)]).reshape(-1, 3)
    second = np.array([seconds[c][k] for c, k in zip(clip, slot, strict=True)]).reshape(-1, 3)
    flags = np.stack(
        [material == MATERIALS.index(name) for name in ("striped", "chequered", "metal", "glass")], axis=-1
    )
    seamed = _SEAMED[shape] & ~flags[:, 0] & ~flags[:, 1]
    glass = flags[:, 3:4]

    items_of_frame = np.full((len(eye), max((len(s.objects) for s in scenes), default=1)), -1)
    items_of_frame[frame, slot] = np.arange(len(frame))
    together = (items_of_frame >= 0).sum(1)[frame] > 1

    def integers(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(device)

    return Pack(
        num_frames=len(eye),
        shape_count=np.bincount(shape, minlength=len(SHAPES)).tolist(),
        frame=integers(frame),
        slot=integers(slot),
        clip=integers(clip),
        low=integers(corner[..., 1].min(1) < -2e-3),
        crowded=integers(_crowding(pixel_box, frame, slot, len(eye))),
        company=integers(together),
        table={
            "position": _rows(position_I3, device),
            "rotation": _rows(rotation_I33, device),
            "scale": _rows(scale_I, device),
            "radius": _rows(radius, device),
            "occluder": _rows(occluder, device),
            "to_local": _rows(to_local, device),
            "local_eye": _rows(local_eye, device),
            "eye": _rows(eye_I, device),
            "base": _rows(base, device),
            "second": _rows(second, device),
            "flags": _rows(flags.astype(np.float64), device),
            "seamed": _rows(seamed.astype(np.float64), device),
            "shadow_tint": _rows(np.where(glass, 0.22 + 0.60 * base, 0.0), device),
        },
        light_local=torch.from_numpy(
            np.ascontiguousarray(light_local.transpose(2, 0, 1), dtype=np.float32)
        ).to(device),
        box=pixel_box,
        shadow_box=bounds.pixel_boxes(shadow, width, height),
        occlusion_box=bounds.pixel_boxes(occlusion, width, height),
        items_of_frame=integers(items_of_frame),
        clip_of_frame=integers(np.repeat(np.arange(len(scenes)), steps)),
        camera={
            "eye": _rows(eye, device),
            "rotation": _rows(turn, device),
            "inverse_focal": _rows(1.0 / focal, device),
        },
        static=static,
        light={
            "sun": _rows(sun, device),
            "direct": _rows(direct, device),
            "ambient": _rows(ambient, device),
            "bounce": _rows(bounce, device),
            "zenith": _rows(np.stack([light.zenith for light in lights]), device),
            "horizon": _rows(np.stack([light.horizon for light in lights]), device),
            "glow": _rows(np.stack([light.glow for light in lights]), device),
            "cloud": _rows(np.array([light.cloud for light in lights]), device),
            "fog": _rows(np.array([light.fog for light in lights]) ** -2.0, device),
            "radius": _rows(light_radius, device),
            "noise": _rows(noise, device),
        },
        lights=torch.from_numpy(np.ascontiguousarray(directions.transpose(2, 0, 1), dtype=np.float32)).to(
            device
        ),
        ground=torch.tensor(
            [atlas.offset(scene.ground) for scene in scenes], dtype=torch.int32, device=device
        ),
    )


def least_occlusion() -> float:
    """Ambient occlusion of the ground below this is left out (and subtracted elsewhere: no edge)."""
    return _LEAST_OCCLUSION


def texture_coordinates(pack_: Pack, clip: Tensor, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Ground positions in texture periods, shifted by the scene's seed."""
    noise = pack_.light["noise"]
    u = z * (1.0 / PERIOD) + noise[0].index_select(0, clip)
    v = x * (1.0 / PERIOD) + noise[1].index_select(0, clip)
    return v, u
