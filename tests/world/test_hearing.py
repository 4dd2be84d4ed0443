"""Sounds as events: tables of them, back again, and what they sound like."""

from collections import defaultdict

import numpy as np
import pytest

from scenewright.data.world_source import WorldSource
from scenewright.world.hearing import (
    COLUMNS,
    LATE,
    MATERIAL,
    ONSET,
    PAN,
    SCALE,
    SOUND_KINDS,
    SOUNDING,
    STRENGTH,
    SoundEvent,
    event_table,
    events_in,
    heard,
    sound_of,
)
from scenewright.world.physics import simulate
from scenewright.world.scene import MATERIALS

SOURCE = WorldSource.model_validate(
    {
        "num_frames": 8,
        "fps": 4.0,
        "seed": 5,
        "sampler": {"num_objects": [1, 1], "moving_camera": 0, "settings": 0, "sequences": 0, "speeds": 0},
    }
)
#: What each motion of one thing is heard as.
HEARD = {
    "roll": {"roll"},
    "slide": {"slide"},
    "bounce": {"impact"},
    "jump": {"impact"},
    "fall": {"whoosh", "impact"},
    "spin": {"spin"},
    "grow": {"whoosh"},
    "shrink": {"whoosh"},
    "shake": {"whoosh"},
    "appear": {"appear"},
    "vanish": {"vanish"},
    "still": set(),
}


def event(kind="impact", start=0.3, end=None, strength=0.5, pan=(0.0, 0.0), scale=1.0, material="metal"):
    return SoundEvent(kind, start, start if end is None else end, strength, pan, scale, material)


def test_every_motion_of_one_thing_is_heard_and_what_is_still_is_not():
    found = defaultdict(set)
    for index in range(250):
        scene = SOURCE.scene(index)
        kind = scene.motions[0].kind if scene.motions else "still"
        found[kind] |= {e.kind for e in heard(scene, simulate(scene, 8, 4.0))}
    assert found == HEARD


def test_a_roll_is_heard_where_it_goes():
    seen = 0
    for index in range(200):
        scene = SOURCE.scene(index)
        if scene.motions and scene.motions[0].direction in ("left", "right"):
            for e in heard(scene, simulate(scene, 8, 4.0)):
                if e.kind in ("roll", "slide"):
                    assert (e.pan[1] > e.pan[0]) == (scene.motions[0].direction == "right")
                    seen += 1
    assert seen > 10


def test_a_table_tells_where_and_how():
    table = event_table([event(start=0.55, strength=0.4, pan=(-0.5, -0.5), scale=0.7)], 8, 4.0)
    assert table.shape == (8, len(SOUND_KINDS), COLUMNS)
    kind = SOUND_KINDS.index("impact")
    row = table[2, kind]
    expected = {ONSET: 1, SOUNDING: 1, STRENGTH: 0.4, LATE: 0.2, PAN: -0.5, SCALE: 0.7}
    assert {column: row[column] for column in expected} == pytest.approx(expected)
    assert MATERIALS[int(row[MATERIAL])] == "metal"
    table[2, kind] = 0
    assert not table.any()
    # A sound that lasts begins once, is heard until it ends, and moves.
    rolled = event_table([event("roll", 0.25, 1.0, pan=(-1.0, 1.0))], 8, 4.0)[:, SOUND_KINDS.index("roll")]
    assert rolled[:, ONSET].tolist() == [0, 1, 0, 0, 0, 0, 0, 0]
    assert rolled[:, SOUNDING].tolist() == [0, 1, 1, 1, 0, 0, 0, 0]
    assert rolled[1:4, PAN] == pytest.approx([-1, -1 / 3, 1 / 3])
    # Of two in one frame, the stronger.
    both = event_table([event(strength=0.9), event(start=0.35, strength=0.2)], 8, 4.0)
    assert both[1, kind, STRENGTH] == pytest.approx(0.9)


def test_events_come_back_from_their_table():
    for index in range(60):
        scene = SOURCE.scene(index)
        true = heard(scene, simulate(scene, 8, 4.0))
        places = {(e.kind, int(e.start * 4 + 1e-4)) for e in true}
        found = events_in(event_table(true, 8, 4.0), 4.0)
        assert len(found) == len(places)
        for e in found:
            same = [t for t in true if t.kind == e.kind and abs(t.start - e.start) < 1e-3]
            assert len(same) == 1
            assert (e.strength, e.scale) == pytest.approx((same[0].strength, same[0].scale), abs=1e-5)
            assert e.material == same[0].material
            assert e.end == pytest.approx(same[0].end, abs=0.2501)


def test_the_sound_has_its_peaks_at_the_events():
    events = [event(start=0.3), event(start=1.1, material="matte"), event(start=1.6, material="glass")]
    sound = sound_of(events, 2.0)
    assert sound.samples.shape == (2, 96_000)
    energy = (sound.samples**2).sum(0).reshape(-1, 960).mean(1)  # of 20 ms
    rise = np.diff(energy, prepend=0.0)
    peaks = np.sort(np.argsort(rise)[-3:]) * 0.02
    np.testing.assert_allclose(peaks, [0.3, 1.1, 1.6], atol=0.021)
    assert not energy[:15].any()
    assert not sound_of([], 1.0).samples.any()
    left, right = (np.abs(sound_of([event(pan=(p, p))], 1.0).samples).max(1) for p in (-0.8, 0.8))
    assert left[0] > 3 * left[1]
    assert right[1] > 3 * right[0]
    assert (sound_of(events, 2.0, seed=1).samples != sound.samples).any()
    assert (sound_of(events, 2.0).samples == sound.samples).all()
