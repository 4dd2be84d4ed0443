"""Linking and segmentation on made-up detections."""

from __future__ import annotations

from itertools import groupby, pairwise, product

import numpy as np
import pytest

from scenewright.evaluation.reader.decode import SWITCH_COST, segment
from scenewright.evaluation.reader.model import FRAME_DIRECTIONS, FRAME_MOTIONS
from scenewright.evaluation.reader.tracks import Peaks, fill_gaps, find_peaks, link

T, G = 16, 24


def frame(*detections: tuple[float, float, float, int]) -> Peaks:
    """Each detection: x, y, score, look."""
    boxes = np.array([[x, y, 0.12, 0.12] for x, y, _, _ in detections]).reshape(-1, 4)
    looks = np.eye(4)[[look for *_, look in detections]].reshape(-1, 4)
    return Peaks(boxes, np.array([s for _, _, s, _ in detections]), looks)


def test_peaks_are_where_the_centres_are() -> None:
    dense = np.zeros((1, 5, G, G))
    look = np.zeros((1, 3, G, G))
    dense[0, :, 5, 7] = (0.9, 0.25, -0.3, np.log(4), np.log(2))
    dense[0, 0, 5, 8] = 0.6
    dense[0, 0, 20, 20] = 0.1
    look[0, 1, 5, 7] = 1
    (found,) = find_peaks(dense, look)
    assert found.scores == pytest.approx([0.9])
    assert found.boxes[0] * G == pytest.approx([7.75, 5.2, 4, 2])
    assert found.looks[0].argmax() == 1


def test_crossing_objects_keep_their_identity() -> None:
    x = np.linspace(0.1, 0.9, T)
    tracks = link([frame((x[t], 0.5, 0.9, 0), (1 - x[t], 0.52, 0.8, 1)) for t in range(T)])
    assert len(tracks) == 2
    assert tracks[0][:, 0] == pytest.approx(x, abs=1e-6)
    assert tracks[1][:, 0] == pytest.approx(1 - x, abs=1e-6)


def test_a_gap_is_bridged_and_marked() -> None:
    x = np.linspace(0.1, 0.9, T)
    frames = [frame((x[t], 0.5, 0.9, 0)) if not 5 <= t < 8 else frame() for t in range(T)]
    (track,) = link(frames)
    assert track[:, 0] == pytest.approx(x, abs=1e-6)
    assert (track[:, 4] == 0).tolist() == [5 <= t < 8 for t in range(T)]


def test_a_flash_is_no_object_and_weak_peaks_only_continue() -> None:
    flash = [frame((0.5, 0.5, 0.9, 0)) if t == 3 else frame() for t in range(T)]
    assert link(flash) == []
    weak = [frame((0.5, 0.5, 0.3, 0)) for _ in range(T)]
    assert link(weak) == []
    continued = [frame((0.5, 0.5, 0.9 if t == 0 else 0.3, 0)) for t in range(T)]
    assert len(link(continued)) == 1


def test_gaps_interpolate_and_ends_repeat() -> None:
    rows = np.zeros((5, 5))
    rows[1], rows[3] = (0.2, 0.4, 0.1, 0.1, 0.9), (0.6, 0.4, 0.3, 0.1, 0.9)
    filled = fill_gaps(rows)
    assert filled[:, 0] == pytest.approx([0.2, 0.2, 0.4, 0.6, 0.6])
    assert filled[:, 2] == pytest.approx([0.1, 0.1, 0.2, 0.3, 0.3])
    with pytest.raises(ValueError, match="at least one frame"):
        fill_gaps(np.zeros((5, 5)))


def probabilities(
    kinds: list[str], directions: list[str], sure: float = 0.8
) -> tuple[np.ndarray, np.ndarray]:
    def rows(names: list[str], order: tuple[str, ...]) -> np.ndarray:
        p = np.full((len(names), len(order)), (1 - sure) / (len(order) - 1))
        p[np.arange(len(names)), [order.index(n) for n in names]] = sure
        return p

    return rows(kinds, FRAME_MOTIONS), rows(directions, FRAME_DIRECTIONS)


def test_segments_follow_the_frames_in_order() -> None:
    found = segment(*probabilities(["jump"] * 8 + ["spin"] * 8, ["none"] * 8 + ["clockwise"] * 8))
    assert [(m.kind, m.direction, m.start, m.end) for m in found] == [
        ("jump", None, 0.0, 0.5),
        ("spin", "clockwise", 0.5, 1.0),
    ]


def test_one_odd_frame_does_not_cut_a_motion() -> None:
    kinds = ["roll"] * 7 + ["slide"] + ["roll"] * 8
    (found,) = segment(*probabilities(kinds, ["left"] * 16))
    assert (found.kind, found.direction, found.start, found.end) == ("roll", "left", 0.0, 1.0)


def test_still_is_no_motion_and_directions_fit_the_kind() -> None:
    assert segment(*probabilities(["still"] * 16, ["none"] * 16)) == ()
    (found,) = segment(*probabilities(["spin"] * 16, ["left"] * 16))
    assert found.direction in ("clockwise", "counterclockwise")


def test_segmentation_is_the_best_path_of_all() -> None:
    rng = np.random.default_rng(0)
    order = [FRAME_MOTIONS.index(k) for k in ("still", "fall", "grow")]
    for _ in range(20):
        motion = np.full((7, len(FRAME_MOTIONS)), 1e-6)
        motion[:, order] = rng.dirichlet([0.3] * 3, 7)
        logs = np.log(np.maximum(motion, 1e-6))

        def worth(path: tuple[int, ...], logs: np.ndarray = logs) -> float:
            switches = sum(a != b for a, b in pairwise(path))
            return sum(logs[t, k] for t, k in enumerate(path)) - SWITCH_COST * switches

        best = max(product(order, repeat=7), key=worth)
        direction = np.full((7, len(FRAME_DIRECTIONS)), 1 / 7)
        found = segment(motion, direction)
        expected = [FRAME_MOTIONS[k] for k in best]
        read = ["still"] * 7
        for m in found:
            for t in range(round(m.start * 7), round(m.end * 7)):
                read[t] = m.kind
        runs = [(kind, len(list(run))) for kind, run in groupby(expected)]
        kept = [[kind if n > 1 else "still"] * n for kind, n in runs]  # one frame of seven is too short
        assert read == [kind for run in kept for kind in run]
