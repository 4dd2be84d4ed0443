"""From centre maps to tracks: peaks of each frame, linked over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: A peak this sure may start a track; weaker ones down to EXTEND may only continue one.
START, EXTEND = 0.4, 0.2
#: A track must collect this much score over 16 frames to count.
MIN_TOTAL_SCORE = 1.5


@dataclass(frozen=True)
class Peaks:
    """Detections of one frame: ``boxes`` float (K, 4) centre x, y, width, height as fractions of the
    picture, ``scores`` (K,), ``looks`` (K, L) probability vectors."""

    boxes: np.ndarray
    scores: np.ndarray
    looks: np.ndarray


def find_peaks(dense: np.ndarray, look: np.ndarray) -> list[Peaks]:
    """Local maxima of each frame.

    ``dense``: (T, 5, G, G), centre probability, offset x, y in cells, log width and height in cells.
    ``look``: (T, L, G, G) probabilities. Two peaks closer than 0.4 of the smaller one's box are one.
    """
    T, _, G, _ = dense.shape
    heat = dense[:, 0]
    padded = np.pad(heat, ((0, 0), (1, 1), (1, 1)), constant_values=-1.0)
    around = np.max([padded[:, dy : dy + G, dx : dx + G] for dy in range(3) for dx in range(3)], axis=0)
    found = (heat >= around) & (heat > EXTEND)
    return [_frame_peaks(dense[t], look[t], found[t]) for t in range(T)]


def link(frames: list[Peaks]) -> list[np.ndarray]:
    """Links peaks over time, cheapest pair first, by predicted place, size and look.

    Returns one float (T, 5) array per track: centre x, y, width, height, score; frames without a detection
    have score 0 and a box interpolated between their neighbours in time.
    """
    T = len(frames)
    tracks: list[_Track] = []
    for t, peaks in enumerate(frames):
        free = _continue_tracks(tracks, peaks, t)
        tracks += [_Track(T, t, peaks, k) for k in free if peaks.scores[k] >= START]
    kept = [fill_gaps(track.rows) for track in tracks if track.rows[:, 4].sum() >= MIN_TOTAL_SCORE * T / 16]
    return sorted(kept, key=lambda rows: -rows[:, 4].sum())


def fill_gaps(rows: np.ndarray) -> np.ndarray:
    """Interpolates the boxes of frames with score 0 from those around them; ends repeat."""
    seen = np.flatnonzero(rows[:, 4] > 0)
    if len(seen) == 0:
        raise ValueError("a track needs at least one frame in which it is seen")
    filled = rows.copy()
    for column in range(4):
        filled[:, column] = np.interp(np.arange(len(rows)), seen, rows[seen, column])
    return filled


def crop_side(rows: np.ndarray) -> float:
    """Side of the square that follows a track, as a fraction of the picture: 1.4 times its larger extent."""
    extent = rows[rows[:, 4] > 0, 2:4].max(1)
    return float(np.clip(1.4 * np.quantile(extent, 0.9), 0.12, 1.2))


class _Track:
    def __init__(self, T: int, t: int, peaks: Peaks, k: int) -> None:
        self.rows = np.zeros((T, 5), np.float32)
        self.look = peaks.looks[k]
        self.velocity = np.zeros(2)
        self.last = t
        self.rows[t, :4], self.rows[t, 4] = peaks.boxes[k], peaks.scores[k]

    def add(self, t: int, peaks: Peaks, k: int) -> None:
        step = (peaks.boxes[k, :2] - self.rows[self.last, :2]) / (t - self.last)
        self.velocity = 0.5 * self.velocity + 0.5 * step if self.velocity.any() else step
        self.look = 0.7 * self.look + 0.3 * peaks.looks[k]
        self.rows[t, :4], self.rows[t, 4] = peaks.boxes[k], peaks.scores[k]
        self.last = t


def _continue_tracks(tracks: list[_Track], peaks: Peaks, t: int) -> list[int]:
    """Gives peaks to tracks; returns the peaks that are left."""
    K = len(peaks.scores)
    if not tracks or not K:
        return list(range(K))
    cost = np.empty((len(tracks), K))
    for i, track in enumerate(tracks):
        box, gap = track.rows[track.last], t - track.last
        place = box[:2] + track.velocity * min(gap, 3) * (0.5 if gap > 1 else 1.0)
        reach = 0.06 + 0.5 * box[2:4].mean() + 0.02 * (gap - 1)
        distance = np.linalg.norm(peaks.boxes[:, :2] - place, axis=1) / reach
        grown = np.abs(np.log(np.maximum(peaks.boxes[:, 2:4], 1e-3) / np.maximum(box[2:4], 1e-3))).mean(1)
        cost[i] = distance + 0.5 * grown + 0.6 * np.abs(peaks.looks - track.look).sum(1)
    taken: set[int] = set()
    while cost.size and cost.min() < 4.0:
        i, k = divmod(int(cost.argmin()), K)
        tracks[i].add(t, peaks, k)
        taken.add(k)
        cost[i], cost[:, k] = np.inf, np.inf
    return [k for k in range(K) if k not in taken]


def _frame_peaks(dense: np.ndarray, look: np.ndarray, found: np.ndarray) -> Peaks:
    G = found.shape[0]
    ys, xs = np.nonzero(found)
    order = np.argsort(-dense[0, ys, xs], kind="stable")
    ys, xs = ys[order], xs[order]
    centres = np.stack([xs + 0.5 + dense[1, ys, xs], ys + 0.5 + dense[2, ys, xs]], 1) / G
    boxes = np.concatenate([centres, np.exp(np.clip(dense[3:5, ys, xs].T, -3, 4)) / G], 1)
    keep: list[int] = []
    for k in range(len(boxes)):
        near = [
            np.linalg.norm(boxes[k, :2] - boxes[j, :2]) < 0.4 * min(boxes[k, 2:].max(), boxes[j, 2:].max())
            for j in keep
        ]
        if not any(near):
            keep.append(k)
    return Peaks(boxes[keep], dense[0, ys, xs][keep], look[:, ys, xs].T[keep])
