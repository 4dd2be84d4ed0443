"""Scene graphs: objects and how they stand to each other, in a prompt, in a clip, and from frame to frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import NamedTuple

import numpy as np

from scenewright.evaluation.reading import Reading, ReadObject
from scenewright.evaluation.relations import holds
from scenewright.world.scene import RELATION_KINDS, Description

#: Attributes of a node that graphs are compared by.
NODE_ATTRIBUTES = ("shape", "color", "size", "material")


class Node(NamedTuple):
    """An object; None where an attribute is not said."""

    shape: str | None = None
    color: str | None = None
    size: str | None = None
    material: str | None = None


@dataclass(frozen=True)
class SceneGraph:
    """``edges``: kinds of relations by (subject, reference), places in ``nodes``. ``open``: whether only
    what is stated counts, as in a prompt, which does not name every relation."""

    nodes: tuple[Node, ...]
    edges: Mapping[tuple[int, int], frozenset[str]] = field(default_factory=dict)
    open: bool = False


def graph_of(description: Description) -> SceneGraph:
    """What a prompt says, one node an object; ``between`` is an edge to each of its references."""
    slots = [i for i, entity in enumerate(description.entities) for _ in range(entity.count)]
    nodes = [Node(e.shape, e.color, e.size, e.material) for e in (description.entities[i] for i in slots)]
    edges: dict[tuple[int, int], set[str]] = {}
    for relation in description.relations:
        for reference in (relation.reference, relation.second):
            for a, first in enumerate(slots):
                for b, second in enumerate(slots):
                    if first == relation.subject and second == reference:
                        edges.setdefault((a, b), set()).add(relation.kind)
    return SceneGraph(tuple(nodes), {pair: frozenset(kinds) for pair, kinds in edges.items()}, open=True)


def graphs_of(reading: Reading) -> list[SceneGraph]:
    """What is seen in each frame: the objects found in it, and every relation of two that holds there."""
    frames = max((len(item.seen) for item in reading.objects), default=0)
    return [_graph_at([o for o in reading.objects if o.seen[t] > 0], t) for t in range(frames)]


def edit_distance(one: SceneGraph, other: SceneGraph, *, most: int = 7) -> float:
    """The least cost of making ``one`` into ``other``, over all ways to match as many nodes as can be: 1 for
    each other node, with its relations; 1/4 for an attribute that changes, 1/2 for a relation between matched
    nodes that comes or goes. What an ``open`` graph does not state costs nothing. Of larger graphs than
    ``most`` the last nodes are not matched.
    """
    small, large = sorted((one, other), key=lambda graph: len(graph.nodes))
    a, b = small.nodes[:most], large.nodes[:most]
    extra = len(small.nodes) - len(a) + len(large.nodes) - len(a)
    best = float("inf")
    for order in permutations(range(len(b)), len(a)):
        cost = sum(_node_cost(a[i], b[j], small.open, large.open) for i, j in enumerate(order))
        if cost < best:
            best = min(best, cost + _edge_cost(small, large, order))
    return best + extra


class Unexplained(NamedTuple):
    """Objects of a reading, by place: ``from_nothing`` are there of a sudden, ``into_nothing`` are gone: away
    from the picture's edges, neither behind another object nor growing or shrinking there."""

    from_nothing: tuple[int, ...]
    into_nothing: tuple[int, ...]


def unexplained(
    reading: Reading, description: Description | None = None, *, border: float = 0.03
) -> Unexplained:
    """Objects that appear from or vanish into nothing, although the prompt does not say that they do.

    ``border``: how near to the edge of the picture, in parts of it, a box counts as leaving. An object that
    is hidden by another's box when it is last, or first, seen is taken to be behind it.
    """
    said = {e.kind for e in description.events} if description is not None else set()
    starts, ends = [], []
    for place, item in enumerate(reading.objects):
        seen = np.flatnonzero(item.seen > 0)
        if not len(seen):
            continue
        first, last = int(seen[0]), int(seen[-1])
        if first > 0 and "appear" not in said and not _explained(reading, place, first, first - 1, border):
            starts.append(place)
        if (
            last < len(item.seen) - 1
            and "vanish" not in said
            and not _explained(reading, place, last, last + 1, border)
        ):
            ends.append(place)
    return Unexplained(tuple(starts), tuple(ends))


def _explained(reading: Reading, place: int, at: int, gone: int, border: float) -> bool:
    left, top, right, bottom = reading.objects[place].boxes[at]
    if left <= border or top <= border or right >= 1 - border or bottom >= 1 - border:
        return True
    x, y = (left + right) / 2, (top + bottom) / 2
    for other, item in enumerate(reading.objects):
        if other == place or item.seen[gone] <= 0:
            continue
        box = item.boxes[gone]
        if box[0] <= x <= box[2] and box[1] <= y <= box[3]:
            return True
    return False


def _graph_at(objects: Sequence[ReadObject], t: int) -> SceneGraph:
    nodes = tuple(Node(o.shape, o.color, o.size, o.material) for o in objects)
    now = [_frame(o, t) for o in objects]
    edges: dict[tuple[int, int], frozenset[str]] = {}
    for a in range(len(now)):
        for b in range(len(now)):
            if a == b:
                continue
            kinds = frozenset(
                kind for kind in RELATION_KINDS if kind != "between" and holds(kind, now[a], now[b])
            )
            if kinds:
                edges[a, b] = kinds
    return SceneGraph(nodes, edges)


def _frame(item: ReadObject, t: int) -> ReadObject:
    part = slice(t, t + 1)
    return item.with_(boxes=item.boxes[part], seen=item.seen[part], depth=item.depth[part])


def _node_cost(a: Node, b: Node, open_a: bool, open_b: bool) -> float:
    differing = 0
    for name in NODE_ATTRIBUTES:
        x, y = getattr(a, name), getattr(b, name)
        if (x is None and open_a) or (y is None and open_b):
            continue
        differing += x != y
    return differing / len(NODE_ATTRIBUTES)


def _edge_cost(small: SceneGraph, large: SceneGraph, order: Sequence[int]) -> float:
    cost = 0
    for a, i in enumerate(order):
        for b, j in enumerate(order):
            x, y = (graph.edges.get(at, frozenset()) for graph, at in ((small, (a, b)), (large, (i, j))))
            cost += 0 if large.open else len(x - y)
            cost += 0 if small.open else len(y - x)
    return cost / 2
