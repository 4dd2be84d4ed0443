"""Layout against brute force: what is in view, what overlaps, and which relations the pictures show."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from solids import overlap, world_points

from scenewright.world.camera import project
from scenewright.world.layout import (
    SamplerConfig,
    complete,
    description_of,
    relation_in,
    relations_in,
    sample_description,
    sample_scene,
)
from scenewright.world.physics import simulate
from scenewright.world.scene import (
    CAMERA_KINDS,
    MOTION_DIRECTIONS,
    ROLLING_SHAPES,
    SHAPES,
    SPEEDS,
    TARGETED_MOTIONS,
    CameraMove,
    Description,
    Entity,
    Event,
    Relation,
)
from scenewright.world.shapes import PATTERNED, ROUND

EVERY_MOTION = [(kind, d, s) for kind, ds in MOTION_DIRECTIONS.items() for d in ds for s in (None, *SPEEDS)]


@pytest.fixture(scope="module")
def sampled():
    """200 random scenes of one to four objects with their states."""
    scenes = [sample_scene(seed, config=SamplerConfig(num_objects=(1, 4))) for seed in range(200)]
    return [(scene, simulate(scene, 16, 8.0)) for scene in scenes]


def pixels(scene, states, n, size=100):
    """(T, points, 2) Where the inside of object ``n`` appears, and (T, points) how far away."""
    return project(world_points(scene, states, n), states.camera, size, size)


def two(kind, a="sphere", b="cube", events=(), **fields):
    relation = Relation(kind=kind, subject=0, reference=1, second=2 if kind == "between" else None)
    entities = [Entity(shape=a), Entity(shape=b)] + [Entity(shape="cone")] * (kind == "between")
    return Description(entities=entities, relations=(relation,), events=events, **fields)


# --------------------------------------------------------------------------------------------- whole scenes


def test_objects_stay_in_the_picture(sampled):
    for scene, states in sampled:
        for n in range(len(scene.objects)):
            where, depth = pixels(scene, states, n)
            inside = ((where > 0) & (where < 100)).all(axis=-1).mean(axis=1)[states.visible[:, n]]
            falls = any(m.kind == "fall" and m.subject == n for m in scene.motions)
            assert inside.min() > (0.6 if falls else 0.75)
            assert inside[-1] > 0.75
            assert depth.min() > 1.0


def test_objects_never_pass_through_each_other(sampled):
    for scene, states in sampled:
        for a, b in itertools.permutations(range(len(scene.objects)), 2):
            assert overlap(scene, states, a, b) == 0.0, (scene.seed, a, b)


def test_nothing_sinks_into_the_ground(sampled):
    for scene, states in sampled:
        for n in range(len(scene.objects)):
            assert world_points(scene, states, n)[..., 1].min() > -1e-4


def test_relations_of_the_scene_are_among_those_that_hold(sampled):
    kinds = set()
    for scene, states in sampled:
        held = relations_in(scene, states)
        for relation in scene.relations:
            assert relation_in(relation, scene, states), relation
            if relation.kind != "between":
                assert relation in held
            kinds.add(relation.kind)
    assert kinds == {"left_of", "right_of", "in_front_of", "behind", "on_top_of", "between", "near"}


def test_every_relation_that_holds_is_seen_in_the_picture(sampled):
    for scene, states in sampled:
        points = [pixels(scene, states, n) for n in range(len(scene.objects))]
        x = np.stack([p[..., 0].mean(axis=1) for p, _ in points], axis=1)
        depth = np.stack([d.mean(axis=1) for _, d in points], axis=1)
        for relation in relations_in(scene, states):
            a, b = relation.subject, relation.reference
            seen = states.visible[:, a] & states.visible[:, b]
            if relation.kind == "left_of":
                assert (x[seen, a] < x[seen, b]).all()
            elif relation.kind == "right_of":
                assert (x[seen, a] > x[seen, b]).all()
            elif relation.kind == "in_front_of" and not _leaves_ground(scene, (a, b)):
                assert (depth[seen, a] < depth[seen, b]).all()
            elif relation.kind == "behind" and not _leaves_ground(scene, (a, b)):
                assert (depth[seen, a] > depth[seen, b]).all()
            elif relation.kind == "on_top_of":
                low = world_points(scene, states, a)[..., 1].min(axis=1)
                high = world_points(scene, states, b)[..., 1].max(axis=1)
                assert (low[seen] > high[seen] - 0.02).all()


def _leaves_ground(scene, members):
    high = any(r.kind == "on_top_of" and r.subject in members for r in scene.relations)
    return high or any(
        m.kind in ("bounce", "jump", "fall", "grow", "shrink") and m.subject in members for m in scene.motions
    )


def test_mirror_images_hold_together(sampled):
    mirror = {"left_of": "right_of", "in_front_of": "behind", "near": "near"}
    for scene, states in sampled:
        held = set(relations_in(scene, states))
        for r in held:
            if r.kind in mirror:
                assert Relation(kind=mirror[r.kind], subject=r.reference, reference=r.subject) in held


def test_the_same_seed_gives_the_same_scene():
    config = SamplerConfig(num_objects=(1, 3))
    assert [sample_scene(s, config=config) for s in range(20)] == [
        sample_scene(s, config=config) for s in range(20)
    ]
    assert len({sample_scene(s, config=config).model_dump_json() for s in range(20)}) == 20
    description = Description(entities=(Entity(shape="cube", count=2),))
    assert complete(description, 5) == complete(description, 5)


# --------------------------------------------------------------------------------------- what is said is so


def test_what_is_said_comes_true_and_can_be_said_again(sampled):
    for scene, _ in sampled:
        said = description_of(scene)
        again = complete(said, scene.seed + 1000)
        assert description_of(again).model_copy(update={"events": (), "relations": ()}) == said.model_copy(
            update={"events": (), "relations": ()}
        )
        assert set(description_of(again).events) == set(said.events)


def test_attributes_events_and_setting_are_kept():
    description = Description(
        entities=(
            Entity(shape="sphere", color="red", size="large", material="metal"),
            Entity(shape="cube", color="blue", size="small"),
        ),
        events=(Event(kind="roll", subject=0, direction="left", speed="slow"),),
        relations=(Relation(kind="behind", subject=0, reference=1),),
        camera=CameraMove(kind="orbit", direction="right"),
        ground="grass",
        sky="cloudy",
        time="evening",
    )
    for seed in range(10):
        scene = complete(description, seed)
        red, blue = scene.objects
        assert (red.shape, red.color, red.size, red.material) == ("sphere", "red", "large", "metal")
        assert (blue.shape, blue.color, blue.size) == ("cube", "blue", "small")
        assert [(m.kind, m.subject, m.direction, m.speed) for m in scene.motions] == [
            ("roll", 0, "left", "slow")
        ]
        assert (scene.ground, scene.sky, scene.time) == ("grass", "cloudy", "evening")
        assert scene.camera.move == description.camera
        assert relation_in(scene.relations[0], scene, simulate(scene, 16, 8.0))


def test_groups_are_alike_and_move_alike():
    description = Description(
        entities=(Entity(shape="cube", color="yellow", count=3),), events=(Event(kind="fall", subject=0),)
    )
    for seed in range(5):
        scene = complete(description, seed)
        assert len({(o.shape, o.color, o.size, o.material, o.entity) for o in scene.objects}) == 1
        assert [m.kind for m in scene.motions] == ["fall"] * 3
        said = description_of(scene)
        assert [e.count for e in said.entities] == [3]
        assert len(said.events) == 1


def test_unsaid_settings_are_mostly_plain_and_the_camera_stands_still():
    scenes = [complete(Description(entities=(Entity(shape="cube"),)), seed) for seed in range(200)]
    assert all(s.camera.move.kind == "static" for s in scenes)
    for attribute, plain in (("ground", "plain"), ("sky", "clear"), ("time", "noon")):
        share = np.mean([getattr(s, attribute) == plain for s in scenes])
        assert 0.55 < share < 0.85
    matte = np.mean([s.objects[0].material == "matte" for s in scenes])
    assert 0.4 < matte < 0.62


@pytest.mark.parametrize(("kind", "direction", "speed"), EVERY_MOTION)
def test_every_motion_can_be_asked_of_every_shape(kind, direction, speed):
    target = 1 if kind in TARGETED_MOTIONS else None
    for seed, shape in enumerate(SHAPES):
        entities = (Entity(shape=shape), Entity(shape="cube"))[: 2 if target else 1]
        event = Event(kind=kind, subject=0, direction=direction, speed=speed, target=target)
        scene = complete(Description(entities=entities, events=(event,)), seed)
        states = simulate(scene, 16, 8.0)
        assert description_of(scene).events[0] == event
        where, _ = pixels(scene, states, 0)
        inside = ((where > 0) & (where < 100)).all(axis=-1).mean(axis=1)[states.visible[:, 0]]
        assert inside.min() > 0.6
        if direction in ("left", "right"):
            step = where[-1, :, 0].mean() - where[0, :, 0].mean()
            assert (step < 0) == (direction == "left")
            assert abs(step) > 12.0


@pytest.mark.parametrize("kind", ["roll", "slide"])
def test_a_single_object_crosses_most_of_the_picture(kind):
    for speed, least, most in ((None, 0.42, 0.75), ("slow", 0.25, 0.5), ("fast", 0.5, 0.85)):
        event = Event(kind=kind, subject=0, direction="left", speed=speed)
        description = Description(entities=(Entity(shape="sphere", size="medium"),), events=(event,))
        for seed in range(10):
            scene = complete(description, seed)
            where, _ = pixels(scene, simulate(scene, 17, 8.0), 0)
            crossed = (where[0, :, 0].mean() - where[-1, :, 0].mean()) / 100
            assert least < crossed < most


@pytest.mark.parametrize("kind", CAMERA_KINDS)
def test_every_camera_move_keeps_the_object_in_view(kind):
    events = (Event(kind="slide", subject=0, direction="right"),)
    for seed in range(6):
        description = Description(
            entities=(Entity(shape="cube"),), events=events, camera=CameraMove(kind=kind)
        )
        scene = complete(description, seed)
        states = simulate(scene, 16, 8.0)
        where, _ = pixels(scene, states, 0)
        assert ((where > 0) & (where < 100)).all(axis=-1).mean(axis=1).min() > 0.75
        moved = (
            np.abs(np.diff(states.camera.rotation, axis=0)).max()
            + np.abs(np.diff(states.camera.eye, axis=0)).max()
        )
        assert (moved > 1e-4) == (kind != "static")


@pytest.mark.parametrize(
    "kind", ["left_of", "right_of", "in_front_of", "behind", "on_top_of", "between", "near"]
)
def test_every_relation_can_be_asked_for(kind):
    for seed in range(15):
        scene = complete(two(kind), seed)
        states = simulate(scene, 16, 8.0)
        assert relation_in(scene.relations[0], scene, states)


def test_relations_hold_while_the_subject_moves():
    roll = Event(kind="roll", subject=0, direction="right")
    for kind in ("left_of", "right_of", "in_front_of", "behind"):
        for seed in range(6):
            scene = complete(two(kind, events=(roll,)), seed)
            states = simulate(scene, 16, 8.0)
            assert relation_in(scene.relations[0], scene, states)
            assert states.position[-1, 0, 0] - states.position[0, 0, 0] > 0.7


def test_six_objects_in_a_row():
    relations = tuple(Relation(kind="left_of", subject=i, reference=i + 1) for i in range(5))
    scene = complete(Description(entities=(Entity(shape="cube"),) * 6, relations=relations), 0)
    states = simulate(scene, 2, 8.0)
    x = [pixels(scene, states, n)[0][0, :, 0].mean() for n in range(6)]
    assert x == sorted(x)


def test_what_is_carried_stays_on_top():
    slide = Event(kind="slide", subject=1, direction="left")
    scene = complete(two("on_top_of", events=(slide,)), 3)
    states = simulate(scene, 16, 8.0)
    offset = states.position[:, 0] - states.position[:, 1]
    np.testing.assert_allclose(offset, offset[:1].repeat(16, axis=0), atol=1e-5)
    assert states.position[-1, 1, 0] < states.position[0, 1, 0] - 0.8


def test_a_ball_that_falls_on_a_cube_lands_there():
    for seed in range(5):
        scene = complete(two("on_top_of", events=(Event(kind="fall", subject=0),)), seed)
        states = simulate(scene, 17, 8.0)
        top = states.position[-1, 1, 1] + 0.82 * scene.objects[1].scale
        bottom = states.position[:, 0, 1] - scene.objects[0].scale
        assert bottom[0] > top + 0.4
        assert bottom[-1] == pytest.approx(top, abs=0.02)


def test_the_followed_object_gets_moving():
    scene = complete(
        Description(
            entities=(Entity(shape="sphere"), Entity(shape="cube")),
            events=(Event(kind="follow", subject=0, target=1),),
        ),
        0,
    )
    assert {(m.kind, m.subject) for m in scene.motions} == {("follow", 0), ("slide", 1)}


def test_shapes_that_cannot_roll_do_what_comes_closest():
    for shape in set(SHAPES) - ROLLING_SHAPES:
        event = Event(kind="roll", subject=0, direction="right")
        scene = complete(Description(entities=(Entity(shape=shape),), events=(event,)), 0)
        states = simulate(scene, 17, 8.0)
        assert states.position[-1, 0, 0] - states.position[0, 0, 0] > 1.0
        turned = np.abs(states.rotation[8, 0] - states.rotation[0, 0]).max() > 0.1
        assert turned == (shape in ("cube", "capsule"))


def test_relations_with_what_one_circles_hold_at_the_start():
    event = Event(kind="orbit", subject=0, target=1, direction="clockwise")
    for seed in range(5):
        scene = complete(two("left_of", events=(event,)), seed)
        assert scene.relations == ()
        assert scene.objects[0].position[0] < scene.objects[1].position[0] - 0.4


# ------------------------------------------------------------------------------------------------ the sampler


def test_excluded_combinations_never_occur():
    config = SamplerConfig(
        num_objects=(1, 4),
        groups=0.5,
        still=0.0,
        excluded_color_shape=frozenset({("red", "cube"), ("blue", "sphere")}),
        excluded_shape_motion=frozenset({("sphere", "roll"), ("cone", "spin")}),
        excluded_counts=frozenset({(3, None), (2, "torus")}),
    )
    for seed in range(300):
        said = sample_description(seed, config=config)
        for n, entity in enumerate(said.entities):
            kinds = {e.kind for e in said.events if e.subject == n}
            assert (entity.color, entity.shape) not in config.excluded_color_shape
            assert not {(entity.shape, kind) for kind in kinds} & config.excluded_shape_motion
            assert (entity.count, entity.shape) != (2, "torus")
            assert entity.count != 3


def test_a_curriculum_can_start_with_one_still_object():
    config = SamplerConfig(
        num_objects=(1, 1),
        still=1.0,
        moving_camera=0.0,
        settings=0.0,
        shapes=("cube", "cone"),
        sizes=("large",),
    )
    for seed in range(30):
        scene = sample_scene(seed, config=config)
        assert len(scene.objects) == 1
        assert not scene.motions
        assert scene.objects[0].shape in ("cube", "cone")
        assert (scene.ground, scene.sky, scene.time) == ("plain", "clear", "noon")


def test_weights_are_followed():
    config = SamplerConfig(
        num_objects=(1, 1), still=0.25, sequences=0.0, motions={"roll": 1.0, "spin": 3.0}, moving_camera=0.5
    )
    said = [sample_description(seed, config=config) for seed in range(1000)]
    kinds = [d.events[0].kind if d.events else None for d in said]
    assert kinds.count(None) / 1000 == pytest.approx(0.25, abs=0.04)
    assert kinds.count("spin") / 1000 == pytest.approx(0.5625, abs=0.05)
    assert np.mean([d.camera.kind != "static" for d in said]) == pytest.approx(0.5, abs=0.05)


def test_sampled_descriptions_are_full_and_their_objects_can_be_told_apart():
    for seed in range(200):
        said = sample_description(seed, config=SamplerConfig(num_objects=(1, 6)))
        assert len({(e.color, e.shape) for e in said.entities}) == len(said.entities)
        assert all(None not in (e.shape, e.color, e.size, e.material) for e in said.entities)
        assert None not in (said.camera, said.ground, said.sky, said.time)
        assert all(e.direction is not None or None in MOTION_DIRECTIONS[e.kind] for e in said.events)


def test_crowds_can_be_sampled():
    for seed in range(12):
        scene = sample_scene(seed, config=SamplerConfig(num_objects=(5, 6)))
        assert len(scene.objects) >= 5


# ------------------------------------------------------------------------------------------------ errors


def circle(kind, other):
    return Description(
        entities=(Entity(), Entity()),
        relations=(
            Relation(kind=kind, subject=0, reference=1),
            Relation(kind=other, subject=other == kind, reference=other != kind),
        ),
    )


@pytest.mark.parametrize(
    ("kind", "other", "message"),
    [
        ("left_of", "left_of", "contradict each other"),
        ("left_of", "right_of", "contradict each other"),
        ("behind", "in_front_of", "contradict each other"),
        ("on_top_of", "on_top_of", "on top of each other"),
        ("on_top_of", "left_of", "on top of another and beside it"),
    ],
)
def test_contradictions_are_refused(kind, other, message):
    with pytest.raises(ValueError, match=message) as caught:
        complete(circle(kind, other), 0)
    assert "\n" not in str(caught.value)


def test_seven_objects_are_refused():
    with pytest.raises(ValueError, match="at most 6"):
        Description(entities=(Entity(shape="cube", count=4), Entity(shape="cone", count=3)))


def test_what_leaves_no_room_is_refused_in_one_line():
    entities = (Entity(shape="cube", size="small"), Entity(shape="cube", size="large", count=5))
    relation = Relation(kind="on_top_of", subject=1, reference=0)
    with pytest.raises(ValueError, match="found no place for 6 objects") as caught:
        complete(Description(entities=entities, relations=(relation,)), 0)
    assert "\n" not in str(caught.value)


def test_odd_arguments_are_refused():
    one = Description(entities=(Entity(shape="cube"),))
    with pytest.raises(ValueError, match="positive number of seconds"):
        complete(one, 0, seconds=0.0)
    with pytest.raises(ValueError, match="aspect"):
        complete(one, 0, aspect=0.0)
    with pytest.raises(ValueError, match="num_objects"):
        sample_scene(0, config=SamplerConfig(num_objects=(3, 2)))
    with pytest.raises(ValueError, match="nothing to draw"):
        sample_scene(0, config=SamplerConfig(shapes=()))


@pytest.mark.parametrize("shape", sorted(ROUND))
def test_a_round_shape_that_spins_has_a_pattern_unless_another_material_is_said(shape):
    spin = Event(kind="spin", subject=0, direction="clockwise")
    for seed in range(20):
        free = complete(Description(entities=(Entity(shape=shape),), events=(spin,)), seed)
        assert free.objects[0].material in PATTERNED
        said = Entity(shape=shape, material="metal")
        assert complete(Description(entities=(said,), events=(spin,)), seed).objects[0].material == "metal"
    config = SamplerConfig(num_objects=(1, 1), shapes=(shape,), motions={"spin": 1.0}, still=0.0)
    drawn = {sample_scene(seed, config=config).objects[0].material for seed in range(40)}
    assert drawn == set(PATTERNED)
