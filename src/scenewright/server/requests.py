"""What a video is asked for with: OpenAI's fields, more of one's own, and the names that OpenRouter uses.

A body is read leniently (forms hold texts, clients send numbers as texts) and checked strictly: a field that
is unknown, out of range or without effect for the model is an error that names it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from scenewright.generation.names import SAMPLER_NAMES
from scenewright.server.errors import bad_request

MOST_PROMPT = 4000

#: Fields that are numbers, and come as texts in forms.
NUMBERS = (
    "seconds", "width", "height", "num_frames", "fps", "seed", "num_inference_steps", "guidance_scale",
    "flow_shift", "priority",
)  # fmt: skip

#: Fields that may be files.
FILES = ("input_reference", "last_frame", "video")


def as_number(value: Any) -> Any:
    """Texts of forms are numbers; true and false are not."""
    if isinstance(value, bool):
        raise ValueError("it should be a number")
    return value.strip() if isinstance(value, str) else value


def _flag(value: Any) -> Any:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if value is not None and not isinstance(value, bool):
        raise ValueError("it should be true or false")
    return value


def _list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _size(value: Any) -> Any:
    if isinstance(value, str) and not re.fullmatch(r"[1-9][0-9]{0,4}x[1-9][0-9]{0,4}", value):
        raise ValueError("it should be width x height in pixels, such as 1280x720")
    return value


Flag = Annotated[bool, BeforeValidator(_flag)]
Tag = Annotated[str, Field(min_length=1, max_length=60)]
Tags = Annotated[list[Tag], BeforeValidator(_list), Field(max_length=30)]
Text = Annotated[str, Field(max_length=MOST_PROMPT)]
Title = Annotated[str, Field(max_length=200)]


class Body(BaseModel):
    """A body whose unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)


class Reference(Body):
    """``image_url``: a http(s) or data URL; ``file_id``: a file that was given before."""

    image_url: str | None = Field(default=None, max_length=400_000_000)
    file_id: str | None = Field(default=None, pattern=r"^file_[0-9a-f]{64}$")

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if isinstance(value, str):
            text = value.strip()
            if text.startswith("{"):
                try:
                    value = json.loads(text)
                except ValueError:
                    raise ValueError("it is no JSON object") from None
            else:
                return {"image_url": text}
        if isinstance(value, Mapping) and isinstance(value.get("image_url"), Mapping):
            return {**value, "image_url": value["image_url"].get("url")}
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.image_url is None) == (self.file_id is None):
            raise ValueError("it should have either image_url or file_id")
        return self


class VideoReference(Body):
    """A video of one's own by its id."""

    id: str = Field(min_length=1, max_length=80, examples=["video_0123456789abcdef01234567"])

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        return {"id": value} if isinstance(value, str) else value


class Choices(Body):
    """How a video is made; what is left out is the model's choice."""

    negative_prompt: Text = Field(default="", description="What the video should not show.")
    model: str | None = Field(default=None, min_length=1, max_length=200, examples=["nano"])
    seconds: float | None = Field(
        default=None, allow_inf_nan=False, gt=0, le=3600, description="Length.", examples=["2"]
    )
    size: str | None = Field(default=None, pattern=r"^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$", examples=["128x128"])
    width: int | None = Field(default=None, ge=2, le=8192, description="Pixels.")
    height: int | None = Field(default=None, ge=2, le=8192, description="Pixels.")
    num_frames: int | None = Field(default=None, ge=1, le=1_000_000)
    fps: float | None = Field(
        default=None, allow_inf_nan=False, ge=0.1, le=240, description="Frames a second of the file."
    )
    num_inference_steps: int | None = Field(default=None, ge=1, le=1000)
    guidance_scale: float | None = Field(default=None, allow_inf_nan=False, ge=0, le=100)
    flow_shift: float | None = Field(default=None, allow_inf_nan=False, gt=0, le=1000)
    sampler: Literal[SAMPLER_NAMES] | None = None  # type: ignore[valid-type]
    fast: Flag = Field(default=False, description="The model's settings for few steps.")

    @field_validator(*NUMBERS, mode="before", check_fields=False)
    @classmethod
    def _numbers(cls, value: Any) -> Any:
        return as_number(value)

    @field_validator("size", mode="before")
    @classmethod
    def _sizes(cls, value: Any) -> Any:
        return _size(value)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.size is not None:
            width, height = map(int, self.size.split("x"))
            if self.width not in (None, width) or self.height not in (None, height):
                raise ValueError("size says something else than width and height; leave one out")
        if self.seconds is not None and self.num_frames is not None:
            raise ValueError("seconds and num_frames both say how long it is; leave one out")
        return self

    @property
    def wanted_size(self) -> tuple[int | None, int | None]:
        """(width, height) in pixels; None for the model's choice."""
        if self.size is None:
            return self.width, self.height
        width, height = map(int, self.size.split("x"))
        return width, height


class Options(Choices):
    """What can be chosen beside the prompt."""

    seed: int | None = Field(default=None, ge=0, lt=2**63, description="The same seed, the same video.")
    lora: Any = Field(default=None, description="Refused: no model here takes any.")
    audio: Flag = Field(default=False, description="Add the sound of the scene that the prompt describes.")
    format: Literal["mp4", "webm"] = "mp4"
    cache: Flag = Field(default=True, description="An identical video made before may be given instead.")
    title: Title | None = None
    tags: Tags = Field(default_factory=list)
    batch: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Shared by videos that belong together."
    )
    priority: int = Field(default=0, ge=-1, le=10, description="Above 0 for administrators only.")
    callback_url: str | None = Field(
        default=None, max_length=2048, description="Gets a signed message when the video has ended."
    )


class CreateVideo(Options):
    """A video from a prompt, and pictures that it begins or ends with."""

    prompt: str = Field(min_length=1, max_length=MOST_PROMPT, examples=["a red ball rolls left"])
    input_reference: Reference | None = Field(default=None, description="The picture that it begins with.")
    last_frame: Reference | None = Field(default=None, description="The picture that it ends with.")


class RemixVideo(Options):
    """A new prompt for an earlier video; everything else as it was unless it is given."""

    prompt: str = Field(min_length=1, max_length=MOST_PROMPT, examples=["a blue ball rolls left"])


class ExtendVideo(Options):
    """What happens next. ``seconds`` or ``num_frames`` count what is added."""

    prompt: str = Field(min_length=1, max_length=MOST_PROMPT, examples=["a red ball bounces"])
    video: VideoReference | None = Field(default=None, description="The video to go on with, or a file.")


class EditVideo(Body):
    """OpenAI's edit."""

    prompt: str = Field(min_length=1, max_length=MOST_PROMPT)
    video: VideoReference | None = None


class CreateCharacter(Body):
    """OpenAI's character."""

    name: str = Field(min_length=1, max_length=80)
    video: VideoReference | None = None


_ALIASES = {
    "duration": "seconds",
    "generate_audio": "audio",
    "generate_sound": "audio",
    "image_reference": "input_reference",
}
_LINES = {"480p": 480, "720p": 720, "1080p": 1080, "1K": 1080, "2K": 1440, "4K": 2160}
_FRAMES = {"first_frame": "input_reference", "last_frame": "last_frame"}


def in_our_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """OpenRouter's and vLLM's names as ours: ``duration``, ``resolution`` with ``aspect_ratio``,
    ``generate_audio``, ``frame_images``.

    Raises:
        ApiError: the same is said twice, or what has no meaning here.
    """
    body = dict(given)
    for theirs, ours in _ALIASES.items():
        if theirs in body:
            _put(body, ours, body.pop(theirs), theirs)
    if "resolution" in body or "aspect_ratio" in body:
        size = _size_of(body.pop("resolution", None), body.pop("aspect_ratio", None))
        _put(body, "size", size, "resolution")
    if "frame_images" in body:
        images = body.pop("frame_images")
        for image in images if isinstance(images, list) else [images]:
            if not isinstance(image, Mapping) or image.get("frame_type") not in _FRAMES:
                raise bad_request("each has a frame_type, first_frame or last_frame", "frame_images")
            _put(body, _FRAMES[image["frame_type"]], {"image_url": image.get("image_url")}, "frame_images")
    if "input_references" in body:
        raise bad_request(
            "no model here takes references of style; name a first or last frame in frame_images",
            "input_references",
            "unsupported_parameter",
        )
    return body


def _put(body: dict[str, Any], name: str, value: Any, theirs: str) -> None:
    if name in body:
        raise bad_request(f"{theirs} and {name} say the same; leave one out", theirs)
    body[name] = value


def _size_of(resolution: Any, ratio: Any) -> str:
    if isinstance(resolution, str) and ratio is None and re.fullmatch(r"\d+x\d+", resolution):
        return resolution
    lines = 720 if resolution is None else _LINES.get(str(resolution))
    if lines is None:
        raise bad_request(f"it should be one of {', '.join(_LINES)}", "resolution")
    match = re.fullmatch(r"([1-9]\d?):([1-9]\d?)", "16:9" if ratio is None else str(ratio))
    if match is None:
        raise bad_request("it should be width:height, such as 16:9", "aspect_ratio")
    across, down = int(match[1]), int(match[2])
    # The lines are those of the shorter side, as of 720p upright; encoders want even sides.
    shorter = min(across, down)
    return "x".join(str(max(2, round(lines * side / shorter / 2) * 2)) for side in (across, down))
