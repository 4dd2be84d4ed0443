"""Closed-form intersections of lines with the unit shapes, and their normals, in object space.

Points and directions are triples of tensors ``(x, y, z)`` that broadcast against each other. A line is
``o + t d``; ``d`` need not be of unit length, and ``t`` is in units of ``d``. All shapes but the torus are
convex, so a line meets them in one interval; the torus takes the roots of a quartic.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from scenewright.world.scene import Shape
from scenewright.world.shapes import (
    CAPSULE_HALF_SEGMENT,
    CAPSULE_RADIUS,
    CONE_HALF_HEIGHT,
    CONE_RADIUS,
    CUBE_HALF,
    CYLINDER_HALF_HEIGHT,
    CYLINDER_RADIUS,
    PYRAMID_BASE_HALF,
    PYRAMID_HALF_HEIGHT,
    SPHERE_RADIUS,
    TORUS_MAJOR,
    TORUS_MINOR,
)

Vec = tuple[Tensor, Tensor, Tensor]

_TINY = 1e-20
_FAR = 1e30


def dot(a: Vec, b: Vec) -> Tensor:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def along(o: Vec, d: Vec, t: Tensor | float) -> Vec:
    """The point ``o + t d``."""
    return o[0] + t * d[0], o[1] + t * d[1], o[2] + t * d[2]


def normalize(a: Vec) -> Vec:
    scale = dot(a, a).clamp_min(_TINY).rsqrt()
    return a[0] * scale, a[1] * scale, a[2] * scale


def _away_from_zero(x: Tensor, least: float = _TINY) -> Tensor:
    """``x``, with magnitudes below ``least`` raised to it (zero counts as positive)."""
    return torch.where(x.abs() < least, least, x)


# ------------------------------------------------------------------------------------------ convex intervals


def _ball_interval(o: Vec, d: Vec, radius: float) -> tuple[Tensor, Tensor]:
    dd = dot(d, d)
    nearest = -dot(o, d) / dd
    foot = along(o, d, nearest)
    squared = (radius * radius - dot(foot, foot)) / dd
    half = squared.clamp_min(0.0).sqrt()
    miss = (squared < 0.0) * _FAR
    return nearest - half + miss, nearest + half - miss


def _sphere_interval(o: Vec, d: Vec) -> tuple[Tensor, Tensor]:
    return _ball_interval(o, d, SPHERE_RADIUS)


def _slab(o: Tensor, d: Tensor, half: float) -> tuple[Tensor, Tensor]:
    inverse = _away_from_zero(d).reciprocal()
    middle, extent = -o * inverse, half * inverse.abs()
    return middle - extent, middle + extent


def _cube_interval(o: Vec, d: Vec) -> tuple[Tensor, Tensor]:
    x, y, z = (_slab(o[i], d[i], CUBE_HALF) for i in range(3))
    return torch.maximum(torch.maximum(x[0], y[0]), z[0]), torch.minimum(torch.minimum(x[1], y[1]), z[1])


def _tube_interval(o: Vec, d: Vec, radius: float) -> tuple[Tensor, Tensor, Tensor]:
    """Interval inside the endless cylinder about y, and the discriminant's sign carrier (< 0: a miss)."""
    a = (d[0] * d[0] + d[2] * d[2]).clamp_min(_TINY)
    nearest = -(o[0] * d[0] + o[2] * d[2]) / a
    x, z = o[0] + nearest * d[0], o[2] + nearest * d[2]
    squared = (radius * radius - x * x - z * z) / a
    half = squared.clamp_min(0.0).sqrt()
    return nearest - half, nearest + half, squared


def _cylinder_interval(o: Vec, d: Vec) -> tuple[Tensor, Tensor]:
    near, far, squared = _tube_interval(o, d, CYLINDER_RADIUS)
    bottom, top = _slab(o[1], d[1], CYLINDER_HALF_HEIGHT)
    miss = (squared < 0.0) * _FAR
    return torch.maximum(near, bottom) + miss, torch.minimum(far, top) - miss


def _cone_interval(o: Vec, d: Vec) -> tuple[Tensor, Tensor]:
    start = -dot(o, d) / dot(d, d)
    x, y, z = along(o, d, start)
    slope = (CONE_RADIUS / (2.0 * CONE_HALF_HEIGHT)) ** 2
    y, dy = CONE_HALF_HEIGHT - y, -d[1]  # distance below the apex
    a = d[0] * d[0] + d[2] * d[2] - slope * dy * dy
    b = x * d[0] + z * d[2] - slope * y * dy
    c = x * x + z * z - slope * y * y
    a = _away_from_zero(a)
    discriminant = b * b - a * c
    q = -(b + torch.copysign(discriminant.clamp_min(0.0).sqrt(), b))
    q = _away_from_zero(q)
    r1, r2 = q / a, c / q
    low, high = torch.minimum(r1, r2), torch.maximum(r1, r2)
    # Where a < 0 the line is inside before low and after high: once in each nappe of the double cone.
    steep, down = a < 0.0, dy > 0.0
    near = torch.where(steep, torch.where(down, high, -_FAR), low)
    far = torch.where(steep, torch.where(down, _FAR, low), high)
    miss = (~steep & (discriminant < 0.0)) * _FAR
    bottom, top = _slab(y - CONE_HALF_HEIGHT, dy, CONE_HALF_HEIGHT)
    return (
        torch.maximum(near, bottom) + miss + start,
        torch.minimum(far, top) - miss + start,
    )


def _pyramid_interval(o: Vec, d: Vec) -> tuple[Tensor, Tensor]:
    height, base = 2.0 * PYRAMID_HALF_HEIGHT, PYRAMID_BASE_HALF
    room = 0.5 * height * base - base * o[1]
    fall = base * d[1]
    near, far = torch.full_like(room, -_FAR), torch.full_like(room, _FAR)
    for space, rate in (
        (room - height * o[0], fall + height * d[0]),
        (room + height * o[0], fall - height * d[0]),
        (room - height * o[2], fall + height * d[2]),
        (room + height * o[2], fall - height * d[2]),
        (PYRAMID_HALF_HEIGHT + o[1], -d[1]),
    ):
        rate = _away_from_zero(rate)
        t = space / rate
        leaving = rate > 0.0
        near = torch.maximum(near, torch.where(leaving, -_FAR, t))
        far = torch.minimum(far, torch.where(leaving, t, _FAR))
    return near, far


def _capsule_interval(o: Vec, d: Vec) -> tuple[Tensor, Tensor]:
    near, far, squared = _tube_interval(o, d, CAPSULE_RADIUS)

    def end(t: Tensor, side: int) -> Tensor:
        y = o[1] + t * d[1]
        cap = torch.copysign(torch.full_like(y, CAPSULE_HALF_SEGMENT), y)
        ball = _ball_interval((o[0], o[1] - cap, o[2]), d, CAPSULE_RADIUS)[side]
        return torch.where(y.abs() <= CAPSULE_HALF_SEGMENT, t, ball)

    miss = (squared < 0.0) * _FAR
    return end(near, 0) + miss, end(far, 1) - miss


_INTERVAL: dict[Shape, Callable[[Vec, Vec], tuple[Tensor, Tensor]]] = {
    "sphere": _sphere_interval,
    "cube": _cube_interval,
    "cylinder": _cylinder_interval,
    "cone": _cone_interval,
    "pyramid": _pyramid_interval,
    "capsule": _capsule_interval,
}


# ------------------------------------------------------------------------------------------------------ torus


def _torus_quartic(o: Vec, d: Vec) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """``(p, q, r, start, speed)``: ``s^4 + p s^2 + q s + r = 0`` with ``s = speed * (t - start)``, float64.

    ``start`` is where the line comes closest to the centre, which makes the quartic depressed.
    """
    ox, oy, oz, dx, dy, dz = (v.double() for v in (*o, *d))
    speed = (dx * dx + dy * dy + dz * dz).sqrt()
    dx, dy, dz = dx / speed, dy / speed, dz / speed
    shift = -(ox * dx + oy * dy + oz * dz)
    ox, oy, oz = ox + shift * dx, oy + shift * dy, oz + shift * dz
    squared = ox * ox + oy * oy + oz * oz
    k = squared + (TORUS_MAJOR**2 - TORUS_MINOR**2)
    four = 4.0 * TORUS_MAJOR**2
    p = 2.0 * k - four * (1.0 - dy * dy)
    q = 2.0 * four * oy * dy
    r = k * k - four * (squared - oy * oy)
    return p, q, r, shift / speed, speed


def _has_real_root(p: Tensor, q: Tensor, r: Tensor) -> Tensor:
    """Whether a depressed quartic has a real root, by its discriminant (Rees 1922)."""
    pp, qq, rr = p * p, q * q, r * r
    discriminant = (
        16.0 * pp * pp * r - 4.0 * pp * p * qq - 128.0 * pp * rr + 144.0 * p * qq * r - 27.0 * qq * qq
    ) + 256.0 * rr * r
    none = (discriminant > 0.0) & ((p > 0.0) | (4.0 * r > pp))
    return ~none


def _has_root_beyond(p: Tensor, q: Tensor, r: Tensor, start: Tensor) -> Tensor:
    """Whether a depressed quartic has a real root above ``start``, by Sturm's theorem.

    The chain, each up to a positive factor: the quartic, its derivative, -(a s^2 + b s + r), u s + v, w.
    """
    a, b = 0.5 * p, 0.75 * q
    u = 4.0 * (a * r - b * b) - 2.0 * p * a * a
    v = -(q * a * a + 4.0 * b * r)
    w = (a * v - b * u) * v + r * u * u
    s = start
    quartic = ((s * s + p) * s + q) * s + r
    slope = (4.0 * s * s + 2.0 * p) * s + q
    square = -((a * s + b) * s + r)
    line = u * s + v

    def variations(*signs: Tensor) -> Tensor:
        count = (signs[0] ^ signs[1]).to(torch.int8)
        for left, right in pairwise(signs[1:]):
            count += left ^ right
        return count

    last = w < 0.0
    here = variations(quartic < 0.0, slope < 0.0, square < 0.0, line < 0.0, last)
    far = variations(torch.zeros_like(last), torch.zeros_like(last), a > 0.0, u < 0.0, last)
    return here > far


def _largest_resolvent_root(p: Tensor, q: Tensor, r: Tensor) -> Tensor:
    """The largest root m of ``m^3 + p m^2 + (p^2/4 - r) m - q^2/8``; it is never negative."""
    a1, a0 = 0.25 * p * p - r, -0.125 * q * q
    third = p / 3.0
    a = a1 - p * third
    b = 2.0 * third**3 - third * a1 + a0
    inner = 0.25 * b * b + a * a * a / 27.0
    # One real root (Cardano) ...
    u = -torch.copysign((0.5 * b.abs() + inner.clamp_min(0.0).sqrt()).pow(1.0 / 3.0), b)
    single = u - a / (3.0 * _away_from_zero(u))
    # ... or three (Viete); the cosine's first branch is the largest.
    radius = (-a / 3.0).clamp_min(0.0).sqrt()
    cosine = (-0.5 * b / (radius**3).clamp_min(1e-300)).clamp(-1.0, 1.0)
    triple = 2.0 * radius * torch.cos(torch.acos(cosine) / 3.0)
    m = torch.where(inner > 0.0, single, triple) - third
    for _ in range(2):
        value = ((m + p) * m + a1) * m + a0
        slope = (3.0 * m + 2.0 * p) * m + a1
        m = m - torch.where(slope.abs() > 1e-9, value / _away_from_zero(slope), 0.0)
    return m.clamp_min(0.0)


def quartic_roots(p: Tensor, q: Tensor, r: Tensor) -> tuple[Tensor, Tensor]:
    """Real roots of ``s^4 + p s^2 + q s + r`` after Ferrari, polished by Newton's method.

    Returns ``(roots, real)``, each ``(4, ...)``, ascending within each of the two quadratic factors: float64
    roots and whether they are real.
    """
    m = _largest_resolvent_root(p, q, r)
    s = (2.0 * m).sqrt()
    half = 0.5 * p + m
    w = torch.where(
        m > 1e-7,
        0.5 * q / s.clamp_min(1e-150),
        torch.copysign((half * half - r).clamp_min(0.0).sqrt(), q),
    )
    roots, real = [], []
    for sign in (-1.0, 1.0):
        # s^2 + sign * s0 * s + (half - sign * w) = 0
        c = half - sign * w
        inner = 0.25 * s * s - c
        spread = inner.clamp_min(0.0).sqrt()
        for side in (-1.0, 1.0):
            roots.append(-0.5 * sign * s + side * spread)
            real.append(inner >= 0.0)
    x = torch.stack(roots)
    for _ in range(3):
        value = ((x * x + p) * x + q) * x + r
        slope = (4.0 * x * x + 2.0 * p) * x + q
        step = value / _away_from_zero(slope)
        x = x - torch.where(slope.abs() > 1e-9, step, 0.0).clamp(-0.05, 0.05)
    return x, torch.stack(real)


def _torus_nearest(o: Vec, d: Vec, t_min: float) -> Tensor:
    quartic = _torus_quartic(o, d)
    shape = quartic[0].shape
    p, q, r, start, speed = (x.expand(shape).reshape(-1) for x in quartic)
    nearest = torch.full(p.shape, torch.inf, dtype=torch.float64, device=p.device)
    hit = _has_real_root(p, q, r).nonzero().squeeze(1)
    if hit.numel():
        p, q, r, start, speed = p[hit], q[hit], r[hit], start[hit], speed[hit]
        roots, real = quartic_roots(p, q, r)
        t = roots / speed + start
        nearest[hit] = torch.where(real & (t > t_min), t, torch.inf).amin(0)
    return nearest.reshape(shape).to(d[0].dtype)


# ------------------------------------------------------------------------------------------------- all shapes


def nearest(shape: Shape, o: Vec, d: Vec, t_min: float = 0.0) -> Tensor:
    """The smallest ``t > t_min`` at which the line ``o + t d`` meets the shape's surface; inf where none.

    From inside a shape this is where the line leaves it.
    """
    if shape == "torus":
        return _torus_nearest(o, d, t_min)
    near, far = _INTERVAL[shape](o, d)
    first = torch.where(near > t_min, near, far)
    return torch.where((near <= far) & (first > t_min), first, torch.inf)


def line_hits(shape: Shape, o: Vec, d: Vec) -> Tensor:
    """bool: whether the whole line (both ways from ``o``) meets the shape."""
    if shape == "torus":
        return _has_real_root(*_torus_quartic(o, d)[:3])
    near, far = _INTERVAL[shape](o, d)
    return near <= far


def ray_hits(shape: Shape, o: Vec, d: Vec, t_min: float = 0.0) -> Tensor:
    """bool: whether the ray meets the shape beyond ``t_min``."""
    if shape == "torus":
        p, q, r, start, speed = _torus_quartic(o, d)
        return _has_root_beyond(p, q, r, (t_min - start) * speed)
    near, far = _INTERVAL[shape](o, d)
    return (near <= far) & (far > t_min)


def normal(shape: Shape, p: Vec) -> Vec:
    """Outward unit normal at the surface point nearest to ``p`` (which should be on the surface)."""
    x, y, z = p
    if shape == "sphere":
        return normalize(p)
    if shape == "cube":
        ax, ay, az = x.abs(), y.abs(), z.abs()
        on_x = ((ax >= ay) & (ax >= az)).to(x.dtype)
        on_y = (1.0 - on_x) * (ay >= az)
        on_z = 1.0 - on_x - on_y
        return torch.copysign(on_x, x), torch.copysign(on_y, y), torch.copysign(on_z, z)
    if shape == "cylinder":
        radius = (x * x + z * z).sqrt()
        cap = ((y.abs() - CYLINDER_HALF_HEIGHT) > (radius - CYLINDER_RADIUS)).to(x.dtype)
        scale = (1.0 - cap) / radius.clamp_min(1e-12)
        return x * scale, torch.copysign(cap, y), z * scale
    if shape == "cone":
        radius = (x * x + z * z).sqrt().clamp_min(1e-12)
        length = (CONE_RADIUS**2 + 4.0 * CONE_HALF_HEIGHT**2) ** 0.5
        outward, upward = 2.0 * CONE_HALF_HEIGHT / length, CONE_RADIUS / length
        above_side = outward * (radius - CONE_RADIUS) + upward * (y + CONE_HALF_HEIGHT)
        base = ((-CONE_HALF_HEIGHT - y) > above_side).to(x.dtype)
        scale = (1.0 - base) * outward / radius
        return x * scale, upward - base * (1.0 + upward), z * scale
    if shape == "torus":
        radius = (x * x + z * z).sqrt().clamp_min(1e-12)
        inward = 1.0 - TORUS_MAJOR / radius
        return normalize((x * inward, y, z * inward))
    if shape == "pyramid":
        length = (PYRAMID_BASE_HALF**2 + 4.0 * PYRAMID_HALF_HEIGHT**2) ** 0.5
        outward, upward = 2.0 * PYRAMID_HALF_HEIGHT / length, PYRAMID_BASE_HALF / length
        widest = torch.maximum(x.abs(), z.abs())
        above_side = outward * (widest - PYRAMID_BASE_HALF) + upward * (y + PYRAMID_HALF_HEIGHT)
        side = (above_side >= (-PYRAMID_HALF_HEIGHT - y)).to(x.dtype)
        on_x = side * (x.abs() >= z.abs())
        return (
            torch.copysign(on_x * outward, x),
            side * (1.0 + upward) - 1.0,
            torch.copysign((side - on_x) * outward, z),
        )
    middle = y.clamp(-CAPSULE_HALF_SEGMENT, CAPSULE_HALF_SEGMENT)
    return normalize((x, y - middle, z))
