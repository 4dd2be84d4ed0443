"""Which object each sample of a picture sees: tiled ray casting within the objects' picture bounds.

Letters: I items, n tiles or hits, P pixels of a tile, S sub-samples of a pixel per axis, J light samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scenewright.world.intersect import Vec, along, line_hits, nearest
from scenewright.world.pack import Pack
from scenewright.world.scene import SHAPES, Shape

#: How many rays are cast in one go: few enough for the cache of a processor, enough to hide overheads.
CHUNK = {"cpu": 98_304, "cuda": 8_388_608}


@dataclass(frozen=True)
class Tiles:
    """Square pixel blocks: the item each is for and its top left pixel, ``(n,)`` each."""

    item: Tensor
    left: Tensor
    top: Tensor


@dataclass(frozen=True)
class Hits:
    """Samples that see an object, ordered by shape.

    ``item``: int64 ``(n,)``. ``pixel``: int64 ``(n,)``, ``(frame * H + y) * W + x``. ``sub``: int64 ``(n,)``,
    the sub-sample of the pixel. ``depth``: float32 ``(n,)``. ``local``: the point in object space.
    ``count``: hits of each shape.
    """

    item: Tensor
    pixel: Tensor
    sub: Tensor
    depth: Tensor
    local: Vec
    count: list[int]

    def select(self, index: Tensor, count: list[int]) -> Hits:
        return Hits(
            self.item[index],
            self.pixel[index],
            self.sub[index],
            self.depth[index],
            (self.local[0][index], self.local[1][index], self.local[2][index]),
            count,
        )


def tile_size(height: int) -> int:
    return 4 if height <= 192 else 8


def tiles(
    box: np.ndarray, shape_count: list[int], size: int, rays_per_pixel: int, device: torch.device
) -> Iterator[tuple[Shape, Tiles]]:
    """Tiles that cover the items' boxes ``(I, 4)``, shape by shape, in chunks of bounded size."""
    across = np.maximum(box[:, 2] - box[:, 0], 0)
    down = np.maximum(box[:, 3] - box[:, 1], 0)
    nx, ny = -(-across // size), -(-down // size)
    total = nx * ny
    chunk = max(1, CHUNK.get(device.type, CHUNK["cuda"]) // (rays_per_pixel * size * size))
    start = 0
    for shape, count in zip(SHAPES, shape_count, strict=True):
        span = slice(start, start + count)
        start += count
        number = int(total[span].sum())
        if number == 0:
            continue
        item = np.repeat(np.arange(span.start, span.stop), total[span])
        first = np.cumsum(total[span]) - total[span]
        order = np.arange(number) - np.repeat(first, total[span])
        left = box[item, 0] + order % nx[item] * size
        top = box[item, 1] + order // nx[item] * size
        for low in range(0, number, chunk):
            part = slice(low, low + chunk)
            yield (
                shape,
                Tiles(*(torch.from_numpy(a[part].copy()).to(device) for a in (item, left, top))),
            )


def sample_offsets(samples: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Positions ``(S * S * P,)`` of all samples of a tile relative to its corner, in pixels."""
    grid = (torch.arange(samples, device=device) + 0.5) / samples
    pixel = torch.arange(size, device=device)
    x = grid[None, :, None, None] + pixel[None, None, None, :]
    y = grid[:, None, None, None] + pixel[None, None, :, None]
    shape = (samples, samples, size, size)
    return x.expand(shape).reshape(-1).float(), y.expand(shape).reshape(-1).float()


def tile_rays(
    pack: Pack, tile: Tiles, x: Tensor, y: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor]:
    """Slopes right and up of the camera rays through tile positions ``x``, ``y`` ((K,) or (n, K)).

    The camera ray is (right, up, -1) in camera space: its parameter is the depth along the view axis.
    """
    frame = pack.frame.index_select(0, tile.item)
    inverse = pack.camera["inverse_focal"][0].index_select(0, frame).unsqueeze(1)
    right = (x + (tile.left.float() - 0.5 * width).unsqueeze(1)) * inverse
    up = (y + (tile.top.float() - 0.5 * height).unsqueeze(1)) * -inverse
    return right, up


def local_rays(pack: Pack, item: Tensor, right: Tensor, up: Tensor) -> tuple[Vec, Vec]:
    """Camera rays in object space: origins ``(n, 1)`` and directions ``(n, K)``."""
    m = [row.unsqueeze(1) for row in pack.matrix_of("to_local", item)]
    eye = pack.of("local_eye", item)
    o = (eye[0].unsqueeze(1), eye[1].unsqueeze(1), eye[2].unsqueeze(1))
    d = (
        m[0] * right + m[1] * up - m[2],
        m[3] * right + m[4] * up - m[5],
        m[6] * right + m[7] * up - m[8],
    )
    return o, d


def cast(pack: Pack, width: int, height: int, samples: int) -> tuple[Hits, Tensor]:
    """All hits of all items within the picture, hidden ones too, and which are seen (bool ``(n,)``)."""
    device = pack.frame.device
    size = tile_size(height)
    area = size * size
    x, y = sample_offsets(samples, size, device)
    column, row = x.long(), y.long()
    parts: dict[Shape, list[Hits]] = {shape: [] for shape in SHAPES}
    for shape, tile in tiles(pack.box, pack.shape_count, size, samples * samples, device):
        o, d = local_rays(pack, tile.item, *tile_rays(pack, tile, x, y, width, height))
        t = nearest(shape, o, d, 1e-3)
        inside = (column < (width - tile.left).unsqueeze(1)) & (row < (height - tile.top).unsqueeze(1))
        found = ((t < torch.inf) & inside).reshape(-1).nonzero().squeeze(1)
        which = torch.div(found, x.numel(), rounding_mode="floor")
        position = found - which * x.numel()
        item = tile.item.index_select(0, which)
        depth = t.reshape(-1).index_select(0, found)
        eye = pack.of("local_eye", item)
        direction = tuple(v.reshape(-1).index_select(0, found) for v in d)
        frame = pack.frame.index_select(0, item)
        px = tile.left.index_select(0, which) + column.index_select(0, position)
        py = tile.top.index_select(0, which) + row.index_select(0, position)
        hits = Hits(
            item=item,
            pixel=(frame * height + py) * width + px,
            sub=torch.div(position, area, rounding_mode="floor"),
            depth=depth,
            local=along(eye, (direction[0], direction[1], direction[2]), depth),
            count=[],
        )
        parts[shape].append(_above_ground(pack, hits))
    flat = [hits for shape in SHAPES for hits in parts[shape]]
    count = [sum(hits.item.numel() for hits in parts[shape]) for shape in SHAPES]
    if not flat:
        empty = torch.zeros(0, dtype=torch.int64, device=device)
        zero = torch.zeros(0, device=device)
        hits = Hits(empty, empty, empty, zero, (zero, zero, zero), count)
    else:
        hits = Hits(
            torch.cat([h.item for h in flat]),
            torch.cat([h.pixel for h in flat]),
            torch.cat([h.sub for h in flat]),
            torch.cat([h.depth for h in flat]),
            (
                torch.cat([h.local[0] for h in flat]),
                torch.cat([h.local[1] for h in flat]),
                torch.cat([h.local[2] for h in flat]),
            ),
            count,
        )
    return hits, _seen(pack, hits, pack.num_frames * width * height, samples * samples)


def _above_ground(pack: Pack, hits: Hits) -> Hits:
    low = pack.low.index_select(0, hits.item)
    if not bool(low.any()):
        return hits
    m = pack.matrix_of("rotation", hits.item)
    rise = m[3] * hits.local[0] + m[4] * hits.local[1] + m[5] * hits.local[2]
    y = pack.of("position", hits.item)[1] + pack.scalar_of("scale", hits.item) * rise
    return hits.select((y > -1e-3).nonzero().squeeze(1), [])


def _seen(pack: Pack, hits: Hits, pixels: int, subs: int) -> Tensor:
    """The depth test. Objects take turns in order of their index, so that no two write at once."""
    seen = torch.ones_like(hits.item, dtype=torch.bool)
    rival = pack.crowded.index_select(0, hits.item).nonzero().squeeze(1)
    if rival.numel() == 0:
        return seen
    sample = hits.pixel[rival] * subs + hits.sub[rival]
    depth, slot = hits.depth[rival], pack.slot.index_select(0, hits.item[rival])
    nearest_depth = torch.full((pixels * subs,), torch.inf, device=depth.device)
    for k in range(int(slot.max()) + 1):
        mine = (slot == k).nonzero().squeeze(1)
        where = sample[mine]
        nearest_depth[where] = torch.minimum(nearest_depth[where], depth[mine])
    owner = torch.full((pixels * subs,), -1, dtype=torch.int32, device=depth.device)
    winners = depth == nearest_depth[sample]
    for k in reversed(range(int(slot.max()) + 1)):  # equal depths: the lower index wins
        mine = ((slot == k) & winners).nonzero().squeeze(1)
        owner[sample[mine]] = k
    seen[rival] = owner[sample] == slot
    return seen


def light_sample_offsets(count: int) -> np.ndarray:
    """Positions ``(J, 2)`` within a pixel for ``count`` light samples: the R2 low-discrepancy sequence."""
    g = 1.32471795724474602596
    return ((0.5 + np.arange(count)[:, None] * np.array([1.0 / g, 1.0 / g**2])) % 1.0).astype(np.float32)


def ground_shadows(pack: Pack, width: int, height: int) -> tuple[Tensor, Tensor, Tensor]:
    """Share of the light's disc that items hide from the ground: ``(item, pixel, share)``, each ``(n,)``."""
    device = pack.frame.device
    size = tile_size(height)
    count = pack.lights.shape[-1]
    offset = torch.from_numpy(light_sample_offsets(count)).to(device)
    px, py = sample_offsets(1, size, device)
    column, row = px.long(), py.long()
    x = (px - 0.5)[None, :] + offset[:, :1]
    y = (py - 0.5)[None, :] + offset[:, 1:]
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for shape, tile in tiles(pack.shadow_box, pack.shape_count, size, count, device):
        n = tile.item.numel()
        right, up = tile_rays(pack, tile, x.reshape(-1), y.reshape(-1), width, height)
        o, d = local_rays(pack, tile.item, right, up)
        t = _ground_depth(pack, pack.frame.index_select(0, tile.item), right, up)
        grid = (n, count, size * size)
        point = tuple(v.reshape(grid) for v in along(o, d, t))
        light = tuple(axis.index_select(0, tile.item).unsqueeze(2) for axis in pack.light_local)
        hidden = line_hits(shape, (point[0], point[1], point[2]), (light[0], light[1], light[2]))
        hidden &= (t < 1e6).reshape(grid)
        share = hidden.float().sum(1) * (1.0 / count)
        inside = (column < (width - tile.left).unsqueeze(1)) & (row < (height - tile.top).unsqueeze(1))
        found.append(_ground_pixels(pack, tile, share, share * inside, column, row, width, height))
    return _concatenate(found, device)


def ground_occlusion(pack: Pack, width: int, height: int, least: float) -> tuple[Tensor, Tensor, Tensor]:
    """Ambient occlusion of the ground by spheres in the items' place: ``(item, pixel, occlusion)``.

    A sphere of radius r whose centre is at height h over the ground and distance l from a ground point
    hides the share (h / l) (r / l)^2 of its cosine-weighted hemisphere.
    """
    device = pack.frame.device
    size = tile_size(height)
    x, y = sample_offsets(1, size, device)
    column, row = x.long(), y.long()
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for _, tile in tiles(pack.occlusion_box, pack.shape_count, size, 1, device):
        right, up = tile_rays(pack, tile, x, y, width, height)
        frame = pack.frame.index_select(0, tile.item)
        gx, gz, t = ground_points(pack, frame, right, up)
        px, py, pz = (v.unsqueeze(1) for v in pack.of("position", tile.item))
        radius = pack.scalar_of("occluder", tile.item).unsqueeze(1)
        squared = ((gx - px) ** 2 + (gz - pz) ** 2 + py * py).clamp_min(1e-12)
        hidden = py * radius * radius / (squared * squared.sqrt())
        hidden = (hidden.clamp_max(0.9) - least).clamp_min(0.0) * (1.0 / (1.0 - least))
        hidden = hidden * (t < 1e6)
        inside = (column < (width - tile.left).unsqueeze(1)) & (row < (height - tile.top).unsqueeze(1))
        found.append(_ground_pixels(pack, tile, hidden, hidden * inside, column, row, width, height))
    return _concatenate(found, device)


def _ground_pixels(
    pack: Pack, tile: Tiles, value: Tensor, keep: Tensor, column: Tensor, row: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor, Tensor]:
    index = (keep > 0.0).reshape(-1).nonzero().squeeze(1)
    which = torch.div(index, column.numel(), rounding_mode="floor")
    position = index - which * column.numel()
    item = tile.item.index_select(0, which)
    px = tile.left.index_select(0, which) + column.index_select(0, position)
    py = tile.top.index_select(0, which) + row.index_select(0, position)
    pixel = (pack.frame.index_select(0, item) * height + py) * width + px
    return item, pixel, value.reshape(-1).index_select(0, index)


def _concatenate(
    parts: list[tuple[Tensor, Tensor, Tensor]], device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    if not parts:
        empty = torch.zeros(0, dtype=torch.int64, device=device)
        return empty, empty, torch.zeros(0, device=device)
    item, pixel, value = zip(*parts, strict=True)
    return torch.cat(item), torch.cat(pixel), torch.cat(value)


def _ground_depth(pack: Pack, frame: Tensor, right: Tensor, up: Tensor) -> Tensor:
    """Depth at which rays ``(n, K)`` of frames ``(n,)`` meet the ground; 1e7 where they do not."""
    turn, eye = pack.camera["rotation"], pack.camera["eye"]
    m = [turn[i].index_select(0, frame).unsqueeze(1) for i in (3, 4, 5)]
    fall = m[2] - m[0] * right - m[1] * up
    height = eye[1].index_select(0, frame).unsqueeze(1)
    return torch.where(fall > 1e-6, height / fall.clamp_min(1e-6), 1e7)


def ground_points(pack: Pack, frame: Tensor, right: Tensor, up: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """World x and z of the ground that rays ``(n, K)`` of frames ``(n,)`` see, and its depth (1e7: none)."""
    turn, eye = pack.camera["rotation"], pack.camera["eye"]
    t = _ground_depth(pack, frame, right, up)
    m = [turn[i].index_select(0, frame).unsqueeze(1) for i in (0, 1, 2, 6, 7, 8)]
    x = eye[0].index_select(0, frame).unsqueeze(1) + t * (m[0] * right + m[1] * up - m[2])
    z = eye[2].index_select(0, frame).unsqueeze(1) + t * (m[3] * right + m[4] * up - m[5])
    return x, z, t
