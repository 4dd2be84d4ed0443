"""Freezing: parameters that never train, and others that begin to at a later step."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from fnmatch import fnmatchcase

from pydantic import Field
from torch import nn

from scenewright.config import Config


class Unfreeze(Config):
    """Parameters whose names match one of ``patterns`` train from step ``at_step`` on."""

    at_step: int = Field(ge=1)
    patterns: tuple[str, ...] = Field(min_length=1)


class FreezeConfig(Config):
    """What stands still, by shell patterns of parameter names (``text_encoder.*``; ``*`` spans dots).

    ``never``: parameters that do not train in this run. ``unfreeze``: parameters that are frozen until their
    step, for gradual unfreezing from the top down (Howard & Ruder 2018, "ULMFiT"). Where several match, a
    parameter begins at the earliest, so a later pattern may be wider; ``never`` comes before all.
    """

    never: tuple[str, ...] = ()
    unfreeze: tuple[Unfreeze, ...] = ()


class Freezer:
    """Sets ``requires_grad`` of the parameters that ``config`` names; the others are left as they are, and so
    are those that the network itself keeps from learning, such as a pretrained text encoder's.

    Raises:
        ValueError: a pattern matches no parameter, or none that it could unfreeze; nothing would train at
            step 0.
    """

    def __init__(self, model: nn.Module, config: FreezeConfig) -> None:
        self._parameters = dict(model.named_parameters())
        #: The step at which each parameter begins to train; infinite for never.
        self._begins: dict[str, float] = {}
        for stage in sorted(config.unfreeze, key=lambda stage: stage.at_step):
            for pattern in stage.patterns:
                for name in matching(pattern, self._parameters):
                    self._begins.setdefault(name, stage.at_step)
        still = {name for name, parameter in self._parameters.items() if not parameter.requires_grad}
        self._begins.update(dict.fromkeys(still & set(self._begins), float("inf")))
        for pattern in config.never:
            self._begins.update(dict.fromkeys(matching(pattern, self._parameters), float("inf")))
        self._refuse_idle(config)
        if not any(self._trains(name, 0) for name in self._parameters):
            raise ValueError("freezing leaves no parameter to train at step 0; narrow its patterns")

    def apply(self, step: int) -> list[str]:
        """Freeze and unfreeze as step ``step`` needs; depends on nothing else, so a resumed run agrees.

        Frozen parameters lose their gradient, so that no optimizer steps or decays them. Call it before the
        forward pass of each step. Returns the names of the parameters that changed sides.
        """
        changed = []
        for name in self._begins:
            parameter, trains = self._parameters[name], self._trains(name, step)
            if parameter.requires_grad != trains:
                parameter.requires_grad_(trains)
                changed.append(name)
            if not trains:
                parameter.grad = None
        return changed

    def _trains(self, name: str, step: int) -> bool:
        begins = self._begins.get(name)
        return self._parameters[name].requires_grad if begins is None else step >= begins

    def _refuse_idle(self, config: FreezeConfig) -> None:
        """Patterns of ``unfreeze`` that decide about no parameter, because others come before them."""
        for stage in config.unfreeze:
            for pattern in stage.patterns:
                if all(self._begins[n] != stage.at_step for n in matching(pattern, self._parameters)):
                    raise ValueError(
                        f"unfreezing {pattern!r} at step {stage.at_step} does nothing: an earlier step, "
                        "never or the network itself (network.text.train) has all its parameters; leave it "
                        "out"
                    )


def matching(pattern: str, names: Iterable[str]) -> list[str]:
    """The names that match. ValueError where none does."""
    found = [name for name in names if fnmatchcase(name, pattern)]
    if not found:
        close = difflib.get_close_matches(pattern, list(names), n=3, cutoff=0.0)
        raise ValueError(f"no parameter's name matches {pattern!r}; the closest are {', '.join(close)}")
    return found
