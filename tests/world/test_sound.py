"""The world's sound: when, how high, how long, how loud and where, measured on the samples."""

import numpy as np
import pytest

from scenewright.world.scene import MATERIALS, SIZE_SCALE, Camera, Motion, Scene, SceneObject
from scenewright.world.sound import PEAK, TIMBRES, rolling, scraping, sound_events, struck, synthesise
from scenewright.world.states import CameraPath, Contact, States

RATE = 48_000
MEDIUM = SIZE_SCALE["medium"]


def ball(material="metal", size="medium", shape="sphere"):
    return SceneObject(shape=shape, color="red", size=size, material=material, position=(0, 0, 0))


def states_of(scene, contacts, path=((0.0, 0.5, 0.0), (0.0, 0.5, 0.0)), frames=16, fps=8.0, scale=None):
    """Every object moves straight from the first to the second point; the default camera stands still."""
    count = len(scene.objects)
    times = np.arange(frames) / fps
    along = np.linspace(0, 1, frames)[:, None]
    position = np.array(path[0]) * (1 - along) + np.array(path[1]) * along
    eye, target = np.array(Camera().eye), np.array(Camera().target)
    back = (eye - target) / np.linalg.norm(eye - target)
    right = np.cross([0.0, 1.0, 0.0], back)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(back, right), back], -1)
    sizes = np.array([o.scale for o in scene.objects])
    return States(
        times=times.astype(np.float32),
        position=np.repeat(position[:, None], count, 1).astype(np.float32),
        rotation=np.tile(np.eye(3, dtype=np.float32), (frames, count, 1, 1)),
        scale=(np.tile(sizes, (frames, 1)) if scale is None else scale).astype(np.float32),
        visible=np.ones((frames, count), bool),
        camera=CameraPath(
            np.tile(eye, (frames, 1)).astype(np.float32),
            np.tile(rotation, (frames, 1, 1)).astype(np.float32),
            Camera().fov_degrees,
        ),
        contacts=tuple(contacts),
    )


def heard(contacts, *objects, **where):
    """The samples of contacts in a quiet studio."""
    scene = Scene(objects=objects or (ball(),), sky="studio")
    return synthesise(scene, states_of(scene, contacts, **where), rate=RATE).samples


def centroid(sound):
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    return float((spectrum * np.fft.rfftfreq(len(sound), 1 / RATE)).sum() / spectrum.sum())


def decay_time(sound, decibels=30.0):
    """Seconds from the loudest 10 ms to where the energy stays that many decibels below."""
    blocks = (sound[: len(sound) // 480 * 480].reshape(-1, 480) ** 2).mean(1)
    above = np.flatnonzero(blocks > blocks.max() * 10 ** (-decibels / 10))
    return float(above[-1] - blocks.argmax()) * 0.01


@pytest.mark.parametrize("material", MATERIALS)
@pytest.mark.parametrize("when", [0.1, 0.5003, 1.37])
def test_an_impact_is_heard_when_it_happens(material, when):
    mono = heard([Contact("impact", 0, when, when, 0.8)], ball(material)).mean(0)
    onset = int(np.argmax(np.abs(mono) > 0.1 * np.abs(mono).max())) / RATE
    assert abs(onset - when) < 0.005
    assert np.abs(mono[: int((when - 0.002) * RATE)]).max() < 0.02 * np.abs(mono).max()


@pytest.mark.parametrize("material", MATERIALS)
def test_bigger_is_lower(material):
    hit = [Contact("impact", 0, 0.2, 0.2, 0.8)]
    small, medium, large = (
        centroid(heard(hit, ball(material, size))[0]) for size in ("small", "medium", "large")
    )
    assert small > 1.15 * medium > 1.15**2 * large


def test_pitch_is_inverse_to_size():
    for size in (0.4, 0.55, 0.8):
        sound = struck("metal", size, 0.0, RATE, np.random.default_rng(0))
        spectrum = np.abs(np.fft.rfft(sound, 8 * RATE))
        assert spectrum.argmax() / 8 == pytest.approx(TIMBRES["metal"].pitch * MEDIUM / size, rel=0.005)


def test_a_grown_body_sounds_larger_than_it_started():
    hit = [Contact("impact", 0, 1.8, 1.8, 0.5)]
    growing = np.linspace(0.4, 1.2, 16)[:, None]
    assert centroid(heard(hit, scale=growing)[0]) < 0.7 * centroid(heard(hit, scale=growing * 0 + 0.4)[0])


def test_materials_ring_as_long_as_they_should():
    hit = [Contact("impact", 0, 0.05, 0.05, 0.9)]
    times = {m: decay_time(heard(hit, ball(m)).mean(0)) for m in MATERIALS}
    assert times["metal"] > 2 * times["glass"] > 2 * times["chequered"]
    assert times["metal"] > 4 * times["matte"]
    assert times["striped"] < 0.15
    assert times["matte"] < 0.2


def test_the_decay_is_the_timbre_s_own():
    """A soft blow is almost its lowest mode, which falls by 60 dB in ``decay`` seconds."""
    sound = struck("metal", MEDIUM, 0.0, RATE, np.random.default_rng(0))
    early, late = (np.abs(sound[int(t * RATE) :][:2400]).max() for t in (0.4, 1.3))
    assert 20 * np.log10(early / late) == pytest.approx(60 * 0.9 / TIMBRES["metal"].decay, abs=1.0)


def test_glass_is_brighter_than_wood_and_metal_between():
    hit = [Contact("impact", 0, 0.05, 0.05, 0.7)]
    bright = {m: centroid(heard(hit, ball(m))[0]) for m in MATERIALS}
    assert bright["glass"] > bright["metal"] > bright["matte"] > bright["striped"]


@pytest.mark.parametrize("kind", ["impact", "roll", "slide", "whoosh", "appear", "vanish", "spin"])
def test_the_side_of_the_picture_is_the_side_of_the_sound(kind):
    end = 0.5 if kind in ("impact", "appear", "vanish") else 1.5
    contact = [Contact(kind, 0, 0.5, end, 0.8)]
    for x, side in ((-2.0, 0), (2.0, 1)):
        energy = (heard(contact, path=((x, 0.5, 0), (x, 0.5, 0))) ** 2).sum(1)
        assert energy[side] > 3 * energy[1 - side]
    left, right = (heard(contact) ** 2).sum(1)
    assert left == pytest.approx(right, rel=0.02)


def test_sound_follows_an_object_across_the_picture():
    contact = [Contact("roll", 0, 0.0, 2.0, 0.8)]
    sound = heard(contact, path=((-2.0, 0.5, 0), (2.0, 0.5, 0))) ** 2
    first, last = sound[:, : RATE // 2].sum(1), sound[:, -RATE // 2 :].sum(1)
    assert first[0] > 3 * first[1]
    assert last[1] > 3 * last[0]


def test_the_middle_of_the_picture_loses_no_power():
    hit = [Contact("impact", 0, 0.1, 0.1, 0.5)]
    energy = [(heard(hit, path=((x, 0.5, 0), (x, 0.5, 0))) ** 2).sum() for x in (0.0, 1.0)]
    distance = [np.linalg.norm(np.array(Camera().eye) - (x, 0.5, 0)) for x in (0.0, 1.0)]
    assert energy[1] / energy[0] == pytest.approx((distance[0] / distance[1]) ** 2, rel=0.02)


def test_farther_and_softer_are_quieter():
    hit = [Contact("impact", 0, 0.1, 0.1, 0.5)]
    near, far = (np.abs(heard(hit, path=((0, 0.5, z), (0, 0.5, z)))).max() for z in (2.0, -6.0))
    assert near > 1.5 * far
    soft = [Contact("impact", 0, 0.1, 0.1, 0.1)]
    assert np.abs(heard(soft)).max() < 0.5 * np.abs(heard(hit)).max()


def test_a_harder_blow_is_brighter():
    soft, hard = (struck("metal", MEDIUM, s, RATE, np.random.default_rng(0)) for s in (0.1, 1.0))
    assert centroid(hard) > 1.3 * centroid(soft)


def test_both_bodies_of_a_collision_sound():
    pair = (ball("metal"), ball("glass", shape="cube"))
    sound = heard([Contact("impact", 0, 0.1, 0.1, 0.6, other=1)], *pair)[0]
    spectrum = np.abs(np.fft.rfft(sound[int(0.1 * RATE) :][:RATE]))
    for material in ("metal", "glass"):
        pitch = round(TIMBRES[material].pitch)
        assert spectrum[pitch - 3 : pitch + 4].max() > 20 * np.median(spectrum[pitch - 60 : pitch + 60])


@pytest.mark.parametrize("voice", [rolling, scraping])
def test_rolling_and_scraping_rise_with_speed(voice):
    slow, fast = (
        voice(np.full(RATE, speed), "matte", MEDIUM, RATE, np.random.default_rng(1)) for speed in (0.7, 2.1)
    )
    assert (fast**2).mean() > 1.5 * (slow**2).mean()
    assert centroid(fast) > 1.15 * centroid(slow)


def test_scraping_is_brighter_than_rolling():
    sounds = [
        v(np.full(RATE, 1.5), "matte", MEDIUM, RATE, np.random.default_rng(1)) for v in (rolling, scraping)
    ]
    assert centroid(sounds[1]) > 1.5 * centroid(sounds[0])


def test_what_lasts_sounds_only_while_it_lasts():
    for kind in ("roll", "slide", "whoosh", "spin"):
        sound = np.abs(heard([Contact(kind, 0, 0.5, 1.2, 0.8)], path=((-1, 0.5, 0), (1, 0.5, 0)))).max(0)
        outside = np.concatenate([sound[: int(0.49 * RATE)], sound[int(1.21 * RATE) :]])
        assert outside.max() < 0.25 * sound.max(), kind


def test_appearing_rises_from_its_time_and_vanishing_leads_to_it():
    for kind, slots in (("appear", (0.6, 0.65)), ("vanish", (0.55, 0.6))):
        energy = heard([Contact(kind, 0, 0.6, 0.6, 0.8)]).mean(0) ** 2
        inside = energy[int(slots[0] * RATE) : int(slots[1] * RATE)].sum()
        assert inside > 0.8 * energy.sum(), kind


def test_ambience_is_the_hour_s_own_and_quiet():
    def alone(**setting):
        scene = Scene(objects=(ball(),), seed=3, seconds=4.0, **setting)
        return synthesise(scene, states_of(scene, [], frames=32), rate=RATE).samples

    studio, night, morning, cloudy = (
        alone(sky="studio"),
        alone(time="night"),
        alone(time="morning"),
        alone(time="noon", sky="cloudy"),
    )
    assert np.abs(studio).max() < 0.01
    assert max(np.abs(x).max() for x in (night, morning, cloudy)) < 0.1

    def band(sound, low, high):
        spectrum = np.abs(np.fft.rfft(sound[0])) ** 2
        return spectrum[int(low * 4) : int(high * 4)].sum()

    assert band(night, 3900, 4900) > 30 * band(cloudy, 3900, 4900)
    assert band(morning, 1800, 3900) > 30 * band(night, 1800, 3900)
    assert band(cloudy, 80, 600) > 2 * band(night, 80, 600)


def test_nothing_clips():
    loud = [Contact("impact", k, 0.5, 0.5, 1.0) for k in range(6) for _ in range(3)]
    sound = heard(loud, *[ball("metal", "large")] * 6, path=((0, 0.5, 5), (0, 0.5, 5)))
    assert 0.89 < np.abs(sound).max() <= PEAK + 1e-6


def test_the_same_scene_gives_the_same_samples_and_another_seed_others():
    contacts = [Contact("impact", 0, 0.3, 0.3, 0.7), Contact("slide", 0, 0.6, 1.5, 0.5)]
    scenes = [Scene(objects=(ball(),), seed=s) for s in (1, 1, 2)]
    first, again, other = (synthesise(s, states_of(s, contacts)).samples for s in scenes)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_an_event_does_not_change_the_sound_before_it():
    contacts = [Contact("impact", 0, 0.3, 0.3, 0.4), Contact("impact", 0, 1.2, 1.2, 0.4)]
    both, one = heard(contacts), heard(contacts[:1])
    assert np.array_equal(both[:, : int(1.19 * RATE)], one[:, : int(1.19 * RATE)])


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_length_rate_and_kind(rate):
    scene = Scene(objects=(ball(size="small"),))
    sound = synthesise(
        scene, states_of(scene, [Contact("impact", 0, 0.1, 0.1, 1.0)], frames=11, fps=10.0), rate=rate
    )
    assert sound.rate == rate
    assert sound.samples.shape == (2, round(1.1 * rate))
    assert sound.samples.dtype == np.float32
    assert np.isfinite(sound.samples).all()


def test_events_are_ordered_and_end_with_the_clip():
    scene = Scene(objects=(ball(),))
    contacts = [Contact("impact", 0, t, t, 0.5) for t in (1.5, 0.2, 2.5, 0.9)]
    assert [c.start for c in sound_events(states_of(scene, contacts))] == [0.2, 0.9, 1.5]


def test_what_cannot_sound_is_said():
    scene = Scene(objects=(ball(),))
    with pytest.raises(ValueError, match="at least 8000"):
        synthesise(scene, states_of(scene, []), rate=4000)
    with pytest.raises(ValueError, match="there is no object 3"):
        synthesise(scene, states_of(scene, [Contact("impact", 3, 0.1, 0.1, 0.5)]))


def test_simulated_bounces_are_heard_at_the_simulated_times():
    physics = pytest.importorskip("scenewright.world.physics")
    scene = Scene(objects=(ball(),), motions=(Motion(kind="bounce", subject=0, amount=1.2),), sky="studio")
    states = physics.simulate(scene, 16, 8.0)
    mono = np.abs(synthesise(scene, states).samples.mean(0))
    hits = [c.start for c in sound_events(states) if c.kind == "impact"]
    assert hits
    for when in hits:
        before, after = mono[int((when - 0.01) * RATE) :][:400].max(), mono[int(when * RATE) :][:400].max()
        assert after > 1.5 * before
