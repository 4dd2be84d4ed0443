"""What a scene sounds like: synthesised from the same states that the pictures are drawn from.

Impacts are modal synthesis: a struck body rings in damped sinusoids whose pitch goes inversely with its size
and whose ratios and decays are its material's (ratios of the free bar, the bell and the membrane: Rossing and
Fletcher, The Physics of Musical Instruments; the method: van den Doel, Kry and Pai, FoleyAutomatic, 2001).
Rolling and scraping read a rough surface at the speed of the motion, so their pitch follows it. Sounds are
panned by where the object is in the picture and fade with its distance from the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenewright.clip import Waveform
from scenewright.world.camera import project
from scenewright.world.scene import SIZE_SCALE, Ground, Material, Scene
from scenewright.world.states import Contact, States

#: No sample is louder than this.
PEAK = 0.9
#: Distance at which an object is as loud as its contact says, about that of the default camera.
REFERENCE_DISTANCE = 8.0

_MIN_RATE = 8_000


@dataclass(frozen=True)
class Timbre:
    """How a material rings. ``pitch``: Hz of the lowest mode of a medium object; ``ratios`` and ``gains`` of
    the modes; ``decay``: seconds until the lowest is down by 60 dB; ``damping``: how much faster a mode n
    times as high fades (decay / n ** damping); ``click``: share of noise in the blow."""

    pitch: float
    ratios: tuple[float, ...]
    gains: tuple[float, ...]
    decay: float
    damping: float
    click: float


TIMBRES: dict[Material, Timbre] = {
    "matte": Timbre(210.0, (1.0, 2.0, 3.17, 4.4), (1.0, 0.45, 0.25, 0.12), 0.22, 0.8, 0.5),
    "metal": Timbre(
        430.0,
        (1.0, 1.506, 2.0, 2.662, 4.02, 5.404, 6.78, 8.933),
        (1.0, 0.5, 0.7, 0.55, 0.4, 0.35, 0.2, 0.18),
        1.9,
        0.55,
        0.18,
    ),
    "glass": Timbre(980.0, (1.0, 2.32, 4.25, 6.63, 9.38), (1.0, 0.6, 0.45, 0.3, 0.15), 0.8, 0.6, 0.25),
    "striped": Timbre(150.0, (1.0, 1.59, 2.14, 2.65), (1.0, 0.5, 0.2, 0.08), 0.12, 0.9, 0.3),
    "chequered": Timbre(320.0, (1.0, 3.93, 9.24), (1.0, 0.35, 0.12), 0.35, 0.7, 0.4),
}

#: How bright a ground answers a blow (Hz above which it is dull) and how much of the blow it gives itself.
_GROUNDS: dict[Ground, tuple[float, float]] = {
    "plain": (1400.0, 0.35),
    "tiled": (3800.0, 0.45),
    "wooden": (900.0, 0.6),
    "grass": (420.0, 0.5),
    "sand": (650.0, 0.6),
}
#: How rough a ground is to roll and scrape over.
_ROUGHNESS: dict[Ground, float] = {"plain": 0.6, "tiled": 0.8, "wooden": 0.8, "grass": 1.1, "sand": 1.3}
#: Features of the surface per world unit that a rolling and a scraping body feel.
_ROLL_GRAIN, _SLIDE_GRAIN = 260.0, 1500.0


def sound_events(states: States) -> tuple[Contact, ...]:
    """What can be heard, ordered by start, and only what begins before the states end."""
    end = seconds_of(states)
    return tuple(sorted((c for c in states.contacts if c.start < end), key=lambda c: (c.start, c.object)))


def synthesise(scene: Scene, states: States, *, rate: int = 48_000) -> Waveform:
    """The sound of a scene, as long as its states (T frames), stereo.

    Every event starts at its own time, to the sample. The same scene gives the same samples: all that is
    noise comes from ``scene.seed``.

    Args:
        rate: samples per second, at least 8000.

    Returns:
        A waveform (2, round(seconds x rate)), no sample beyond :data:`PEAK`.

    Raises:
        ValueError: a rate below 8000, or contacts of objects that the scene does not have.
    """
    if rate < _MIN_RATE:
        raise ValueError(f"a sample rate of {rate} Hz is too low for sound; use at least {_MIN_RATE}")
    count = max(1, round(seconds_of(states) * rate))
    mix = ambience(scene, count, rate)
    stage = Stage.of(scene, states, count, rate)
    for number, contact in enumerate(sound_events(states)):
        if not 0 <= contact.object < len(scene.objects):
            raise ValueError(
                f"{contact.kind}: there is no object {contact.object} among {len(scene.objects)}"
            )
        stage.play(contact, np.random.default_rng([scene.seed, 1, number, contact.object]), mix)
    loudest = float(np.abs(mix).max())
    if loudest > PEAK:
        mix *= PEAK / loudest
    return Waveform(mix.astype(np.float32), rate)


def seconds_of(states: States) -> float:
    """The states' length: the last frame is shown as long as the one before it."""
    times = np.asarray(states.times, dtype=float)
    if len(times) < 2:
        return 1.0
    return float(times[-1] + times[-1] - times[-2])


@dataclass(frozen=True)
class Stage:
    """Where the objects are while they sound. ``times``: float (T,), seconds; of every object at these times,
    float (T, N): ``pan``, its place in the picture from -1 (left) to 1; ``gain``, how loud its distance lets
    it be; ``speed`` in world units a second; ``scale``. ``count`` samples at ``rate``."""

    scene: Scene
    times: np.ndarray
    pan: np.ndarray
    gain: np.ndarray
    speed: np.ndarray
    scale: np.ndarray
    count: int
    rate: int

    @classmethod
    def of(cls, scene: Scene, states: States, count: int, rate: int) -> Stage:
        times, position = np.asarray(states.times, dtype=float), np.asarray(states.position, dtype=float)
        pixels, _ = project(position, states.camera, 2, 2)
        pan = np.clip(np.nan_to_num(pixels[..., 0] - 1.0), -1.0, 1.0)
        distance = np.linalg.norm(position - np.asarray(states.camera.eye, dtype=float)[:, None], axis=-1)
        gain = np.clip(REFERENCE_DISTANCE / np.maximum(distance, 1e-3), 0.2, 1.8)
        if len(times) > 1:
            speed = np.linalg.norm(np.gradient(position, times, axis=0), axis=-1)
        else:
            speed = np.zeros(position.shape[:2])
        return cls(scene, times, pan, gain, speed, np.asarray(states.scale, dtype=float), count, rate)

    def play(self, contact: Contact, rng: np.random.Generator, mix: np.ndarray) -> None:
        """Adds one event to ``mix``, float ``(2, samples)``."""
        if contact.kind == "impact":
            self._add(mix, contact.object, contact.start, self._impact(contact, rng))
        elif contact.kind == "appear":
            self._add(mix, contact.object, contact.start, contact.strength * pop(self.rate))
        elif contact.kind == "vanish":
            sound = contact.strength * pop(self.rate)[::-1]
            self._add(mix, contact.object, contact.start - len(sound) / self.rate, sound)
        else:
            self._add(mix, contact.object, contact.start, self._sustained(contact, rng))

    def _add(self, mix: np.ndarray, number: int, start: float, sound: np.ndarray) -> None:
        first = round(start * self.rate)
        sound, first = sound[max(0, -first) :], max(0, first)
        sound = sound[: max(0, self.count - first)]
        if len(sound) == 0:
            return
        at = (first + np.arange(len(sound))) / self.rate
        angle = (0.9 * np.interp(at, self.times, self.pan[:, number]) + 1.0) * np.pi / 4
        level = sound * np.interp(at, self.times, self.gain[:, number])
        mix[0, first : first + len(sound)] += level * np.cos(angle)
        mix[1, first : first + len(sound)] += level * np.sin(angle)

    def _size(self, number: int, time: float) -> float:
        """The object's scale at a time: growing and shrinking are heard."""
        return max(0.05, float(np.interp(time, self.times, self.scale[:, number])))

    def _impact(self, contact: Contact, rng: np.random.Generator) -> np.ndarray:
        body = self.scene.objects[contact.object]
        size = self._size(contact.object, contact.start)
        sound = struck(body.material, size, contact.strength, self.rate, rng)
        if contact.other is None:
            return mixed(sound, thump(self.scene.ground, size, contact.strength, self.rate, rng))
        other = self.scene.objects[contact.other]
        other_size = self._size(contact.other, contact.start)
        return mixed(sound, 0.8 * struck(other.material, other_size, contact.strength, self.rate, rng))

    def _sustained(self, contact: Contact, rng: np.random.Generator) -> np.ndarray:
        count = max(1, round((min(contact.end, self.count / self.rate) - contact.start) * self.rate))
        at = contact.start + np.arange(count) / self.rate
        speed = np.interp(at, self.times, self.speed[:, contact.object])
        if speed.max() < 0.05:
            speed = 3.0 * contact.strength * np.sin(np.pi * (np.arange(count) + 0.5) / count)
        fade = edges(count, min(0.04 * self.rate, count / 4))
        size = self._size(contact.object, contact.start)
        if contact.kind in ("roll", "slide"):
            material = self.scene.objects[contact.object].material
            roughness = _ROUGHNESS[self.scene.ground] if contact.other is None else 0.7
            make = rolling if contact.kind == "roll" else scraping
            sound = make(speed, material, size, self.rate, rng) * roughness
        elif contact.kind == "spin":
            sound = whirring(count, 3.0 * contact.strength, self.rate, rng)
        else:
            sound = rushing(speed, self.rate, rng)
        return contact.strength * fade * sound


# ----------------------------------------------------------------------------------------------- the voices


def struck(
    material: Material, size: float, strength: float, rate: int, rng: np.random.Generator
) -> np.ndarray:
    """A blow on a body: float ``(samples,)`` that starts with the blow. ``size``: its scale in world units;
    ``strength`` 0 to 1: harder is louder and brighter."""
    timbre = TIMBRES[material]
    pitch = timbre.pitch * SIZE_SCALE["medium"] / size
    decay = timbre.decay * (size / SIZE_SCALE["medium"]) ** 0.5
    t = np.arange(int(1.2 * decay * rate) + 1) / rate
    sound = np.zeros(len(t))
    for order, (ratio, gain) in enumerate(zip(timbre.ratios, timbre.gains, strict=True)):
        frequency = pitch * ratio * (1 + 0.004 * rng.uniform(-1, 1) * (order > 0))
        if frequency > 0.45 * rate:
            continue
        fading = np.exp(-np.log(1000.0) * t * ratio**timbre.damping / decay)
        bright = (0.25 + 0.75 * strength) ** order
        sound += gain * bright * fading * np.sin(2 * np.pi * frequency * t)
    sound /= sum(timbre.gains)
    click = band_noise(round(0.012 * rate), 2 * pitch, 12 * pitch, rate, rng)
    click *= np.exp(-np.arange(len(click)) / (0.002 * rate))
    return (0.15 + 0.85 * strength) * mixed((1 - timbre.click) * sound, 0.5 * timbre.click * click) * 1.3


def thump(ground: Ground, size: float, strength: float, rate: int, rng: np.random.Generator) -> np.ndarray:
    """The ground's answer to a blow: a short burst of noise, dull on grass, bright on tiles."""
    dull, share = _GROUNDS[ground]
    length = 0.03 * (size / SIZE_SCALE["medium"])
    noise = band_noise(round(7 * length * rate), 40.0, dull * SIZE_SCALE["medium"] / size, rate, rng)
    return 0.25 * share * strength * noise * np.exp(-np.arange(len(noise)) / (length * rate))


def rolling(
    speed: np.ndarray, material: Material, size: float, rate: int, rng: np.random.Generator
) -> np.ndarray:
    """A body that rolls at ``speed`` (world units a second, per sample): a rumble that swells every turn."""
    turn = np.cumsum(speed) / rate / size
    texture = surface(speed, _ROLL_GRAIN / size**0.5, rate, rng)
    swell = 0.7 + 0.3 * np.sin(turn + rng.uniform(0, 2 * np.pi)) + 0.15 * np.sin(2 * turn)
    return 0.16 * _loudness(speed) * swell * _through_body(texture, material, size, rate)


def scraping(
    speed: np.ndarray, material: Material, size: float, rate: int, rng: np.random.Generator
) -> np.ndarray:
    """A body that slides at ``speed``: finer and brighter than rolling."""
    texture = surface(speed, _SLIDE_GRAIN, rate, rng)
    return 0.09 * _loudness(speed) * _through_body(texture, material, size, rate)


def rushing(speed: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Air around a body that moves at ``speed``: noise that gets louder and brighter with it."""
    fast = np.clip(speed / max(1e-6, float(speed.max())), 0.0, 1.0)
    low = band_noise(len(speed), 120.0, 500.0, rate, rng)
    high = band_noise(len(speed), 500.0, 2200.0, rate, rng)
    return 0.07 * fast**2 * ((1 - fast) * low + fast * high)


def whirring(count: int, turns: float, rate: int, rng: np.random.Generator) -> np.ndarray:
    """A body that spins ``turns`` times a second: soft air noise that beats twice a turn."""
    beat = 0.6 + 0.4 * np.sin(4 * np.pi * turns * np.arange(count) / rate)
    return 0.05 * beat * band_noise(count, 180.0, 900.0, rate, rng)


def pop(rate: int) -> np.ndarray:
    """A soft pop: a short tone that glides up as it fades."""
    t = np.arange(round(0.09 * rate)) / rate
    phase = 2 * np.pi * (330.0 * t + 0.5 * 4200.0 * t**2)
    return 0.6 * np.sin(phase) * np.exp(-t / 0.018) * edges(len(t), 0.001 * rate)


def ambience(scene: Scene, count: int, rate: int) -> np.ndarray:
    """The place itself, quiet, float ``(2, samples)``: wind outdoors, birds by day, crickets by night, and
    only the room's own hiss in a studio."""
    rng = np.random.default_rng([scene.seed, 2])
    t = np.arange(count) / rate
    if scene.sky == "studio":
        return 0.0015 * np.stack([band_noise(count, 60.0, 400.0, rate, rng) for _ in range(2)])
    gust = 0.6 + 0.4 * np.sin(2 * np.pi * 0.23 * t + rng.uniform(0, 2 * np.pi))
    wind = 0.012 if scene.sky == "cloudy" else 0.006
    mix = wind * gust * np.stack([band_noise(count, 80.0, 600.0, rate, rng) for _ in range(2)])
    if scene.time in ("morning", "noon"):
        calls = rng.poisson((1.6 if scene.time == "morning" else 0.4) * count / rate)
        for _ in range(calls):
            _chirp(mix, rng, rate)
    else:
        level = 0.010 if scene.time == "night" else 0.004
        for pitch in (4100.0, 4650.0):
            side = rng.uniform(0.2, 0.8)
            trill = np.clip(np.sin(2 * np.pi * (28 + rng.uniform(-3, 3)) * t + rng.uniform(0, 6)), 0, None)
            bout = np.clip(3 * np.sin(2 * np.pi * rng.uniform(0.9, 1.4) * t + rng.uniform(0, 6)), 0, 1)
            if pitch < 0.45 * rate:
                cricket = level * trill**2 * bout * np.sin(2 * np.pi * pitch * t)
                mix += cricket * np.sqrt([[1 - side], [side]])
    return mix


def _chirp(mix: np.ndarray, rng: np.random.Generator, rate: int) -> None:
    """Adds one bird's call of a few notes at a random time and side."""
    start, side, base = rng.uniform(0, mix.shape[1] / rate), rng.uniform(0.15, 0.85), rng.uniform(2400, 3400)
    for note in range(int(rng.integers(2, 5))):
        first = round((start + 0.11 * note) * rate)
        t = np.arange(round(0.07 * rate)) / rate
        glide = base * (1 + rng.uniform(-0.15, 0.15)) * t + 0.5 * rng.uniform(-9000, 9000) * t**2
        sound = 0.012 * np.sin(2 * np.pi * glide) * np.sin(np.pi * np.arange(len(t)) / len(t)) ** 2
        sound = sound[: max(0, mix.shape[1] - first)]
        mix[:, first : first + len(sound)] += np.sqrt([[1 - side], [side]]) * sound


# --------------------------------------------------------------------------------------------- the material


def band_noise(count: int, low: float, high: float, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise between two frequencies with soft edges, standard deviation about 1: ``(count,)``."""
    padded = 1 << max(8, int(count - 1).bit_length())
    spectrum = np.fft.rfft(rng.standard_normal(padded))
    frequency = np.maximum(np.fft.rfftfreq(padded, 1 / rate), 1e-3)
    shape = 1 / np.sqrt((1 + (low / frequency) ** 6) * (1 + (frequency / high) ** 6))
    noise = np.fft.irfft(spectrum * shape, padded)
    return noise[:count] / max(1e-9, float(noise.std()))


def surface(speed: np.ndarray, grain: float, rate: int, rng: np.random.Generator) -> np.ndarray:
    """A rough surface of ``grain`` features per world unit, read at ``speed``: twice as fast, an octave
    higher. Smoothly interpolated noise, standard deviation about 1."""
    place = np.cumsum(np.minimum(speed * grain / rate, 0.5))
    heights = rng.standard_normal(int(place[-1]) + 3)
    cell = place.astype(int)
    part = place - cell
    weight = part * part * (3 - 2 * part)
    return 1.15 * ((1 - weight) * heights[cell] + weight * heights[cell + 1])


def _through_body(texture: np.ndarray, material: Material, size: float, rate: int) -> np.ndarray:
    """Colours a texture by the body's modes, without ringing on: half as it is, half in resonance."""
    timbre = TIMBRES[material]
    padded = 1 << int(2 * len(texture) - 1).bit_length()
    frequency = np.fft.rfftfreq(padded, 1 / rate)
    pitch = timbre.pitch * SIZE_SCALE["medium"] / size
    shape = np.full(len(frequency), 0.5)
    for ratio, gain in zip(timbre.ratios, timbre.gains, strict=True):
        centre = pitch * ratio
        shape += gain / (1 + ((frequency - centre) / (0.08 * centre)) ** 2)
    colored = np.fft.irfft(np.fft.rfft(texture, padded) * shape, padded)[: len(texture)]
    return colored / max(1e-9, float(colored.std()))


def _loudness(speed: np.ndarray) -> np.ndarray:
    """Rolling and scraping get louder with speed, gently beyond a walking pace."""
    return np.tanh(speed / 2.0)


def edges(count: int, samples: float) -> np.ndarray:
    """A fade in and out over so many samples."""
    ramp = np.minimum(np.arange(count), np.arange(count)[::-1]) / max(1.0, samples)
    return np.clip(ramp, 0.0, 1.0)


def mixed(*sounds: np.ndarray) -> np.ndarray:
    """The sum of sounds that start together and need not end together."""
    out = np.zeros(max(len(sound) for sound in sounds))
    for sound in sounds:
        out[: len(sound)] += sound
    return out
