"""Networks that make clips, or their latents, from a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import nn

from scenewright.data.encoded import read_encoded_info
from scenewright.data.streams import Batch, StreamConfig
from scenewright.generation.autoencoder import Autoencoder, load_autoencoder, read_autoencoder_card
from scenewright.generation.given import given_input
from scenewright.generation.loading import load_pipeline, save_pipeline
from scenewright.generation.model_folder import has_tokenizer, load_tokenizer
from scenewright.generation.pipeline import TextToVideo
from scenewright.generation.planner import Planner, load_planner
from scenewright.generation.streaming import text_to_video
from scenewright.generation.text_embedding import TextEmbedder, padded
from scenewright.models.denoiser import Denoiser
from scenewright.models.flow_transformer import FlowTransformer
from scenewright.models.modulation import low_rank_modulations
from scenewright.registry import models
from scenewright.text.tokenizer import TextTokenizer
from scenewright.training.families.base import Family, sheet_of_prompts, streams_of
from scenewright.training.objectives import (
    DiffusionConfig,
    DiffusionForcingConfig,
    FewStepsConfig,
    FlowMatchingConfig,
    GivenFramesConfig,
    ObjectiveConfig,
)
from scenewright.training.text_init import begin_text, first_tokenizer
from scenewright.training.vocabulary import training_captions, training_words

if TYPE_CHECKING:
    from PIL.Image import Image

    from scenewright.training.config import TrainingRecipe
    from scenewright.training.objectives import Inputs
    from scenewright.training.planning.workload import StageWork

#: Captions whose conditions modulations of low rank are fitted to.
_LOW_RANK_TEXTS = 256


class TextToVideoFamily(Family):
    """A tokenizer fitted to the world's captions, a :class:`.Denoiser` of pixels or of the latents of an
    autoencoder, and samples of prompts."""

    #: The words of the batch's captions that are known already.
    _words: Mapping[str, torch.Tensor] = MappingProxyType({})

    @staticmethod
    def check(recipe: TrainingRecipe) -> None:
        network: Any = recipe.network
        for stage in recipe.stages:
            objective = stage.objective or recipe.objective
            causal = network.family == "causal-flow-transformer"
            known = (
                DiffusionForcingConfig if causal else FlowMatchingConfig | FewStepsConfig | DiffusionConfig
            )
            if not isinstance(objective, known):
                raise ValueError(
                    f"objective.name = {objective.name} trains other families, not a {network.family}"
                )
            _check_given(recipe, network, getattr(objective, "given", None))
            _check_spans(recipe, network, objective)
            _check_layouts(network, stage.data)
            if recipe.autoencoder is None:
                network.grid(stage.data.frames_out, stage.data.height, stage.data.width)
        if recipe.planner is not None and network.layout is None:
            raise ValueError("planner plans layouts, which the network does not take; set network.layout")
        if recipe.autoencoder is None and any(data.latents for data in streams_of(recipe)):
            raise ValueError("data.latents need autoencoder: the model folder of the one that made them")
        if recipe.text_encoder is None and any(data.texts for data in streams_of(recipe)):
            raise ValueError("data.texts need text_encoder: the model folder of the one that made them")

    def prepare(self) -> None:
        self._check_planner()
        self._check_latents()
        self._check_texts()
        self._check_teachers()
        if has_tokenizer(self.output):
            return
        tokenizer: TextTokenizer
        if self.embedder is not None:
            tokenizer = self.embedder.tokenizer
        elif self.recipe.init_from is not None:
            tokenizer = load_pipeline(self.recipe.init_from).tokenizer
        else:
            tokenizer = first_tokenizer(self.recipe, self._config.text)
        tokenizer.save(self.output / tokenizer.FILE)

    @cached_property
    def autoencoder(self) -> Autoencoder | None:
        """What makes the latents that the network learns; None where it learns pixels."""
        folder = self.recipe.autoencoder
        return None if folder is None else load_autoencoder(folder, self.device)

    @cached_property
    def embedder(self) -> TextEmbedder | None:
        """The frozen text encoder; None where the network trains its own."""
        folder = self.recipe.text_encoder
        return None if folder is None else TextEmbedder.of(load_pipeline(folder, self.device))

    @cached_property
    def planner(self) -> Planner | None:
        """What plans the layouts of samples and of the exported model."""
        folder = self.recipe.planner
        return None if folder is None else load_planner(folder, self.device)

    @cached_property
    def tokenizer(self) -> TextTokenizer:
        return load_tokenizer(self.output)

    def network(self) -> Denoiser:
        network: Denoiser = models.get(self._config.family)(self._config).train()
        if self.recipe.init_from is not None:
            _begin_from(network, load_pipeline(self.recipe.init_from))
        elif self.embedder is None:
            begin_text(network, self.recipe)
        if self.embedder is not None:
            network.text_encoder.load_state_dict(self.embedder.encoder.state_dict())
        return network

    def encode_text(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        if self.embedder is not None:
            known = self._words
            if self.device.type != "cpu" and not known:
                return self.embedder.embed_together(texts)
            return padded([known[t] if t in known else self.embedder.embed(t) for t in texts])
        return self.tokenizer.batch(texts, self._config.text.max_tokens, multiple=32)

    def work(self, stage: int, inputs: Inputs, device: torch.device) -> tuple[float, int]:
        if self._config.family != "flow-transformer" or self._config.text.kind != "transformer":
            return 0.0, 0
        kernels: Literal["cpu", "cuda"] = "cpu" if device.type == "cpu" else "cuda"
        _, _, frames, rows, columns = inputs.x.shape
        found = self._work(stage, inputs.ids.shape[1], (frames, rows, columns), kernels)
        return found.clip.model, found.tokens

    def see(self, batch: Batch) -> Batch:
        self._words = dict(zip(batch.captions, batch.words or (), strict=batch.words is not None))
        if self.autoencoder is None or batch.latents is not None:
            return batch
        return replace(batch, latents=self.autoencoder.encode(batch.frames).float())

    def show(self, batch: Batch, inputs: Inputs) -> Inputs:
        if inputs.known is not None:
            known = inputs.known.to(self.device)
            inputs = replace(inputs, given=given_input(batch.frames.to(self.device), known))
        if inputs.led is not None and batch.layouts is not None:
            assert self._config.layout is not None
            features = torch.stack([self._config.layout.encode(layout) for layout in batch.layouts])
            inputs = replace(inputs, layout=features * inputs.led[:, None, None])
        return inputs

    def pipeline(self, network: nn.Module) -> TextToVideo:
        return text_to_video(
            model=cast(Denoiser, network),
            tokenizer=self.tokenizer,
            settings=self.recipe.sampling,
            fast=self.recipe.fast,
            words=training_words(self.training_streams),
            name=self.recipe.name,
            autoencoder=self.autoencoder,
            planner=self.planner,
        )

    def save(self, pipeline: TextToVideo, folder: Path) -> None:
        save_pipeline(pipeline, folder)

    def sheet(self, pipeline: TextToVideo) -> Image | None:
        return sheet_of_prompts(pipeline, self.recipe.sample_prompts)

    @lru_cache  # noqa: B019
    def _work(
        self, stage: int, words: int, size: tuple[int, int, int], kernels: Literal["cpu", "cuda"]
    ) -> StageWork:
        # Not above: the planner knows the recipe, and the recipe the families.
        from scenewright.training.planning.workload import stage_work

        return stage_work(self.recipe, stage, size, kernels, words)

    def _check_latents(self) -> None:
        """ValueError where the network, the autoencoder, the data and their latents do not fit together."""
        if self.autoencoder is None:
            return
        config, folder = self.autoencoder.config, self.recipe.autoencoder
        assert folder is not None
        self.begin_with("autoencoder", folder, self.autoencoder.encoder_hash)
        if config.channels != self._config.channels:
            raise ValueError(
                f"network.channels = {self._config.channels}: the latents of {folder} have {config.channels}"
            )
        for data in streams_of(self.recipe):
            self._config.grid(*config.grid(data.frames_out, data.height, data.width))
            for cache in data.latents:
                _check_encoder(cache, self.autoencoder.encoder_hash, folder)

    def _check_planner(self) -> None:
        """ValueError where the planner is of another layout or reads another text encoder."""
        if self.planner is None:
            return
        folder = self.recipe.planner
        if self.planner.config.layout != self._config.layout:
            raise ValueError(f"{folder} plans other layouts than network.layout has")
        if self.embedder is None or self.planner.text_encoder != self.embedder.hash:
            raise ValueError(
                f"{folder} reads another text encoder; set text_encoder to the one it was made for"
            )

    def _check_texts(self) -> None:
        """ValueError where the network, the text encoder and the encoded captions do not fit together."""
        if self.embedder is None:
            return
        folder = self.recipe.text_encoder
        assert folder is not None
        self.begin_with("text_encoder", folder, self.embedder.hash)
        if self._config.text != self.embedder.config:
            raise ValueError(f"network.text has other sizes than the text encoder of {folder}")
        for data in streams_of(self.recipe):
            for cache in data.texts:
                _check_encoder(cache, self.embedder.hash, folder)

    def _check_teachers(self) -> None:
        """A run goes on only with the teachers that it was begun with."""
        for objective in [stage.objective or self.recipe.objective for stage in self.recipe.stages]:
            if isinstance(objective, FewStepsConfig):
                teacher = load_pipeline(objective.teacher)
                if teacher.model.config.given_frames != self._config.given_frames:
                    raise ValueError(
                        f"network.given_frames = {self._config.given_frames} is not that of the teacher, "
                        f"{teacher.model.config.given_frames}"
                    )
                self.begin_with("teacher", objective.teacher, teacher.model_hash)

    @property
    def _config(self) -> Any:
        return self.recipe.network


def _check_given(recipe: TrainingRecipe, network: Any, given: GivenFramesConfig | None) -> None:
    if bool(network.given_frames) != (given is not None):
        raise ValueError("network.given_frames and objective.given go together: set both, or none")
    if given is None:
        return
    compression = (1, 1, 1)
    if recipe.autoencoder is not None:
        compression = read_autoencoder_card(recipe.autoencoder).network.compression
    found = (network.given_frames, network.given_pixels, network.given_pixels)
    if found != compression:
        raise ValueError(
            f"network.given_frames = {found[0]} and given_pixels = {found[1]}: here they are "
            f"{compression[0]} and {compression[1]}"
        )
    if any(data.latents and not data.frames_too for data in streams_of(recipe)):
        raise ValueError("objective.given needs frames beside their latents; set data.frames_too")


def _check_spans(recipe: TrainingRecipe, network: Any, objective: ObjectiveConfig) -> None:
    distils = isinstance(objective, FewStepsConfig)
    if distils != network.spans:
        raise ValueError("network.spans and objective.name = few_steps go together: set both, or none")
    if distils and recipe.init_from is None:
        raise ValueError("few_steps goes on from a trained model: set init_from, usually to the teacher")


def _check_layouts(network: Any, data: StreamConfig) -> None:
    told = {part.data.layouts for part in data.mixture} or {data.layouts}
    if told != {"none" if network.layout is None else "beside"}:
        raise ValueError(
            "network.layout and data.layouts go together: set both, with data.layouts = beside, or none"
        )
    if network.layout is not None and network.layout.num_frames != data.frames_out:
        raise ValueError(
            f"network.layout.num_frames = {network.layout.num_frames}: clips have {data.frames_out} frames"
        )


def _begin_from(network: Denoiser, pipeline: TextToVideo) -> None:
    """Take over trained weights."""
    trained = pipeline.model
    weights = trained.state_dict()
    may_be_new: tuple[str, ...] = ()
    if isinstance(network, FlowTransformer) and isinstance(trained, FlowTransformer):
        may_be_new, weights = _flow_weights(network, trained, pipeline, weights)
    missing, unexpected = network.load_state_dict(weights, strict=False)
    new = [name for name in missing if not name.startswith(may_be_new)]
    if new or unexpected:
        raise ValueError(
            f"init_from is a network of another kind: {', '.join([*new, *unexpected][:3])} do not fit"
        )


def _flow_weights(
    network: FlowTransformer, trained: FlowTransformer, pipeline: TextToVideo, weights: dict[str, Any]
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The beginnings of names that may be missing, and the weights that are taken over. New may be layers
    that begin as zeros, and those behind them; and, where the one makes pixels and the other latents, the
    layers that read and write these. Whole modulations become those of the network's rank that are closest
    to them."""
    may_be_new: tuple[str, ...] = ("given_in.", "layout_in.", "span.")
    if network.config.modulation_rank and not trained.config.modulation_rank:
        texts = training_captions(_LOW_RANK_TEXTS)
        tokens = pipeline.tokenizer.batch(texts, trained.config.text.max_tokens)
        weights = low_rank_modulations(trained, *tokens, network.config.modulation_rank)
    if network.config.channels != trained.config.channels:
        may_be_new += ("patch_in.", "patch_out.")
        weights = {n: w for n, w in weights.items() if not n.startswith(("patch_in.", "patch_out."))}
    return may_be_new, weights


def _check_encoder(cache: Path, encoder: str, folder: Path) -> None:
    info = read_encoded_info(cache)
    if info.encoder != encoder:
        raise ValueError(
            f"{cache} holds {info.kind} of another encoder than that of {folder}; encode the dataset with "
            "that one (scenewright data encode)"
        )
