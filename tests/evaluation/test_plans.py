"""Plans of layouts are scored against their texts as clips are."""

from dataclasses import replace

import numpy as np
import pytest

from scenewright.evaluation.exact import score
from scenewright.evaluation.plans import plans, reading_of
from scenewright.evaluation.suites import load_suite
from scenewright.generation.loading import load_pipeline
from scenewright.registry import metrics
from scenewright.world.boxes import layout_of
from scenewright.world.completion import complete
from scenewright.world.parser import parse


def shares(texts, change=lambda layout: layout):
    """Of the layouts of true scenes, changed: the share of right facts by attribute."""
    found = {}
    for seed, text in enumerate(texts):
        description = parse(text).description
        layout = layout_of(
            complete(description, seed), width=128, height=128, num_frames=16, fps=8, text=text
        )
        for name, items in score(description, reading_of(change(layout))).items():
            found.setdefault(name, []).extend(items)
    return {name: np.mean(items) for name, items in found.items() if items}


@pytest.fixture(scope="module")
def texts():
    return [p.text for p in load_suite("world-core").select(("single", "two-objects"), 32).prompts]


def test_true_layouts_are_right(texts):
    found = shares(texts)
    for name in ("presence", "colour", "shape", "size", "count"):
        assert found[name] == 1, name
    for name in ("motion", "direction", "relation"):
        assert found[name] > 0.9, name


def test_each_fault_shows_where_it_belongs(texts):
    def labelled(**labels):
        return lambda layout: replace(layout, labels=tuple({**x, **labels} for x in layout.labels))

    assert shares(texts, labelled(color="cyan"))["colour"] < 0.4
    assert shares(texts, labelled(motion="none"))["motion"] < 0.1
    assert shares(texts, labelled(shape="cube"))["shape"] < 0.5

    def halved(layout):
        return replace(layout, labels=layout.labels[:1], boxes=layout.boxes[:1], depth=layout.depth[:1])

    assert shares(texts, halved)["count"] < 0.9


def test_a_mirrored_layout_breaks_left_and_right():
    texts = ["a red ball is to the left of a blue cube", "a green cone is to the right of a white torus"]

    def mirrored(layout):
        boxes = layout.boxes.copy()
        boxes[..., [0, 2]] = 1 - boxes[..., [2, 0]]
        return replace(layout, boxes=boxes)

    assert shares(texts)["relation"] == 1
    assert shares(texts, mirrored)["relation"] == 0


def test_the_packages_planner_is_far_above_an_untrained_one():
    planner = load_pipeline("nano").planner
    trained = plans(planner, prompts=12)
    untrained = plans(planner.untrained(3), prompts=12)
    assert trained["mean"].low > untrained["mean"].high
    assert trained["single/colour"].value > 0.9
    assert metrics.get("plans") is plans


def test_a_planner_of_another_text_encoder_is_refused():
    planner = replace(load_pipeline("nano").planner, text_encoder="0" * 64)
    with pytest.raises(ValueError, match="does not read the text encoder of nano"):
        plans(planner, prompts=2)
