"""Intersections against implicit functions, numpy.roots and dense marching."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scenewright.world import shapes
from scenewright.world.intersect import line_hits, nearest, normal, quartic_roots, ray_hits
from scenewright.world.scene import SHAPES, Shape


def implicit(shape: Shape, p: np.ndarray) -> np.ndarray:
    """A continuous function of points (..., 3), negative inside the unit shape, zero on its surface."""
    x, y, z = np.moveaxis(p, -1, 0)
    r = np.hypot(x, z)
    if shape == "sphere":
        return np.linalg.norm(p, axis=-1) - shapes.SPHERE_RADIUS
    if shape == "cube":
        return np.abs(p).max(-1) - shapes.CUBE_HALF
    if shape == "cylinder":
        return np.maximum(r - shapes.CYLINDER_RADIUS, np.abs(y) - shapes.CYLINDER_HALF_HEIGHT)
    if shape == "cone":
        h = shapes.CONE_HALF_HEIGHT
        return np.maximum(r - shapes.CONE_RADIUS * (h - y) / (2 * h), -h - y)
    if shape == "torus":
        return np.hypot(r - shapes.TORUS_MAJOR, y) - shapes.TORUS_MINOR
    if shape == "pyramid":
        h = shapes.PYRAMID_HALF_HEIGHT
        widest = np.maximum(np.abs(x), np.abs(z))
        return np.maximum(widest - shapes.PYRAMID_BASE_HALF * (h - y) / (2 * h), -h - y)
    lower = np.abs(y) - shapes.CAPSULE_HALF_SEGMENT
    return np.hypot(r, np.maximum(lower, 0.0)) - shapes.CAPSULE_RADIUS


def random_lines(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    origin = rng.normal(size=(count, 3))
    origin *= rng.uniform(1.6, 6.0, size=(count, 1)) / np.linalg.norm(origin, axis=1, keepdims=True)
    aim = rng.uniform(-1.1, 1.1, size=(count, 3))
    direction = (aim - origin) * rng.uniform(0.3, 2.0, size=(count, 1))
    direction[::10, 1] = 0.0  # parallel to the caps
    direction[5::10, (0, 2)[seed % 2]] = 0.0
    return origin, direction


def vectors(values: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    x, y, z = torch.from_numpy(np.ascontiguousarray(values.T, dtype=np.float32)).unbind(0)
    return x, y, z


def march(shape: Shape, origin: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """First crossing of the implicit function along each ray, by dense sampling and bisection."""
    speed = np.linalg.norm(direction, axis=1)
    middle = -(origin * direction).sum(1) / speed**2
    t = np.maximum(middle[:, None] + np.linspace(-2.0, 2.0, 1000) / speed[:, None], 0.0)
    value = implicit(shape, origin[:, None] + t[..., None] * direction[:, None])
    change = (value[:, :-1] > 0) & (value[:, 1:] <= 0)
    first = change.argmax(1)
    rows = np.arange(len(t))
    low, high = t[rows, first], t[rows, first + 1]
    for _ in range(40):
        half = 0.5 * (low + high)
        inside = implicit(shape, origin + half[:, None] * direction) <= 0
        low, high = np.where(inside, low, half), np.where(inside, half, high)
    return np.where(change.any(1), 0.5 * (low + high), np.inf)


@pytest.mark.parametrize("shape", SHAPES)
def test_nearest_agrees_with_marching(shape: Shape) -> None:
    origin, direction = random_lines(2000, seed=1)
    expected = march(shape, origin, direction)
    got = nearest(shape, vectors(origin), vectors(direction)).double().numpy()
    both = np.isfinite(expected) & np.isfinite(got)
    assert both.sum() > 500
    error = np.abs(got[both] - expected[both])
    assert error.max() < 2e-3
    assert np.median(error) < 2e-6
    # Marching can miss a graze shorter than its step, never a real crossing; grazes are rare.
    disagree = np.isfinite(expected) != np.isfinite(got)
    assert disagree.mean() < 0.004
    points = origin + np.where(np.isfinite(got), got, 0.0)[:, None] * direction
    assert np.abs(implicit(shape, points)[np.isfinite(got)]).max() < 2e-4


@pytest.mark.parametrize("shape", SHAPES)
def test_from_inside_the_way_out(shape: Shape) -> None:
    rng = np.random.default_rng(3)
    points = rng.uniform(-1, 1, size=(4000, 3))
    points = points[implicit(shape, points) < -0.02]
    direction = rng.normal(size=points.shape)
    t = nearest(shape, vectors(points), vectors(direction)).double().numpy()
    assert np.isfinite(t).all()
    assert np.abs(implicit(shape, points + t[:, None] * direction)).max() < 2e-4
    for share in (0.25, 0.5, 0.95):  # nothing in between
        assert (implicit(shape, points + share * t[:, None] * direction) < 0).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_occlusion_tests_agree_with_nearest(shape: Shape) -> None:
    origin, direction = random_lines(3000, seed=2)
    o, d = vectors(origin), vectors(direction)
    back = (-d[0], -d[1], -d[2])
    forward, backward = (nearest(shape, o, way) < torch.inf for way in (d, back))
    assert (line_hits(shape, o, d) == (forward | backward)).all()
    assert (ray_hits(shape, o, d) == forward).all()
    assert (ray_hits(shape, o, back) == backward).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_normals_are_gradients(shape: Shape) -> None:
    origin, direction = random_lines(2000, seed=4)
    t = nearest(shape, vectors(origin), vectors(direction)).double().numpy()
    keep = np.isfinite(t)
    points = origin[keep] + t[keep, None] * direction[keep]
    step = 1e-4
    gradient = np.stack(
        [
            (implicit(shape, points + step * axis) - implicit(shape, points - step * axis)) / (2 * step)
            for axis in np.eye(3)
        ],
        axis=-1,
    )
    gradient /= np.linalg.norm(gradient, axis=1, keepdims=True)
    got = torch.stack(torch.broadcast_tensors(*normal(shape, vectors(points))), dim=-1).double().numpy()
    assert np.allclose(np.linalg.norm(got, axis=1), 1.0, atol=1e-5)
    close = np.abs(got - gradient).max(1) < 2e-3
    assert close.mean() > 0.99  # edges have no gradient
    assert keep.sum() > 500


def test_quartic_roots_against_numpy() -> None:
    rng = np.random.default_rng(5)
    coefficients = rng.uniform(-3, 3, size=(3000, 3))
    coefficients[:300, 1] = 0.0  # biquadratic
    coefficients[300:600, 1] *= 1e-6
    p, q, r = torch.from_numpy(coefficients.T.copy()).unbind(0)
    roots, real = quartic_roots(p, q, r)
    for i, (a, b, c) in enumerate(coefficients):
        expected = np.roots([1.0, 0.0, a, b, c])
        gap = np.abs(expected[:, None] - expected[None, :])[~np.eye(4, dtype=bool)].min()
        if gap < 1e-3:
            continue  # (nearly) double roots are ill-conditioned
        expected = np.sort(expected[np.abs(expected.imag) < 1e-9].real)
        got = np.sort(roots[:, i][real[:, i]].numpy())
        assert len(got) == len(expected), (a, b, c)
        assert np.allclose(got, expected, atol=1e-7), (a, b, c)


def test_torus_meets_a_line_up_to_four_times() -> None:
    """Through the plane of the ring, along x: two crossings of each side of the tube."""
    one = torch.ones(1)
    outer, inner = (shapes.TORUS_MAJOR + s * shapes.TORUS_MINOR for s in (1, -1))
    o, d = (-2.0 * one, 0.0 * one, 0.0 * one), (one, 0.0 * one, 0.0 * one)
    crossings, t = [], 0.0
    for _ in range(4):
        t = float(nearest("torus", o, d, t + 1e-4))
        crossings.append(t - 2.0)
    assert crossings == pytest.approx([-outer, -inner, inner, outer], abs=1e-6)
    assert float(nearest("torus", o, d, t + 1e-4)) == float("inf")
