"""From what a client asks for to what a worker makes: every choice that the API has to make is made here."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from scenewright.generation.cards import ModelFacts
from scenewright.server.errors import ApiError, bad_request, from_validation, shortened
from scenewright.server.requests import Options
from scenewright.server.settings import Limits
from scenewright.server.video_request import Kind, VideoRequest

#: Seeds that are drawn: JavaScript reads whole numbers up to 2^53 exactly.
SEEDS = 1 << 32


def plan(
    options: Options,
    prompt: str,
    facts: ModelFacts,
    limits: Limits,
    *,
    model: str,
    kind: Kind = "generate",
    inputs: Mapping[str, str] | None = None,
) -> VideoRequest:
    """The request to queue. ``inputs``: hashes of the files that it takes, by their fields.

    Raises:
        ApiError: 400, where the model cannot do it or the server does not allow it.
    """
    if not prompt.strip():
        raise bad_request("the prompt is empty; say what the video should show", "prompt")
    if options.lora is not None:
        raise _unsupported("no model here takes a LoRA; leave lora out", "lora")
    _check_sampling(options, facts, model)
    _check_inputs(facts, model, inputs or {})
    if options.audio and kind == "extend":
        raise _unsupported("an extension is made without sound; leave audio out", "audio")
    num_frames, fps = _length(options, facts, model, kind)
    width, height = options.wanted_size
    _check_size(width, height, num_frames or facts.usual_frames, limits)
    try:
        return VideoRequest(
            prompt=prompt,
            negative_prompt=options.negative_prompt,
            model=model,
            seed=secrets.randbelow(SEEDS) if options.seed is None else options.seed,
            width=width,
            height=height,
            num_frames=num_frames,
            fps=fps,
            num_inference_steps=options.num_inference_steps,
            guidance_scale=options.guidance_scale,
            flow_shift=options.flow_shift,
            sampler=options.sampler,
            fast=options.fast,
            audio=options.audio,
            format=options.format,
            cache=options.cache,
            **(inputs or {}),
        )
    except ValidationError as error:
        raise from_validation(error.errors()) from None


def _check_sampling(options: Options, facts: ModelFacts, model: str) -> None:
    asked: dict[str, tuple[str, Any]] = {
        "steps": ("num_inference_steps", options.num_inference_steps),
        "guidance_scale": ("guidance_scale", options.guidance_scale),
        "shift": ("flow_shift", options.flow_shift),
        "sampler": ("sampler", options.sampler),
    }
    for setting, (param, value) in asked.items():
        if value is not None and setting not in facts.takes:
            raise _unsupported(f"{model} has no {param} to choose; leave it out", param)
    if options.fast and facts.fast is None:
        raise _unsupported(f"{model} has not learned to make videos in few steps; leave fast out", "fast")
    settings = (facts.fast if options.fast else facts.settings) or {}
    scale = settings.get("guidance_scale") if options.guidance_scale is None else options.guidance_scale
    sampler = options.sampler or settings.get("sampler")
    if options.negative_prompt and not facts.negative_prompts:
        raise _unsupported(f"{model} takes no negative prompt; leave it out", "negative_prompt")
    if options.negative_prompt and scale == 1:
        raise bad_request("at guidance scale 1 it does nothing; raise guidance_scale", "negative_prompt")
    if sampler == "shortcut" and not facts.long_steps:
        raise _unsupported(f"{model} has not learned the long steps of the shortcut sampler", "sampler")
    if sampler == "shortcut" and scale != 1:
        raise bad_request("the shortcut sampler has guidance learned in; leave it at 1", "guidance_scale")


def _check_inputs(facts: ModelFacts, model: str, inputs: Mapping[str, str]) -> None:
    if facts.needs_sound:
        raise _unsupported(f"{model} makes frames to a sound, which this API does not take yet", "model")
    for param in inputs:
        if not facts.given_frames:
            raise _unsupported(f"{model} was not trained with given frames; it takes no {param}", param)


def _length(options: Options, facts: ModelFacts, model: str, kind: Kind) -> tuple[int | None, float | None]:
    """(num_frames, fps). A length in seconds that the model cannot fill at its own speed is shown more
    slowly: clients of OpenAI's ask for 4 seconds or more."""
    num_frames, fps, most = options.num_frames, options.fps, facts.most_frames
    if kind == "extend":
        most = None  # it goes on piece by piece
    if options.seconds is not None:
        num_frames = max(1, round(options.seconds * (fps or facts.fps)))
        if most is not None and num_frames > most and fps is None:
            return most, max(0.1, round(most / options.seconds, 4))
    if most is not None and num_frames is not None and num_frames > most:
        param = "num_frames" if options.seconds is None else "seconds"
        raise bad_request(f"{model} makes at most {most} frames, not {num_frames}; ask for fewer", param)
    return num_frames, fps


def _check_size(width: int | None, height: int | None, num_frames: int, limits: Limits) -> None:
    if (width or 1) * (height or 1) > limits.pixels:
        raise bad_request(f"a frame has at most {limits.pixels:,} pixels here; ask for a smaller one", "size")
    if num_frames > limits.frames:
        raise bad_request(f"a video has at most {limits.frames:,} frames here; ask for fewer", "num_frames")


def unknown_model(model: str, known: list[str]) -> ApiError:
    """404, as OpenAI answers."""
    names = ", ".join(known)
    return ApiError(
        404, f"there is no model {shortened(model)!r}; known: {names}", code="model_not_found", param="model"
    )


def _unsupported(message: str, param: str) -> ApiError:
    return bad_request(message, param, "unsupported_parameter")
