"""What a training run will take, before it starts: memory, floating-point operations, traffic, time, cost."""

from scenewright.training.planning.hardware import GPUS, CostModel, Gpu, find_gpu
from scenewright.training.planning.layouts import Layout
from scenewright.training.planning.report import Plan, plan
from scenewright.training.planning.workload import is_counted

__all__ = ["GPUS", "CostModel", "Gpu", "Layout", "Plan", "find_gpu", "is_counted", "plan"]
