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
    field = atlas.sample(torch.full_like(c, atlas.offset(None)), u, v, width * stretch)[:, 0]
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


def fog_share(pack: Pack, clip: Tensor, distance: Tensor) -> Tensor:
    """How much of the ground at a distance is lost in the horizon's colour, 0 to 1."""
    x = distance * distance * clip_scalar(pack, "fog", clip)
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
    radiance = torch.empty(3, frames.numel() * pixels, device=device)
    albedo = torch.zeros(3, frames.numel() * pixels, device=device)
    light = GroundLight.of(pack)
    turn = pack.camera["rotation"]
    for low in range(0, radiance.shape[1], chunk):
        index = torch.arange(low, min(low + chunk, radiance.shape[1]), device=device)
        which = torch.div(index, pixels, rounding_mode="floor")
        inside = index - which * pixels
        row = torch.div(inside, width, rounding_mode="floor")
        frame = frames.index_select(0, which)
        clip = pack.clip_of_frame.index_select(0, frame)
        inverse = pack.camera["inverse_focal"][0].index_select(0, frame)
        right = ((inside - row * width).float() + (0.5 - 0.5 * width)) * inverse
        up = (row.float() + (0.5 - 0.5 * height)) * -inverse
        x, z, t = (v.squeeze(1) for v in ground_points(pack, frame, right.unsqueeze(1), up.unsqueeze(1)))
        on_ground = t < 1e4
        length = (right * right + up * up + 1.0).sqrt()
        fog = torch.where(on_ground, fog_share(pack, clip, t.clamp_max(1e4) * length), 1.0)

        part = (fog < 0.995).nonzero().squeeze(1)
        if part.numel():
            t_p, c_p = t[part], clip[part]
            steepness = pack.camera["eye"][1].index_select(0, frame[part]) / (t_p * length[part])
            footprint = t_p * inverse[part] / (0.25 + 0.75 * steepness).clamp_min(0.02).sqrt()
            share = 1.0 - fog[part]
            colour = ground_albedo(pack, atlas, c_p, x[part], z[part], footprint)
            for i in range(3):
                albedo[i, low + part] = colour[:, i] * share
        part = (fog > 0.0005).nonzero().squeeze(1)
        haze: list[Tensor] = [torch.zeros_like(fog) for _ in range(3)]
        if part.numel():
            r, u, f = right[part], up[part], frame[part]
            m = [axis.index_select(0, f) for axis in turn]
            d = normalize(
                (m[0] * r + m[1] * u - m[2], m[3] * r + m[4] * u - m[5], m[6] * r + m[7] * u - m[8])
            )
            sky = sky_radiance(pack, atlas, clip[part], d, inverse[part])
            for i in range(3):
                haze[i][part] = sky[i] * fog[part]
        end = low + index.numel()
        for i in range(3):
            lit = light.ambient[i] + light.direct[i]
            radiance[i, low:end] = haze[i] + albedo[i, low:end] * lit.index_select(0, clip)
    return Background(radiance, albedo)
