"""Text encoders of networks that match clips and texts, for networks that make clips to begin with."""

from __future__ import annotations

from pathlib import Path

from scenewright.generation.matching import Agreement, load_agreement
from scenewright.models.text_encoder import TextEncoderConfig


def matched_text(folder: Path, wanted: TextEncoderConfig) -> Agreement:
    """The matching network of a folder, whose text encoder is of the ``wanted`` sizes.

    Raises:
        ModelError: the folder holds no such network.
        ValueError: its text encoder has other sizes.
    """
    agreement = load_agreement(folder)
    found, sizes = agreement.model.config.text.model_dump(), wanted.model_dump()
    differ = [name for name in sorted(found.keys() | sizes.keys()) if found.get(name) != sizes.get(name)]
    if differ:
        told = ", ".join(f"network.text.{name} = {getattr(wanted, name)}" for name in differ)
        theirs = ", ".join(str(getattr(agreement.model.config.text, name)) for name in differ)
        raise ValueError(f"{told}: the text encoder of {folder} has {theirs}")
    return agreement
