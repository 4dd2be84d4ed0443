"""Language models of ``transformers`` as readers of texts: encoders (BERT), decoders (GPT-2), the encoders of
both (T5), and the text side of models of texts and pictures (CLIP).

B = batch, S = tokens, D = width, V = width of the language model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from scenewright.models.text_encoder import TextEncoderConfig, TextReader, masked_mean
from scenewright.text.pretrained import first_line, quietly, transformers, where


class PretrainedTextReader(TextReader):
    """A hidden state of a language model, normed, and a learned linear map of it; the mean of all tokens for
    the whole text.

    Layers above the one that is used are left out, but for one, whose input it is. Parts that do not learn,
    because of ``config.train`` or because a run has frozen them, compute without dropout.
    """

    def __init__(self, config: TextEncoderConfig) -> None:
        super().__init__(config)
        assert config.architecture is not None
        assert config.layer is not None
        settings = transformers().AutoConfig.for_model(**config.architecture)
        self.network = _text_part(_class_of(settings).from_config(settings))[0]
        self._used = config.layers + 1 + config.layer
        blocks = _list_of(self.network, config.layers)
        if blocks is not None and config.layer != -1:
            del blocks[self._used + 1 :]
        self.network.requires_grad_(False)
        for parameter in self._learned(blocks):
            parameter.requires_grad_(True)
        # In a list, so that they are not parts of this module a second time.
        self._layers: list[nn.Module] = [] if blocks is None else list(blocks)
        width = int(settings.hidden_size)
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, config.width)

    def begin(self) -> None:
        config = self.config
        assert config.source is not None
        settings = transformers().AutoConfig.for_model(**(config.architecture or {}))
        try:
            with quietly():
                begun, found = _class_of(settings).from_pretrained(
                    config.source,
                    config=settings,
                    dtype=torch.float32,
                    use_safetensors=True,
                    local_files_only=Path(config.source).is_dir(),
                    output_loading_info=True,
                )
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise ValueError(f"{where(config.source)} with safetensors: {first_line(error)}") from None
        part, prefix = _text_part(begun)
        weights, own = part.state_dict(), self.network.state_dict()
        missing = [n for n in own if n not in weights or f"{prefix}{n}" in found["missing_keys"]]
        if missing:
            raise ValueError(f"{config.source} has no weights of {', '.join(missing[:3])}")
        self.network.load_state_dict({name: weights[name] for name in own})

    def hidden(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor) -> torch.Tensor:
        """The chosen hidden state, float (B, S, V)."""
        self._set_modes()
        inside = self.config.layer != -1
        out = self.network(input_ids=ids_BS, attention_mask=mask_BS.long(), output_hidden_states=inside)
        return out.hidden_states[self._used] if inside else out.last_hidden_state

    def forward(self, ids_BS: torch.Tensor, mask_BS: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        words_BSD = self.project(self.norm(self.hidden(ids_BS, mask_BS)))
        return words_BSD, masked_mean(words_BSD, mask_BS)

    def _learned(self, blocks: nn.ModuleList | None) -> list[nn.Parameter]:
        """Those that ``config.train`` says, of parameters that the hidden state depends on."""
        everything, train = list(self.network.parameters()), self.config.train
        if train == "none":
            return []
        if blocks is None:
            if train != "all":
                raise ValueError(f"{self.config.source} has no list of layers; set train to none or all")
            return everything
        of_blocks = [list(block.parameters()) for block in blocks]
        within = {id(p) for parameters in of_blocks for p in parameters}
        last = max(i for i, parameter in enumerate(everything) if id(parameter) in within)
        before = [p for p in everything[:last] if id(p) not in within]
        behind = everything[last + 1 :] if self.config.layer == -1 else []
        first = 0 if train == "all" else self._used - int(train or 0)
        below = [p for parameters in of_blocks[first : self._used] for p in parameters]
        return [*(before if train == "all" else ()), *below, *behind]

    def _set_modes(self) -> None:
        embeddings: Any = self.network.get_input_embeddings()
        self.network.train(self.training and embeddings.weight.requires_grad)
        for layer in self._layers:
            layer.train(self.training and any(p.requires_grad for p in layer.parameters()))


def _class_of(settings: Any) -> Any:
    """The class that makes what reads texts, of what ``settings`` are of."""
    library = transformers()
    encodes = type(settings) in library.MODEL_FOR_TEXT_ENCODING_MAPPING
    return library.AutoModelForTextEncoding if encodes else library.AutoModel


def _text_part(model: Any) -> tuple[Any, str]:
    """The encoder of a model that has one apart, without a head, and what its parameters' names begin with
    there."""
    part, prefix = model, ""
    if model.config.is_encoder_decoder or type(model).__name__.endswith("EncoderModel"):
        part = model.get_encoder()
        prefix = next(f"{name}." for name, module in model.named_modules() if module is part)
    if getattr(part, "pooler", None) is not None:
        part.pooler = None
    part.config.use_cache = False
    return part, prefix


def _list_of(network: nn.Module, layers: int) -> nn.ModuleList | None:
    for module in network.modules():
        if isinstance(module, nn.ModuleList) and len(module) == layers:
            return module
    return None
