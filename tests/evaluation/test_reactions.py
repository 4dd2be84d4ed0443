"""A metric is guilty until it reacts: every measure, on faults of growing strength, on clips of the world."""

import zlib

import numpy as np
import pytest

from scenewright.clip import Clip
from scenewright.evaluation.corruptions import FAULTS, IGNORES, SEES
from scenewright.evaluation.measures import Sample
from scenewright.evaluation.run import read_and_score
from scenewright.evaluation.suites import SuitePrompt
from scenewright.evaluation.systems import WorldSystem
from scenewright.registry import measures

TEXTS = (
    "a large red cube slides right on grass",
    "a large blue cylinder slides left on a wooden floor",
    "a large yellow sphere rolls right on sand",
    "a large green cube on a tiled floor, the camera pans left",
    "a large brown cone on grass, with a static camera",
)
STRENGTHS = (0.0, 0.5, 1.0)


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    prompts = [SuitePrompt(str(i), "s", text, i + 5) for i, text in enumerate(TEXTS)]
    return WorldSystem(128, 128, 12).clips(prompts, 0)


@pytest.fixture(scope="module")
def value(clips):
    """The mean of a measure over the clips under a fault, each computed once."""
    known: dict[tuple[str, str, float], float] = {}
    samples: dict[tuple[str, float], list[Sample]] = {}

    def compute(name: str, fault: str, strength: float) -> float:
        if strength == 0:
            fault = "blur"
        if (fault, strength) not in samples:
            made = []
            for i, clip in enumerate(clips):
                rng = np.random.default_rng(zlib.crc32(f"{fault}{i}".encode()))
                other = FAULTS[fault](clip, strength, rng) if strength else clip
                made.append(Sample(other, TEXTS[i], clip))
            samples[fault, strength] = made
        if (name, fault, strength) not in known:
            found = [measures.get(name).compute(sample) for sample in samples[fault, strength]]
            known[name, fault, strength] = float(np.nanmean(found))
        return known[name, fault, strength]

    return compute


def test_every_measure_claims_to_see_something():
    assert set(SEES) == set(measures.names())
    assert set(IGNORES) <= set(SEES)
    for faults in (*SEES.values(), *IGNORES.values()):
        assert set(faults) <= set(FAULTS)
    seen = {fault for faults in SEES.values() for fault in faults}
    assert seen >= set(FAULTS) - {"mirror", "reverse"}


@pytest.mark.parametrize(("name", "fault"), [(n, f) for n, faults in SEES.items() for f in faults])
def test_it_reacts_the_more_the_stronger_the_fault(value, name, fault):
    sign = SEES[name][fault]
    none, half, whole = (sign * value(name, fault, s) for s in STRENGTHS)
    assert none <= half <= whole, (none, half, whole)
    assert none < whole


@pytest.mark.parametrize(("name", "fault"), [(n, f) for n, faults in IGNORES.items() for f in faults])
def test_it_does_not_react_to_what_it_should_not_care_about(value, name, fault):
    before, after = value(name, fault, 0.0), value(name, fault, 1.0)
    strongest = max(abs(value(name, f, 1.0) - before) for f in SEES[name])
    assert abs(after - before) <= 0.15 * strongest, (before, after, strongest)


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("entailed", -1),
        ("contradicted", 1),
        ("graph-distance", 1),
        ("object-f1", -1),
        ("action", -1),
        ("agreement", -1),
    ],
)
def test_measures_of_the_prompt_see_captions_that_changed_places(clips, name, sign):
    measure = measures.get(name)
    own = np.nanmean([measure.compute(Sample(c, t)) for c, t in zip(clips, TEXTS, strict=True)])
    turned = (*TEXTS[1:], TEXTS[0])
    others = np.nanmean([measure.compute(Sample(c, t)) for c, t in zip(clips, turned, strict=True)])
    assert sign * (others - own) > 0.1


def test_facts_see_captions_that_changed_places(clips):
    found = read_and_score([*TEXTS[1:], TEXTS[0]], [clip.frames for clip in clips])
    own = read_and_score(list(TEXTS), [clip.frames for clip in clips])
    for name in ("colour", "shape"):
        right, wrong = (np.mean([r for items in part for r in items[name]]) for part in (own, found))
        assert right > 0.9
        assert wrong < 0.4
