"""Exact ground truth at pixel centres: instance masks, depth, forward flow and object tracks."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch
from torch import Tensor

from scenewright.world.camera import project
from scenewright.world.intersect import Vec
from scenewright.world.pack import Pack, pack
from scenewright.world.scene import Scene
from scenewright.world.states import States
from scenewright.world.textures import TextureAtlas
from scenewright.world.visibility import Hits, cast, ground_points


def truth(
    scenes: Sequence[Scene],
    states: Sequence[States],
    width: int,
    height: int,
    wanted: Collection[str],
    atlas: TextureAtlas,
    device: torch.device,
) -> dict[str, list[np.ndarray]]:
    """Of "masks", "depth", "flow" and "tracks" (with "visibility") what is wanted: one array per clip."""
    facts: dict[str, list[np.ndarray]] = {}
    if not {"masks", "depth", "flow", "tracks"} & set(wanted):
        return facts
    steps, clips = len(states[0].times), len(scenes)
    tables = pack(
        scenes, states, slice(None), width=width, height=height, light_samples=1, atlas=atlas, device=device
    )
    hits, seen = cast(tables, width, height, 1)
    kept = seen.nonzero().squeeze(1)
    front = hits.select(kept, [])
    shape = (clips, steps, height, width)
    if "masks" in wanted:
        masks = torch.zeros(clips * steps * height * width, dtype=torch.uint8, device=device)
        masks[front.pixel] = (tables.slot.index_select(0, front.item) + 1).to(torch.uint8)
        facts["masks"] = list(masks.view(shape).cpu().numpy())
    if "depth" in wanted or "flow" in wanted:
        x, z, depth, right, up = _ground(tables, width, height)
        if "depth" in wanted:
            surface = torch.where(depth < 1e7, depth, torch.inf).reshape(-1)
            surface[front.pixel] = front.depth
            facts["depth"] = list(surface.view(shape).cpu().numpy())
        if "flow" in wanted:
            flow = _flow(tables, states, front, x, z, depth, right, up, width, height)
            facts["flow"] = list(flow.view(*shape, 2).cpu().numpy())
    if "tracks" in wanted:
        items = tables.frame.numel()
        visible = torch.bincount(front.item, minlength=items).double()
        whole = torch.bincount(hits.item, minlength=items).double()
        share = (visible / whole.clamp_min(1.0)).float()
        objects = tables.items_of_frame.shape[1]
        table = torch.zeros(clips * steps, objects, device=device)
        table[tables.frame, tables.slot] = share
        per_clip = table.view(clips, steps, objects).cpu().numpy()
        facts["visibility"] = [
            np.ascontiguousarray(per_clip[i, :, : len(scene.objects)]) for i, scene in enumerate(scenes)
        ]
        facts["tracks"] = [
            project(state.position, state.camera, width, height)[0].astype(np.float32) for state in states
        ]
    return facts


def _ground(tables: Pack, width: int, height: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Ground x, z and depth, and ray slopes right and up, at all pixel centres: each ``(F, H * W)``."""
    device = tables.frame.device
    inverse = tables.camera["inverse_focal"][0].unsqueeze(1)
    column = torch.arange(width, device=device) + (0.5 - 0.5 * width)
    row = torch.arange(height, device=device) + (0.5 - 0.5 * height)
    right = column.repeat(height)[None] * inverse
    up = row.repeat_interleave(width)[None] * -inverse
    x, z, depth = ground_points(tables, torch.arange(tables.num_frames, device=device), right, up)
    return x, z, depth, right, up


def _flow(
    tables: Pack,
    states: Sequence[States],
    front: Hits,
    x: Tensor,
    z: Tensor,
    depth: Tensor,
    right: Tensor,
    up: Tensor,
    width: int,
    height: int,
) -> Tensor:
    """Forward flow ``(F * H * W, 2)``."""
    device = x.device
    steps = len(states[0].times)
    frames = torch.arange(tables.num_frames, device=device)
    last = frames % steps == steps - 1
    following = torch.where(last, frames, frames + 1)
    eye, turn = tables.camera["eye"], tables.camera["rotation"]
    focal = tables.camera["inverse_focal"][0].reciprocal()

    def landing(points: Vec, frame: Tensor, towards: bool = False) -> tuple[Tensor, Tensor]:
        """Offsets from the centre, in pixels, of points (or directions) ``(n, K)`` in frames ``(n, 1)``."""
        r = points if towards else tuple(points[i] - eye[i][frame] for i in range(3))
        m = [turn[i][frame] for i in range(9)]
        back = -(m[2] * r[0] + m[5] * r[1] + m[8] * r[2])
        scale = focal[frame] / back
        return (
            (m[0] * r[0] + m[3] * r[1] + m[6] * r[2]) * scale,
            -(m[1] * r[0] + m[4] * r[1] + m[7] * r[2]) * scale,
        )

    here_x, here_y = right * focal.unsqueeze(1), -up * focal.unsqueeze(1)
    later = following.unsqueeze(1)
    ground = landing((x, torch.zeros_like(x), z), later)
    m = [row.unsqueeze(1) for row in turn]
    ray = (m[0] * right + m[1] * up - m[2], m[3] * right + m[4] * up - m[5], m[6] * right + m[7] * up - m[8])
    sky = landing(ray, later, towards=True)
    on_ground = depth < 1e7
    flow_x = torch.where(on_ground, ground[0], sky[0]) - here_x
    flow_y = torch.where(on_ground, ground[1], sky[1]) - here_y
    flow = torch.stack([flow_x, flow_y], dim=-1).reshape(-1, 2)

    if front.item.numel():
        # The pose of every object in the next frame, visible there or not.
        objects = tables.items_of_frame.shape[1]
        pose = np.zeros((13, tables.num_frames, objects), dtype=np.float32)
        for c, state in enumerate(states):
            span, n = slice(c * steps, (c + 1) * steps), state.position.shape[1]
            pose[:3, span, :n] = state.position.transpose(2, 0, 1)
            pose[3:12, span, :n] = state.rotation.reshape(steps, n, 9).transpose(2, 0, 1)
            pose[12, span, :n] = state.scale
        table = torch.from_numpy(pose).to(device).view(13, -1)
        frame = tables.frame.index_select(0, front.item)
        after = following[frame]
        at = after * objects + tables.slot.index_select(0, front.item)
        p = [row.index_select(0, at) for row in table]
        local = front.local
        world = tuple(
            p[i] + p[12] * (p[3 + 3 * i] * local[0] + p[4 + 3 * i] * local[1] + p[5 + 3 * i] * local[2])
            for i in range(3)
        )
        there = landing((world[0], world[1], world[2]), after)
        flow[front.pixel, 0] = there[0] - here_x.reshape(-1)[front.pixel]
        flow[front.pixel, 1] = there[1] - here_y.reshape(-1)[front.pixel]
    flow.view(tables.num_frames, -1, 2)[last] = 0.0
    return flow
