"""Pretrained language models by name or folder: what they are, and the tokens that they read."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Self

from scenewright.text.tokenizer import TextTokenizer

#: What a configuration says besides the network.
_NOT_THE_NETWORK = ("_name_or_path", "architectures", "transformers_version", "dtype", "torch_dtype")


def transformers() -> Any:
    """The library. ValueError where it is not installed."""
    try:
        return importlib.import_module("transformers")
    except ImportError:
        raise ValueError(
            "pretrained networks need transformers; install it: pip install 'scenewright[pretrained]'"
        ) from None


@lru_cache(maxsize=4)
def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder. ValueError where it has none."""
    return _tokenizer(str(folder), local=True)


class PretrainedText(NamedTuple):
    """What a language model is. ``architecture``: its configuration, without its name and version;
    ``vocabulary``: ids that it takes; ``layers``: of its network; ``unknown``:
    the id that stands for a hidden word, or for an unknown one; ``most_tokens``: the longest text that it
    reads, None where there is no limit."""

    architecture: dict[str, Any]
    vocabulary: int
    layers: int
    unknown: int
    most_tokens: int | None


@lru_cache(maxsize=4)
def describe(source: str) -> PretrainedText:
    """The language model in a folder, or of a name on the hub; of one that also reads other things than
    texts, the part that reads texts.

    Raises:
        ValueError: there is none, or ``transformers`` is not installed; in one line.
    """
    library = transformers()
    try:
        config = library.AutoConfig.from_pretrained(source, local_files_only=Path(source).is_dir())
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{where(source)}: {first_line(error)}") from None
    config = getattr(config, "text_config", config)
    layers = getattr(config, "num_hidden_layers", None)
    if not layers or not getattr(config, "hidden_size", None) or not getattr(config, "vocab_size", None):
        raise ValueError(f"{source} holds a network of the kind {config.model_type}, which reads no texts")
    tokenizer = _tokenizer(source, local=Path(source).is_dir())
    # In some, the first positions stand for padding; their tokenizers know.
    limits = (getattr(config, "max_position_embeddings", None), tokenizer.model_max_length)
    known = [int(limit) for limit in limits if limit is not None and 0 < limit < 10**9]
    marks = (tokenizer.mask_token_id, tokenizer.unk_token_id, tokenizer.eos_token_id)
    architecture = {k: v for k, v in config.to_dict().items() if k not in _NOT_THE_NETWORK}
    return PretrainedText(
        architecture=json.loads(json.dumps(architecture)),
        vocabulary=int(config.vocab_size),
        layers=int(layers),
        unknown=next((int(mark) for mark in marks if mark is not None), 0),
        most_tokens=min(known, default=None),
    )


def where(source: str) -> str:
    """How an error about a source that cannot be read begins."""
    if Path(source).is_dir():
        return f"{source} is not a folder of a language model"
    return f"there is no language model {source!r}, as a folder or on the hub"


class PretrainedTokenizer(TextTokenizer):
    """The tokenizer of a pretrained language model, as one file of the ``tokenizers`` library. Where it would
    make nothing of an empty text, its mark of the end stands behind every text."""

    FILE = "tokenizer.json"

    def __init__(self, serialized: bytes) -> None:
        transformers()
        library = importlib.import_module("tokenizers")
        try:
            self._tokenizer = library.Tokenizer.from_str(serialized.decode("utf-8"))
        except Exception as error:  # the library raises no narrower type
            raise ValueError(f"this is no tokenizer of the tokenizers library: {first_line(error)}") from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._empty = self._tokenizer.encode("").ids
        self._serialized = serialized

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls(Path(path).read_bytes())

    @classmethod
    def of(cls, source: str) -> Self:
        """That of a folder or of a name on the hub. ValueError where it has none that fits in one file."""
        tokenizer = _tokenizer(source, local=Path(source).is_dir())
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise ValueError(f"{source}: its tokenizer {type(tokenizer).__name__} has no tokenizer.json")
        if not tokenizer("")["input_ids"]:
            end = tokenizer.eos_token or tokenizer.pad_token
            if end is None:
                raise ValueError(f"{source}: its tokenizer has no mark of the end of a text")
            processors = importlib.import_module("tokenizers").processors
            ended = processors.TemplateProcessing(
                single=f"$A {end}", special_tokens=[(end, tokenizer.convert_tokens_to_ids(end))]
            )
            before = backend.post_processor
            backend.post_processor = ended if before is None else processors.Sequence([before, ended])
        return cls(backend.to_str().encode())

    @property
    def serialized(self) -> bytes:
        return self._serialized

    @property
    def size(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(" ".join(text.split())).ids)

    def pieces(self, text: str) -> list[str]:
        text = " ".join(text.split())
        found = self._tokenizer.encode(text)
        marks = found.special_tokens_mask
        spans = zip(found.offsets, marks, strict=True)
        return ["" if mark else text[begin:end].strip() for (begin, end), mark in spans]

    def _cut(self, row: list[int], most: int) -> list[int]:
        ends = bool(self._empty) and row[-1] == self._empty[-1]
        return super()._cut(row, most) if ends else row[:most]


def _tokenizer(source: str, local: bool) -> Any:
    library = transformers()
    try:
        return library.AutoTokenizer.from_pretrained(source, local_files_only=local)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{source} has no tokenizer: {first_line(error)}") from None


@contextmanager
def quietly() -> Iterator[None]:
    """Without the library's progress bars and reports meanwhile."""
    logging = transformers().utils.logging
    level, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
