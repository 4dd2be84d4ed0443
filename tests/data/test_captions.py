from collections import Counter

import numpy as np
import pytest

from scenewright.data.captions import (
    mirror_caption,
    recolor_caption,
    reframe_caption,
    retime_caption,
    reverse_caption,
    rotate_caption,
)
from scenewright.world.camera import project
from scenewright.world.grammar import canonical, partial, write
from scenewright.world.layout import SamplerConfig, description_of, sample_description, sample_scene
from scenewright.world.motions import POP_SECONDS, event_time
from scenewright.world.parser import parse
from scenewright.world.physics import simulate
from scenewright.world.scene import Camera, Description, Motion, Scene

MIRROR = {
    "left": "right",
    "right": "left",
    "clockwise": "counterclockwise",
    "counterclockwise": "clockwise",
    "left_of": "right_of",
    "right_of": "left_of",
}
BACKWARDS = {
    **{k: v for k, v in MIRROR.items() if not k.endswith("_of")},
    "toward": "away",
    "away": "toward",
    "in": "out",
    "out": "in",
    "up": "down",
    "down": "up",
    "grow": "shrink",
    "shrink": "grow",
    "appear": "vanish",
    "vanish": "appear",
}
REVERSIBLE = dict.fromkeys(
    ("roll", "slide", "spin", "grow", "shrink", "appear", "vanish", "shake", "swap", "orbit"), 1.0
)


def mirrored(description: Description) -> Description:
    """What a mirror makes of a description."""
    camera = description.camera
    return description.model_copy(
        update={
            "events": tuple(
                e.model_copy(update={"direction": MIRROR.get(e.direction, e.direction)})
                for e in description.events
            ),
            "relations": tuple(
                r.model_copy(update={"kind": MIRROR.get(r.kind, r.kind)}) for r in description.relations
            ),
            "camera": camera
            and camera.model_copy(update={"direction": MIRROR.get(camera.direction, camera.direction)}),
        }
    )


def reversed_in_time(description: Description) -> Description:
    """What playing backwards makes of a description."""
    last = max((e.stage for e in description.events), default=0)
    camera = description.camera
    return description.model_copy(
        update={
            "events": tuple(
                e.model_copy(
                    update={
                        "kind": BACKWARDS.get(e.kind, e.kind),
                        "direction": BACKWARDS.get(e.direction, e.direction),
                        "stage": last - e.stage,
                    }
                )
                for e in description.events
            ),
            "camera": camera
            and camera.model_copy(update={"direction": BACKWARDS.get(camera.direction, camera.direction)}),
        }
    )


def mirror_scene(scene: Scene) -> Scene:
    def flip(point):
        return (-point[0], *point[1:])

    return scene.model_copy(
        update={
            "objects": tuple(
                o.model_copy(update={"position": flip(o.position), "yaw": -o.yaw}) for o in scene.objects
            ),
            "motions": tuple(
                m.model_copy(update={"direction": MIRROR.get(m.direction, m.direction)})
                for m in scene.motions
            ),
            "relations": tuple(
                r.model_copy(update={"kind": MIRROR.get(r.kind, r.kind)}) for r in scene.relations
            ),
            "camera": scene.camera.model_copy(
                update={
                    "eye": flip(scene.camera.eye),
                    "target": flip(scene.camera.target),
                    "move": scene.camera.move.model_copy(
                        update={
                            "direction": MIRROR.get(scene.camera.move.direction, scene.camera.move.direction)
                        }
                    ),
                }
            ),
        }
    )


# ---------------------------------------------------------------------------- the world's captions: mirror


def test_captions_of_the_world_mirror_exactly():
    config = SamplerConfig(num_objects=(1, 3), sequences=0.3, moving_camera=0.4)
    outcomes = Counter()
    for seed in range(500):
        said = partial(
            sample_description(seed, config=config),
            seed,
            keep_color=0.9,
            keep_direction=0.9,
            keep_setting=0.5,
        )
        caption = write(said, seed, held_out_phrasings=seed % 3 == 1, held_out_synonyms=seed % 3 == 2)
        verdict = mirror_caption(caption)
        outcomes[verdict.outcome] += 1
        if not verdict.refused:
            assert canonical(parse(verdict.caption).description) == canonical(mirrored(said)), caption
    assert outcomes["rewritten"] > 200
    assert outcomes["refused"] < 10


def test_a_mirrored_description_is_true_of_the_mirrored_scene():
    config = SamplerConfig(num_objects=(1, 3), moving_camera=0.5)
    rewritten = compared = 0
    for seed in range(25):
        scene = sample_scene(seed, config=config)
        # The pictures: every object's centre appears at the mirrored place at every time.
        one, other = simulate(scene, 5, 2.0), simulate(mirror_scene(scene), 5, 2.0)
        (here, _), (there, _) = (project(s.position, s.camera, 100, 100) for s in (one, other))
        # Which side something swings to first, or passes another on, is not told and not mirrored.
        handed = scene.camera.move.kind == "shake" or any(m.kind in ("shake", "swap") for m in scene.motions)
        compared += not handed
        if not handed:
            np.testing.assert_allclose(here[..., 0], 100 - there[..., 0], atol=1e-2)
            np.testing.assert_allclose(here[..., 1], there[..., 1], atol=1e-2)
        # The words: the caption of the scene, rewritten, describes the mirrored scene.
        verdict = mirror_caption(write(description_of(scene), seed))
        if not verdict.refused:
            rewritten += verdict.outcome == "rewritten"
            said = parse(verdict.caption).description
            assert canonical(said) == canonical(description_of(mirror_scene(scene)))
    assert min(rewritten, compared) > 8


# ---------------------------------------------------------------------- the world's captions: backwards


def test_captions_of_the_world_run_backwards_exactly_or_are_refused():
    config = SamplerConfig(
        num_objects=(1, 3), sequences=0.5, moving_camera=0.3, relations=0.2, motions=REVERSIBLE
    )
    outcomes = Counter()
    for seed in range(500):
        said = partial(
            sample_description(seed, config=config),
            seed,
            keep_color=0.9,
            keep_direction=0.95,
            keep_setting=0.5,
        )
        if seed % 2:
            sizeless = tuple(e.model_copy(update={"size": None}) for e in said.entities)
            said = said.model_copy(update={"entities": sizeless})
        caption = write(said, seed, held_out_phrasings=seed % 3 == 1, held_out_synonyms=seed % 3 == 2)
        verdict = reverse_caption(caption)
        outcomes[verdict.outcome] += 1
        if not verdict.refused:
            assert canonical(parse(verdict.caption).description) == canonical(reversed_in_time(said)), caption
    assert outcomes["rewritten"] > 200
    assert outcomes["true"] > 20


def test_what_gravity_and_momentum_do_is_never_run_backwards():
    one_way = dict.fromkeys(("bounce", "fall", "jump", "follow", "collide"), 1.0)
    config = SamplerConfig(num_objects=(2, 3), still=0.0, motions=one_way)
    told = 0
    for seed in range(100):
        said = sample_description(seed, config=config)
        if said.events:
            told += 1
            synonyms = seed % 2 == 0
            assert reverse_caption(write(said, seed, held_out_synonyms=synonyms)).refused
    assert told > 90


def reverse_scene(scene: Scene) -> Scene:
    """The scene that begins where ``scene`` ends, of one object that rolls, slides, spins, shakes, appears
    or vanishes, and a camera that moves."""
    end = simulate(scene, 2, 1 / scene.seconds)
    turns = sum(
        m.amount * (-1 if m.direction == "clockwise" else 1) for m in scene.motions if m.kind == "spin"
    )
    thing = scene.objects[0]
    move = scene.camera.move
    eye = tuple(float(v) for v in end.camera.eye[-1])
    ahead = -end.camera.rotation[-1][:, 2]
    target = scene.camera.target
    if move.kind != "orbit":
        target = tuple(float(e + 5 * a) for e, a in zip(eye, ahead, strict=True))
    last = max(m.stage for m in scene.motions)
    return scene.model_copy(
        update={
            "objects": (
                thing.model_copy(
                    update={
                        "position": tuple(float(v) for v in end.position[-1, 0]),
                        "yaw": thing.yaw + turns,
                    }
                ),
            ),
            "motions": tuple(
                Motion(
                    **{
                        **m.model_dump(),
                        "kind": BACKWARDS.get(m.kind, m.kind),
                        "direction": BACKWARDS.get(m.direction, m.direction),
                        "start": 1 - m.end,
                        "end": 1 - m.start,
                        "stage": last - m.stage,
                    }
                )
                for m in scene.motions
            ),
            "camera": Camera(
                move=move.model_copy(update={"direction": BACKWARDS.get(move.direction, move.direction)}),
                eye=eye,
                target=target,
                fov_degrees=scene.camera.fov_degrees,
                amount=scene.camera.amount,
            ),
        }
    )


def test_a_reversed_description_is_true_of_the_reversed_scene():
    motions = dict.fromkeys(("roll", "slide", "spin", "shake", "appear", "vanish"), 1.0)
    cameras = dict.fromkeys(("pan", "tilt", "dolly", "orbit"), 1.0)
    config = SamplerConfig(
        num_objects=(1, 1),
        shapes=("sphere", "cube", "cone"),
        materials={"matte": 1.0},
        motions=motions,
        cameras=cameras,
        still=0,
        sequences=0.5,
        moving_camera=0.5,
        speeds=0.5,
    )
    kinds, stages = set(), set()
    for seed in range(60):
        scene = sample_scene(seed, config=config)
        if not scene.motions:
            continue
        frames = 16
        back = reverse_scene(scene)
        one = simulate(scene, frames, (frames - 1) / scene.seconds)
        other = simulate(back, frames, (frames - 1) / scene.seconds)
        # The motion: frame by frame the other way round.
        settled = np.ones(frames, dtype=bool)
        for motion in scene.motions:
            if motion.kind in ("appear", "vanish"):
                settled &= abs(one.times - event_time(motion, scene.seconds)) > POP_SECONDS
        assert (one.visible == other.visible[::-1])[settled].all()
        if any(m.kind == "shake" for m in scene.motions):
            settled[:] = False  # A shake backwards is one of another phase.
        np.testing.assert_allclose(one.position[settled], other.position[::-1][settled], atol=2e-3)
        np.testing.assert_allclose(one.camera.eye, other.camera.eye[::-1], atol=2e-3)
        np.testing.assert_allclose(one.camera.rotation, other.camera.rotation[::-1], atol=2e-3)
        if scene.objects[0].shape != "sphere":
            np.testing.assert_allclose(one.rotation, other.rotation[::-1], atol=2e-3)
        # The words.
        verdict = reverse_caption(write(description_of(scene), seed))
        if not verdict.refused:
            said = parse(verdict.caption).description
            assert canonical(said) == canonical(description_of(back)), verdict
            kinds |= {m.kind for m in scene.motions}
            stages.add(max(m.stage for m in scene.motions))
    assert kinds == set(motions)
    assert stages == {0, 1}


# ------------------------------------------------------------------------------------------- any captions


@pytest.mark.parametrize(
    ("caption", "flipped"),
    [
        ("A cat runs LEFT with its Left-hand paw up.", "A cat runs RIGHT with its Right-hand paw up."),
        ("Left of it, a dog sits right next to a boy.", "Right of it, a dog sits right next to a boy."),
        ("The leftmost cup turns anticlockwise.", "The rightmost cup turns clockwise."),
        ("An anticlockwise swirl", "A clockwise swirl"),
        ("It spins counter-clockwise.", "It spins clockwise."),
        ("A bus drives from left to right.", "A bus drives from right to left."),
        ("His left hand; all right, he turns right.", "His right hand; all right, he turns left."),
        ("A ball rolls left behind a box.", "A ball rolls to the right behind a box."),
        ("The road curves leftwards at a right angle.", "The road curves rightwards at a right angle."),
        ("They have left for the  beach.", "They have left for the  beach."),
        ("A bright, upright leftover cake.", "A bright, upright leftover cake."),
    ],
)  # fmt: skip
def test_sides_are_swapped_as_whole_words_with_their_case(caption, flipped):
    verdict = mirror_caption(caption)
    assert verdict.caption == flipped
    assert verdict.outcome == ("true" if flipped == caption else "rewritten")


@pytest.mark.parametrize(
    ("caption", "why"),
    [
        ("A man left the room.", "may be the verb"),
        ("The dog runs right behind the car.", "a direction or a stress"),
        ("She takes the right tool.", "may mean correct"),
        ("A shop with a red sign.", "writing"),
        ("A cup that says hello.", "writing"),
        ('A wall with "EXIT" on it.', "writing"),
    ],
)
def test_a_mirror_is_refused_where_words_do_not_tell(caption, why):
    verdict = mirror_caption(caption)
    assert verdict.refused
    assert why in verdict.reason
    assert verdict.caption == caption


@pytest.mark.parametrize(
    ("caption", "backwards"),
    [
        ("A door opens.", "A door closes."),
        ("A balloon rises over a city.", "A balloon descends over a city."),
        ("A moon is rising while the camera zooms out.", "A moon is descending while the camera zooms in."),
        ("The camera pans left over a quiet street.", "The camera pans right over a quiet street."),
        ("The camera slowly pushes in.", "The camera slowly pulls out."),
        ("A toy car moves away from the viewer.", "A toy car moves toward the viewer."),
        ("A statue rotates clockwise.", "A statue rotates counterclockwise."),
        ("An opening umbrella", "A closing umbrella"),
        ("A ghost fades in, then it drifts to the left.", "A ghost fades out, after it drifts to the right."),
        ("A drone moves up, and then shrinks.", "A drone moves down, after growing."),
        ("First, a cube grows. Then, it vanishes.", "A cube shrinks, after it appears."),
        ("After a cube spins, a ball appears.", "Before a cube spins, a ball vanishes."),
        ("A cube grows before it spins.", "A cube shrinks after it spins."),
        ("A ball rolls left before it spins.", "A ball rolls right, after it spins."),
        ("A vase stands on a table next to a lamp.", "A vase stands on a table next to a lamp."),
        ("A vase stands to the left, away from a lamp.", "A vase stands to the left, away from a lamp."),
    ],
)
def test_time_is_reversed_word_by_word(caption, backwards):
    verdict = reverse_caption(caption)
    assert (verdict.caption, verdict.reason) == (backwards, "")
    assert verdict.outcome == ("true" if backwards == caption else "rewritten")


@pytest.mark.parametrize(
    "caption",
    [
        "A ball falls.",
        "A frog jumps.",
        "A woman pours coffee.",  # not known to run both ways
        "Waves crash.",
        "A small ball grows.",  # it ends large
        "An open door closes.",
        "A ball on the left rolls right.",  # it starts elsewhere
        "A car near a tree moves away.",
        "A cube spins, then grows, then vanishes.",  # three steps
        "A cube spins. A ball rolls left. Then the cube vanishes.",
        "First a cube spins.",
        "A light turns left.",
        "A disc spins to the left.",
        "To the left, a ball rolls.",
        "Two people look left.",
        "A ball stands to the left while another rolls to the right.",
        "A cup moves back.",
        "The kettle whistled.",
    ],
)
def test_time_is_not_reversed_where_that_may_be_false(caption):
    verdict = reverse_caption(caption)
    assert verdict.refused
    assert verdict.reason
    assert verdict.caption == caption


@pytest.mark.parametrize(
    ("judge", "true", "refused"),
    [
        (recolor_caption, "A bored dog reads a greenhouse plan.", "A reddish dog"),
        (recolor_caption, "A cube spins", "A cube spins on grass"),
        (recolor_caption, "Two metal cubes", "A cube in BLUE"),
        (reframe_caption, "A ball rolls to the left of a cube", "A ball on the left"),
        (reframe_caption, "One ball rolls to the left", "Two balls roll"),
        (reframe_caption, "A box on top of a cube in the middle of the day", "A box in the middle"),
        (reframe_caption, "A cup on a table", "A close-up of a cup"),
        (reframe_caption, "A 1 m pole", "3 poles"),
        (reframe_caption, "A dog stands to the left of a cat", "To the left, a dog stands"),
        (rotate_caption, "A cube spins", "A diagonal line"),
        (rotate_caption, "A cube spins", "A cube in the corner"),
        (retime_caption, "A man walks next to a dog", "A man walks quickly"),
        (retime_caption, "A ball rolls left", "A ball rolls left, then right"),
        (retime_caption, "A ball spins", "A ball pops up"),
        (retime_caption, "A ball", "A slower ball"),
    ],
)
def test_other_changes_are_refused_by_what_they_would_falsify(judge, true, refused):
    assert judge(true).outcome == "true", judge(true)
    assert judge(true).caption == true
    assert judge(refused).refused
    assert judge(refused).reason


def test_odd_text_is_judged_without_fail():
    for caption in (
        "",
        "...",
        "left",
        "RIGHT!",
        "then",
        "then, then",
        "first",
        "after",
        "a’s",
        "日本 left",
        "_-_",
    ):
        for judge in (
            mirror_caption,
            reverse_caption,
            recolor_caption,
            reframe_caption,
            rotate_caption,
            retime_caption,
        ):
            verdict = judge(caption)
            assert verdict.refused == bool(verdict.reason)
    assert mirror_caption("日本 left").caption == "日本 right"
