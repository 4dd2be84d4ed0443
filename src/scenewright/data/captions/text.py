"""A caption as words that can be changed, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from scenewright.world import lexicon as lex
from scenewright.world import reading


@dataclass(frozen=True)
class Verdict:
    """``outcome``: "true" (as it is), "rewritten" (``caption`` says it now) or "refused" (``reason`` tells
    why; ``caption`` is the original, true only of the unchanged picture)."""

    outcome: Literal["true", "rewritten", "refused"]
    caption: str
    reason: str = ""

    @property
    def refused(self) -> bool:
        return self.outcome == "refused"


class RefusalError(Exception):
    """The reason why a caption cannot stay true; never leaves this package."""


def judge(caption: str, rule: Callable[[Tokens], None]) -> Verdict:
    tokens = Tokens(caption)
    try:
        rule(tokens)
    except RefusalError as refusal:
        return Verdict("refused", caption, str(refusal))
    text = tokens.text()
    return Verdict("true" if text == caption else "rewritten", text)


_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s\-‐]")


class Tokens:
    """The words and marks of a caption, in lower case for reading; replacing keeps everything else."""

    def __init__(self, caption: str) -> None:
        found = list(_TOKEN.finditer(caption))
        self.pieces = [match.group() for match in found]
        self.lower = [piece.lower().replace("’", "'") for piece in self.pieces]
        ends = [0, *(match.end() for match in found)]
        starts = [*(match.start() for match in found), len(caption)]
        #: What stands before each token, and behind the last one: white space, hyphens, underscores.
        self.gaps = [caption[end:start] for end, start in zip(ends, starts, strict=True)]

    def __len__(self) -> int:
        return len(self.lower)

    def word(self, at: int) -> str:
        """The token in lower case, or nothing outside the text."""
        return self.lower[at] if 0 <= at < len(self) else ""

    def opens_sentence(self, at: int) -> bool:
        return at == 0 or self.word(at - 1) in lex.SENTENCE_ENDS

    def sentence(self, at: int) -> range:
        """The tokens of the sentence that holds ``at``, without its end mark."""
        first = next((i + 1 for i in range(at - 1, -1, -1) if self.lower[i] in lex.SENTENCE_ENDS), 0)
        last = next((i for i in range(at, len(self)) if self.lower[i] in lex.SENTENCE_ENDS), len(self))
        return range(first, last)

    def replace(self, at: int, length: int, new: str) -> None:
        """Other words in place of ``length`` tokens, with the case of the first; "a" or "an" before them
        follows."""
        old = self.pieces[at]
        if old.isupper() and len(old) > 1:
            new = new.upper()
        elif old[:1].isupper():
            new = new[:1].upper() + new[1:]
        self.delete(at + 1, length - 1)
        self.pieces[at] = new
        if self.word(at - 1) in ("a", "an"):
            article = self.pieces[at - 1]
            self.pieces[at - 1] = article[0] + ("n" if new[0].lower() in "aeiou" else "")

    def delete(self, at: int, length: int) -> None:
        for i in range(at, at + length):
            self.pieces[i] = self.gaps[i] = ""

    def text(self) -> str:
        return "".join(gap + piece for gap, piece in zip(self.gaps, [*self.pieces, ""], strict=True))


def listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


def forms_of(verb: str) -> tuple[str, str, str, str]:
    """Base, third person, -ing form and past of a regular verb; what follows its first word stays behind."""
    base, _, tail = verb.partition(" ")
    stem = base
    if base.endswith("e"):
        stem = base[:-1]
    elif re.fullmatch(r"[^aeiou]+[aeiou][bdgmnpt]", base):
        stem = base + base[-1]
    third = re.sub(r"([sxzo]|ch|sh)$", r"\1e", re.sub(r"([^aeiou])y$", r"\1ie", base)) + "s"
    past = re.sub(r"([^aeiou])y$", r"\1i", stem) + "ed"
    first, second, third_form, fourth = (
        f"{form} {tail}".strip() for form in (base, third, stem + "ing", past)
    )
    return first, second, third_form, fourth


def all_forms(verbs: str) -> frozenset[str]:
    return frozenset(form for verb in verbs.split() for form in forms_of(verb))


def phrases_of(listed: str) -> reading.PhraseTable[bool]:
    return reading.PhraseTable.of((phrase, True) for phrase in re.split(r",\s+", listed))


def quoted(words: Iterable[str]) -> str:
    return ", ".join(f'"{word}"' for word in dict.fromkeys(words))
