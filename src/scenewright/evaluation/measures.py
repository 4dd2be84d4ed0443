"""Measures of one clip by name, under one protocol; see :data:`scenewright.registry.measures`.

A measure has a convention that says everything its numbers depend on but the clips; the fingerprint of a
score is made of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from math import nan
from typing import Any, Literal

import numpy as np

from scenewright.clip import Clip
from scenewright.evaluation import motion
from scenewright.evaluation.fidelity import ms_ssim, psnr, ssim, vmaf
from scenewright.evaluation.protocol import hash_of_file
from scenewright.evaluation.reading import Reading
from scenewright.evaluation.semantics import (
    SceneGraph,
    Verdict,
    edit_distance,
    entails,
    graph_of,
    graphs_of,
    unexplained,
)
from scenewright.evaluation.semantics.described import described
from scenewright.evaluation.semantics.detection import (
    DetectionScores,
    detection_scores,
    detections,
    named_scores,
)
from scenewright.registry import measures
from scenewright.world.parser import parse
from scenewright.world.scene import TARGETED_MOTIONS, Description


@dataclass(frozen=True, eq=False)
class Sample:
    """A clip with what it is judged by: its prompt, and what it should be the same as, if anything."""

    clip: Clip
    text: str
    reference: Clip | None = None

    @property
    def frames(self) -> np.ndarray:
        return self.clip.frames

    @property
    def original(self) -> np.ndarray:
        """The reference's frames. ValueError without one."""
        if self.reference is None:
            raise ValueError("this measure needs a reference; name it with --reference")
        if abs(self.reference.fps - self.clip.fps) > 0.01:
            raise ValueError(
                f"the clip has {self.clip.fps:g} frames a second and its reference {self.reference.fps:g}; "
                "resample one of them"
            )
        return self.reference.frames

    @cached_property
    def flow(self) -> motion.Flow:
        """Optical flow between frames, each computed once."""
        return motion.remembered(self.frames)

    @cached_property
    def camera(self) -> motion.CameraMotion:
        """How the camera moves in the clip."""
        return motion.camera_motion(self.frames)

    @cached_property
    def reading(self) -> Reading:
        """What the reader of the world sees."""
        from scenewright.evaluation.reader.decode import read_clips

        return read_clips([self.clip.frames])[0]

    @cached_property
    def reference_reading(self) -> Reading:
        """What the reader sees in the reference."""
        from scenewright.evaluation.reader.decode import read_clips

        return read_clips([self.original])[0]

    @cached_property
    def description(self) -> Description:
        """What the prompt says."""
        return parse(self.text).description

    @cached_property
    def objects(self) -> DetectionScores:
        """Of what the reader sees, by colour and shape, of the objects that the prompt gives both; NaN where
        it leaves one open."""
        wanted = Counter[Hashable]()
        for entity in self.description.entities:
            wanted[(entity.color, entity.shape)] += entity.count
        if any(None in look for look in wanted):  # type: ignore[operator]
            return DetectionScores(nan, nan, nan, nan, 0, 0, 0)
        return named_scores(wanted, detections(self.reading), self.reading.num_frames)


@dataclass(frozen=True)
class Measure:
    """``group``: what it tells of. ``compute``: of a sample; NaN where it says nothing about it. ``better``:
    ``higher``, ``lower``, or ``neither`` where no number is better. ``rate``: whether it is a share of 1.
    ``reader``: whether it looks through the world's reader; ``networks``: the other files of weights of the
    package that it looks through, by name."""

    name: str
    group: Literal["fidelity", "motion", "semantics"]
    better: Literal["higher", "lower", "neither"]
    compute: Callable[[Sample], float]
    convention: Mapping[str, Any] = field(default_factory=dict)
    rate: bool = False
    reference: bool = False
    reader: bool = False
    networks: tuple[str, ...] = ()

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The convention, with the hashes of the networks' weights."""
        if not self.networks:
            return dict(self.convention)
        from scenewright.evaluation.recognition.weights import WEIGHTS

        hashes = {name: hash_of_file(WEIGHTS / f"{name}.safetensors") for name in self.networks}
        return {**self.convention, "weights": hashes}


#: Groups of measures, by which they may be asked for together; ``exact`` is that of :mod:`.exact`.
GROUPS = ("exact", "fidelity", "motion", "consistency", "semantics")


def find_measures(names: Sequence[str]) -> list[Measure]:
    """Measures by name, or all of a group but those that need a reference, unless that is what the group is
    of, or much time of their own (VMAF).

    Raises:
        ValueError: a name that is neither a measure nor a group.
    """
    found: dict[str, Measure] = {}
    for name in names:
        if name == "exact":
            continue
        if name == "consistency":
            from scenewright.evaluation.consistency import consistency_measures

            found |= {measure.name: measure for measure in consistency_measures()}
            continue
        wanted = [name]
        if name in GROUPS:
            members = [n for n in measures.names() if measures.get(n).group == name and n != "vmaf"]
            wanted = [n for n in members if name == "fidelity" or not measures.get(n).reference]
        for one in wanted:
            found[one] = measures.get(one)
    return list(found.values())


# --------------------------------------------------------------------------------------------------- fidelity

PSNR = Measure(
    "psnr",
    "fidelity",
    "higher",
    lambda sample: psnr(sample.original, sample.frames)[0],
    {"convention": "default"},
    reference=True,
)
SSIM = Measure(
    "ssim",
    "fidelity",
    "higher",
    lambda sample: ssim(sample.original, sample.frames)[0],
    {"convention": "default"},
    reference=True,
)
MS_SSIM = Measure(
    "ms-ssim",
    "fidelity",
    "higher",
    lambda sample: ms_ssim(sample.original, sample.frames, "small")[0],
    {"convention": "small"},
    reference=True,
)
VMAF = Measure(
    "vmaf",
    "fidelity",
    "higher",
    lambda sample: vmaf(sample.original, sample.frames)[0],
    {"model": "vmaf_v0.6.1", "rows": 1080},
    reference=True,
)


# ----------------------------------------------------------------------------------------------------- motion

_FLOW = {"flow": "dis-medium"}

WARPING_ERROR = Measure(
    "warping-error",
    "motion",
    "lower",
    lambda sample: motion.warping_error(sample.frames, sample.flow).value,
    _FLOW,
)
FLOW_AGREEMENT = Measure(
    "flow-agreement",
    "motion",
    "higher",
    lambda sample: motion.flow_agreement(sample.frames, sample.flow).value,
    _FLOW,
    rate=True,
)
SMOOTHNESS = Measure(
    "smoothness",
    "motion",
    "higher",
    lambda sample: motion.interpolation_smoothness(sample.frames, sample.flow).value,
    _FLOW,
)
MOTION_STRENGTH = Measure(
    "motion-strength",
    "motion",
    "neither",
    lambda sample: motion.motion_strength(sample.frames, sample.clip.fps, sample.flow).value,
    _FLOW,
)
DYNAMIC = Measure(
    "dynamic",
    "motion",
    "neither",
    lambda sample: float(motion.is_dynamic(sample.frames, sample.clip.fps, sample.flow)),
    _FLOW,
    rate=True,
)
JERK = Measure("jerk", "motion", "lower", lambda sample: motion.jerk(sample.frames), {"points": 200})
FLICKER = Measure("flicker", "motion", "higher", lambda sample: motion.flicker(sample.frames).value)
LUMINANCE_FLICKER = Measure(
    "luminance-flicker", "motion", "lower", lambda sample: motion.luminance_flicker(sample.frames)
)
FROZEN = Measure(
    "frozen",
    "motion",
    "lower",
    lambda sample: motion.frozen_share(sample.frames),
    {"threshold": 0.5},
    rate=True,
)
FRAME_SIMILARITY = Measure(
    "frame-similarity",
    "motion",
    "neither",
    lambda sample: motion.frame_similarity(sample.frames).value,
    {"ssim": "default"},
)
_CAMERA = {"points": 400, "model": "homography"}
CAMERA_UNSTEADINESS = Measure(
    "camera-unsteadiness",
    "motion",
    "lower",
    lambda sample: sample.camera.unsteadiness,
    _CAMERA,
)
CAMERA_PATH = Measure(
    "camera-path",
    "motion",
    "lower",
    lambda sample: motion.camera_error(sample.camera, motion.camera_motion(sample.original)),
    _CAMERA,
    reference=True,
)


# -------------------------------------------------------------------------------------------------- semantics


def _camera(sample: Sample) -> float:
    """NaN where the prompt says nothing of the camera, or too little can be followed."""
    said = sample.description.camera
    if said is None or np.median(sample.camera.support) < 0.3:
        return nan
    kind, direction = motion.camera_name(sample.camera)
    return float(kind == said.kind and said.direction in (None, direction))


CAMERA = Measure("camera", "semantics", "higher", _camera, _CAMERA, rate=True)


def _verdict(sample: Sample) -> Verdict:
    """Of what the reader sees: objects, what they do, and how they stand to each other."""
    seen = described(sample.reading)
    if seen is None:
        return "contradicted"
    events = tuple(e for e in sample.description.events if e.kind not in TARGETED_MOTIONS)
    unseen = dict.fromkeys(("camera", "ground", "sky", "time"))
    asked = sample.description.model_copy(update={"events": events, **unseen})
    return entails(seen, asked, complete=True)


def _graph_distance(sample: Sample) -> float:
    prompt = graph_of(sample.description)
    graphs = graphs_of(sample.reading) or [SceneGraph(())]
    return float(np.mean([edit_distance(prompt, graph) for graph in graphs]))


def _graph_change(sample: Sample) -> float:
    graphs = graphs_of(sample.reading)
    return float(np.mean([edit_distance(a, b) for a, b in pairwise(graphs)])) if len(graphs) > 1 else 0.0


def _unexplained(sample: Sample) -> float:
    found = unexplained(sample.reading, sample.description)
    return float(len(found.from_nothing) + len(found.into_nothing))


ENTAILED = Measure(
    "entailed",
    "semantics",
    "higher",
    lambda sample: float(_verdict(sample) == "entailed"),
    rate=True,
    reader=True,
)
CONTRADICTED = Measure(
    "contradicted",
    "semantics",
    "lower",
    lambda sample: float(_verdict(sample) == "contradicted"),
    rate=True,
    reader=True,
)
GRAPH_DISTANCE = Measure("graph-distance", "semantics", "lower", _graph_distance, reader=True)
GRAPH_CHANGE = Measure("graph-change", "semantics", "neither", _graph_change, reader=True)
UNEXPLAINED_OBJECTS = Measure("unexplained-objects", "semantics", "lower", _unexplained, reader=True)


OBJECT_PRECISION = Measure(
    "object-precision", "semantics", "higher", lambda s: s.objects.precision, rate=True, reader=True
)
OBJECT_RECALL = Measure(
    "object-recall", "semantics", "higher", lambda s: s.objects.recall, rate=True, reader=True
)
OBJECT_F1 = Measure("object-f1", "semantics", "higher", lambda s: s.objects.f1, rate=True, reader=True)


def _box_iou(sample: Sample) -> float:
    """The mean over what the reader sees in the reference; what it does not see in the clip has none."""
    there = detections(sample.reference_reading)
    scores = detection_scores(there, detections(sample.reading), threshold=0.1)
    if not there:
        return nan
    return scores.iou * scores.found / len(there) if scores.found else 0.0


BOX_IOU = Measure(
    "box-iou",
    "semantics",
    "higher",
    _box_iou,
    {"threshold": 0.1},
    rate=True,
    reference=True,
    reader=True,
)


# ---------------------------------------------------------------------------------------- recognised actions


def _action(sample: Sample, segments: bool) -> float:
    from scenewright.evaluation.recognition import agreement, load_segments, recognise

    seen = recognise([sample.frames], load_segments() if segments else None)[0]
    return agreement(sample.description, seen["action"])


ACTION = Measure(
    "action",
    "semantics",
    "higher",
    lambda s: _action(s, False),
    {"network": "world-3d"},
    rate=True,
    networks=("network3d",),
)
ACTION_SEGMENTS = Measure(
    "action-segments",
    "semantics",
    "higher",
    lambda s: _action(s, True),
    {"network": "world-2d"},
    rate=True,
    networks=("segments",),
)


def _agreement(sample: Sample) -> float:
    """Of the whole sentence, by a network that learned on the world."""
    import torch

    from scenewright.evaluation.distribution.networks import world_features
    from scenewright.evaluation.semantics.learned import load_agreement

    features = torch.from_numpy(world_features()(sample.clip)).float()
    with torch.inference_mode():
        return float(load_agreement()([sample.text], features[None]).sigmoid())


AGREEMENT = Measure(
    "agreement",
    "semantics",
    "higher",
    _agreement,
    {"network": "world-3d", "pooling": "compact bilinear, 4096"},
    rate=True,
    networks=("network3d", "agreement"),
)
