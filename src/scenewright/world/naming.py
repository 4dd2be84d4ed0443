"""Which object of a scene each phrase of its caption names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from scenewright.world.parser import parse
from scenewright.world.scene import Description, Entity, Scene

#: What an object costs that a phrase contradicts, and one that does not do what the phrase says of it.
_CONTRADICTED, _DOES_OTHERWISE = 1000.0, 1.0
#: What the order of alike objects counts: less than anything else.
_ORDER = 1e-4


def order_of_mention(scene: Scene, text: str, places: Sequence[float]) -> list[int]:
    """The numbers of the scene's objects as ``text`` names them, then those that it leaves out.

    ``text`` is a caption of the scene. Where two objects fit a phrase, the one that does what is said of it
    is meant; objects of one phrase come by their ``places``, a number each, the least first.

    Raises:
        ValueError: the text is not of the world's grammar.
    """
    said = parse(text).description
    phrases = [n for n, entity in enumerate(said.entities) for _ in range(entity.count)]
    cost = np.array(
        [[_cost(said, n, scene, number) for number in range(len(scene.objects))] for n in phrases]
    )
    rank = np.argsort(np.argsort(places, kind="stable"))
    cost -= _ORDER * np.outer(np.arange(len(phrases)), rank)
    named = linear_sum_assignment(cost)[1].tolist()
    return named + [number for number in range(len(scene.objects)) if number not in named]


def _cost(said: Description, n: int, scene: Scene, number: int) -> float:
    if not _fits(said.entities[n], scene, number):
        return _CONTRADICTED
    meant = {event.kind for event in said.events if event.subject == n}
    does = {motion.kind for motion in scene.motions if motion.subject == number}
    return _DOES_OTHERWISE * len(meant - does)


def _fits(entity: Entity, scene: Scene, number: int) -> bool:
    item = scene.objects[number]
    pairs = [(getattr(entity, name), getattr(item, name)) for name in ("shape", "color", "size", "material")]
    return all(said is None or said == true for said, true in pairs)
