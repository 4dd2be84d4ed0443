"""The classes of action recognition, and how far a prompt's actions are among those that were recognised."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from scenewright.evaluation.exact import same_look
from scenewright.world.scene import ACTIONS, MOTION_DIRECTIONS, Description, Event


def stated(description: Description, event: Event) -> frozenset[str]:
    """The classes that an event of a prompt may be: of all directions where it says none."""
    entity = description.entities[event.subject]
    kinds = same_look(event.kind, entity.shape, entity.material)
    ways = (event.direction,) if event.direction else None
    return frozenset(
        f"{kind} {way}" if way else kind for kind in kinds for way in ways or MOTION_DIRECTIONS[kind]
    ) & frozenset(ACTIONS)


def agreement(description: Description, probabilities: Mapping[str, float] | np.ndarray) -> float:
    """Share of the n actions that a prompt states which are among the n likeliest in the clip; NaN where it
    states none.

    ``probabilities``: of each class of :data:`ACTIONS`. What looks the same counts as the same.
    """
    events = description.events
    if not events:
        return math.nan
    if isinstance(probabilities, Mapping):
        probabilities = np.array([probabilities.get(name, 0.0) for name in ACTIONS])
    wanted = list(dict.fromkeys(stated(description, event) for event in events))
    likeliest = [ACTIONS[i] for i in np.argsort(-probabilities, kind="stable")[: len(wanted)]]
    return sum(any(name in classes for name in likeliest) for classes in wanted) / len(wanted)
