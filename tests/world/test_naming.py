"""Which object of a scene a phrase of its caption names."""

import itertools

import pytest

from scenewright.data.world_source import WorldSource, caption
from scenewright.world.boxes import layout_of
from scenewright.world.layout import SamplerConfig, complete
from scenewright.world.naming import order_of_mention
from scenewright.world.parser import parse


def scene_of(text: str):
    return complete(parse(text).description, 3)


def named(text: str, scene) -> list[str]:
    places = range(len(scene.objects))
    return [scene.objects[n].color for n in order_of_mention(scene, text, places)]


def test_things_come_as_they_are_named():
    scene = scene_of("a red cube to the left of a green ball")
    assert named("a green ball to the right of a red cube", scene) == ["green", "red"]
    assert named("the red cube. a green ball", scene) == ["red", "green"]
    assert named("a ball and a cube", scene) == ["green", "red"]
    assert named("a green ball", scene) == ["green", "red"]


def test_what_a_phrase_leaves_out_is_told_by_the_others_and_by_what_things_do():
    scene = scene_of("a red ball. a blue ball. a green ball jumps")
    assert named("a ball and a red ball and a blue ball", scene) == ["green", "red", "blue"]
    assert named("a ball jumps. a red ball", scene) == ["green", "red", "blue"]


def test_alike_things_come_by_their_places():
    scene = scene_of("a red cube and three blue balls")
    blue = [n for n, item in enumerate(scene.objects) if item.color == "blue"]
    places = [0.0] * 4
    for n, place in zip(blue, (0.9, 0.1, 0.5), strict=True):
        places[n] = place
    found = order_of_mention(scene, "three blue balls and a red cube", places)
    assert found[:3] == [blue[1], blue[2], blue[0]]
    text = "three blue balls and a red cube"
    layout = layout_of(scene, width=64, height=64, num_frames=4, fps=4.0, text=text)
    left = layout.boxes[:3, 0, 0].tolist()
    assert left == sorted(left)
    assert layout.labels[3]["color"] == "red"


def test_the_choice_fits_as_well_as_the_best_of_all_orders():
    source = WorldSource(sampler=SamplerConfig(num_objects=(2, 4)), seed=8)
    for index in range(40):
        scene = source.scene(index)
        text = caption(scene, index)
        entities = [e for e in parse(text).description.entities for _ in range(e.count)]

        def fitting(order, entities=entities, scene=scene) -> int:
            pairs = zip(entities, (scene.objects[n] for n in order), strict=False)
            return sum(
                all(getattr(e, a) in (None, getattr(item, a)) for a in ("shape", "color", "size", "material"))
                for e, item in pairs
            )

        places = range(len(scene.objects))
        best = max(fitting(order) for order in itertools.permutations(places))
        assert best == len(entities)
        assert fitting(order_of_mention(scene, text, places)) == best


def test_other_texts_are_refused():
    with pytest.raises(ValueError, match="names no object"):
        order_of_mention(scene_of("a red cube"), "a brave knight rides home", [0.0])
