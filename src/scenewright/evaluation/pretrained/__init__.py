"""Pretrained networks that you bring, as folders that ``transformers`` reads (the extra ``pretrained``):
nothing is downloaded. Each gives measures; what it is goes into their fingerprints."""

from scenewright.evaluation.pretrained.use import KINDS, measures_with

__all__ = ["KINDS", "measures_with"]
