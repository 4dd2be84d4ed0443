"""What is learned: one objective a module, found by the name in its recipe."""

from typing import Annotated

from pydantic import Tag

from scenewright.config import kind
from scenewright.training.objectives.base import MODEL, Encode, Inputs, Objective
from scenewright.training.objectives.few_steps import FewSteps, FewStepsConfig
from scenewright.training.objectives.flow_matching import FlowMatching, FlowMatchingConfig
from scenewright.training.objectives.given import GivenFramesConfig
from scenewright.training.objectives.planning import Planning, PlanningConfig
from scenewright.training.objectives.reconstruction import Reconstruction, ReconstructionConfig
from scenewright.training.objectives.regression import Regression, RegressionConfig

#: The settings of any objective; the key ``name`` tells which.
ObjectiveConfig = Annotated[
    Annotated[FlowMatchingConfig, Tag("flow_matching")]
    | Annotated[FewStepsConfig, Tag("few_steps")]
    | Annotated[ReconstructionConfig, Tag("reconstruction")]
    | Annotated[PlanningConfig, Tag("planning")]
    | Annotated[RegressionConfig, Tag("regression")],
    kind("name", "flow_matching"),
]


def build_objective(
    config: FlowMatchingConfig | FewStepsConfig | ReconstructionConfig | PlanningConfig | RegressionConfig,
) -> Objective:
    match config:
        case ReconstructionConfig():
            return Reconstruction(config)
        case RegressionConfig():
            return Regression(config)
        case PlanningConfig():
            return Planning(config)
        case FewStepsConfig():
            return FewSteps(config)
        case _:
            return FlowMatching(config)


__all__ = [
    "MODEL",
    "Encode",
    "FewSteps",
    "FewStepsConfig",
    "FlowMatching",
    "FlowMatchingConfig",
    "GivenFramesConfig",
    "Inputs",
    "Objective",
    "ObjectiveConfig",
    "Planning",
    "PlanningConfig",
    "Reconstruction",
    "ReconstructionConfig",
    "Regression",
    "RegressionConfig",
    "build_objective",
]
