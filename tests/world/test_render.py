"""The renderer against closed forms: areas, depths, shadows, flow, occlusion, and bitwise determinism."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from skimage.color import rgb2lab

from scenewright.world import render as render_module
from scenewright.world.camera import camera_path, focal_length, look_at, project, yaw_matrix
from scenewright.world.light import light_of
from scenewright.world.render import OUTPUTS, render
from scenewright.world.scene import (
    COLOR_SRGB,
    COLORS,
    GROUNDS,
    MATERIALS,
    SHAPES,
    SIZE_SCALE,
    SKIES,
    TIMES_OF_DAY,
    Camera,
    CameraMove,
    Color,
    Ground,
    Material,
    Scene,
    SceneObject,
    Shape,
    TimeOfDay,
)
from scenewright.world.shapes import REST_HEIGHT
from scenewright.world.states import CameraPath, States

LEVEL = Camera(eye=(0.0, 1.0, 5.0), target=(0.0, 1.0, 0.0))


def thing(
    shape: Shape = "sphere",
    color: Color = "red",
    x: float = 0.0,
    z: float = 0.0,
    y: float | None = None,
    material: Material = "matte",
    yaw: float = 0.3,
) -> SceneObject:
    height = REST_HEIGHT[shape] * SIZE_SCALE["medium"] if y is None else y
    return SceneObject(
        shape=shape, color=color, size="medium", material=material, position=(x, height, z), yaw=yaw
    )


def poses(
    scene: Scene, num_frames: int = 1, step: Sequence[float] = (0, 0, 0), turn: np.ndarray | None = None
) -> States:
    """Every object moves by ``step`` and turns by ``turn`` a frame; the camera does what the scene says."""
    n = len(scene.objects)
    times = np.arange(num_frames) / 8.0
    position = np.zeros((num_frames, n, 3))
    rotation = np.zeros((num_frames, n, 3, 3))
    for k, item in enumerate(scene.objects):
        pose = yaw_matrix(item.yaw)
        if item.shape == "torus":
            pose = pose @ np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
        for t in range(num_frames):
            position[t, k] = np.array(item.position) + t * np.array(step)
            rotation[t, k] = pose
            pose = pose if turn is None else turn @ pose
    return States(
        times=times.astype(np.float32),
        position=position.astype(np.float32),
        rotation=rotation.astype(np.float32),
        scale=np.array([[item.scale for item in scene.objects]] * num_frames, dtype=np.float32),
        visible=np.ones((num_frames, n), dtype=bool),
        camera=camera_path(scene.camera, times, scene.seconds, scene.seed),
    )


def unproject(
    path: CameraPath, frame: int, pixel: np.ndarray, depth: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """World points (n, 3) at pixel positions (n, 2) and depths (n,)."""
    width, height = size
    focal = focal_length(path, height)
    ray = np.stack(
        [(pixel[:, 0] - width / 2) / focal, -(pixel[:, 1] - height / 2) / focal, -np.ones(len(pixel))],
        axis=-1,
    )
    return path.eye[frame] + (depth[:, None] * ray) @ path.rotation[frame].astype(float).T


def pixel_centres(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(mask)
    return np.stack([columns + 0.5, rows + 0.5], axis=-1)


# -------------------------------------------------------------------------------------------------- geometry


@pytest.mark.parametrize("place", [(0.0, 1.0, 0.0), (1.2, 0.7, 1.5), (-1.9, 1.4, -1.0)])
def test_sphere_covers_the_area_of_its_ellipse(place: tuple[float, float, float]) -> None:
    scene = Scene(objects=(thing(x=place[0], y=place[1], z=place[2]),))
    (result,) = render([scene], [poses(scene)], width=320, height=256, outputs=["masks"])
    path, radius = poses(scene).camera, SIZE_SCALE["medium"]
    centre = (np.array(place) - path.eye[0]) @ path.rotation[0]
    # The image of a sphere is an ellipse: area pi f^2 r^2 sqrt(|c|^2 - r^2) / (z^2 - r^2)^(3/2).
    squared, along_axis = (centre**2).sum(), centre[2] ** 2
    area = np.pi * (focal_length(path, 256) * radius) ** 2
    area *= np.sqrt(squared - radius**2) / (along_axis - radius**2) ** 1.5
    assert result.masks is not None
    assert (result.masks == 1).sum() == pytest.approx(area, rel=0.004)


def test_depth_of_sphere_ground_and_sky() -> None:
    scene = Scene(objects=(thing(y=1.0),), camera=LEVEL)
    (result,) = render([scene], [poses(scene)], width=65, height=65, outputs=["depth", "masks"])
    assert result.depth is not None
    assert result.masks is not None
    depth = result.depth[0]
    assert depth[32, 32] == pytest.approx(5.0 - SIZE_SCALE["medium"], abs=1e-5)
    ground = result.masks[0] == 0
    slope = (np.arange(65) + 0.5 - 32.5) / focal_length(poses(scene).camera, 65)
    expected = np.where(slope > 1e-9, 1.0 / np.maximum(slope, 1e-9), np.inf)
    np.testing.assert_allclose(depth[ground], np.broadcast_to(expected[:, None], (65, 65))[ground], rtol=1e-4)


def test_nearer_object_hides_the_farther_whatever_their_order() -> None:
    front, back = thing(color="blue", y=1.0, z=1.0), thing(color="red", y=1.0, z=-1.5)
    aside = thing(color="green", y=1.0, z=1.6, x=0.8)
    for objects, hidden in (((front, back), 1), ((back, front), 0)):
        scene = Scene(objects=objects, camera=LEVEL)
        (result,) = render([scene], [poses(scene)], width=64, height=64, outputs=["masks", "tracks"])
        assert result.masks is not None
        assert result.visibility is not None
        assert set(np.unique(result.masks)) == {0, 2 - hidden}
        assert result.visibility[0, hidden] == 0.0
        assert result.visibility[0, 1 - hidden] == 1.0
    scene = Scene(objects=(front, aside), camera=LEVEL)
    state = poses(scene)
    (both,) = render([scene], [state], width=64, height=64, outputs=["masks", "tracks"])
    alone = replace(state, visible=np.array([[True, False]]))
    (single,) = render([scene], [alone], width=64, height=64, outputs=["masks"])
    assert both.masks is not None
    assert single.masks is not None
    assert both.visibility is not None
    share = (both.masks == 1).sum() / (single.masks == 1).sum()
    assert 0.3 < share < 0.95
    assert both.visibility[0] == pytest.approx([share, 1.0])
    assert both.tracks is not None
    np.testing.assert_allclose(both.tracks, project(state.position, state.camera, 64, 64)[0], atol=1e-4)


def test_masks_hold_what_the_shapes_hold() -> None:
    """Every pixel of a mask unprojects onto the object: inside its bounds, above the ground."""
    for shape in SHAPES:
        scene = Scene(objects=(thing(shape, x=0.4, z=0.6),))
        state = poses(scene)
        (result,) = render([scene], [state], width=96, height=96, outputs=["masks", "depth"])
        assert result.masks is not None
        assert result.depth is not None
        mask = result.masks[0] == 1
        points = unproject(state.camera, 0, pixel_centres(mask), result.depth[0][mask], (96, 96))
        local = (points - state.position[0, 0]) @ state.rotation[0, 0] / state.scale[0, 0]
        assert mask.sum() > 100, shape
        assert np.linalg.norm(local, axis=1).max() < 1.5, shape
        assert points[:, 1].min() > -1e-3, shape


@pytest.mark.parametrize(
    ("move", "amount"),
    [("static", 0.0), ("pan", 0.3), ("tilt", 0.2), ("dolly", 1.5), ("orbit", 0.8), ("shake", 0.05)],
)
def test_flow_follows_every_surface_point(move: str, amount: float) -> None:
    """Unproject each pixel, move the point with its object, project it with the next camera."""
    size = (80, 72)
    scene = Scene(
        objects=(thing("cube", x=-0.9), thing("torus", "blue", x=0.9, z=0.6)),
        camera=Camera(move=CameraMove(kind=move), amount=amount),
        seconds=0.5,
    )
    turn = yaw_matrix(0.2) @ np.array(
        [[1, 0, 0], [0, np.cos(0.3), -np.sin(0.3)], [0, np.sin(0.3), np.cos(0.3)]]
    )
    state = poses(scene, 4, (0.1, 0.05, -0.12), turn)
    (result,) = render([scene], [state], width=80, height=72, outputs=["masks", "depth", "flow"])
    assert result.masks is not None
    assert result.depth is not None
    assert result.flow is not None
    assert (result.flow[-1] == 0).all()
    for t in range(3):
        for which in (0, 1, 2):
            mask = (result.masks[t] == which) & np.isfinite(result.depth[t])
            start = pixel_centres(mask)
            points = unproject(state.camera, t, start, result.depth[t][mask].astype(float), size)
            if which:
                k = which - 1
                local = (points - state.position[t, k]) @ state.rotation[t, k].astype(float)
                points = state.position[t + 1, k] + local @ state.rotation[t + 1, k].astype(float).T
            end, ahead = project(points, state.camera, *size, frame=t + 1)
            good = (ahead > 0.1) & (result.depth[t][mask] < 60)
            assert good.sum() > 50
            np.testing.assert_allclose(result.flow[t][mask][good], (end - start)[good], atol=4e-3)


def test_flow_of_the_sky_is_the_cameras_turn() -> None:
    scene = Scene(
        objects=(thing(),), camera=LEVEL.model_copy(update={"move": CameraMove(kind="pan", direction="left")})
    )
    state = poses(scene, 2)
    angle = 0.1
    state = replace(
        state,
        camera=replace(
            state.camera,
            rotation=np.stack([yaw_matrix(0.0), yaw_matrix(angle)]).astype(np.float32),
        ),
    )
    (result,) = render([scene], [state], width=64, height=64, outputs=["flow", "depth"])
    assert result.flow is not None
    assert result.depth is not None
    assert np.isinf(result.depth[0, 5]).all()
    focal = focal_length(state.camera, 64)
    bearing = np.arctan((np.arange(64) + 0.5 - 32) / focal)  # turning left moves the sky right
    expected = focal * (np.tan(bearing + angle) - np.tan(bearing))
    np.testing.assert_allclose(result.flow[0, 5, :, 0], expected, atol=1e-3)


# ----------------------------------------------------------------------------------------------------- light


def seen(scene: Scene, state: States, size: int = 96, **options: int) -> np.ndarray:
    (result,) = render([scene], [state], width=size, height=size, **options)
    assert result.rgb is not None
    return result.rgb


@pytest.mark.parametrize("time", TIMES_OF_DAY)
def test_shadow_falls_where_the_sun_says(time: TimeOfDay) -> None:
    camera = Camera(eye=(0.0, 7.0, -5.0), target=(0.0, 0.0, 0.0), fov_degrees=60.0)
    scene = Scene(objects=(thing(y=1.6),), camera=camera, time=time)
    state = poses(scene)
    shown = seen(scene, state).astype(float).sum(-1)[0]
    empty = seen(scene, replace(state, visible=np.zeros((1, 1), dtype=bool))).astype(float).sum(-1)[0]
    (fact,) = render([scene], [state], width=96, height=96, outputs=["masks"])
    assert fact.masks is not None
    darker = np.where(fact.masks[0] == 0, empty - shown, 0.0)
    core = darker > 0.5 * darker.max()
    sun = light_of(time, "clear").sun
    foot = np.array([0.0, 1.6, 0.0]) - sun * 1.6 / sun[1]
    expected = project(foot, state.camera, 96, 96, frame=0)[0]
    assert np.abs(pixel_centres(core).mean(0) - expected).max() < 1.5
    # The shadow is an ellipse on the ground of area pi r^2 / sin(elevation).
    (ground,) = render([scene], [state], width=96, height=96, outputs=["depth"])
    assert ground.depth is not None
    edge = expected[None] + np.array([[-0.5, 0], [0.5, 0], [0, -0.5], [0, 0.5]])
    row, column = int(expected[1]), int(expected[0])
    points = unproject(state.camera, 0, edge, np.full(4, ground.depth[0, row, column]), (96, 96))
    side = np.linalg.norm(points[1] - points[0])
    steep = -(points.mean(0) - state.camera.eye[0])[1] / np.linalg.norm(points.mean(0) - state.camera.eye[0])
    area = core.sum() * side**2 / steep
    assert area == pytest.approx(np.pi * SIZE_SCALE["medium"] ** 2 / sun[1], rel=0.15)


def test_soft_shadow_against_random_directions() -> None:
    """Share of the sun's disc that a sphere hides, by Monte Carlo, at every ground pixel of the penumbra."""
    import torch

    from scenewright.world.pack import pack
    from scenewright.world.textures import texture_atlas
    from scenewright.world.visibility import ground_shadows

    camera = Camera(eye=(0.0, 6.0, 6.0), target=(0.0, 0.0, 0.0), fov_degrees=40.0)
    scene = Scene(objects=(thing(y=1.2),), sky="studio", camera=camera)
    state = poses(scene)
    device = torch.device("cpu")
    tables = pack(
        [scene],
        [state],
        slice(None),
        width=48,
        height=48,
        light_samples=256,
        atlas=texture_atlas(device),
        device=device,
    )
    _, pixel, share = (v.numpy() for v in ground_shadows(tables, 48, 48))
    light = light_of(scene.time, scene.sky)
    rng = np.random.default_rng(0)
    across = np.linalg.svd(light.sun[None])[2][1:]
    polar, far = rng.uniform(0, 2 * np.pi, 4000), light.radius * np.sqrt(rng.uniform(0, 1, 4000))
    rays = light.sun + (far * np.cos(polar))[:, None] * across[0] + (far * np.sin(polar))[:, None] * across[1]
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    jitter = rng.uniform(0, 1, (4000, 2))
    got = np.zeros(48 * 48)
    got[pixel] = share
    expected = np.zeros(48 * 48)
    for index in range(48 * 48):
        corner = np.array([index % 48, index // 48]) + jitter
        way = unproject(state.camera, 0, corner, np.ones(4000), (48, 48)) - state.camera.eye[0]
        ground = state.camera.eye[0] - way * state.camera.eye[0, 1] / way[:, 1:2]
        to = np.array([0.0, 1.2, 0.0]) - ground
        ahead = (to * rays).sum(1)
        expected[index] = ((to**2).sum(1) - ahead**2 < SIZE_SCALE["medium"] ** 2).mean()
    assert ((expected > 0.05) & (expected < 0.95)).sum() > 40
    assert np.abs(got - expected).max() < 0.05


def test_objects_shade_each_other() -> None:
    """A ball between the sun and the top of a cube darkens the point where the sun's ray ends."""
    cube = thing("cube", "white", yaw=0.0)
    sun = light_of("noon", "clear").sun
    top = np.array([0.0, 2 * REST_HEIGHT["cube"] * SIZE_SCALE["medium"], 0.1])
    ball = top + 1.6 * sun
    scene = Scene(objects=(cube, thing(x=ball[0], y=ball[1], z=ball[2])))
    state = poses(scene)
    shaded = seen(scene, state)[0].astype(int)
    lit = seen(scene, replace(state, visible=np.array([[True, False]])))[0].astype(int)
    x, y = project(top, state.camera, 96, 96, frame=0)[0].astype(int)
    assert shaded[y, x].sum() < 0.75 * lit[y, x].sum()


def test_mirror_shows_the_other_object() -> None:
    """A white metal ball turns redder on the side of a red ball, and only there."""
    pair = (thing("sphere", "white", x=-0.6, material="metal"), thing("sphere", "red", x=0.6))
    scene = Scene(objects=pair)
    state = poses(scene)
    alone = replace(state, visible=np.array([[True, False]]))
    difference = seen(scene, state)[0].astype(int) - seen(scene, alone)[0].astype(int)
    (fact,) = render([scene], [state], width=96, height=96, outputs=["masks"])
    assert fact.masks is not None
    own = fact.masks[0] == 1
    redder = (difference[..., 1] < -25) & (difference[..., 0] > difference[..., 1] + 15) & own
    assert redder.sum() > 15
    assert pixel_centres(redder)[:, 0].mean() > pixel_centres(own)[:, 0].mean() + 3


def test_glass_lets_the_ground_through() -> None:
    def change(material: Material) -> float:
        pictures = []
        for ground in ("plain", "grass"):
            scene = Scene(objects=(thing("sphere", "cyan", material=material),), ground=ground)
            pictures.append(seen(scene, poses(scene), 64)[0].astype(float))
        (fact,) = render([scene], [poses(scene)], width=64, height=64, outputs=["masks"])
        assert fact.masks is not None
        return float(np.abs(pictures[0] - pictures[1])[fact.masks[0] == 1].mean())

    assert change("glass") > 2.0 * change("matte")


# ----------------------------------------------------------------------------------------------------- looks


@pytest.mark.parametrize("material", ["matte", "metal", "glass"])
def test_named_colours_stay_recognisable(material: Material) -> None:
    """The mean picture of an object is closest to its own colour's, over all times, among all colours."""
    lights = [("noon", "clear"), ("morning", "cloudy"), ("evening", "clear"), ("noon", "studio")]
    for time, sky in lights:
        scenes = [
            Scene(objects=(thing("sphere", color, material=material),), time=time, sky=sky)
            for color in COLORS
        ]
        states = [poses(scene) for scene in scenes]
        results = render(scenes, states, width=48, height=48, outputs=["rgb", "masks"])
        labs = []
        for result in results:
            assert result.rgb is not None
            assert result.masks is not None
            labs.append(rgb2lab(result.rgb[0][result.masks[0] == 1].mean(0) / 255.0))
        named = np.array([rgb2lab(np.array(COLOR_SRGB[color]) / 255.0) for color in COLORS])
        got = np.array(labs)
        apart = np.linalg.norm(got[:, None] - got[None], axis=-1)[~np.eye(12, dtype=bool)].min()
        assert apart > 7.0, (time, sky)
        if material == "matte" and time == "noon":
            nearest = np.linalg.norm(got[:, None] - named[None], axis=-1).argmin(1)
            assert [COLORS[i] for i in nearest] == list(COLORS), (time, sky)


@pytest.mark.parametrize("shape", ["sphere", "cylinder", "cone", "torus", "capsule"])
def test_turning_is_visible_on_every_material(shape: Shape) -> None:
    scenes = [Scene(objects=(thing(shape, "green", material=material),)) for material in MATERIALS]
    axis = yaw_matrix(0.35)
    if shape == "torus":  # about its own axis, which is horizontal
        c, s = np.cos(0.35), np.sin(0.35)
        lean = yaw_matrix(0.3)
        axis = lean @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ lean.T
    results = render(scenes, [poses(scene, 2, turn=axis) for scene in scenes], width=64, height=64)
    for material, result in zip(MATERIALS, results, strict=True):
        assert result.rgb is not None
        change = np.abs(result.rgb[1].astype(int) - result.rgb[0].astype(int)).max(-1)
        assert (change > 12).sum() >= 8, material


def test_seed_changes_texture_only() -> None:
    scenes = [Scene(objects=(thing(),), ground="wooden", seed=seed) for seed in (1, 2)]
    a, b = render(scenes, [poses(s) for s in scenes], width=48, height=48, outputs=["rgb", "masks", "depth"])
    assert np.array_equal(a.masks, b.masks)
    assert np.array_equal(a.depth, b.depth)
    assert not np.array_equal(a.rgb, b.rgb)


# --------------------------------------------------------------------------------- batches, sizes and errors


def varied(count: int) -> tuple[list[Scene], list[States]]:
    rng = np.random.default_rng(8)
    scenes, states = [], []
    for index in range(count):
        objects = tuple(
            thing(
                SHAPES[(index + k) % 7],
                COLORS[int(rng.integers(12))],
                x=1.1 * k - 1.1 + float(rng.uniform(-0.4, 0.4)),
                z=float(rng.uniform(-1, 1)),
                material=MATERIALS[(index + 2 * k) % 5],
            )
            for k in range(1 + index % 3)
        )
        move = CameraMove(kind="orbit") if index % 4 == 3 else CameraMove()
        scene = Scene(
            objects=objects,
            ground=GROUNDS[index % 5],
            sky=SKIES[index % 3],
            time=TIMES_OF_DAY[index % 4],
            camera=Camera(move=move, amount=0.4),
            seed=index,
        )
        scenes.append(scene)
        states.append(poses(scene, 3, (0.07, 0.02, 0.03), yaw_matrix(0.1)))
    return scenes, states


def assert_same(a: render_module.Render, b: render_module.Render) -> None:
    for name in ("rgb", "masks", "depth", "flow", "tracks", "visibility"):
        x, y = getattr(a, name), getattr(b, name)
        assert x is not None
        assert np.array_equal(x, y), name


def test_same_frames_in_any_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes, states = varied(9)
    size = {"width": 41, "height": 35, "outputs": OUTPUTS}
    together = render(scenes, states, **size)
    backward = render(scenes[::-1], states[::-1], **size)[::-1]
    monkeypatch.setattr(render_module, "_SAMPLES_TOGETHER", dict.fromkeys(("cpu", "cuda"), 41 * 35 * 4 * 2))
    alone = [render([scene], [state], **size)[0] for scene, state in zip(scenes, states, strict=True)]
    for a, b, c in zip(together, backward, alone, strict=True):
        assert_same(a, b)
        assert_same(a, c)


def test_every_frame_is_the_picture_of_its_own_moment() -> None:
    """A clip is its frames rendered one by one, with a camera that stands still and with one that moves."""
    scenes, states = varied(4)
    for scene, state in zip(scenes, states, strict=True):
        (clip,) = render([scene], [state], width=40, height=40)
        assert clip.rgb is not None
        for t in range(3):
            one = slice(t, t + 1)
            moment = States(
                state.times[one],
                state.position[one],
                state.rotation[one],
                state.scale[one],
                state.visible[one],
                replace(state.camera, eye=state.camera.eye[one], rotation=state.camera.rotation[one]),
            )
            (still,) = render([scene], [moment], width=40, height=40)
            assert still.rgb is not None
            assert np.array_equal(still.rgb[0], clip.rgb[t])


@pytest.mark.parametrize(("width", "height"), [(1, 1), (37, 23), (16, 90), (201, 193)])
@pytest.mark.parametrize("samples", [1, 3])
def test_any_size(width: int, height: int, samples: int) -> None:
    scene = Scene(objects=(thing("torus", material="glass"), thing("cube", "blue", x=1.0, material="metal")))
    (result,) = render([scene], [poses(scene)], width=width, height=height, samples=samples, outputs=OUTPUTS)
    assert result.rgb is not None
    assert result.rgb.shape == (1, height, width, 3)
    assert result.masks is not None
    assert result.masks.shape == (1, height, width)
    assert result.depth is not None
    assert result.depth.dtype == np.float32
    assert result.flow is not None
    assert result.flow.shape == (1, height, width, 2)


@pytest.mark.parametrize(("ground", "levels"), [("plain", 1.6), ("grass", 2.0), ("tiled", 4.5)])
def test_small_pictures_are_averages_of_large_ones(ground: Ground, levels: float) -> None:
    scene = Scene(objects=(thing("cube", "blue", material="chequered"), thing("cone", x=1.2)), ground=ground)
    state = poses(scene)
    large = seen(scene, state, 128, samples=3)[0].astype(float).reshape(32, 4, 32, 4, 3).mean((1, 3))
    small = seen(scene, state, 32, samples=4)[0].astype(float)
    assert np.abs(large - small).mean() < levels


def test_camera_in_the_midst_of_objects() -> None:
    """Objects behind, around and before the camera; shadows that reach behind it."""
    scene = Scene(
        objects=(thing(z=7.0), thing("cube", "blue", z=5.0, x=0.2), thing("torus", "green", z=2.0)),
        camera=Camera(eye=(0.0, 0.8, 5.0), target=(0.0, 0.6, 0.0)),
        time="morning",
    )
    (result,) = render([scene], [poses(scene)], width=64, height=64, outputs=OUTPUTS)
    assert result.masks is not None
    assert 1 not in result.masks
    assert result.depth is not None
    assert not np.isnan(result.depth).any()


def test_looking_down_from_above_and_up_at_the_sky() -> None:
    up = Scene(objects=(thing(),), camera=Camera(eye=(0.0, 1.0, 3.0), target=(0.0, 9.0, 0.0)), sky="cloudy")
    down = Scene(objects=(thing(),), camera=Camera(eye=(0.0, 9.0, 0.1), target=(0.0, 0.0, 0.0)))
    sky, ground = render([up, down], [poses(up), poses(down)], width=32, height=32, outputs=["depth", "rgb"])
    assert sky.depth is not None
    assert np.isinf(sky.depth).all()
    assert ground.depth is not None
    assert np.isfinite(ground.depth).all()
    assert look_at((0, 9, 0.1), (0, 0, 0)).shape == (3, 3)


def test_what_is_not_asked_for_is_not_made() -> None:
    scene = Scene(objects=(thing(),))
    (result,) = render([scene], [poses(scene)], width=8, height=8, outputs=["masks"])
    assert result.rgb is None
    assert result.depth is None
    assert result.flow is None
    assert result.tracks is None
    assert render([], []) == []


def test_errors_name_the_value() -> None:
    scene = Scene(objects=(thing(),))
    with pytest.raises(ValueError, match="unknown output 'colour'"):
        render([scene], [poses(scene)], outputs=["colour"])
    with pytest.raises(ValueError, match="width must be at least 1, not 0"):
        render([scene], [poses(scene)], width=0)
    with pytest.raises(ValueError, match="2 states for 1 scenes"):
        render([scene], [poses(scene)] * 2)
    with pytest.raises(ValueError, match="do not fit"):
        render([scene, scene], [poses(scene, 2), poses(scene, 3)])
