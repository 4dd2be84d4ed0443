"""Entailment, graphs, detection and pooling: against cases that are clear, and brute force."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scenewright.evaluation.reading import Reading, ReadMotion, ReadObject
from scenewright.evaluation.semantics import (
    CompactBilinear,
    Detection,
    Node,
    SceneGraph,
    detection_scores,
    edit_distance,
    entailment,
    entails,
    graph_of,
    graphs_of,
    unexplained,
)
from scenewright.evaluation.semantics.detection import iou
from scenewright.world.parser import parse
from scenewright.world.sampler import sample_description


@pytest.mark.parametrize(
    ("premise", "hypothesis", "verdict"),
    [
        ("a large red ball rolls left", "a ball rolls", "entailed"),
        ("a large red ball rolls left", "a red ball", "entailed"),
        ("a red ball rolls", "a large red ball rolls left", "neutral"),
        ("a red ball", "a blue ball", "contradicted"),
        ("a red ball", "a red cube", "contradicted"),
        ("a ball", "a red ball", "neutral"),
        ("a red ball rolls left", "a red ball rolls right", "contradicted"),
        ("a red ball rolls left", "a red ball jumps", "contradicted"),
        ("a red ball", "a red ball jumps", "neutral"),
        ("a red ball rolls left", "a red ball rolls left slowly", "neutral"),
        ("two red balls", "a red ball", "entailed"),
        ("a red ball", "two red balls", "neutral"),
        ("a red ball and a blue cube", "a blue cube and a red ball", "entailed"),
        ("a red ball and a blue cube", "a blue ball and a red cube", "contradicted"),
        ("a red ball and a blue cube", "a cube", "entailed"),
        ("a red ball is left of a blue cube", "a blue cube is right of a red ball", "entailed"),
        ("a red ball is left of a blue cube", "a red ball is right of a blue cube", "contradicted"),
        ("a red ball is left of a blue cube", "a blue cube is left of a red ball", "contradicted"),
        ("a red ball is left of a blue cube", "a red ball is behind a blue cube", "neutral"),
        ("a red ball is in front of a blue cube", "a blue cube is behind a red ball", "entailed"),
        ("a red ball is near a blue cube", "a blue cube is near a red ball", "entailed"),
        ("a red ball is on top of a blue cube", "a blue cube is on top of a red ball", "contradicted"),
        ("a red ball rolls left, then jumps", "a red ball jumps", "entailed"),
        ("a red ball rolls left, then jumps", "a red ball jumps, then rolls left", "contradicted"),
        ("a red ball rolls on grass", "a red ball rolls", "entailed"),
        ("a red ball rolls on grass", "a red ball rolls on sand", "contradicted"),
        ("a red ball rolls", "a red ball rolls at night", "neutral"),
        ("a red ball. the camera pans left", "a red ball. the camera pans right", "contradicted"),
    ],
)
def test_what_follows_from_a_sentence(premise, hypothesis, verdict):
    assert entailment(premise, hypothesis) == verdict


def test_of_all_that_there_is_nothing_else_can_be():
    assert entailment("a red ball", "two red balls", complete=True) == "contradicted"
    assert entailment("a red ball", "a red ball and a cube", complete=True) == "contradicted"
    assert entailment("a red ball and a cube", "a red ball", complete=True) == "entailed"
    assert entailment("a red ball", "a red ball rolls", complete=True) == "contradicted"
    with pytest.raises(ValueError, match=r"\w"):
        entailment("a red ball", "love and freedom")


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_sentence_entails_itself_and_what_says_less(seed):
    said = sample_description(seed)
    assert entails(said, said) == "entailed"
    assert entails(said, said, complete=True) == "entailed"
    rng = np.random.default_rng(seed)
    fewer = [
        e.model_copy(update={str(rng.choice(["color", "size", "material"])): None}) for e in said.entities
    ]
    less = said.model_copy(update={"entities": tuple(fewer), "camera": None, "relations": ()})
    assert entails(said, less) == "entailed"
    assert entails(less, said) in ("neutral", "entailed")
    other = {"red": "blue"}.get(said.entities[0].color or "", "red")
    if len(said.entities) == 1 and said.entities[0].color:
        wrong = said.model_copy(update={"entities": (said.entities[0].model_copy(update={"color": other}),)})
        assert entails(said, wrong) == entails(wrong, said) == "contradicted"


def seen(shape, color, x, *, y=0.6, frames=8, half=0.06, present=None, depth=6.0, motions=()):
    """A read object that stands, or moves from and to the places of ``x``."""
    at = np.linspace(*x, frames) if isinstance(x, tuple) else np.full(frames, x)
    boxes = np.stack([at - half, np.full(frames, y - half), at + half, np.full(frames, y + half)], axis=1)
    there = np.ones(frames) if present is None else np.array(present, float)
    return ReadObject(
        shape, color, "medium", "matte", boxes, motions=motions, seen=there, depth=np.full(frames, depth)
    )


def test_graphs_of_a_prompt_and_of_what_is_seen():
    prompt = graph_of(parse("a red ball is left of two blue cubes").description)
    assert prompt.nodes == (Node("sphere", "red"), Node("cube", "blue"), Node("cube", "blue"))
    assert prompt.edges == {(0, 1): frozenset({"left_of"}), (0, 2): frozenset({"left_of"})}
    right = Reading((seen("sphere", "red", 0.2), seen("cube", "blue", 0.6), seen("cube", "blue", 0.8)), 8)
    graphs = graphs_of(right)
    assert len(graphs) == 8
    assert graphs[0].edges[0, 1] >= {"left_of"}
    assert edit_distance(prompt, graphs[0]) == 0
    assert edit_distance(graphs[0], prompt) == 0
    turned = graphs_of(
        Reading((seen("sphere", "red", 0.9), seen("cube", "blue", 0.2), seen("cube", "blue", 0.4)), 8)
    )
    assert edit_distance(prompt, turned[0]) == 1.0
    recolored = graphs_of(
        Reading((seen("sphere", "green", 0.2), seen("cube", "blue", 0.6), seen("cube", "blue", 0.8)), 8)
    )
    assert edit_distance(prompt, recolored[0]) == 0.25
    fewer = graphs_of(Reading((seen("sphere", "red", 0.2), seen("cube", "blue", 0.6)), 8))
    assert edit_distance(prompt, fewer[0]) == 1.0


def test_the_distance_of_graphs_is_a_distance():
    rng = np.random.default_rng(0)

    def graph():
        n = int(rng.integers(0, 4))
        nodes = tuple(Node(*(str(rng.integers(2)) for _ in range(4))) for _ in range(n))
        pairs = [(a, b) for a in range(n) for b in range(n) if a != b and rng.random() < 0.4]
        return SceneGraph(nodes, {pair: frozenset({"near"}) for pair in pairs})

    graphs = [graph() for _ in range(12)]
    for a in graphs:
        assert edit_distance(a, a) == 0
        for b in graphs:
            assert edit_distance(a, b) == edit_distance(b, a) >= abs(len(a.nodes) - len(b.nodes))


def test_more_of_the_picture_changed_is_a_larger_distance():
    calm = graphs_of(Reading((seen("sphere", "red", 0.2), seen("cube", "blue", 0.8)), 8))
    between = [edit_distance(a, b) for a, b in pairwise(calm)]
    assert between == [0.0] * 7
    passing = graphs_of(Reading((seen("sphere", "red", (0.1, 0.9)), seen("cube", "blue", 0.5)), 8))
    assert sum(edit_distance(a, b) for a, b in pairwise(passing)) > 0


def test_objects_that_come_from_nothing_are_told_from_those_that_have_a_reason():
    gone = [1, 1, 1, 1, 0, 0, 0, 0]
    plain = Reading((seen("cube", "blue", 0.5, present=gone), seen("sphere", "red", 0.2)), 8)
    assert unexplained(plain) == ((), (0,))
    born = Reading((seen("cube", "blue", 0.5, present=gone[::-1]),), 8)
    assert unexplained(born) == ((0,), ())
    assert unexplained(born, parse("a blue cube appears").description) == ((), ())
    assert unexplained(plain, parse("a blue cube vanishes").description) == ((), ())
    leaving = Reading((seen("cube", "blue", (0.65, 1.35), present=gone),), 8)
    assert unexplained(leaving) == ((), ())
    hidden = Reading((seen("cube", "blue", 0.5, present=gone), seen("sphere", "red", 0.5, half=0.15)), 8)
    assert unexplained(hidden) == ((), ())
    moving = ReadMotion("roll", "left")
    assert unexplained(Reading((seen("sphere", "red", 0.5, motions=(moving,)),), 8)) == ((), ())


def test_detection_is_counted_by_frame_and_label():
    truth = [
        Detection(0, (0, 0, 2, 2), "ball"),
        Detection(0, (4, 4, 6, 6), "cube"),
        Detection(1, (0, 0, 2, 2), "ball"),
    ]
    found = [
        Detection(0, (0, 0, 2, 2), "ball", 0.9),
        Detection(0, (0, 0, 2, 2.2), "ball", 0.8),  # a second time
        Detection(0, (4, 4, 6, 7), "cube", 0.7),
        Detection(1, (5, 5, 7, 7), "ball", 0.6),  # elsewhere
    ]
    scores = detection_scores(truth, found)
    assert (scores.found, scores.missed, scores.wrong) == (2, 1, 2)
    assert scores.precision == 0.5
    assert scores.recall == pytest.approx(2 / 3)
    assert scores.f1 == pytest.approx(2 * 0.5 * (2 / 3) / (0.5 + 2 / 3))
    assert scores.iou == pytest.approx((1 + 2 / 3) / 2)
    mislabeled = [d._replace(label="cone") for d in truth]
    assert detection_scores(truth, mislabeled).f1 == 0.0
    assert detection_scores([], []).f1 == 1.0
    assert detection_scores(truth, [])[:3] == (1.0, 0.0, 0.0)
    assert iou((0, 0, 1, 1), (2, 2, 3, 3)) == 0.0


def test_boxes_that_drift_lose_overlap_and_then_recall():
    truth = [Detection(t, (10.0, 10, 30, 30), "ball") for t in range(10)]
    scores = [
        detection_scores(truth, [d._replace(box=(10.0 + s, 10, 30 + s, 30)) for d in truth])
        for s in (0, 3, 6, 9)
    ]
    assert scores[0].iou > scores[1].iou > scores[2].iou
    assert [s.recall for s in scores] == [1, 1, 1, 0]


def test_compact_pooling_is_the_sketch_of_the_outer_product():
    torch.manual_seed(0)
    pooling = CompactBilinear(7, 5, 16, seed=3)
    x, y = torch.randn(4, 7), torch.randn(4, 5)
    expected = torch.zeros(4, 16)
    for i in range(7):
        for j in range(5):
            place = (pooling.places_x[i] + pooling.places_y[j]) % 16
            expected[:, place] += pooling.signs_x[i] * pooling.signs_y[j] * x[:, i] * y[:, j]
    torch.testing.assert_close(pooling(x, y), expected, atol=1e-5, rtol=1e-5)


def test_inner_products_are_those_of_the_outer_products_on_average():
    torch.manual_seed(1)
    x, y = torch.randn(2, 10), torch.randn(2, 8)
    exact = ((x[0] @ x[1]) * (y[0] @ y[1])).item()
    found = []
    for seed in range(300):
        z = CompactBilinear(10, 8, 64, seed=seed)(x, y)
        found.append((z[0] @ z[1]).item())
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - exact) < 4 * error
    assert torch.equal(CompactBilinear(10, 8, 64)(x, y), CompactBilinear(10, 8, 64)(x, y))
