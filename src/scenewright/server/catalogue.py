"""The models that a server offers, by their cards: no weights are loaded to say what one can do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from scenewright.generation.cards import ModelError, ModelFacts, find_model, known_models, model_facts


class Catalogue:
    """``more``: folders of models beside those that are known by name. Names are looked up anew after
    ``holds`` seconds, as a training may add one while the server runs; so are cards that have changed."""

    def __init__(self, more: Sequence[str] = (), holds: float = 2.0) -> None:
        self._more, self._holds = list(more), holds
        self._names: tuple[float, list[str]] = (float("-inf"), [])
        self._read: dict[str, tuple[float, float, ModelFacts]] = {}
        for name in self._more:
            model_facts(name)

    def names(self) -> list[str]:
        """All that can be asked for."""
        now = time.monotonic()
        if now - self._names[0] > self._holds:
            self._names = (now, list(dict.fromkeys([*known_models(), *self._more])))
        return self._names[1]

    def facts(self, name: str) -> ModelFacts | None:
        """What a model makes; None where it is not offered. Never reads a folder that a client names."""
        if name not in self.names():
            return None
        now = time.monotonic()
        checked, changed, facts = self._read.get(name) or (float("-inf"), -1.0, None)
        if facts is not None and now - checked <= self._holds:
            return facts
        stamp = created(name)
        if facts is None or stamp != changed:
            try:
                facts = model_facts(name)
            except ModelError:
                return None
        self._read[name] = (now, stamp, facts)
        return facts


def created(name: str) -> float:
    """When a model's card was written, in seconds since the epoch; 0 where it has none."""
    try:
        return (Path(find_model(name)) / "config.json").stat().st_mtime
    except (ModelError, OSError):
        return 0.0
