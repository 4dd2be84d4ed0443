"""The radiance of visible object samples: patterns, materials, shadows and reflections, in linear RGB."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scenewright.world.environment import (
    GroundLight,
    clip_scalar,
    clip_vector,
    fog_share,
    ground_albedo,
    mix,
    sky_radiance,
    smoothstep,
)
from scenewright.world.intersect import Vec, along, dot, nearest, normal, normalize, ray_hits
from scenewright.world.pack import Pack
from scenewright.world.scene import SHAPES, Shape
from scenewright.world.shapes import (
    CAPSULE_HALF_SEGMENT,
    CONE_HALF_HEIGHT,
    CUBE_HALF,
    CYLINDER_HALF_HEIGHT,
    PYRAMID_HALF_HEIGHT,
    TORUS_MAJOR,
)
from scenewright.world.textures import TextureAtlas
from scenewright.world.visibility import Hits

_STRIPE_NORMAL = (0.797, 0.500, 0.338)
_STRIPES_PER_UNIT = 1.75
_STRIPE_SHARE = 0.38
_SEAM_HALF_WIDTH = 0.065
_SEAM_BRIGHTNESS = 0.5
_GLASS_INDEX = 1.35
#: Radiance above this is cut before samples are averaged, so that highlights have smooth edges.
_BRIGHTEST = 2.0


# -------------------------------------------------------------------------------------------------- patterns


def _bands(y: Tensor, half: float) -> Tensor:
    """Parity of four equal bands from -half to half."""
    return (y > 0.0) ^ (y.abs() > 0.5 * half)


def chequer(shape: Shape, p: Vec) -> Tensor:
    """bool: which cell of the shape's two-coloured pattern a surface point is in.

    Round shapes have eight sectors about their axis, flat faces a grid.
    """
    x, y, z = p
    ax, az = x.abs(), z.abs()
    if shape == "cube":
        return _bands(x, CUBE_HALF) ^ _bands(y, CUBE_HALF) ^ _bands(z, CUBE_HALF)
    if shape == "pyramid":
        tangent = torch.where(ax > az, z, x)
        return _bands(y, PYRAMID_HALF_HEIGHT) ^ _bands(tangent, 0.7) ^ (ax > az)
    sector = (x > 0.0) ^ (z > 0.0) ^ (ax > az)
    if shape == "sphere":
        ay = y.abs()
        return sector ^ (y > 0.0) ^ (ay > 0.5) ^ (ay > 0.866)
    if shape == "cylinder":
        inner = x * x + z * z < 0.36**2
        return sector ^ _bands(y, CYLINDER_HALF_HEIGHT) ^ inner
    if shape == "cone":
        return sector ^ _bands(y, CONE_HALF_HEIGHT)
    if shape == "torus":
        return sector ^ (y > 0.0) ^ (x * x + z * z > TORUS_MAJOR**2)
    return sector ^ (y > 0.0) ^ (y.abs() > 0.9 * CAPSULE_HALF_SEGMENT)


def stripe(p: Vec) -> Tensor:
    """bool: whether a point lies in one of the slanted bands of the second tone."""
    n = _STRIPE_NORMAL
    c = (p[0] * n[0] + p[1] * n[1] + p[2] * n[2]) * _STRIPES_PER_UNIT + 0.19
    return (c - c.floor()) < _STRIPE_SHARE


def seam(p: Vec) -> Tensor:
    """bool: whether a point lies on the meridian lines that make the turning of round shapes visible."""
    return (p[0].abs() < _SEAM_HALF_WIDTH) | (p[2].abs() < _SEAM_HALF_WIDTH)


# ---------------------------------------------------------------------------------------------------- frames


def _turn(m: list[Tensor], v: Vec) -> Vec:
    return (
        m[0] * v[0] + m[1] * v[1] + m[2] * v[2],
        m[3] * v[0] + m[4] * v[1] + m[5] * v[2],
        m[6] * v[0] + m[7] * v[1] + m[8] * v[2],
    )


def _turn_back(m: list[Tensor], v: Vec) -> Vec:
    return (
        m[0] * v[0] + m[3] * v[1] + m[6] * v[2],
        m[1] * v[0] + m[4] * v[1] + m[7] * v[2],
        m[2] * v[0] + m[5] * v[1] + m[8] * v[2],
    )


def _pick(v: Vec, index: Tensor) -> Vec:
    return v[0].index_select(0, index), v[1].index_select(0, index), v[2].index_select(0, index)


def _scale(v: Vec, s: Tensor) -> Vec:
    return v[0] * s, v[1] * s, v[2] * s


def _add(a: Vec, b: Vec) -> Vec:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _sub(a: Vec, b: Vec) -> Vec:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def _times(a: Vec, b: Vec) -> Vec:
    return a[0] * b[0], a[1] * b[1], a[2] * b[2]


def _power(x: Tensor, doublings: int) -> Tensor:
    for _ in range(doublings):
        x = x * x
    return x


def _reflect(view: Vec, n: Vec) -> Vec:
    """Mirror direction of the direction ``view`` towards the eye."""
    double = 2.0 * dot(view, n)
    return n[0] * double - view[0], n[1] * double - view[1], n[2] * double - view[2]


def _fresnel(cosine: Tensor, base: float) -> Tensor:
    """Schlick's approximation."""
    away = (1.0 - cosine).clamp(0.0, 1.0)
    squared = away * away
    return base + (1.0 - base) * squared * squared * away


def _refract(d: Vec, n: Vec, eta: float) -> tuple[Vec, Tensor]:
    """Snell's law for unit ``d`` against unit ``n``; and whether the light is totally reflected."""
    cosine = -dot(d, n)
    k = 1.0 - eta * eta * (1.0 - cosine * cosine)
    bend = eta * cosine - k.clamp_min(0.0).sqrt()
    out = (eta * d[0] + bend * n[0], eta * d[1] + bend * n[1], eta * d[2] + bend * n[2])
    return out, k < 0.0


# ----------------------------------------------------------------------------------- other objects in a frame


def _pairs(
    pack: Pack, item: Tensor, p: Vec, d: Vec, slack: Tensor | float, own: bool
) -> list[tuple[int, Tensor, Tensor]]:
    """Per slot: which points ``p`` have rays ``d`` that pass the bounding sphere of that slot's item.

    ``slack`` widens the spheres by so much per unit of distance. ``own`` pairs tori with themselves too.
    """
    frame = pack.frame.index_select(0, item)
    result = []
    torus_start = sum(pack.shape_count[: SHAPES.index("torus")])
    torus_end = torus_start + pack.shape_count[SHAPES.index("torus")]
    for slot in range(pack.items_of_frame.shape[1]):
        other = pack.items_of_frame[:, slot].index_select(0, frame)
        valid = (other >= 0) & (other != item)
        if own:
            valid |= (other == item) & (item >= torus_start) & (item < torus_end)
        index = valid.nonzero().squeeze(1)
        if index.numel() == 0:
            continue
        other = other[index]
        to = _sub(pack.of("position", other), _pick(p, index))
        ahead = dot(to, _pick(d, index))
        radius = pack.scalar_of("radius", other)
        room = slack if isinstance(slack, float) else slack[index]
        reach = radius + room * ahead.clamp_min(0.0)
        near = (ahead > -radius) & (dot(to, to) - ahead * ahead < reach * reach)
        keep = near.nonzero().squeeze(1)
        if keep.numel():
            result.append((slot, index[keep], other[keep]))
    return result


def _by_shape(pack: Pack, other: Tensor) -> list[tuple[Shape, Tensor]]:
    groups = []
    start = 0
    for shape, count in zip(SHAPES, pack.shape_count, strict=True):
        if count:
            index = ((other >= start) & (other < start + count)).nonzero().squeeze(1)
            if index.numel():
                groups.append((shape, index))
        start += count
    return groups


def _sunlight(pack: Pack, item: Tensor, sub: Tensor, p: Vec, n: Vec, subs: int) -> Vec:
    """Share of sunlight (RGB, glass tints it) that reaches points ``p`` past the objects of their frame."""
    clip = pack.clip.index_select(0, item)
    sun = clip_vector(pack, "sun", clip)
    scale = pack.scalar_of("scale", item)
    start = along(p, n, 0.012 * scale)
    count = pack.lights.shape[-1] // subs
    share = [torch.ones_like(scale) for _ in range(3)]
    for _, index, other in _pairs(pack, item, start, sun, clip_scalar(pack, "radius", clip) * 1.1, True):
        origin = _pick(start, index)
        hidden = torch.zeros_like(origin[0])
        which = sub[index].unsqueeze(1) + subs * torch.arange(count, device=sub.device)
        for shape, group in _by_shape(pack, other):
            target = other[group]
            m = [row.unsqueeze(1) for row in pack.matrix_of("rotation", target)]
            inverse = pack.scalar_of("scale", target).reciprocal().unsqueeze(1)
            local = _sub(_pick(origin, group), pack.of("position", target))
            o = _scale(
                _turn_back(m, (local[0].unsqueeze(1), local[1].unsqueeze(1), local[2].unsqueeze(1))), inverse
            )
            ray = which[group] + clip[index[group]].unsqueeze(1) * pack.lights.shape[-1]
            flat = pack.lights.reshape(3, -1)
            d = _scale(_turn_back(m, (flat[0][ray], flat[1][ray], flat[2][ray])), inverse)
            hidden[group] = ray_hits(shape, o, d, 0.0).float().sum(1) * (1.0 / count)
        tint = pack.of("shadow_tint", other)
        for i in range(3):
            share[i][index] = share[i][index] * (1.0 - hidden * (1.0 - tint[i]))
    return share[0], share[1], share[2]


def _openness(pack: Pack, item: Tensor, p: Vec, n: Vec) -> Tensor:
    """Share of ambient light that the frame's other objects, taken as spheres, let through to ``p``."""
    frame = pack.frame.index_select(0, item)
    result = torch.ones_like(p[0])
    for slot in range(pack.items_of_frame.shape[1]):
        other = pack.items_of_frame[:, slot].index_select(0, frame)
        index = ((other >= 0) & (other != item)).nonzero().squeeze(1)
        if index.numel() == 0:
            continue
        other = other[index]
        to = _sub(pack.of("position", other), _pick(p, index))
        radius = pack.scalar_of("occluder", other)
        squared = torch.maximum(dot(to, to), radius * radius)
        facing = dot(to, _pick(n, index)).clamp_min(0.0) / squared.sqrt()
        hidden = (facing * radius * radius / squared).clamp_max(0.85)
        result[index] = result[index] * (1.0 - hidden)
    return result


def _mirrored(pack: Pack, item: Tensor, p: Vec, d: Vec, behind: Vec) -> Vec:
    """``behind`` with the frame's other objects, simply lit, seen in front of it along rays ``p + t d``."""
    depth = torch.full_like(p[0], torch.inf)
    seen = [c.clone() for c in behind]
    clip = pack.clip.index_select(0, item)
    for _, index, other in _pairs(pack, item, p, d, 0.0, False):
        for shape, group in _by_shape(pack, other):
            target, rays = other[group], index[group]
            m = pack.matrix_of("rotation", target)
            inverse = pack.scalar_of("scale", target).reciprocal()
            o = _scale(_turn_back(m, _sub(_pick(p, rays), pack.of("position", target))), inverse)
            direction = _scale(_turn_back(m, _pick(d, rays)), inverse)
            t = nearest(shape, o, direction, 1e-3)
            closer = (t < depth[rays]).nonzero().squeeze(1)
            if closer.numel() == 0:
                continue
            t, rays, target = t[closer], rays[closer], target[closer]
            depth[rays] = t
            local = along(_pick(o, closer), _pick(direction, closer), t)
            n = _turn([row[closer] for row in m], normal(shape, local))
            c = clip[rays]
            light = _add(_sky_light(pack, c, n, None), _sun_light(pack, c, n))
            colour = _times(_albedo(pack, target, shape, local), light)
            for i in range(3):
                seen[i][rays] = colour[i]
    return seen[0], seen[1], seen[2]


# --------------------------------------------------------------------------------------------------- shading


def _albedo(pack: Pack, item: Tensor, shape: Shape, p: Vec) -> Vec:
    flags = pack.table["flags"]
    second = flags[0].index_select(0, item) * stripe(p) + flags[1].index_select(0, item) * chequer(shape, p)
    line = pack.scalar_of("seamed", item) * seam(p)
    colour = mix(pack.of("base", item), pack.of("second", item), second)
    return _scale(colour, 1.0 - (1.0 - _SEAM_BRIGHTNESS) * line)


def _sky_light(pack: Pack, clip: Tensor, n: Vec, lift: Tensor | None) -> Vec:
    """RGB irradiance at normals ``n`` from the sky above and the ground below.

    ``lift``: 0 at the ground to 1 far above it, where the ground below is as bright as the open ground.
    """
    below = clip_vector(pack, "bounce", clip)
    if lift is not None:
        below = _scale(below, 0.30 + 0.70 * lift)
    return mix(below, clip_vector(pack, "ambient", clip), 0.5 + 0.5 * n[1])


def _sun_light(pack: Pack, clip: Tensor, n: Vec) -> Vec:
    """RGB irradiance at normals ``n`` from the unhidden sun."""
    facing = dot(n, clip_vector(pack, "sun", clip)).clamp_min(0.0)
    return _scale(clip_vector(pack, "direct", clip), facing)


def _environment(pack: Pack, atlas: TextureAtlas, item: Tensor, p: Vec, d: Vec, blur: float) -> Vec:
    """Radiance that comes along unit directions ``d`` to points ``p``: sky, ground, other objects.

    The ground shows the shadow of the item itself, taken as a sphere.
    """
    clip = pack.clip.index_select(0, item)
    result = list(sky_radiance(pack, atlas, clip, d, blur))
    index = (d[1] < -1e-3).nonzero().squeeze(1)
    if index.numel():
        c, it = clip[index], item[index]
        down = -d[1][index]
        t = p[1][index].clamp_min(0.0) / down
        x, z = p[0][index] + t * d[0][index], p[2][index] + t * d[2][index]
        albedo = ground_albedo(pack, atlas, c, x, z, 0.02 + blur * t / down.sqrt())
        position = pack.of("position", it)
        radius = pack.scalar_of("occluder", it)
        to = (position[0] - x, position[1], position[2] - z)
        squared = dot(to, to).clamp_min(1e-6)
        light = GroundLight.of(pack)
        open_sky = 1.0 - (position[1] * radius * radius / (squared * squared.sqrt())).clamp_max(0.9)
        sun = clip_vector(pack, "sun", c)
        ahead = dot(to, sun)
        aside = (squared - ahead * ahead).clamp_min(0.0).sqrt() / radius
        lit = smoothstep(0.75, 1.15, aside)
        tint = pack.of("shadow_tint", it)
        fog = fog_share(clip_scalar(pack, "fog", c), t)
        for i in range(3):
            ground = albedo[:, i] * (
                light.ambient[i][c] * open_sky + light.direct[i][c] * (lit + (1.0 - lit) * tint[i])
            )
            result[i][index] = ground + fog * (result[i][index] - ground)
    seen: Vec = (result[0], result[1], result[2])
    company = pack.company.index_select(0, item).nonzero().squeeze(1)
    if company.numel():
        inner = _mirrored(pack, item[company], _pick(p, company), _pick(d, company), _pick(seen, company))
        for i in range(3):
            seen[i][company] = inner[i]
    return seen


def _through_glass(
    pack: Pack, atlas: TextureAtlas, item: Tensor, shape: Shape, local: Vec, n: Vec, view: Vec
) -> tuple[Vec, Tensor]:
    """Radiance seen through solid glass (two refractions), and the way inside in units of the scale."""
    m = pack.matrix_of("rotation", item)
    scale = pack.scalar_of("scale", item)
    inside, _ = _refract((-view[0], -view[1], -view[2]), n, 1.0 / _GLASS_INDEX)
    d = _turn_back(m, normalize(inside))
    inner = _turn_back(m, n)
    start = along(local, inner, -2e-3)
    t = nearest(shape, start, d, 0.0)
    t = torch.where(t < torch.inf, t, 0.0)
    leave = along(start, d, t)
    n2 = _turn(m, normal(shape, leave))
    d2 = _turn(m, d)
    out, total = _refract(d2, (-n2[0], -n2[1], -n2[2]), _GLASS_INDEX)
    # Where no light leaves, look along the surface it grazes.
    flat = normalize(along(d2, n2, -dot(d2, n2)))
    blocked = total.to(t.dtype)
    out = mix(out, flat, blocked)
    end = along(pack.of("position", item), _turn(m, leave), scale)
    return _environment(pack, atlas, item, end, normalize(out), 0.01), t + 0.8 * blocked


@dataclass(frozen=True)
class _Surface:
    """Visible samples on items of one shape; ``(n,)`` each, vectors in world space."""

    item: Tensor
    clip: Tensor
    local: Vec  # the point in object space
    p: Vec
    n: Vec
    view: Vec  # unit, towards the eye
    albedo: Vec
    diffuse: Vec  # radiance of the matte surface
    direct: Vec  # colour of the sun as it arrives
    spark: Tensor  # the sun's mirror image

    def pick(self, index: Tensor) -> _Surface:
        return _Surface(
            item=self.item.index_select(0, index),
            clip=self.clip.index_select(0, index),
            local=_pick(self.local, index),
            p=_pick(self.p, index),
            n=_pick(self.n, index),
            view=_pick(self.view, index),
            albedo=_pick(self.albedo, index),
            diffuse=_pick(self.diffuse, index),
            direct=_pick(self.direct, index),
            spark=self.spark.index_select(0, index),
        )


def _metal(pack: Pack, atlas: TextureAtlas, s: _Surface) -> Vec:
    """Blurred reflections and the sun's, tinted by the colour, whiter at grazing angles (Schlick)."""
    cosine = dot(s.n, s.view).clamp_min(0.0)
    seen = _environment(pack, atlas, s.item, s.p, _reflect(s.view, s.n), 0.16)
    white = (torch.ones_like(cosine),) * 3
    tint = mix(s.albedo, white, 0.035 + 0.45 * _fresnel(cosine, 0.0))
    glint = _times(mix(tint, white, torch.full_like(cosine, 0.25)), _scale(s.direct, 1.5 * s.spark))
    return _add(_add(_times(tint, seen), _scale(s.diffuse, torch.full_like(cosine, 0.22))), glint)


def _glass(pack: Pack, atlas: TextureAtlas, s: _Surface, shape: Shape) -> Vec:
    """What is seen through the body, tinted by the way, and what its surface mirrors (Schlick)."""
    cosine = dot(s.n, s.view).clamp_min(0.0)
    seen = _environment(pack, atlas, s.item, s.p, _reflect(s.view, s.n), 0.02)
    through, way = _through_glass(pack, atlas, s.item, shape, s.local, s.n, s.view)
    tint = mix((torch.ones_like(way),) * 3, s.albedo, (0.72 + 0.22 * way).clamp_max(1.0))
    body = _scale(s.diffuse, torch.full_like(way, 0.17))
    inner = _add(_scale(_times(through, tint), torch.full_like(way, 0.95)), body)
    return _add(mix(inner, seen, _fresnel(cosine, 0.05)), _scale(s.direct, 1.6 * s.spark))


def shade(pack: Pack, atlas: TextureAtlas, hits: Hits, shape: Shape, subs: int) -> Vec:
    """Linear RGB radiance, each ``(n,)``, of samples that all lie on items of one shape."""
    item = hits.item
    clip = pack.clip.index_select(0, item)
    m = pack.matrix_of("rotation", item)
    scale = pack.scalar_of("scale", item)
    n = _turn(m, normal(shape, hits.local))
    p = along(pack.of("position", item), _turn(m, hits.local), scale)
    view = normalize(_sub(pack.of("eye", item), p))
    sun = clip_vector(pack, "sun", clip)

    lift = p[1].clamp_min(0.0)
    ambient = list(_sky_light(pack, clip, n, lift / (lift + 0.30 * scale)))
    sunlight = [torch.ones_like(scale) for _ in range(3)]
    if shape == "torus":  # it can shade itself
        index = torch.arange(item.numel(), device=item.device)
    else:
        index = pack.company.index_select(0, item).nonzero().squeeze(1)
    if index.numel():
        near = _openness(pack, item[index], _pick(p, index), _pick(n, index))
        for i in range(3):
            ambient[i][index] *= near
        index = index[dot(_pick(n, index), _pick(sun, index)) > 0.0]
    if index.numel():
        part = _sunlight(pack, item[index], hits.sub[index], _pick(p, index), _pick(n, index), subs)
        for i in range(3):
            sunlight[i][index] = part[i]
    arriving: Vec = (sunlight[0], sunlight[1], sunlight[2])
    albedo = _albedo(pack, item, shape, hits.local)
    light = _add((ambient[0], ambient[1], ambient[2]), _times(_sun_light(pack, clip, n), arriving))

    # The sun's highlight (Blinn): a wide weak one on matte objects, a narrow one on metal and glass.
    lobe = _power(dot(n, normalize(_add(view, sun))).clamp_min(0.0), 4)
    lit = (dot(n, sun) * 8.0).clamp(0.0, 1.0)
    surface = _Surface(
        item=item,
        clip=clip,
        local=hits.local,
        p=p,
        n=n,
        view=view,
        albedo=albedo,
        diffuse=_times(albedo, light),
        direct=_times(clip_vector(pack, "direct", clip), arriving),
        spark=_power(lobe, 3) * lit,
    )
    gloss = (0.10 + 0.18 * _power(lobe, 2)) * lobe * lit
    colour = list(_add(surface.diffuse, _scale(surface.direct, gloss)))
    metal, glass = (
        (flag.index_select(0, item) > 0.0).nonzero().squeeze(1) for flag in pack.table["flags"][2:]
    )
    if metal.numel():
        for channel, value in zip(colour, _metal(pack, atlas, surface.pick(metal)), strict=True):
            channel[metal] = value
    if glass.numel():
        for channel, value in zip(colour, _glass(pack, atlas, surface.pick(glass), shape), strict=True):
            channel[glass] = value
    red, green, blue = (channel.clamp_max(_BRIGHTEST) for channel in colour)
    return red, green, blue
