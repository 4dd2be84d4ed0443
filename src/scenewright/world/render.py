"""From scenes to pictures and their exact ground truth: batched analytic ray casting in PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from scenewright.world.environment import GroundLight, background
from scenewright.world.pack import Pack, least_occlusion, pack
from scenewright.world.scene import SHAPES, Scene
from scenewright.world.shade import shade
from scenewright.world.states import CameraPath, States
from scenewright.world.textures import TextureAtlas, texture_atlas
from scenewright.world.truth import truth
from scenewright.world.visibility import CHUNK, cast, ground_occlusion, ground_shadows

Output = Literal["rgb", "masks", "depth", "flow", "tracks"]
OUTPUTS: tuple[Output, ...] = get_args(Output)

#: Samples (pixels times sub-samples) of the frames that are rendered together.
_SAMPLES_TOGETHER = {"cpu": 12_000_000, "cuda": 400_000_000}
_LUT_STEPS = 4096
_WHITE = 3.0


@dataclass(frozen=True, eq=False)
class Render:
    """Pictures of one clip and what is exactly true of them; what was not asked for is ``None``.

    ``camera``: the path of the camera. ``rgb``: uint8 ``(T, H, W, 3)``, sRGB. ``masks``: uint8 ``(T, H, W)``,
    1 + the index of the object at the pixel's centre, 0 where there is none. ``depth``: float32
    ``(T, H, W)``, distance along the view axis in world units, inf in the sky. ``flow``: float32
    ``(T, H, W, 2)``, how far in pixels (right, down) the visible surface point moves until the next frame;
    zero in the last. ``tracks``: float32 ``(T, N, 2)``, pixel positions of the objects' centres (the centre
    of the top left pixel is (0.5, 0.5)), NaN behind the camera. ``visibility``: float32 ``(T, N)``, the share
    of an object's pixels in the picture that no other object hides; 0 where it has none.
    """

    camera: CameraPath
    rgb: np.ndarray | None = None
    masks: np.ndarray | None = None
    depth: np.ndarray | None = None
    flow: np.ndarray | None = None
    tracks: np.ndarray | None = None
    visibility: np.ndarray | None = None


def render(
    scenes: Sequence[Scene],
    states: Sequence[States] | None = None,
    *,
    width: int = 128,
    height: int = 128,
    num_frames: int = 16,
    fps: float = 8.0,
    samples: int = 2,
    light_samples: int | None = None,
    device: str | torch.device = "cpu",
    outputs: Iterable[Output] = ("rgb",),
) -> list[Render]:
    """Render scenes, many at once; a clip's result does not depend on the others.

    ``states``: the motion of each scene, all of one length, which then sets the number of frames; left out,
    it is simulated for ``num_frames`` at ``fps``. ``samples``: anti-aliasing samples per axis of a pixel.
    ``light_samples``: points of the sun's disc per pixel, at least ``samples ** 2``; the default grows with
    the size of the picture. ``outputs``: what to compute, of "rgb", "masks", "depth", "flow" and "tracks".

    Raises ``ValueError`` for sizes below 1, unknown outputs and states that do not fit the scenes.
    """
    wanted = _check_outputs(outputs)
    for name, value in (
        ("width", width),
        ("height", height),
        ("num_frames", num_frames),
        ("samples", samples),
    ):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    if light_samples is not None and light_samples < 1:
        raise ValueError(f"light_samples must be at least 1, not {light_samples}")
    if not scenes:
        return []
    if states is None:
        from scenewright.world.physics import simulate

        states = [simulate(scene, num_frames, fps) for scene in scenes]
    _check_states(scenes, states)
    target = torch.device(device)
    subs = samples * samples
    lights = subs * -(-(light_samples or _default_light_samples(height)) // subs)
    steps = len(states[0].times)
    per_frame = width * height * subs
    budget = _SAMPLES_TOGETHER.get(target.type, _SAMPLES_TOGETHER["cuda"])
    frames_together = max(1, min(steps, budget // per_frame))
    clips_together = max(1, budget // (per_frame * frames_together))
    results: list[Render] = []
    with torch.inference_mode():
        atlas = texture_atlas(target)
        for low in range(0, len(scenes), clips_together):
            batch = slice(low, low + clips_together)
            results += _render_batch(
                scenes[batch],
                states[batch],
                width,
                height,
                samples,
                lights,
                frames_together,
                atlas,
                target,
                wanted,
            )
    return results


def _check_outputs(outputs: Iterable[Output]) -> frozenset[Output]:
    wanted: frozenset[Output] = frozenset(outputs)
    for name in wanted:
        if name not in OUTPUTS:
            raise ValueError(f"unknown output {name!r}: choose from {', '.join(OUTPUTS)}")
    return wanted


def _check_states(scenes: Sequence[Scene], states: Sequence[States]) -> None:
    if len(states) != len(scenes):
        raise ValueError(f"{len(states)} states for {len(scenes)} scenes: give one for each scene")
    steps = len(states[0].times)
    for scene, state in zip(scenes, states, strict=True):
        expected = (steps, len(scene.objects), 3)
        if state.position.shape != expected:
            raise ValueError(
                f"states of shape {state.position.shape} do not fit: this batch needs {expected} "
                "(frames, objects, 3)"
            )


def _default_light_samples(height: int) -> int:
    return 8 if height < 96 else 16 if height < 256 else 64


def _render_batch(
    scenes: Sequence[Scene],
    states: Sequence[States],
    width: int,
    height: int,
    samples: int,
    light_samples: int,
    frames_together: int,
    atlas: TextureAtlas,
    device: torch.device,
    wanted: frozenset[Output],
) -> list[Render]:
    steps = len(states[0].times)
    rgb: list[Tensor] = []
    facts: dict[str, list[list[np.ndarray]]] = {}
    for low in range(0, steps, frames_together):
        # Flow looks one frame ahead.
        window = [_moments(state, low, min(low + frames_together + 1, steps)) for state in states]
        for name, values in truth(scenes, window, width, height, wanted, atlas, device).items():
            facts.setdefault(name, []).append([value[:frames_together] for value in values])
        if "rgb" not in wanted:
            continue
        tables = pack(
            scenes,
            states,
            slice(low, low + frames_together),
            width=width,
            height=height,
            light_samples=light_samples,
            atlas=atlas,
            device=device,
        )
        frames = _pictures(tables, atlas, width, height, samples)
        rgb.append(frames.view(len(scenes), -1, height, width, 3))
    pictures = torch.cat(rgb, 1).cpu().numpy() if rgb else None
    return [
        Render(
            camera=state.camera,
            rgb=None if pictures is None else pictures[i],
            **{name: np.concatenate([part[i] for part in parts]) for name, parts in facts.items()},
        )
        for i, state in enumerate(states)
    ]


def _moments(state: States, low: int, high: int) -> States:
    """The frames from ``low`` to before ``high``."""
    span = slice(low, high)
    return States(
        times=state.times[span],
        position=state.position[span],
        rotation=state.rotation[span],
        scale=state.scale[span],
        visible=state.visible[span],
        camera=CameraPath(state.camera.eye[span], state.camera.rotation[span], state.camera.fov_degrees),
    )


def _pictures(tables: Pack, atlas: TextureAtlas, width: int, height: int, samples: int) -> Tensor:
    """uint8 ``(F, H, W, 3)``."""
    device = tables.frame.device
    subs, pixels = samples * samples, width * height
    steps = tables.num_frames // len(tables.static)
    chunk = CHUNK.get(device.type, CHUNK["cuda"])

    # The empty world: once for a camera that stands still.
    first, image_of_frame = [], []
    for number_of_clip, static in enumerate(tables.static):
        for step in range(steps):
            if step == 0 or not static:
                first.append(number_of_clip * steps + step)
            image_of_frame.append(len(first) - 1)
    empty = background(tables, atlas, torch.tensor(first, device=device), width, height, chunk)
    image = torch.tensor(image_of_frame, device=device)
    encoded = encode(empty.radiance).view(len(first), pixels, 3)
    frames = encoded.index_select(0, image)

    # What objects change: the samples that see them, their shadows and the sky they hide from the ground.
    hits, seen = cast(tables, width, height, samples)
    shadow_item, shadow_pixel, shadow_share = ground_shadows(tables, width, height)
    dim_item, dim_pixel, dim_share = ground_occlusion(tables, width, height, least_occlusion())
    touched = torch.zeros(tables.num_frames * pixels, dtype=torch.bool, device=device)
    kept = seen.nonzero().squeeze(1)
    hit_pixel = hits.pixel[kept]
    for pixel in (hit_pixel, shadow_pixel, dim_pixel):
        touched[pixel] = True
    dirty = touched.nonzero().squeeze(1)
    if dirty.numel() == 0:
        return frames.view(-1, height, width, 3)
    number = torch.empty(touched.numel(), dtype=torch.int64, device=device)
    number[dirty] = torch.arange(dirty.numel(), device=device)

    sunlight = torch.ones(3, dirty.numel(), device=device)
    open_sky = torch.ones(dirty.numel(), device=device)
    tint = tables.table["shadow_tint"]
    shadow_at, dim_at = number[shadow_pixel], number[dim_pixel]
    shadow_slot, dim_slot = (tables.slot.index_select(0, items) for items in (shadow_item, dim_item))
    for slot in range(tables.items_of_frame.shape[1]):
        mine = (shadow_slot == slot).nonzero().squeeze(1)
        at, share, item = shadow_at[mine], shadow_share[mine], shadow_item[mine]
        for i in range(3):
            sunlight[i, at] *= 1.0 - share * (1.0 - tint[i].index_select(0, item))
        mine = (dim_slot == slot).nonzero().squeeze(1)
        open_sky[dim_at[mine]] *= 1.0 - dim_share[mine]

    layers = torch.zeros(4, dirty.numel() * subs, device=device)
    start = 0
    for shape, count in zip(SHAPES, hits.count, strict=True):
        index = kept[(kept >= start) & (kept < start + count)]
        start += count
        for part in index.split(chunk // 2):
            visible = hits.select(part, [])
            colour = shade(tables, atlas, visible, shape, subs)
            at = number[visible.pixel] * subs + visible.sub
            for i in range(3):
                layers[i, at] = colour[i]
            layers[3, at] = 1.0
    summed = layers.view(4, dirty.numel(), subs)
    total = summed[..., 0].clone()
    for sub in range(1, subs):
        total += summed[..., sub]
    total *= 1.0 / subs

    frame = torch.div(dirty, pixels, rounding_mode="floor")
    source = image.index_select(0, frame) * pixels + (dirty - frame * pixels)
    clip = tables.clip_of_frame.index_select(0, frame)
    light = GroundLight.of(tables)
    behind = 1.0 - total[3]
    result = torch.empty(3, dirty.numel(), device=device)
    for i in range(3):
        dimmer = light.ambient[i].index_select(0, clip) * (open_sky - 1.0)
        dimmer += light.direct[i].index_select(0, clip) * (sunlight[i] - 1.0)
        ground = empty.radiance[i].index_select(0, source)
        ground = ground + empty.albedo[i].index_select(0, source) * dimmer
        result[i] = total[i] + behind * ground
    frames.view(-1, 3)[dirty] = encode(result)
    return frames.view(-1, height, width, 3)


def encode(radiance: Tensor) -> Tensor:
    """Linear RGB ``(3, n)`` to sRGB bytes ``(n, 3)``: a soft shoulder above 0.75, then IEC 61966-2-1."""
    index = (radiance * _LUT_STEPS + 0.5).clamp(0.0, _WHITE * _LUT_STEPS).int()
    return _tone_table(radiance.device)[index.T.contiguous().long()]


@lru_cache(maxsize=4)
def _tone_table(device: torch.device) -> Tensor:
    x = np.arange(int(_WHITE * _LUT_STEPS) + 1) / _LUT_STEPS
    knee = 0.75
    x = np.where(x < knee, x, knee + (1.0 - knee) * (1.0 - np.exp(-(x - knee) / (1.0 - knee))))
    srgb = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return torch.from_numpy(np.round(255.0 * srgb).clip(0, 255).astype(np.uint8)).to(device)
