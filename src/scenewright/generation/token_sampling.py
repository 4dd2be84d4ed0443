"""Videos from tokens, and words from videos, by a transformer over both.

B = batch, S = words, L = tokens of the video, N = tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from pydantic import Field

from scenewright.config import Config
from scenewright.models.token_transformer import TokenTransformer


class TokenSampling(Config):
    """``steps``: in which a masked network unmasks a video; a causal one takes a step for every token.
    ``temperature``: of what is drawn; 0 takes the likeliest. ``guidance_scale``: how much further than
    without a text the logits go with it; 1 is plain."""

    steps: int = Field(default=12, ge=1, le=1000)
    temperature: float = Field(default=1.0, ge=0)
    guidance_scale: float = Field(default=2.0, ge=0)


#: The token that ends a text, see :class:`~scenewright.text.tokenizer.Tokenizer`.
END = 3

#: Called after every step with (step, steps).
OnStep = Callable[[int, int], None]


def sample_video(
    network: TokenTransformer,
    words_S: torch.Tensor,
    settings: TokenSampling,
    generator: torch.Generator,
    on_step: OnStep | None = None,
) -> torch.Tensor:
    """Codes int64 (t, h, w) for the words of a text, int64 (S,), filled up to the network's
    ``max_tokens``."""
    sample = _unmasked_video if network.config.order == "masked" else _next_video
    return sample(network, words_S, settings, generator, on_step).view(network.config.grid)


def sample_words(network: TokenTransformer, codes_L: torch.Tensor) -> list[int]:
    """Words for a video's codes, int64 (L,), each the likeliest behind those before it."""
    video = codes_L.flatten() + network.config.vocabulary
    return (_unmasked_words if network.config.order == "masked" else _next_words)(network, video)


def _unmasked_video(
    network: TokenTransformer,
    words_S: torch.Tensor,
    settings: TokenSampling,
    generator: torch.Generator,
    on_step: OnStep | None,
) -> torch.Tensor:
    config, count = network.config, network.config.video_tokens
    places = torch.cat([network.word_numbers, network.video_numbers])
    words = _with_and_without(network, words_S, settings)
    codes = torch.full((count,), config.masked, device=words.device)
    for step in range(1, settings.steps + 1):
        tokens = torch.cat([words, codes.expand(len(words), -1)], 1)
        logits_BLV = network.logits(network(tokens, places)[:, words.shape[1] :], "codes")
        logits_LV = _guided(logits_BLV, settings)
        drawn = _draw(logits_LV, settings, generator)
        masked = codes == config.masked
        done = step / settings.steps
        left = math.floor(math.cos(done * math.pi / 2) * count) if done < 1 else 0
        # Sure ones stay; early, chance has a say in who is sure (Chang et al. 2022, "MaskGIT").
        sure = logits_LV.log_softmax(-1).gather(1, drawn[:, None])[:, 0]
        noise = -torch.rand(count, generator=generator).clamp(min=1e-9).log().clamp(min=1e-9).log()
        sure = sure + settings.temperature * (1 - done) * noise.to(sure)
        order = sure.masked_fill(~masked, float("inf")).argsort()
        codes = torch.where(masked, drawn + config.vocabulary, codes)
        codes[order[:left]] = config.masked
        if on_step is not None:
            on_step(step, settings.steps)
    return codes - config.vocabulary


def _next_video(
    network: TokenTransformer,
    words_S: torch.Tensor,
    settings: TokenSampling,
    generator: torch.Generator,
    on_step: OnStep | None,
) -> torch.Tensor:
    config, caches = network.config, network.caches()
    words = _with_and_without(network, words_S, settings)
    begins, _ = network.beginnings
    begin = words.new_full((len(words), 1), config.video_begins)
    x = network(torch.cat([words, begin], 1), torch.cat([network.word_numbers, begins]), caches)
    codes = []
    for index, place in enumerate(network.video_numbers):
        drawn = _draw(_guided(network.logits(x[:, -1:], "codes"), settings), settings, generator)
        codes.append(drawn)
        if on_step is not None:
            on_step(index + 1, config.video_tokens)
        if index + 1 < config.video_tokens:
            x = network((drawn + config.vocabulary).expand(len(words), 1), place[None], caches)
    return torch.cat(codes)


def _unmasked_words(network: TokenTransformer, video_L: torch.Tensor) -> list[int]:
    config, count = network.config, network.config.max_tokens
    places = torch.cat([network.word_numbers, network.video_numbers])
    words = video_L.new_full((count,), config.masked)
    # From left to right: of the surest first, several are often the same word for different lengths.
    for at in range(count):
        x = network(torch.cat([words, video_L])[None], places)[0, at]
        words[at] = network.logits(x, "words").argmax()
        if words[at] == END:
            break
    return words[: at + 1].tolist()


def _next_words(network: TokenTransformer, video_L: torch.Tensor) -> list[int]:
    config, caches = network.config, network.caches()
    _, begins = network.beginnings
    begin = video_L.new_full((1,), config.words_begin)
    x = network(torch.cat([video_L, begin])[None], torch.cat([network.video_numbers, begins]), caches)
    words: list[int] = []
    for place in network.word_numbers:
        words.append(int(network.logits(x[0, -1], "words").argmax()))
        if words[-1] == END or len(words) == config.max_tokens:
            break
        x = network(video_L.new_tensor([[words[-1]]]), place[None], caches)
    return words


def _with_and_without(
    network: TokenTransformer, words_S: torch.Tensor, settings: TokenSampling
) -> torch.Tensor:
    """The words, (1, S), or with guidance behind them a text that is not known, (2, S)."""
    if settings.guidance_scale == 1:
        return words_S[None]
    return torch.stack([words_S, torch.full_like(words_S, network.config.masked)])


def _guided(logits_BLV: torch.Tensor, settings: TokenSampling) -> torch.Tensor:
    if len(logits_BLV) == 1:
        return logits_BLV[0].float()
    told, untold = logits_BLV.float()
    return untold + settings.guidance_scale * (told - untold)


def _draw(logits_LV: torch.Tensor, settings: TokenSampling, generator: torch.Generator) -> torch.Tensor:
    if settings.temperature == 0:
        return logits_LV.argmax(-1)
    probabilities = (logits_LV / settings.temperature).softmax(-1).cpu()
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0].to(logits_LV.device)
