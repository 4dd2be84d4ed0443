"""What is learned: one objective a module, found by the name in its recipe."""

from typing import Annotated, Any

from pydantic import Tag

from scenewright.config import kind
from scenewright.training.objectives.base import MODEL, Encode, Inputs, Objective
from scenewright.training.objectives.diffusion import Diffusion, DiffusionConfig
from scenewright.training.objectives.diffusion_forcing import DiffusionForcing, DiffusionForcingConfig
from scenewright.training.objectives.few_steps import FewSteps, FewStepsConfig
from scenewright.training.objectives.flow_matching import FlowMatching, FlowMatchingConfig
from scenewright.training.objectives.given import GivenFramesConfig
from scenewright.training.objectives.judged import Judged, JudgedConfig, NamedJudge
from scenewright.training.objectives.matching import MatchingObjective, MatchingObjectiveConfig
from scenewright.training.objectives.planning import Planning, PlanningConfig
from scenewright.training.objectives.reconstruction import Reconstruction, ReconstructionConfig
from scenewright.training.objectives.regression import Regression, RegressionConfig
from scenewright.training.objectives.tokens import Tokens, TokensConfig

#: The settings of any objective; the key ``name`` tells which.
ObjectiveConfig = Annotated[
    Annotated[FlowMatchingConfig, Tag("flow_matching")]
    | Annotated[DiffusionConfig, Tag("diffusion")]
    | Annotated[DiffusionForcingConfig, Tag("diffusion_forcing")]
    | Annotated[FewStepsConfig, Tag("few_steps")]
    | Annotated[ReconstructionConfig, Tag("reconstruction")]
    | Annotated[PlanningConfig, Tag("planning")]
    | Annotated[RegressionConfig, Tag("regression")]
    | Annotated[JudgedConfig, Tag("adversarial")]
    | Annotated[MatchingObjectiveConfig, Tag("matching")]
    | Annotated[TokensConfig, Tag("tokens")],
    kind("name", "flow_matching"),
]


def build_objective(config: Any, network: Any) -> Objective:
    """The objective of a :data:`ObjectiveConfig`, for a network with the settings ``network``."""
    match config:
        case ReconstructionConfig():
            return Reconstruction(config)
        case RegressionConfig():
            return Regression(config)
        case JudgedConfig():
            return Judged(config, network)
        case MatchingObjectiveConfig():
            return MatchingObjective()
        case TokensConfig():
            return Tokens(config)
        case PlanningConfig():
            return Planning(config)
        case DiffusionConfig():
            return Diffusion(config, network.prediction)
        case DiffusionForcingConfig():
            return DiffusionForcing(config, network.patch[0])
        case FewStepsConfig():
            return FewSteps(config)
        case FlowMatchingConfig():
            return FlowMatching(config)
        case _:
            raise TypeError(f"{type(config).__name__} is no objective's settings")


__all__ = [
    "MODEL",
    "Diffusion",
    "DiffusionConfig",
    "DiffusionForcing",
    "DiffusionForcingConfig",
    "Encode",
    "FewSteps",
    "FewStepsConfig",
    "FlowMatching",
    "FlowMatchingConfig",
    "GivenFramesConfig",
    "Inputs",
    "Judged",
    "JudgedConfig",
    "MatchingObjective",
    "MatchingObjectiveConfig",
    "NamedJudge",
    "Objective",
    "ObjectiveConfig",
    "Planning",
    "PlanningConfig",
    "Reconstruction",
    "ReconstructionConfig",
    "Regression",
    "RegressionConfig",
    "Tokens",
    "TokensConfig",
    "build_objective",
]
