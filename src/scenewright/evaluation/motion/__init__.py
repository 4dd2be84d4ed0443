"""How a clip moves, and whether it stays the same thing while it does: no reference needed.

A low warping error, little flicker or high similarity can be had by not moving at all: read them beside
:func:`motion_strength`.
"""

from scenewright.evaluation.motion.camera import CameraMotion, camera_motion
from scenewright.evaluation.motion.coherence import (
    Features,
    consistency,
    flicker,
    frame_similarity,
    frozen_share,
    luminance_flicker,
)
from scenewright.evaluation.motion.content import ContentDistance, content_distance, shape_colours, shape_path
from scenewright.evaluation.motion.egomotion import camera_error, camera_name, true_camera_motion
from scenewright.evaluation.motion.energy import ActionClassifier, energy_features
from scenewright.evaluation.motion.flow import Flow, dis_flow, occluded, remembered, warp
from scenewright.evaluation.motion.movement import (
    flow_agreement,
    interpolation_smoothness,
    is_dynamic,
    jerk,
    motion_strength,
    warping_error,
)

__all__ = [
    "ActionClassifier",
    "CameraMotion",
    "ContentDistance",
    "Features",
    "Flow",
    "camera_error",
    "camera_motion",
    "camera_name",
    "consistency",
    "content_distance",
    "dis_flow",
    "energy_features",
    "flicker",
    "flow_agreement",
    "frame_similarity",
    "frozen_share",
    "interpolation_smoothness",
    "is_dynamic",
    "jerk",
    "luminance_flicker",
    "motion_strength",
    "occluded",
    "remembered",
    "shape_colours",
    "shape_path",
    "true_camera_motion",
    "warp",
    "warping_error",
]
