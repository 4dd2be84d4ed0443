"""Models stay loaded while they fit."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from scenewright.generation.loading import find_model, load_pipeline
from scenewright.generation.model_folder import ModelError
from scenewright.server.loaded import LoadedModels, checked_device, usual_budget, weights_in


@pytest.fixture
def folders(tmp_path):
    """Three models that take 4000, 4000 and 8000 bytes; the last has an autoencoder of half of them."""
    made = []
    for name, sizes in (("a", {"": 1000}), ("b", {"": 1000}), ("c", {"": 1000, "autoencoder": 1000})):
        folder = tmp_path / name
        for part, count in sizes.items():
            (folder / part).mkdir(parents=True, exist_ok=True)
            weights = {"w": np.zeros((count // 2, 2), np.float16)}
            save_file(weights, folder / part / "model.safetensors", {"a": "b"})
        (folder / "config.json").write_text(json.dumps({}))
        made.append(str(folder))
    return made


@pytest.fixture
def loads():
    return []


@pytest.fixture
def made(loads):
    def load(name, device):
        loads.append(name)
        return SimpleNamespace(name=name)

    return lambda budget: LoadedModels(budget, load=load)


def test_the_one_unused_longest_is_let_go(folders, loads, made):
    a, b, c = folders
    models = made(12_000)
    models.get(a)
    models.get(b)
    models.get(a)
    assert models.memory == 8000
    models.get(c)
    assert models.names == [a, c], "b was unused longest"
    assert models.memory == 12_000
    assert models.get(a).name == a
    assert loads == [a, b, c]
    models.get(b)
    assert models.names == [a, b]
    assert models.free(keep=b)
    assert models.names == [b]
    assert not models.free(keep=b)


def test_what_never_fits_is_refused_and_nothing_else_is_let_go(folders, made):
    a, _, c = folders
    models = made(5000)
    models.get(a)
    with pytest.raises(ModelError, match=r"takes 0.00 GiB of memory, more than the 0.00 GiB"):
        models.get(c)
    assert models.names == [a]
    everything = made(None)
    for folder in folders:
        everything.get(folder)
    assert everything.names == folders


def test_a_model_that_was_trained_anew_is_loaded_anew(folders, loads, made):
    models = made(None)
    models.get(folders[0])
    shutil.copy(f"{folders[2]}/model.safetensors", f"{folders[0]}/new")
    import os

    os.utime(f"{folders[0]}/new", (1, 1))
    os.replace(f"{folders[0]}/new", f"{folders[0]}/model.safetensors")
    models.get(folders[0])
    models.get(folders[0])
    assert loads == [folders[0]] * 2


def test_the_size_of_the_embedded_model_is_that_of_its_networks():
    pipeline = load_pipeline("nano")
    assert pipeline.autoencoder is not None
    networks = [pipeline.model, pipeline.autoencoder.network]
    if pipeline.planner is not None:
        networks.append(pipeline.planner.network)
    count = sum(p.numel() for network in networks for p in network.state_dict().values())
    stored = sum(weights_in(file) for file in find_model("nano").rglob("*.safetensors"))
    assert stored == pytest.approx(4 * count, rel=0.01)
    models = LoadedModels(load=lambda name, device: pipeline)
    assert models.get("nano").keep_texts > 0


def test_a_broken_file_of_weights_is_said(tmp_path):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"\xff" * 20)
    with pytest.raises(ModelError, match="is broken"):
        weights_in(file)


def test_devices():
    assert checked_device("cpu") == "cpu"
    with pytest.raises(ValueError, match="no device 'cuda:77'"):
        checked_device("cuda:77")
    budget = usual_budget()
    assert budget is None or budget > 2**20
