"""The registry: lazy names, other packages' entry points, and clear errors."""

from __future__ import annotations

import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from scenewright.registry import Registry, RegistryError


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package installed beside ours that adds a gadget, one that is broken, and one of a taken name."""
    (tmp_path / "plug_in.py").write_text("class Gadget:\n    pass\n")
    info = tmp_path / "plug_in-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug-in\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[scenewright.gadgets]\ngadget = plug_in:Gadget\nbroken = plug_in:Missing\nours = plug_in:Gadget\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "plug_in", raising=False)
    return tmp_path


def test_a_string_is_imported_when_it_is_asked_for() -> None:
    sys.modules.pop("wave", None)
    registry: Registry[Any] = Registry("gadget", {"wave": "wave:Wave_read"})
    assert registry.names() == ["wave"]
    assert "wave" not in sys.modules
    first = registry.get("wave")
    assert first is sys.modules["wave"].Wave_read
    assert registry["wave"] is first


def test_register_takes_objects_strings_and_decorates() -> None:
    registry: Registry[Any] = Registry("gadget")
    registry.register("ordered", OrderedDict)
    registry.register("method", "collections:OrderedDict.fromkeys")

    @registry.register("mine")
    class Mine:
        pass

    assert registry.get("ordered") is OrderedDict
    assert registry.get("method")("ab") == OrderedDict.fromkeys("ab")
    assert registry.get("mine") is Mine
    assert list(registry) == ["method", "mine", "ordered"]
    assert len(registry) == 3


def test_a_name_is_taken_once() -> None:
    registry: Registry[Any] = Registry("gadget", {"a": OrderedDict})
    registry.register("a", OrderedDict)  # the same thing twice is no conflict
    with pytest.raises(RegistryError, match="'a' is taken"):
        registry.register("a", dict)
    assert registry.get("a") is OrderedDict


def test_an_unknown_name_lists_close_ones() -> None:
    registry: Registry[Any] = Registry("gadget", {"nano": OrderedDict, "large": dict})
    with pytest.raises(RegistryError, match=r"^there is no gadget 'nanno'; did you mean nano\?$"):
        registry.get("nanno")
    with pytest.raises(RegistryError, match="known: large, nano"):
        registry.get("zzz")
    with pytest.raises(RegistryError, match="none is known"):
        Registry("gizmo").get("x")


@pytest.mark.parametrize("target", ["no_such_module_here:x", "collections:NoSuch"])
def test_what_cannot_be_loaded_says_which_and_why(target: str) -> None:
    with pytest.raises(RegistryError, match=rf"the gadget 'a' \({target}\) cannot be loaded: \w+Error"):
        Registry("gadget", {"a": target}).get("a")


@pytest.mark.usefixtures("plugin")
def test_other_packages_join_by_entry_point() -> None:
    registry: Registry[Any] = Registry("gadget", {"ours": OrderedDict})
    assert registry.names() == ["broken", "gadget", "ours"]
    assert "plug_in" not in sys.modules  # listed without being imported
    assert registry.get("gadget").__name__ == "Gadget"
    assert registry.get("ours") is OrderedDict  # a built-in name keeps its meaning
    with pytest.raises(RegistryError, match=r"of the package plug-in .*cannot be loaded"):
        registry.get("broken")
