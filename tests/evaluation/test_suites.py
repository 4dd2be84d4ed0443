from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml

from scenewright.evaluation.given import PLACES
from scenewright.evaluation.judging import Judging, Request
from scenewright.evaluation.suites import Suite, SuitePrompt, load_suite, save_suite, suite_names
from scenewright.evaluation.suites.build import build_given
from scenewright.world.parser import parse
from scenewright.world.scene import COLORS, SHAPES
from scenewright.world.splits import split_of, unknown_words

CORE = load_suite("world-core")


def part(section: str) -> list[SuitePrompt]:
    return [p for p in CORE.prompts if p.section == section]


def test_world_core_ships_with_its_sections() -> None:
    assert "world-core" in suite_names()
    assert CORE.sections == ("single", "two-objects", "three-objects", "combinations", "unseen-words")
    assert len(part("single")) == 96


def test_only_the_section_of_unseen_words_has_words_that_training_never_says() -> None:
    for p in CORE.prompts:
        assert bool(unknown_words(p.text)) == (p.section == "unseen-words"), p.text


def test_every_prompt_is_understood_completely() -> None:
    for p in CORE.prompts:
        parsed = parse(p.text)
        assert parsed.unknown == (), p.text
        assert parsed.notes == (), p.text


@pytest.mark.parametrize(("section", "objects"), [("single", 1), ("two-objects", 2), ("three-objects", 3)])
def test_sections_have_the_objects_they_say_and_no_held_out_scene(section: str, objects: int) -> None:
    for p in part(section):
        description = parse(p.text).description
        assert description.object_count == objects, p.text
        assert split_of(description) == "train", p.text


def test_combinations_are_never_shown_in_training() -> None:
    assert {split_of(parse(p.text).description) for p in part("combinations")} == {"held_out_combinations"}


def test_the_main_section_is_balanced() -> None:
    said = [parse(p.text).description for p in part("single")]
    colors = Counter(d.entities[0].color for d in said)
    shapes = Counter(d.entities[0].shape for d in said)
    motions = Counter((d.events[0].kind, d.events[0].direction) for d in said)
    assert set(colors) == set(COLORS)
    assert max(colors.values()) - min(colors.values()) <= 1
    assert set(shapes) == set(SHAPES)
    assert max(shapes.values()) - min(shapes.values()) <= 4
    assert len({kind for kind, _ in motions}) == 11
    assert min(motions.values()) >= 4


def test_world_given_has_frames_of_every_kind_and_other_prompts_than_world_core() -> None:
    suite = load_suite("world-given")
    assert suite.sections == tuple(PLACES)
    assert all(p.given == p.section for p in suite.prompts)
    assert len(suite.prompts) == 96
    assert not {p.text for p in suite.prompts} & {p.text for p in load_suite("world-core").prompts}
    assert suite == build_given()


def test_an_edited_prompt_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    save_suite(CORE, path)
    assert load_suite(path) == CORE
    data = yaml.safe_load(path.read_text())
    data["sections"]["single"][0]["text"] = "a red cube"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(ValueError, match="sha256"):
        load_suite(path)


def test_selection_is_even_and_checked() -> None:
    some = CORE.select(("single",), 12)
    assert len(some.prompts) == 12
    assert [p.id for p in some.prompts] == [f"single-{i:03d}" for i in range(0, 96, 8)]
    assert len(CORE.select(None, 2).prompts) == 10
    with pytest.raises(ValueError, match="no section 'triple'"):
        CORE.select(("triple",))
    with pytest.raises(ValueError, match="at least 1"):
        CORE.select(None, 0)


def test_bad_suites_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no suite 'nothing'"):
        load_suite("nothing")
    path = tmp_path / "bad.yaml"
    path.write_text("name: x\nsections: [1, 2]\n")
    with pytest.raises(ValueError, match="not a suite"):
        load_suite(path)
    with pytest.raises(ValueError, match="repeat"):
        Suite("x", (SuitePrompt("a", "s", "t", 0), SuitePrompt("a", "s", "u", 0)))


def test_what_training_never_shows_is_a_suite() -> None:
    unseen = load_suite("world-unseen")
    assert unseen.sections == ("combinations", "counts")
    assert len(unseen.prompts) == 88
    for p in unseen.prompts:
        wanted = "held_out_combinations" if p.section == "combinations" else "held_out_counts"
        assert split_of(parse(p.text).description) == wanted, p.text


def test_paraphrases_have_forms_or_words_that_training_never_has() -> None:
    suite = load_suite("world-paraphrase")
    assert suite.sections == ("phrasings", "words", "both")
    core = {p.text for p in CORE.prompts}
    for p in suite.prompts:
        assert bool(unknown_words(p.text)) == (p.section != "phrasings"), p.text
        assert split_of(parse(p.text).description) == "train", p.text
    assert len({p.text for p in suite.prompts} - core) > 0.95 * len(suite.prompts)


def test_hard_scenes_are_many_hidden_or_long() -> None:
    suite = load_suite("world-hard")
    said = {s: [parse(p.text).description for p in suite.prompts if p.section == s] for s in suite.sections}
    assert {s: len(d) for s, d in said.items()} == {"many": 32, "occlusion": 32, "long": 32}
    assert all(4 <= d.object_count <= 6 for d in said["many"])
    assert all({r.kind for r in d.relations} & {"behind", "in_front_of"} for d in said["occlusion"])
    assert all(len({e.stage for e in d.events}) > 1 for d in said["long"])


def test_a_suite_may_say_what_is_measured(tmp_path: Path) -> None:
    plain = Suite("mine", (SuitePrompt("a", "s", "a red ball rolls left", 1),))
    told = Suite("mine", plain.prompts, ("psnr", "flicker"), "world")
    assert plain.sha256 != told.sha256
    assert plain.prompts_sha256 == told.prompts_sha256
    save_suite(told, tmp_path / "mine.yaml")
    assert load_suite(tmp_path / "mine.yaml") == told
    judging = Judging(Request("world", suite=str(tmp_path / "mine.yaml")))
    assert [measure.name for measure in judging.measures] == ["psnr", "flicker"]
    assert judging.request.reference == "world"
    assert not judging.exact
    asked = Judging(Request("world", suite=str(tmp_path / "mine.yaml"), metrics=("exact",)))
    assert asked.exact
    assert not asked.measures
