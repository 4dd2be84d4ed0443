"""What a job is to make, in the words of the API; and the same read back from a file that was made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from scenewright.config import Config, fingerprint
from scenewright.remaking import tells

Kind = Literal["generate", "extend"]

#: SHA-256 of a file in the store, 64 hexadecimal digits.
FileHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

#: What a request takes from files, and the names under which a made file lists them.
INPUTS = ("input_reference", "last_frame", "video")


class VideoRequest(Config):
    """None leaves a choice to the model. ``width`` and ``height`` in pixels; ``num_frames`` and ``fps`` of
    the result, of an extension the frames to add. ``input_reference``: the picture it begins with;
    ``last_frame``: the one it ends with; ``video``: what is gone on with. ``fast``: the model's settings for
    few steps. ``audio``: with the sound of the scene that the prompt describes. ``cache``: an identical video
    that was made before may be given instead."""

    prompt: str
    negative_prompt: str = ""
    model: str = "nano"
    seed: int = Field(ge=0, lt=2**63)
    width: int | None = Field(default=None, ge=1)
    height: int | None = Field(default=None, ge=1)
    num_frames: int | None = Field(default=None, ge=1)
    fps: float | None = Field(default=None, gt=0)
    num_inference_steps: int | None = Field(default=None, ge=1, le=1000)
    guidance_scale: float | None = Field(default=None, ge=0)
    flow_shift: float | None = Field(default=None, gt=0)
    sampler: str | None = None
    fast: bool = False
    input_reference: FileHash | None = None
    last_frame: FileHash | None = None
    video: FileHash | None = None
    lora: Any = None
    audio: bool = False
    format: Literal["mp4", "webm"] = "mp4"
    cache: bool = True

    @field_validator("lora")
    @classmethod
    def _no_lora(cls, value: Any) -> None:
        if value is not None:
            raise ValueError("no model here takes a LoRA yet; leave lora out")

    @property
    def sampling(self) -> dict[str, Any]:
        """The changes to a model's recommended settings, by their names in
        :class:`~scenewright.generation.settings.SamplingSettings`; None where there is none."""
        return {
            "steps": self.num_inference_steps,
            "guidance_scale": self.guidance_scale,
            "shift": self.flow_shift,
            "sampler": self.sampler,
        }

    @property
    def inputs(self) -> dict[str, str]:
        """The files it takes, by their part in it: SHA-256."""
        return {name: value for name in INPUTS if (value := getattr(self, name)) is not None}

    def batch_key(self, kind: Kind) -> str | None:
        """Requests of one key can be made in one batch: one model, one length, one way to sample. None: it
        is made alone."""
        if kind != "generate" or self.inputs:
            return None
        shared = {"model": self.model, "num_frames": self.num_frames, "fast": self.fast, **self.sampling}
        return _digest(shared)[:32]

    def identity(self, kind: Kind, model_identity: str = "") -> str:
        """64 hexadecimal digits: requests of one identity make the same file. ``model_identity``: see
        :class:`~scenewright.generation.generator.Generator`."""
        return _digest([fingerprint(self.model_copy(update={"cache": True})), kind, model_identity])


def request_of(metadata: Mapping[str, Any], **changes: Any) -> VideoRequest:
    """The request that a file was made by, from the metadata in it; works for files of ``scenewright
    generate`` too, as far as they tell. Pictures that it was made with are named by their files in the store.

    Raises:
        ValueError: it does not say what made it.
    """
    if not tells(metadata):
        raise ValueError("the file does not say how it was made; it has no prompt and model in its metadata")
    settings = metadata.get("settings") or {}
    given = {name: metadata.get(name) for name in ("width", "height", "num_frames", "fps")}
    files = metadata.get("files") or {}
    return VideoRequest(
        **{
            **given,
            "prompt": metadata["prompt"],
            "negative_prompt": metadata.get("negative_prompt", ""),
            "model": metadata.get("model_source", metadata["model"]),
            "seed": metadata.get("seed", 0),
            "num_inference_steps": settings.get("steps"),
            "guidance_scale": settings.get("guidance_scale"),
            "flow_shift": settings.get("shift"),
            "sampler": settings.get("sampler"),
            "fast": metadata.get("fast", False),
            "audio": metadata.get("audio") == "scene",
            **{name: files[name]["sha256"] for name in INPUTS if name in files},
            **changes,
        }
    )


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
