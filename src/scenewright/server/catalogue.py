"""The models that a server offers, by their cards: no weights are loaded to say what one can do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scenewright.generation.cards import ModelError, ModelFacts, find_model, known_models, model_facts


class Catalogue:
    """``more``: folders of models beside those that are known by name. Names are looked up anew each time, as
    a training may add one while the server runs; a card is read again when it has changed."""

    def __init__(self, more: Sequence[str] = ()) -> None:
        self._more = list(more)
        self._read: dict[str, tuple[float, ModelFacts]] = {}
        for name in self._more:
            model_facts(name)

    def names(self) -> list[str]:
        """All that can be asked for."""
        return list(dict.fromkeys([*known_models(), *self._more]))

    def facts(self, name: str) -> ModelFacts | None:
        """What a model makes; None where it is not offered. Never reads a folder that a client names."""
        if name not in self.names():
            return None
        changed = created(name)
        if name in self._read and self._read[name][0] == changed:
            return self._read[name][1]
        try:
            facts = model_facts(name)
        except ModelError:
            return None
        self._read[name] = (changed, facts)
        return facts


def created(name: str) -> float:
    """When a model's card was written, in seconds since the epoch; 0 where it has none."""
    try:
        return (Path(find_model(name)) / "config.json").stat().st_mtime
    except (ModelError, OSError):
        return 0.0
