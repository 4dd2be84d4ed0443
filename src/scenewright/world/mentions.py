"""Reading noun phrases: which object of the world they name, and whether it was named before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from scenewright.world import lexicon as lex
from scenewright.world.reading import (
    COLORS,
    COPULAS,
    IGNORED,
    MATERIALS,
    MATERIALS_BEHIND,
    NOUNS,
    NUMBERS,
    ORDINALS,
    POSTURES,
    PRONOUNS,
    RELATIONS,
    RELATIVES,
    SETTINGS,
    SIZES,
    SPEEDS,
    THEN,
    VERBS,
    PhraseTable,
    punctuation,
    vocabulary,
)
from scenewright.world.scene import (
    MAX_OBJECTS,
    TARGETED_MOTIONS,
    Color,
    Material,
    MotionKind,
    Shape,
    Size,
    Speed,
)

T = TypeVar("T")
Attributes = dict[str, Any]
_ADJECTIVES: tuple[tuple[str, PhraseTable[Any]], ...] = (
    ("size", SIZES),
    ("material", MATERIALS),
    ("color", COLORS),
)


@dataclass
class Mention:
    """An entity while the text is read."""

    shape: Shape | None
    color: Color | None
    size: Size | None
    material: Material | None
    count: int
    plural: bool

    def attributes(self) -> tuple[Shape | None, Color | None, Size | None, Material | None]:
        return (self.shape, self.color, self.size, self.material)


@dataclass(frozen=True)
class _Determiner:
    """What stands before the adjectives. ``kind``: indefinite, definite, number or "" (nothing)."""

    kind: str = ""
    count: int | None = None
    ordinal: int | None = None
    other: bool = False


class MentionReader:
    """Steps through the tokens of a text and collects the entities that its noun phrases name."""

    def __init__(self, text: str) -> None:
        self.tokens = lex.tokenize(text)
        self.at = 0
        self.entities: list[Mention] = []
        self.unknown: list[str] = []
        self.notes: list[str] = []
        #: (entity, first token, the one behind the last) of every noun phrase.
        self.phrases: list[tuple[int, int, int]] = []
        #: What the last clause was about, for "it" and "they", and the entity named last.
        self.last_subjects: list[int] = []
        self.last_mention: int | None = None
        #: Motions said before a noun ("a spinning cube"), not yet taken over by the clause.
        self.motions_before_noun: list[tuple[int, MotionKind, str, Speed | None]] = []

    # ------------------------------------------------------------------------------------------ stepping

    def peek(self, offset: int = 0) -> str:
        index = self.at + offset
        return self.tokens[index] if index < len(self.tokens) else ""

    def take(self, table: PhraseTable[T]) -> T | None:
        found = table.match(self.tokens, self.at)
        if found is None:
            return None
        self.at += found[1]
        return found[0]

    def sees(self, table: PhraseTable[Any], offset: int = 0) -> bool:
        return table.match(self.tokens, self.at + offset) is not None

    def take_word(self, words: frozenset[str]) -> str | None:
        if self.peek() in words:
            self.at += 1
            return self.tokens[self.at - 1]
        return None

    def takes(self, *words: str) -> bool:
        """Consumes exactly these words, if they come next."""
        if self.tokens[self.at : self.at + len(words)] != list(words):
            return False
        self.at += len(words)
        return True

    def sees_then(self) -> bool:
        return self.sees(THEN) and not self.sees(RELATIONS)

    def is_odd(self, word: str) -> bool:
        """Whether no table knows ``word``."""
        return bool(word) and word not in vocabulary() and word not in IGNORED and not punctuation(word)

    def skip(self) -> None:
        """Steps over a word; what no table knows is remembered."""
        if self.is_odd(self.peek()):
            self.unknown.append(self.peek())
        self.at += 1

    def note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)

    # ---------------------------------------------------------------------------------------- looking ahead

    def adjective_at(self, offset: int) -> bool:
        return self._adjective_length(self.at + offset) > 0

    def _adjective_length(self, at: int) -> int:
        for _, table in _ADJECTIVES:
            found = table.match(self.tokens, at)
            if found is not None:
                return found[1]
        return 0

    def _motion_length(self, at: int) -> int:
        """Words of "[slowly] spinning" before a noun, 0 where there is none."""
        adverb = SPEEDS.match(self.tokens, at)
        length = adverb[1] if adverb else 0
        verb = VERBS.match(self.tokens, at + length)
        if verb is None or verb[0].form != "ing" or verb[0].kind in TARGETED_MOTIONS:
            return 0
        return length + verb[1] if self._noun_end(at + length + verb[1], 2) is not None else 0

    def noun_follows(self, offset: int) -> bool:
        """Whether [numbers] [adjectives] and an entity's noun stand at ``offset``."""
        return self._noun_end(self.at + offset) is not None

    def _noun_end(self, at: int, depth: int = 0) -> int | None:
        """Where the noun of a phrase without article ends, if one starts at ``at``."""
        while at < len(self.tokens) and (
            self.tokens[at] in NUMBERS or self.tokens[at] in ORDINALS or self.tokens[at] == "other"
        ):
            if self.tokens[at] == "one" and self._noun_end(at + 1, 2) is None:
                break
            at += 1
        adjective_before = False
        while True:
            noun = NOUNS.match(self.tokens, at)
            if noun is not None:
                return at + noun[1]
            if self.tokens[at : at + 1] in (["one"], ["ones"]):
                ends = NOUNS.match(self.tokens, at + 1) is None and not self._adjective_length(at + 1)
                return at + 1 if ends else None
            adjective = self._adjective_length(at)
            length = adjective or (0 if depth > 1 else self._motion_length(at))
            joint = self.tokens[at : at + 1] in ([","], ["and"], ["very"])
            if not length and joint and adjective_before and self._adjective_length(at + 1):
                length = 1
            if not length:
                return None
            adjective_before = adjective > 0
            at += length

    def closes_after_noun(self, offset: int) -> bool:
        """Whether a noun phrase at ``offset`` is the last thing of its clause: no verb or place follows."""
        at = self.at + offset
        while at < len(self.tokens) and self.tokens[at] in ("a", "an", "the", "another"):
            at += 1
        end = self._noun_end(at)
        if end is None:
            return False
        word = self.tokens[end] if end < len(self.tokens) else "."
        if word == "," and self._adjective_length(end + 1):
            return False
        return word in lex.SENTENCE_ENDS or word in (",", "while", "as", "then", "before", "after")

    # ------------------------------------------------------------------------------------------ noun phrases

    def noun_phrase(self, *, subject: bool = True) -> int | None:
        """An entity's index, or ``None`` (nothing consumed) where no noun phrase of an entity starts.

        A phrase whose noun no table knows is an object of no said shape if it has attributes ("a red
        dragon"), stands for the subject of a verb, or is what a verb or preposition asks for (``subject``
        false).
        """
        start, unknown_before = self.at, len(self.unknown)
        if self.peek() in PRONOUNS:
            found = self._pronoun()
            self.at += found is not None
            return found
        determiner = self._determiner()
        values: Attributes = {"shape": None, "color": None, "size": None, "material": None}
        motions: list[tuple[MotionKind, str, Speed | None]] = []
        head = plural = False
        odd_words = 0
        while True:
            word = self.peek()
            begun = bool(determiner.kind) or any(values.values())
            noun = NOUNS.match(self.tokens, self.at)
            if noun is not None:
                self.at += noun[1]
                (values["shape"], plural), head = noun[0], True
                break
            if word in ("one", "ones") and begun and not self.sees(NOUNS, 1):
                self.at += 1
                head, plural = True, word == "ones"
                break
            if self._adjective(values) or self._motion(motions) or self._joint(values):
                continue
            if begun and self.is_odd(word) and odd_words < 3:
                odd_words += 1
                self.skip()
                if any(values.values()) and not self.noun_follows(0):
                    break
                continue
            break
        if (
            not head
            and not any(values.values())
            and not (odd_words and determiner.kind and self._stands(subject))
        ):
            self.at = start
            del self.unknown[unknown_before:]
            return None
        self.read_attributes_behind(values)
        index = self._resolve(values, plural, determiner, head)
        if index is not None:
            self.phrases.append((index, start, self.at))
            self.motions_before_noun += [(index, *motion) for motion in motions]
        return index

    def _stands(self, subject: bool) -> bool:
        """Whether a phrase of unknown words must be a thing."""
        return not subject or self.sees(VERBS) or self.peek() in COPULAS or self.peek() in POSTURES

    def _joint(self, values: Attributes) -> bool:
        """Consumes what may stand between adjectives: "a large, very red and striped ball"."""
        word = self.peek()
        if word in ("very", "quite", "really", "colored", "coloured", "sized"):
            self.at += 1
            return True
        said = any(values.values())
        joins = word == "," or (word == "and" and self.noun_follows(1))
        if said and joins and self.adjective_at(1):
            self.at += 1
            return True
        return False

    def _motion(self, motions: list[tuple[MotionKind, str, Speed | None]]) -> bool:
        if not self._motion_length(self.at):
            return False
        speed = self.take(SPEEDS)
        word = self.peek()
        reading = self.take(VERBS)
        if reading is not None and reading.kind is not None:
            motions.append((reading.kind, word, speed))
        return True

    def _pronoun(self) -> int | None:
        many = self.peek() in ("they", "them", "these")
        if len(self.last_subjects) == 1 and many == self.entities[self.last_subjects[0]].plural:
            return self.last_subjects[0]
        return None if many else self.last_mention

    def _determiner(self) -> _Determiner:
        kind, count, ordinal, other = "", None, None, False
        while True:
            word = self.peek()
            if word in ("a", "an"):
                kind = kind or "indefinite"
                if self.tokens[self.at + 1 : self.at + 3] in (["pair", "of"], ["couple", "of"]):
                    kind, count = "number", 2
                    self.at += 2
                elif self.tokens[self.at + 1 : self.at + 3] == ["group", "of"]:
                    kind = "number"
                    self.at += 2
                elif self.peek(1) not in NUMBERS:
                    count = 1
            elif word in ("the", "this", "that", "these", "those"):
                if word == "that" and not self.noun_follows(1):
                    return _Determiner(kind, count, ordinal, other)
                kind = "definite"
            elif word == "another":
                kind, other = "indefinite", True
            elif word == "other" and kind:
                other = True
            elif word in ("some", "several"):
                kind = "number"
                count = 3 if word == "several" else count
            elif word in ORDINALS and (kind or self.noun_follows(1)):
                ordinal = ORDINALS[word]
            elif word in NUMBERS and (word != "one" or self.noun_follows(1)):
                kind, count = kind or "number", NUMBERS[word]
            elif word.isdecimal() and len(word) > 3:
                kind, count = kind or "number", 1000
            else:
                return _Determiner(kind, count, ordinal, other)
            self.at += 1

    # ------------------------------------------------------------------------------------------- attributes

    def _adjective(self, values: Attributes) -> bool:
        for name, table in _ADJECTIVES:
            found = table.match(self.tokens, self.at)
            if found is None:
                continue
            if values[name] is not None and values[name] != found[0]:
                self.note(f"two values for {name}: {values[name]} and {found[0]}; the first one holds")
            else:
                values[name] = found[0]
            self.at += found[1]
            return True
        return False

    def read_attributes_behind(self, values: Attributes) -> None:
        """Attributes behind the noun: "with stripes", "made of red metal", "that is large and red",
        ", large and red,"."""
        while True:
            behind = self.take(MATERIALS_BEHIND)
            if behind is not None:
                values["material"] = values["material"] or behind
            elif self.peek() in ("made", "of") and not self.sees(SETTINGS) and self._made_of(values):
                continue
            elif self.peek() in RELATIVES and self.peek(1) in COPULAS and self.adjective_at(2):
                self.at += 2
                self.adjective_list(values)
            elif self.peek() == "," and self.adjective_at(1) and not self.noun_follows(1):
                self.at += 1
                self.adjective_list(values)
                if self.peek() == ",":
                    self.at += 1
            else:
                return

    def _made_of(self, values: Attributes) -> bool:
        skip = 2 if self.peek() == "made" and self.peek(1) in ("of", "from", "out") else 1
        if not self.adjective_at(skip):
            return False
        self.at += skip
        while self._adjective(values):
            pass
        return True

    def adjective_list(self, values: Attributes) -> None:
        """ "large, red and striped", also with "made of" and "with" parts."""
        while True:
            behind = self.take(MATERIALS_BEHIND)
            if behind is not None:
                values["material"] = values["material"] or behind
            elif not self._adjective(values) and not (self.peek() == "made" and self._made_of(values)):
                return
            skip = 0
            while self.peek(skip) in (",", "and"):
                skip += 1
            more = self.adjective_at(skip) or self.sees(MATERIALS_BEHIND, skip)
            more = more or (self.peek(skip) == "made" and self.adjective_at(skip + 2))
            if not more or (skip and self.noun_follows(skip)):
                return
            self.at += skip

    def describe(self, who: list[int], values: Attributes) -> None:
        """Adds attributes to entities that were named before."""
        for index in who:
            entity = self.entities[index]
            for name, value in values.items():
                known = getattr(entity, name)
                if value is not None and known not in (None, value):
                    self.note(f"two values for {name}: {known} and {value}; the first one holds")
                elif value is not None:
                    setattr(entity, name, value)

    # -------------------------------------------------------------------------------------------- reference

    def _resolve(self, values: Attributes, plural: bool, determiner: _Determiner, head: bool) -> int | None:
        """The entity a noun phrase means: an earlier one (the same words first, then the one it fits), or a
        new one. "a", "another" and numbers bring new ones, "the" and nothing look back first."""
        count = determiner.count
        if not head and determiner.kind != "number" and count is None:
            count = 1
        open_count = count is None and plural
        count = count or (2 if plural else 1)
        plural = plural or count > 1
        attributes = (values["shape"], values["color"], values["size"], values["material"])
        alike = [
            i for i, e in enumerate(self.entities) if e.plural == plural and (open_count or e.count == count)
        ]
        same = [i for i in alike if self.entities[i].attributes() == attributes]
        found: int | None = None
        if determiner.kind == "definite" and determiner.ordinal is not None:
            found = same[determiner.ordinal] if determiner.ordinal < len(same) else None
        elif determiner.kind == "definite" and determiner.other and same:
            found = next((i for i in reversed(same) if i != self.last_mention), None)
        elif determiner.kind == "definite":
            fitting = same[:1] or [i for i in alike if _fits(attributes, self.entities[i])]
            if fitting:
                found = self.last_mention if self.last_mention in fitting else fitting[-1]
        elif not determiner.kind and same and determiner.ordinal is None:
            found = same[0]
        if found is None:
            found = self._add(values, count, plural)
        self.last_mention = found
        return found

    def _add(self, values: Attributes, count: int, plural: bool) -> int | None:
        room = MAX_OBJECTS - sum(entity.count for entity in self.entities)
        if room < 1:
            self.note(f"the world holds at most {MAX_OBJECTS} objects; the others are left out")
            return self.last_mention
        if count > room:
            self.note(f"the world holds at most {MAX_OBJECTS} objects; only {room} of this kind are shown")
        self.entities.append(Mention(**values, count=min(count, room), plural=plural))
        return len(self.entities) - 1

    def split_pair(self, index: int) -> int | None:
        """Makes two entities of a pair, so that each can be referred to; the index of the second."""
        entity = self.entities[index]
        if entity.count != 2:
            return None
        entity.count, entity.plural = 1, False
        self.entities.append(Mention(*entity.attributes(), count=1, plural=False))
        return len(self.entities) - 1


def _fits(said: tuple[Any, ...], entity: Mention) -> bool:
    return all(mine is None or mine == its for mine, its in zip(said, entity.attributes(), strict=True))
