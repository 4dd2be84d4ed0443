"""What is learned: one objective a module, found by the name in its recipe."""

from scenewright.training.objectives.base import MODEL, Encode, Inputs, Objective
from scenewright.training.objectives.flow_matching import FlowMatching, FlowMatchingConfig

#: The settings of any objective; the key ``name`` tells which.
ObjectiveConfig = FlowMatchingConfig


def build_objective(config: ObjectiveConfig) -> Objective:
    return FlowMatching(config)


__all__ = [
    "MODEL",
    "Encode",
    "FlowMatching",
    "FlowMatchingConfig",
    "Inputs",
    "Objective",
    "ObjectiveConfig",
    "build_objective",
]
