"""Small language models with random weights, written as the folders that ``transformers`` reads."""

from pathlib import Path

import pytest
import torch

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors  # noqa: E402

WORDS = "a red blue green ball cube rolls falls left right to the and on large small".split()
KINDS = ("bert", "gpt2", "t5", "clip", "clip-both")
#: Tokens that the longest text may have; of T5 there is no such number.
POSITIONS = 24


def save_language_model(folder: Path, kind: str, layers: int = 3, dropout: float = 0.1) -> Path:
    """A folder with a model of the kind and a tokenizer such as those models have."""
    tokenizer = _tokenizer(kind)
    torch.manual_seed(KINDS.index(kind))
    network = _network(kind, len(tokenizer), layers, dropout)
    for parameter in network.parameters():  # biases and norms, too, tell whether they are used
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1 and bool(parameter.all())), std=0.1)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _network(kind: str, size: int, layers: int, dropout: float):
    if kind == "bert":
        return transformers.BertModel(
            transformers.BertConfig(
                vocab_size=size,
                hidden_size=16,
                num_hidden_layers=layers,
                num_attention_heads=2,
                intermediate_size=32,
                max_position_embeddings=POSITIONS,
                hidden_dropout_prob=dropout,
                attention_probs_dropout_prob=dropout,
            )
        )
    if kind == "gpt2":
        return transformers.GPT2Model(
            transformers.GPT2Config(
                vocab_size=size,
                n_embd=16,
                n_layer=layers,
                n_head=2,
                n_positions=POSITIONS,
                embd_pdrop=dropout,
                attn_pdrop=dropout,
                resid_pdrop=dropout,
                bos_token_id=0,
                eos_token_id=0,
            )
        )
    if kind == "t5":
        config = {
            "vocab_size": size,
            "d_model": 16,
            "d_kv": 8,
            "d_ff": 32,
            "num_layers": layers,
            "num_heads": 2,
        }
        return transformers.T5Model(
            transformers.T5Config(**config, dropout_rate=dropout, decoder_start_token_id=0)
        )
    text = transformers.CLIPTextConfig(
        vocab_size=size,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=POSITIONS,
        attention_dropout=dropout,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    if kind == "clip":
        return transformers.CLIPTextModel(text)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    seen = transformers.CLIPVisionConfig(**sizes, image_size=16, patch_size=8)
    return transformers.CLIPModel(
        transformers.CLIPConfig(text_config=text.to_dict(), vision_config=seen.to_dict(), projection_dim=8)
    )


def _tokenizer(kind: str):
    return {"bert": _word_pieces, "gpt2": _byte_pairs, "t5": _unigrams}.get(kind, _clip_words)()


def _word_pieces():
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "##s", "##ing", "roll"]
    made = Tokenizer(models.WordPiece({w: i for i, w in enumerate(vocabulary)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    # As sentence encoders have it: their files say how long texts are.
    made.enable_truncation(5)
    made.enable_padding(length=5)
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **names, mask_token="[MASK]")


def _byte_pairs():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {w: i for i, w in enumerate(["<|endoftext|>", *alphabet, "al", "Ġb", "re"])}
    made = Tokenizer(models.BPE(vocabulary, [("a", "l"), ("Ġ", "b"), ("r", "e")]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.post_processor = processors.ByteLevel(trim_offsets=True)
    made.decoder = decoders.ByteLevel()
    end = "<|endoftext|>"
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token=end, eos_token=end, unk_token=end
    )


def _unigrams():
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((f"▁{w}", -2.0) for w in WORDS)]
    pieces += [(c, -6.0) for c in "▁abcdefghijklmnopqrstuvwxyz"]
    made = Tokenizer(models.Unigram(pieces, unk_id=2))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    names = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **names)


def _clip_words():
    begin, end = "<|startoftext|>", "<|endoftext|>"
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = [begin, end, *letters, *(f"{c}</w>" for c in letters), "re", "red</w>"]
    made = Tokenizer(
        models.BPE(
            {w: i for i, w in enumerate(vocabulary)},
            [("r", "e"), ("re", "d</w>")],
            unk_token=end,
            end_of_word_suffix="</w>",
        )
    )
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}", special_tokens=[(begin, 0), (end, 1)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token=begin, eos_token=end, unk_token=end, pad_token=end
    )
