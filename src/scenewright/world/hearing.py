"""Sounds as events: what is heard of a scene, as tables that networks learn, and as sound again.

T = frames, K = kinds of sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, get_args

import numpy as np

from scenewright.clip import Waveform
from scenewright.world.scene import MATERIALS, Material, Scene, SceneObject
from scenewright.world.sound import PEAK, Stage, seconds_of, sound_events
from scenewright.world.states import Contact, ContactKind, States

#: Kinds of sound, in the order of tables; impacts, appearing and vanishing are instants.
SOUND_KINDS: tuple[ContactKind, ...] = get_args(ContactKind)
#: Columns of a table: whether a sound begins in the frame, and whether one is heard in it; where one is, its
#: strength, how long after the frame it begins (as a share of the frame; 0 where it began before), where in
#: the picture it is, the scale of what makes it, and the number of its material.
ONSET, SOUNDING, STRENGTH, LATE, PAN, SCALE, MATERIAL = range(7)
COLUMNS = 7


class SoundEvent(NamedTuple):
    """``start``, ``end``: seconds, the same for an instant. ``strength``: 0 to 1. ``pan``: where in the
    picture it begins and ends, from -1 (left) to 1. ``scale`` of what makes it, in world units."""

    kind: ContactKind
    start: float
    end: float
    strength: float
    pan: tuple[float, float]
    scale: float
    material: Material


def heard(scene: Scene, states: States) -> list[SoundEvent]:
    """The events of a scene, ordered by start, but for those that begin with its last millisecond."""
    stage = Stage.of(scene, states, 0, 1)
    end = seconds_of(states)
    found = []
    for contact in sound_events(states):
        if contact.start > end - 1e-3:
            continue
        number, last = contact.object, min(contact.end, end)
        pan = np.interp([contact.start, last], stage.times, stage.pan[:, number])
        scale = float(np.interp(contact.start, stage.times, stage.scale[:, number]))
        found.append(
            SoundEvent(
                contact.kind,
                float(contact.start),
                float(last),
                float(contact.strength),
                (float(pan[0]), float(pan[1])),
                scale,
                scene.objects[number].material,
            )
        )
    return found


def event_table(events: Sequence[SoundEvent], num_frames: int, fps: float) -> np.ndarray:
    """float32 (T, K, :data:`COLUMNS`). Of several of one kind in a frame, the strongest is told."""
    table = np.zeros((num_frames, len(SOUND_KINDS), COLUMNS), np.float32)
    for event in sorted(events, key=lambda event: event.strength):
        kind = SOUND_KINDS.index(event.kind)
        # Physics and frames share a clock, whose rounding must not move an event to the frame before.
        first, last = (int(time * fps + 1e-4) for time in (event.start, event.end))
        for frame in range(first, min(max(first, last), num_frames - 1) + 1):
            # A sound that ends as a frame begins is not heard in it.
            if frame > first and frame > event.end * fps - 1e-3:
                break
            late = max(0.0, event.start * fps - frame) if frame == first else 0.0
            onset = max(float(frame == first), table[frame, kind, ONSET])
            at = np.clip((frame / fps - event.start) / max(event.end - event.start, 1e-6), 0, 1)
            pan = event.pan[0] + at * (event.pan[1] - event.pan[0])
            material = MATERIALS.index(event.material)
            table[frame, kind] = (onset, 1.0, event.strength, late, pan, event.scale, material)
    return table


def events_in(table: np.ndarray, fps: float) -> list[SoundEvent]:
    """The events that a table tells of, ordered by start; its first two columns may be probabilities. A sound
    is heard up to the end of the last frame in a row that it is heard in."""
    found = []
    for frame, kind in zip(*np.nonzero(table[:, :, ONSET] >= 0.5), strict=True):
        row, last = table[frame, kind], frame
        instant = SOUND_KINDS[kind] in ("impact", "appear", "vanish")
        while not instant and last + 1 < len(table) and table[last + 1, kind, SOUNDING] >= 0.5:
            if table[last + 1, kind, ONSET] >= 0.5:
                break
            last += 1
        start = (frame + float(np.clip(row[LATE], 0, 1))) / fps
        pan = (float(np.clip(row[PAN], -1, 1)), float(np.clip(table[last, kind, PAN], -1, 1)))
        found.append(
            SoundEvent(
                SOUND_KINDS[kind],
                start,
                start if instant else max(start + 0.5 / fps, (last + 1) / fps),
                float(np.clip(row[STRENGTH], 0, 1)),
                pan,
                max(0.05, float(row[SCALE])),
                MATERIALS[int(np.clip(row[MATERIAL], 0, len(MATERIALS) - 1))],
            )
        )
    return sorted(found, key=lambda event: (event.start, event.kind))


def sound_of(events: Sequence[SoundEvent], seconds: float, *, rate: int = 48_000, seed: int = 0) -> Waveform:
    """What events sound like, on a plain ground in silence: stereo, as the world's own sounds are made.

    ``seed`` decides all that is noise.
    """
    count = max(1, round(seconds * rate))
    mix = np.zeros((2, count))
    for number, event in enumerate(events):
        thing = SceneObject(
            shape="sphere", color="red", size="medium", material=event.material, position=(0, 0, 0)
        )
        times = np.array([event.start, max(event.end, event.start + 1e-3)])
        still = np.zeros((2, 1))
        stage = Stage(
            scene=Scene(objects=(thing,)),
            times=times,
            pan=np.array(event.pan)[:, None],
            gain=still + 1,
            speed=still,
            scale=still + event.scale,
            count=count,
            rate=rate,
        )
        contact = Contact(event.kind, 0, event.start, event.end, event.strength)
        stage.play(contact, np.random.default_rng([seed, number]), mix)
    loudest = float(np.abs(mix).max())
    return Waveform((mix * min(1.0, PEAK / max(loudest, 1e-9))).astype(np.float32), rate)
