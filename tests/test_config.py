"""Recipes: precedence, overrides, parents, errors in one line, and the fingerprint."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from scenewright import config
from scenewright.config import (
    ChoiceConfig,
    Config,
    ConfigError,
    fingerprint,
    load_recipe,
    parse_yaml,
    recipe_names,
    to_yaml,
)


class Inner(Config):
    momentum: float = 0.5
    nesterov: bool = False


class Optimizer(Config):
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.95)
    inner: Inner = Inner(momentum=0.7)


class Deep(Config):
    kind: Literal["deep"] = "deep"
    depth: int = 3


class Wide(Config):
    kind: Literal["wide"] = "wide"
    width: int = 64


class Rate(ChoiceConfig):
    FIELDS: ClassVar = {"fast": {"boost": 2}, "slow": {"brake": 1}}
    name: Literal["fast", "slow"] = "fast"
    lr: float = 1.0
    boost: int | None = None
    brake: int | None = None


class Choosing(Config):
    rate: Rate = Rate()
    network: Deep | Wide = Deep()


class Stage(Config):
    steps: int = Field(default=10, ge=1)
    name: str = "one"


class Recipe(Config):
    steps: int = 100
    optimizer: Optimizer = Optimizer(lr=5.0)
    network: Deep | Wide = Deep(depth=9)
    stages: list[Stage] = Field(default=[Stage()])
    tags: frozenset[str] = frozenset()
    stop: float | None = None
    title: str = "untitled"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def error(source: str | Path | None = None, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_recipe(Recipe, source, overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_override_beats_file_beats_parent_beats_default(tmp_path: Path) -> None:
    write(tmp_path / "base.yaml", "steps: 1\ntitle: base\noptimizer: {lr: 0.1, inner: {nesterov: true}}\n")
    child = write(tmp_path / "child.yaml", "extends: base.yaml\ntitle: child\noptimizer: {lr: 0.2}\n")
    recipe = load_recipe(Recipe, child, ["optimizer.lr=3e-4"])
    assert recipe.optimizer.lr == 3e-4  # override
    assert recipe.title == "child"  # file
    assert recipe.steps == 1  # parent
    assert recipe.optimizer.inner.nesterov is True  # parent, two levels down
    assert recipe.optimizer.betas == (0.9, 0.95)  # default


def test_setting_one_key_of_a_group_keeps_the_values_its_default_was_made_with() -> None:
    recipe = load_recipe(Recipe, None, ["optimizer.betas=[0.1, 0.2]", "optimizer.inner.nesterov=true"])
    assert recipe.optimizer.lr == 5.0
    assert recipe.optimizer.inner == Inner(momentum=0.7, nesterov=True)
    assert load_recipe(Recipe, None, ["network.depth=4"]).network == Deep(depth=4)


def test_another_kind_of_group_takes_nothing_from_the_default() -> None:
    assert load_recipe(Recipe, None, ["network.kind=wide"]).network == Wide()


def test_another_kind_takes_over_from_the_recipe_what_it_knows(tmp_path: Path) -> None:
    mine = write(
        tmp_path / "mine.yaml", "rate: {name: fast, lr: 0.5, boost: 4}\nnetwork: {kind: deep, depth: 7}\n"
    )
    recipe = load_recipe(Choosing, mine, ["rate.brake=2", "rate.name=slow"])
    assert recipe.rate == Rate(name="slow", lr=0.5, brake=2)
    assert load_recipe(Choosing, mine, ["rate.lr=1"]).rate == Rate(lr=1, boost=4)
    assert load_recipe(Choosing, mine, ["network.width=8", "network.kind=wide"]).network == Wide(width=8)
    child = write(tmp_path / "child.yaml", "extends: mine.yaml\nrate: {name: slow}\nnetwork: {kind: wide}\n")
    assert load_recipe(Choosing, child) == Choosing(rate=Rate(name="slow", lr=0.5), network=Wide())
    with pytest.raises(ConfigError, match="boost = 3 does nothing for slow"):
        load_recipe(Choosing, mine, ["rate.name=slow", "rate.boost=3"])
    write(tmp_path / "mine.yaml", "rate: {name: fast, bost: 4}\n")
    with pytest.raises(ConfigError, match=r"there is no key rate\.bost"):
        load_recipe(Choosing, child)


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("stop=null", "stop", None),
        ("stop=", "stop", None),
        ("stop=1e3", "stop", 1000.0),
        ("stop=.inf", "stop", float("inf")),
        ("stop=-2E-4", "stop", -2e-4),
        ("title=on", "title", "on"),
        ("title='3'", "title", "3"),
        ("title=12:30", "title", "12:30"),
        ("title=2026-01-01", "title", "2026-01-01"),
        ("title=a=b", "title", "a=b"),
        ("steps=0x10", "steps", 16),
        ("steps=010", "steps", 10),
        ("tags=[b, a]", "tags", frozenset("ab")),
        ("stages=[]", "stages", []),
        ("stages=[{steps: 2}, {steps: 3}]", "stages", [Stage(steps=2), Stage(steps=3)]),
    ],
)
def test_values_are_yaml(override: str, key: str, value: object) -> None:
    assert getattr(load_recipe(Recipe, None, [override]), key) == value


def test_later_overrides_win_and_list_items_are_named_by_index(tmp_path: Path) -> None:
    path = write(tmp_path / "r.yaml", "stages: [{steps: 1}, {steps: 2, name: two}]\n")
    recipe = load_recipe(Recipe, path, ["stages.1.steps=5", "stages.1.steps=6"])
    assert recipe.stages == [Stage(steps=1), Stage(steps=6, name="two")]
    assert "'7' is no index into a list of 2" in error(path, "stages.7.steps=1")


def test_an_unknown_key_is_named_with_the_key_it_is_close_to() -> None:
    assert error(None, "optimizer.mometum=1").endswith(
        "there is no key optimizer.mometum; known: betas, inner, lr"
    )
    assert "did you mean momentum?" in error(None, "optimizer.inner.mometum=1")
    assert "there is no key step; did you mean steps" in error(None, "step=1")
    assert "there is no key stages.0.stps; did you mean steps" in error(None, "stages=[{stps: 1}]")


def test_a_wrong_value_is_named_with_what_is_expected() -> None:
    assert "optimizer.lr = 'fast': should be a valid number" in error(None, "optimizer.lr=fast")
    assert "steps = 1.5: should be a valid integer" in error(None, "steps=1.5")
    assert "stages.0.steps = 0: should be greater than or equal to 1" in error(None, "stages=[{steps: 0}]")
    two = error(None, "steps=x", "optimizer.lr=y")
    assert "steps" in two
    assert "optimizer.lr" in two
    assert "steps is the value 1, not a group" in error(None, "steps=1", "steps.x=2")


@pytest.mark.parametrize("bad", ["steps", "=3", "a..b=1", ".a=1"])
def test_an_override_that_is_none_says_what_one_looks_like(bad: str) -> None:
    assert "key=value" in error(None, bad)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("steps: [1", "line 1"),
        ("steps: 1\nsteps: 2\n", "line 2: the key steps occurs twice"),
        ("- 1\n- 2\n", "not a list"),
        ("extends: [a]\n", "extends names one"),
        ("extends: gone.yaml\n", "there is no recipe file"),
        ("extends: me.yaml\n", "in a circle: me.yaml -> me.yaml"),
        ("steps: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, text: str, says: str) -> None:
    message = error(write(tmp_path / "me.yaml", text))
    assert "me.yaml" in message
    assert says in message


def test_files_that_are_no_recipes(tmp_path: Path) -> None:
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00\x80")
    assert "not a UTF-8 text file" in error(path)
    assert "there is no recipe file" in error(tmp_path / "none.yaml")
    assert "there is no recipe 'nowhere'" in error("nowhere")
    assert load_recipe(Recipe, write(tmp_path / "empty.yaml", "# nothing\n")) == Recipe()


def test_shipped_recipes_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "SHIPPED", tmp_path)
    (tmp_path / "small").mkdir()
    write(tmp_path / "nano.yaml", "steps: 7\n")
    mine = write(tmp_path / "small" / "quick.yaml", "extends: nano\ntitle: quick\n")
    assert recipe_names() == ["nano", "small/quick"]
    assert load_recipe(Recipe, "nano").steps == 7
    assert load_recipe(Recipe, "small/quick") == load_recipe(Recipe, mine) == Recipe(steps=7, title="quick")
    assert "did you mean nano?" in error("nanno")


def test_the_fingerprint_is_sha256_of_canonical_json() -> None:
    small = Stage(steps=3, name="é")
    assert fingerprint(small) == sha256('{"name":"é","steps":3}'.encode()).hexdigest()


def test_the_fingerprint_sees_values_only(tmp_path: Path) -> None:
    path = write(tmp_path / "r.yaml", "title: untitled\noptimizer: {lr: 5, betas: [0.9, 0.95]}\n")
    same = load_recipe(Recipe, path)
    assert fingerprint(same) == fingerprint(Recipe())
    assert fingerprint(load_recipe(Recipe, path, ["optimizer.lr=4.999"])) != fingerprint(same)


def test_the_fingerprint_is_the_same_in_another_process() -> None:
    code = (
        "from scenewright.config import Config, fingerprint\n"
        "class R(Config):\n    tags: frozenset[str] = frozenset('abcdefgh')\n"
        "print(fingerprint(R()))"
    )
    prints = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert prints == {sha256(b'{"tags":["a","b","c","d","e","f","g","h"]}').hexdigest()}


@settings(max_examples=60)
@given(
    steps=st.integers(),
    stop=st.none() | st.floats(allow_nan=False),
    title=st.text(st.characters(codec="utf-8")),
    tags=st.frozensets(st.sampled_from(["on", "1e3", "null", "~", "0x1", "1:2", "- a", "#", "é", ""])),
)
def test_yaml_round_trip(steps: int, stop: float | None, title: str, tags: frozenset[str]) -> None:
    recipe = Recipe(steps=steps, stop=stop, title=title, tags=tags, network=Wide())
    assert Recipe.model_validate(parse_yaml(to_yaml(recipe), "text")) == recipe


@settings(max_examples=60)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False), st.lists))
def test_json_is_read_as_json_reads_it(value: object) -> None:
    text = json.dumps(value).replace("Infinity", ".inf")
    assert parse_yaml(text, "text") == value


def test_recipes_are_immutable() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Recipe().steps = 3
