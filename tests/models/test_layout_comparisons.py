"""How things stand to each other: against what the world says of the same scenes, and boxes by hand."""

import pytest
import torch

from scenewright.models.layout import LayoutConfig, starts_of
from scenewright.models.layout_comparisons import COMPARISONS, OPTIONS, compared
from scenewright.models.layout_decoder import PLACES, LayoutDecoderConfig
from scenewright.world.boxes import LABELS, layout_of
from scenewright.world.sampler import SamplerConfig, sample_scene

LAYOUT = LayoutConfig(slots=4, num_frames=2, attributes=LABELS)
HALF_VIEW = LayoutDecoderConfig(layout=LAYOUT).half_view
#: What a relation of the world is, as an option of its subject and, the other way round, of its reference.
SAID = {
    "left_of": ("across", "left", "right"),
    "right_of": ("across", "right", "left"),
    "in_front_of": ("along", "nearer", "farther"),
    "behind": ("along", "farther", "nearer"),
    "on_top_of": ("contact", "on top", "below"),
    "near": ("contact", "near", "near"),
}


def options_of(*boxes: tuple[float, ...]) -> list[dict[str, str]]:
    starts = torch.tensor(boxes)[None]
    (found,) = compared(starts, torch.ones(1, len(boxes), dtype=torch.bool), HALF_VIEW).tolist()
    values = [*OPTIONS.values(), *OPTIONS.values()]
    return [
        {name: kinds[n] for name, kinds, n in zip(COMPARISONS, values, row, strict=True)} for row in found
    ]


@pytest.mark.parametrize("kind", SAID)
def test_what_the_world_says_of_two_things_is_what_they_are_found_to_be(kind):
    config = SamplerConfig(num_objects=(2, 2), relations=1.0, groups=0.0, still=1.0, moving_camera=0.0)
    right = total = 0
    for seed in range(400):
        scene = sample_scene(seed, config=config)
        said = [relation for relation in scene.relations if relation.kind == kind]
        if not said or total == 12:
            continue
        layout = layout_of(scene, width=128, height=128, num_frames=2, fps=8.0)
        starts = starts_of(LAYOUT.encode(layout)[None, :, 1 + LAYOUT.labels :], LAYOUT)
        there = torch.tensor([[True, True, False, False]])
        row = compared(starts, there, HALF_VIEW)[0, 1].tolist()
        name, subject, reference = SAID[kind]
        wanted = subject if said[0].subject == 1 else reference
        right += OPTIONS[name][row[list(OPTIONS).index(name)]] == wanted
        total += 1
    assert total == 12
    assert right >= 11


def test_three_things_are_compared_to_the_last_and_to_the_first():
    first, second, third = options_of(
        (0.1, 0.4, 0.3, 0.6, 9.0), (0.6, 0.4, 0.8, 0.6, 7.0), (0.4, 0.4, 0.6, 0.6, 9.0)
    )
    assert set(first.values()) == {"none"}
    assert (second["across of last"], second["along of last"]) == ("right", "nearer")
    assert second["across of first"] == "none"
    assert (third["across of last"], third["along of last"]) == ("left", "farther")
    assert (third["across of first"], third["along of first"]) == ("right", "level")


def test_a_thing_stands_on_another_or_below_it():
    low, high = (0.4, 0.5, 0.6, 0.7, 9.0), (0.42, 0.3, 0.58, 0.5, 9.0)
    assert options_of(low, high)[1]["contact of last"] == "on top"
    assert options_of(high, low)[1]["contact of last"] == "below"
    aside = (0.72, 0.3, 0.88, 0.5, 9.0)
    assert options_of(low, aside)[1]["contact of last"] != "on top"
    assert options_of(low, (0.42, 0.05, 0.58, 0.25, 9.0))[1]["contact of last"] != "on top"


def test_no_thing_is_compared_to_nothing():
    starts = torch.rand(2, 4, 5)
    there = torch.tensor([[True, False, False, False], [True, True, False, False]])
    found = compared(starts, there, HALF_VIEW)
    assert not found[0].any()
    assert found[1, 1, :3].all()
    assert not found[1, 2:].any()


def test_comparisons_are_chosen_before_places():
    names = list(LayoutDecoderConfig(layout=LAYOUT).choices)
    assert names[1 : 1 + len(LABELS)] == list(LABELS)
    assert names[1 + len(LABELS) :] == [*COMPARISONS, *PLACES]
