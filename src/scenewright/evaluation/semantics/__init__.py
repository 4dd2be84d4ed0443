"""Whether a clip shows what its prompt says."""

from scenewright.evaluation.semantics.detection import Detection, detection_scores
from scenewright.evaluation.semantics.entailment import Verdict, entailment, entails
from scenewright.evaluation.semantics.graphs import (
    Node,
    SceneGraph,
    edit_distance,
    graph_of,
    graphs_of,
    unexplained,
)
from scenewright.evaluation.semantics.pooling import CompactBilinear

__all__ = [
    "CompactBilinear",
    "Detection",
    "Node",
    "SceneGraph",
    "Verdict",
    "detection_scores",
    "edit_distance",
    "entailment",
    "entails",
    "graph_of",
    "graphs_of",
    "unexplained",
]
