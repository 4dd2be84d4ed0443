"""What a card says of a model is what the loaded model says of itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scenewright.generation.cards import ENDLESS, MAKE_NO_VIDEOS, ModelError, known_models, model_facts
from scenewright.generation.generator import Generator
from scenewright.generation.loading import load_generator
from scenewright.generation.names import SAMPLER_NAMES
from scenewright.generation.network_folder import is_of
from scenewright.generation.samplers import SAMPLERS
from scenewright.models.causal_flow_transformer import CausalFlowTransformer
from scenewright.registry import models


@pytest.mark.parametrize("name", ["nano", "zoo/oracle"])
def test_facts_are_those_of_the_loaded_model(name: str) -> None:
    facts, model = model_facts(name), load_generator(name)
    assert facts.native_size == model.native_size
    assert facts.most_frames == model.most_frames
    assert facts.fps == model.fps
    recommended: Generator = model
    settings = recommended.settings
    assert (facts.settings is None) == (settings is None)
    if settings is not None and facts.settings is not None:
        assert settings == type(settings).model_validate(facts.settings)
    assert (facts.fast is not None) == (getattr(model, "fast", None) is not None)


def test_families_are_those_of_the_registry() -> None:
    assert set(MAKE_NO_VIDEOS) <= set(models)
    assert {name for name in models if is_of(name, CausalFlowTransformer)} == ENDLESS


def test_reading_cards_loads_no_torch() -> None:
    code = (
        "import sys; from scenewright.generation.cards import known_models, model_facts;"
        "[model_facts(name) for name in known_models()]; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_what_makes_no_videos_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"family": "damsm", "name": "x", "network": {}}')
    with pytest.raises(ModelError, match="makes no videos"):
        model_facts(tmp_path)
    (tmp_path / "config.json").write_text('{"family": "flow-transformer", "name": "x", "network": {}}')
    with pytest.raises(ModelError, match="does not say"):
        model_facts(tmp_path)


def test_the_shipped_model_is_known() -> None:
    assert {"nano", "zoo/oracle"} <= set(known_models())


def test_names_of_samplers_are_those_there_are() -> None:
    assert set(SAMPLER_NAMES) == set(SAMPLERS)
