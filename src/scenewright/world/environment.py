"""What light comes from where: sky and ground radiance, for the background and for reflections."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scenewright.world.intersect import Vec, dot, normalize
from scenewright.world.pack import Pack, texture_coordinates
from scenewright.world.textures import PERIOD, TextureAtlas
from scenewright.world.visibility import ground_points


def smoothstep(low: float, high: float, x: Tensor) -> Tensor:
    t = ((x - low) * (1.0 / (high - low))).clamp(0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def clip_vector(pack: Pack, name: str, clip: Tensor) -> Vec:
    rows = pack.light[name]
    return rows[0].index_select(0, clip), rows[1].index_select(0, clip), rows[2].index_select(0, clip)


def clip_scalar(pack: Pack, name: str, clip: Tensor) -> Tensor:
    return pack.light[name][0].index_select(0, clip)


def mix(a: Vec, b: Vec, t: Tensor) -> Vec:
    return a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2])


def sky_radiance(pack: Pack, atlas: TextureAtlas, clip: Tensor, d: Vec, footprint: Tensor | float) -> Vec:
    """RGB radiance of the sky in unit directions ``d``, each ``(n,)``; ``footprint`` in radians."""
    up = d[1].clamp_min(0.0)
    colour = mix(
        clip_vector(pack, "horizon", clip), clip_vector(pack, "zenith", clip), up / (up + 0.16) * 1.12
    )
    colour = (colour[0].clamp_min(0.0), colour[1].clamp_min(0.0), colour[2].clamp_min(0.0))
    facing = dot(clip_vector(pack, "sun", clip), d).clamp_min(0.0)
    facing = facing * facing
    facing = facing * facing
    halo = 0.35 * facing
    facing = facing * facing
    facing = facing * facing
    facing = facing * facing
    halo = halo + 0.75 * facing * facing
    glow = clip_vector(pack, "glow", clip)
    colour = (colour[0] + halo * glow[0], colour[1] + halo * glow[1], colour[2] + halo * glow[2])
    cover = clip_scalar(pack, "cloud", clip)
    index = ((cover > 0.0) & (d[1] > 0.0)).nonzero().squeeze(1)
    if index.numel() == 0:
        return colour
    c = clip[index]
    x, y, z = d[0][index], up[index], d[2][index]
    # A cloud layer seen from below, bent so that it does not vanish at the horizon.
    stretch = 0.17 / (y + 0.16)
    noise = pack.light["noise"]
    u = x * stretch + noise[2].index_select(0, c)
    v = z * stretch + noise[3].index_select(0, c) + 1.1 * y
    width = footprint[index] if isinstance(footprint, Tensor) else torch.full_like(u, footprint)
    field = atlas.sample(torch.full_like(c, atlas.offset(None), dtype=torch.int32), u, v, width * stretch)[
        :, 0
    ]
    density = smoothstep(-0.5, 0.7, field) * (y * 30.0).clamp_max(1.0)
    lit = smoothstep(0.0, 1.8, field)
    direct, ambient = clip_vector(pack, "direct", c), clip_vector(pack, "ambient", c)
    bright = tuple((1.05 - 0.45 * lit) * (0.85 * direct[i] + 0.95 * ambient[i]) for i in range(3))
    cloud = mix(
        (colour[0][index], colour[1][index], colour[2][index]),
        (bright[0], bright[1], bright[2]),
        0.92 * density,
    )
    result = [colour[i].clone() for i in range(3)]
    for i in range(3):
        result[i][index] = cloud[i]
    return result[0], result[1], result[2]


@dataclass(frozen=True)
class GroundLight:
    """Irradiance of the open, unshadowed ground: RGB from the sky and from the sun, each ``(C,)``."""

    ambient: Vec
    direct: Vec

    @classmethod
    def of(cls, pack: Pack) -> GroundLight:
        sky, sun = pack.light["ambient"], pack.light["direct"]
        high = pack.light["sun"][1]
        return cls((sky[0], sky[1], sky[2]), (sun[0] * high, sun[1] * high, sun[2] * high))


def fog_share(fog: Tensor, distance: Tensor) -> Tensor:
    """How much of the ground at a distance is lost in the horizon's colour, 0 to 1.

    ``fog``: 1 over the square of the distance at which it is half lost.
    """
    x = distance * distance * fog
    x = x * x
    return x / (1.0 + x)


def ground_albedo(
    pack: Pack, atlas: TextureAtlas, clip: Tensor, x: Tensor, z: Tensor, footprint: Tensor
) -> Tensor:
    """Linear RGB ``(n, 3)`` at ground positions, averaged over ``footprint`` world units."""
    u, v = texture_coordinates(pack, clip, x, z)
    return atlas.sample(pack.ground.index_select(0, clip), u, v, footprint * (1.0 / PERIOD))


@dataclass(frozen=True)
class Background:
    """Pictures of the empty world: ``radiance`` and, of it, the ``albedo`` of the ground after fog.

    Each ``(3, B * H * W)``, linear light. Light on the ground that changes by d changes a pixel by
    ``albedo * d``.
    """

    radiance: Tensor
    albedo: Tensor


def background(
    pack: Pack, atlas: TextureAtlas, frames: Tensor, width: int, height: int, chunk: int
) -> Background:
    """The empty world as the cameras of ``frames`` ``(B,)`` see it, filtered to one sample a pixel."""
    device = frames.device
    pixels = width * height
    radiance = torch.empty(3, frames.numel(), pixels, device=device)
    albedo = torch.empty(3, frames.numel(), pixels, device=device)
    light = GroundLight.of(pack)
    column = torch.arange(width, device=device) + (0.5 - 0.5 * width)
    row = torch.arange(height, device=device) + (0.5 - 0.5 * height)
    column, row = column.repeat(height)[None], row.repeat_interleave(width)[None]
    for low, frame in zip(
        range(0, frames.numel(), max(1, chunk // pixels)), frames.split(max(1, chunk // pixels)), strict=True
    ):
        span = slice(low, low + frame.numel())
        clip = pack.clip_of_frame.index_select(0, frame)
        inverse = pack.camera["inverse_focal"][0].index_select(0, frame).unsqueeze(1)
        right, up = column * inverse, row * -inverse
        x, z, t = ground_points(pack, frame, right, up)
        near = t.clamp_max(1e4)
        length = (right * right + up * up + 1.0).sqrt()
        fog = torch.maximum(
            fog_share(clip_scalar(pack, "fog", clip).unsqueeze(1), near * length),
            (t >= 1e4).to(t.dtype),
        )
        steepness = pack.camera["eye"][1].index_select(0, frame).unsqueeze(1) / (near * length)
        footprint = near * inverse / (0.25 + 0.75 * steepness).clamp_min(0.02).sqrt()
        each = clip.unsqueeze(1).expand_as(x).reshape(-1)
        colour = ground_albedo(pack, atlas, each, x.reshape(-1), z.reshape(-1), footprint.reshape(-1)).view(
            *x.shape, 3
        )
        share = 1.0 - fog
        for i in range(3):
            lit = (light.ambient[i] + light.direct[i]).index_select(0, clip).unsqueeze(1)
            surface = colour[..., i] * share
            albedo[i, span] = surface
            radiance[i, span] = surface * lit

        part = (fog > 0.0005).reshape(-1).nonzero().squeeze(1)
        if part.numel():
            which = torch.div(part, pixels, rounding_mode="floor")
            f, c = frame.index_select(0, which), clip.index_select(0, which)
            r, u = right.reshape(-1).index_select(0, part), up.reshape(-1).index_select(0, part)
            m = [axis.index_select(0, f) for axis in pack.camera["rotation"]]
            d = normalize(
                (m[0] * r + m[1] * u - m[2], m[3] * r + m[4] * u - m[5], m[6] * r + m[7] * u - m[8])
            )
            sky = sky_radiance(pack, atlas, c, d, inverse.squeeze(1).index_select(0, which))
            haze = fog.reshape(-1).index_select(0, part)
            for i in range(3):
                radiance[i, span].reshape(-1)[part] += sky[i] * haze
    return Background(radiance.view(3, -1), albedo.view(3, -1))
