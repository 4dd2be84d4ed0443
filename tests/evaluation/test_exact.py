"""The scorer on readings made by hand: every kind of mistake must be seen, and only that one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenewright.evaluation.exact import ATTRIBUTES, score
from scenewright.evaluation.reading import Reading, ReadMotion, ReadObject
from scenewright.evaluation.relations import holds
from scenewright.world.scene import Description, Entity, Event, Relation

T = 16


def thing(color="red", shape="sphere", *, x=0.5, y=0.6, width=0.1, depth=8.0, size="medium", motions=()):
    boxes = np.tile([x - width / 2, y - width / 2, x + width / 2, y + width / 2], (T, 1))
    return ReadObject(
        shape=shape,
        color=color,
        size=size,
        material="matte",
        boxes=boxes,
        motions=tuple(motions),
        depth=np.full(T, depth, np.float32),
    )


def mirrored(reading: Reading) -> Reading:
    flip = {"left": "right", "right": "left"}
    objects = []
    for item in reading.objects:
        boxes = item.boxes.copy()
        boxes[:, [0, 2]] = 1 - boxes[:, [2, 0]]
        motions = tuple(replace(m, direction=flip.get(m.direction, m.direction)) for m in item.motions)
        objects.append(item.with_(boxes=boxes, motions=motions))
    return Reading(tuple(objects), reading.num_frames)


def wrong(description: Description, reading: Reading) -> dict[str, int]:
    return {
        name: rights.count(False) for name, rights in score(description, reading).items() if False in rights
    }


PAIR = Description(
    entities=(Entity(shape="sphere", color="red", size="large"), Entity(shape="cube", color="blue")),
    events=(Event(kind="roll", subject=0, direction="left"),),
    relations=(Relation(kind="left_of", subject=0, reference=1),),
)
SPHERE = thing(size="large", x=0.3, motions=[ReadMotion("roll", "left")])
CUBE = thing("blue", "cube", x=0.7)
TRUE = Reading((CUBE, SPHERE), T)
FACTS = dict(zip(ATTRIBUTES, (2, 2, 2, 1, 1, 1, 1, 1), strict=True))


def test_a_true_reading_is_all_right_and_only_stated_facts_are_items() -> None:
    items = score(PAIR, TRUE)
    assert set(items) == set(ATTRIBUTES)
    assert all(right for rights in items.values() for right in rights)
    counts = {name: len(rights) for name, rights in items.items()}
    assert counts == FACTS


def test_a_mirror_flips_direction_and_relation_and_nothing_else() -> None:
    assert wrong(PAIR, mirrored(TRUE)) == {"direction": 1, "relation": 1}


def test_swapped_places_break_the_relation_only() -> None:
    swapped = Reading((CUBE.with_(boxes=SPHERE.boxes), SPHERE.with_(boxes=CUBE.boxes)), T)
    assert wrong(PAIR, swapped) == {"relation": 1}


def test_a_missing_object_is_wrong_in_all_its_facts() -> None:
    assert wrong(PAIR, Reading((CUBE,), T)) == dict.fromkeys(FACTS, 1)
    assert wrong(PAIR, Reading((), T)) == FACTS


def test_an_extra_object_breaks_the_count_only() -> None:
    assert wrong(PAIR, Reading((CUBE, SPHERE, thing("green", "cone", x=0.5)), T)) == {"count": 1}


@pytest.mark.parametrize(
    ("change", "attribute"),
    [({"color": "orange"}, "colour"), ({"shape": "capsule"}, "shape"), ({"size": "small"}, "size")],
)
def test_each_look_is_scored_by_itself(change: dict[str, str], attribute: str) -> None:
    assert wrong(PAIR, Reading((CUBE, SPHERE.with_(**change)), T)) == {attribute: 1}


def test_kind_and_direction_are_scored_apart() -> None:
    jumps = SPHERE.with_(motions=(ReadMotion("jump", "left"),))
    assert wrong(PAIR, Reading((CUBE, jumps), T)) == {"motion": 1}
    rolls_right = SPHERE.with_(motions=(ReadMotion("roll", "right"),))
    assert wrong(PAIR, Reading((CUBE, rolls_right), T)) == {"direction": 1}
    still = SPHERE.with_(motions=())
    assert wrong(PAIR, Reading((CUBE, still), T)) == {"motion": 1, "direction": 1}


def test_a_guess_of_several_motions_counts_only_with_its_longest() -> None:
    guesses = (ReadMotion("jump", "left", 0.0, 0.6), ReadMotion("roll", "left", 0.6, 1.0))
    assert wrong(PAIR, Reading((CUBE, SPHERE.with_(motions=guesses)), T)) == {"motion": 1}


def test_attributes_on_the_wrong_objects_are_wrong() -> None:
    exchanged = Reading((CUBE.with_(color="red"), SPHERE.with_(color="blue")), T)
    assert wrong(PAIR, exchanged) == {"colour": 2}


def test_stages_must_come_in_order() -> None:
    said = Description(
        entities=(Entity(shape="cube"),),
        events=(Event(kind="jump", subject=0), Event(kind="spin", subject=0, direction="clockwise", stage=1)),
    )
    jump, spin = ReadMotion("jump", None, 0, 0.5), ReadMotion("spin", "clockwise", 0.5, 1)
    assert wrong(said, Reading((thing(shape="cube", motions=[jump, spin]),), T)) == {}
    backwards = [replace(spin, start=0.0, end=0.5), replace(jump, start=0.5, end=1.0)]
    assert wrong(said, Reading((thing(shape="cube", motions=backwards),), T))["motion"] == 1
    assert wrong(said, Reading((thing(shape="cube", motions=[spin]),), T)) == {"motion": 1}


def test_groups_count_and_every_member_must_move() -> None:
    said = Description(
        entities=(Entity(shape="cone", color="green", count=3),), events=(Event(kind="fall", subject=0),)
    )
    cones = [thing("green", "cone", x=x, motions=[ReadMotion("fall")]) for x in (0.2, 0.5, 0.8)]
    assert wrong(said, Reading(tuple(cones), T)) == {}
    assert wrong(said, Reading((*cones[:2], cones[2].with_(motions=())), T)) == {"motion": 1}
    assert wrong(said, Reading((*cones, cones[0]), T)) == {"count": 1}
    assert wrong(said, Reading(tuple(cones[:2]), T))["presence"] == 1


def test_alike_objects_are_told_apart_by_motion_then_relation() -> None:
    said = Description(
        entities=(Entity(shape="cube", color="red"), Entity(shape="cube", color="red")),
        events=(Event(kind="spin", subject=1, direction="clockwise"),),
        relations=(Relation(kind="right_of", subject=1, reference=0),),
    )
    spinner = thing(shape="cube", x=0.8, motions=[ReadMotion("spin", "clockwise")])
    for objects in [(spinner, thing(shape="cube", x=0.2)), (thing(shape="cube", x=0.2), spinner)]:
        assert wrong(said, Reading(objects, T)) == {}


def test_relations_need_direction_and_depth() -> None:
    near, far = thing(depth=7.0, x=0.45), thing("blue", depth=9.0, x=0.55)
    assert holds("in_front_of", near, far)
    assert not holds("in_front_of", far, near)
    assert holds("behind", far, near)
    assert not holds("behind", near, far)
    assert not holds("near", near, thing(x=0.95, depth=11.0))
    assert holds("near", near, thing(x=0.58, depth=7.1))
    left, right = thing(x=0.2), thing(x=0.8)
    assert holds("between", near.with_(depth=left.depth), left, right)
    assert not holds("between", left, near.with_(depth=left.depth), right)


def test_on_top_is_not_behind() -> None:
    base = thing(y=0.6, width=0.12)
    assert holds("on_top_of", thing(y=0.6 - 0.105, width=0.1), base)
    assert not holds("on_top_of", base, thing(y=0.6 - 0.105, width=0.1))
    assert not holds("on_top_of", thing(y=0.6 - 0.105, width=0.1, depth=11.0), base)
    assert not holds("on_top_of", thing(y=0.6, x=0.9), base)


def test_a_relation_must_hold_while_both_are_seen() -> None:
    left, right = thing(x=0.2), thing(x=0.8)
    seen = np.zeros(T, np.float32)
    assert not holds("left_of", left.with_(seen=seen), right)
    seen[:4] = 1
    assert holds("left_of", left.with_(seen=seen), right)


def test_what_a_shape_cannot_do_is_not_asked_of_it() -> None:
    said = Description(
        entities=(Entity(shape="pyramid"),), events=(Event(kind="roll", subject=0, direction="left"),)
    )
    slides = thing(shape="pyramid", motions=[ReadMotion("slide", "left")])
    assert wrong(said, Reading((slides,), T)) == {}


def test_a_sphere_without_a_pattern_may_roll_or_slide_but_a_patterned_one_may_not() -> None:
    said = Description(
        entities=(Entity(shape="sphere"),), events=(Event(kind="slide", subject=0, direction="left"),)
    )
    rolls = thing(motions=[ReadMotion("roll", "left")])
    assert wrong(said, Reading((rolls,), T)) == {}
    assert wrong(said, Reading((rolls.with_(material="striped"),), T)) == {"motion": 1}


def test_a_spin_that_no_picture_can_show_is_not_an_item() -> None:
    spin = Event(kind="spin", subject=0, direction="clockwise")
    still = Reading((thing(shape="cone"),), T)
    plain = Description(entities=(Entity(shape="cone", material="metal"),), events=(spin,))
    assert score(plain, still)["motion"] == []
    assert score(plain, still)["direction"] == []
    unsaid = Description(entities=(Entity(shape="cone"),), events=(spin,))
    assert wrong(unsaid, still) == {"motion": 1, "direction": 1}
