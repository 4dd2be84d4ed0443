"""Reads a sentence about the world: English in, :class:`Description` out.

A chunk parser: noun phrases, verbs, prepositions and connectives are found left to right by the phrase tables
of the lexicon, with the longest phrase first, and attached by a few rules (documented at the methods). It
reads everything the grammar writes exactly and makes the best of everything else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scenewright.world import lexicon as lex
from scenewright.world.scene import (
    CAMERA_DIRECTIONS,
    MAX_OBJECTS,
    MOTION_DIRECTIONS,
    ROLLING_SHAPES,
    TARGETED_MOTIONS,
    CameraDirection,
    CameraKind,
    CameraMove,
    Color,
    Description,
    Direction,
    Entity,
    Event,
    Material,
    MotionKind,
    Relation,
    RelationKind,
    Shape,
    Size,
    Speed,
)


@dataclass(frozen=True)
class Parsed:
    """``description`` in order of mention; ``unknown``: words that no table knows, in order, each once;
    ``notes``: one English line for everything understood that the world cannot do, and so left out."""

    description: Description
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def parse(text: str) -> Parsed:
    """The description that ``text`` gives.

    Never fails on odd text: unknown words are skipped and listed, what cannot be shown is noted.

    Raises ``ValueError`` if not a single object is named.
    """
    return _Parser(text).run()


# --------------------------------------------------------------------------------------------------- the tables

NOUNS: lex.PhraseTable[tuple[Shape | None, bool]] = lex.PhraseTable.of(lex.noun_readings())
COLORS: lex.PhraseTable[Color] = lex.PhraseTable.of(
    [(w.text, c) for c, words in lex.COLOR_WORDS.items() for w in words] + [*lex.READ_ONLY_COLORS.items()]
)
SIZES: lex.PhraseTable[Size] = lex.PhraseTable.of(
    [(w.text, s) for s, words in lex.SIZE_WORDS.items() for w in words] + [*lex.READ_ONLY_SIZES.items()]
)
MATERIALS: lex.PhraseTable[Material] = lex.PhraseTable.of(
    [("shiny metal", "metal"), ("clear glass", "glass")]
    + [(w.text, m) for m, words in lex.MATERIAL_WORDS.items() for w in words if w.place != "behind"]
    + [*lex.READ_ONLY_MATERIALS.items()]
)
MATERIALS_BEHIND: lex.PhraseTable[Material] = lex.PhraseTable.of(
    [(w.text, m) for m, words in lex.MATERIAL_WORDS.items() for w in words if w.place == "behind"]
    + [
        ("with checks", "chequered"),
        ("with a chequered pattern", "chequered"),
        ("with stripes on it", "striped"),
    ]
)
VERBS: lex.PhraseTable[lex.VerbReading] = lex.PhraseTable.of(lex.verb_readings())
SPEEDS: lex.PhraseTable[Speed] = lex.PhraseTable.of(
    [(w.text, s) for s, words in lex.SPEED_WORDS.items() for w in words] + [*lex.READ_ONLY_SPEEDS.items()]
)
DIRECTIONS: lex.PhraseTable[Direction] = lex.PhraseTable.of(
    [(w.text, d) for d, words in lex.DIRECTION_WORDS.items() for w in words]
    + [*lex.READ_ONLY_DIRECTIONS.items()]
)
RELATIONS: lex.PhraseTable[RelationKind] = lex.PhraseTable.of(
    [(w.text, r) for r, words in lex.RELATION_WORDS.items() for w in words]
    + [*lex.READ_ONLY_RELATIONS.items()]
)
POSSESSED: lex.PhraseTable[RelationKind] = lex.PhraseTable.of(
    (text.format(pronoun), kind)
    for kind, texts in lex.POSSESSED_RELATIONS.items()
    for text in texts
    for pronoun in ("its", "their")
)
CAMERA_VERBS: lex.PhraseTable[tuple[CameraKind, CameraDirection | None]] = lex.PhraseTable.of(
    [
        (text, move)
        for move, pairs in lex.CAMERA_VERBS.items()
        for third, ing in pairs
        for text in (third, ing, third.removeprefix("is "), f"is {ing}")
    ]
    + [
        ("stays static", ("static", None)), ("stays fixed", ("static", None)), ("is still", ("static", None)),
        ("does not move", ("static", None)), ("pushes in", ("dolly", "in")), ("moves out", ("dolly", "out")),
        ("moves forward", ("dolly", "in")), ("moves backward", ("dolly", "out")), ("orbit", ("orbit", None)),
        ("pan", ("pan", None)), ("pan left", ("pan", "left")), ("pan right", ("pan", "right")),
        ("tilt", ("tilt", None)), ("tilt up", ("tilt", "up")), ("tilt down", ("tilt", "down")),
        ("shake", ("shake", None)), ("circles", ("orbit", None)), ("circling", ("orbit", None)),
        ("dolly in", ("dolly", "in")), ("dolly out", ("dolly", "out")), ("zoom in", ("dolly", "in")),
        ("zoom out", ("dolly", "out")), ("moves around", ("orbit", None)), ("turns left", ("pan", "left")),
        ("turns right", ("pan", "right")), ("looks up", ("tilt", "up")), ("looks down", ("tilt", "down")),
        ("trembles", ("shake", None)), ("goes around", ("orbit", None)),
    ]
)  # fmt: skip
CAMERA_ADJECTIVES: lex.PhraseTable[CameraKind] = lex.PhraseTable.of(
    (word, kind) for kind, words in lex.CAMERA_ADJECTIVES.items() for word in words
)
#: Adjectives and nouns of the setting, as (field, value).
SETTINGS: lex.PhraseTable[tuple[str, str]] = lex.PhraseTable.of(
    [
        ("plain", ("ground", "plain")), ("tiled", ("ground", "tiled")), ("tiles", ("ground", "tiled")),
        ("tile", ("ground", "tiled")), ("wooden", ("ground", "wooden")), ("wood", ("ground", "wooden")),
        ("parquet", ("ground", "wooden")), ("made of wood", ("ground", "wooden")),
        ("covered with grass", ("ground", "grass")), ("covered with sand", ("ground", "sand")),
        ("covered in grass", ("ground", "grass")), ("covered in sand", ("ground", "sand")),
        ("grass", ("ground", "grass")), ("grassy", ("ground", "grass")), ("lawn", ("ground", "grass")),
        ("meadow", ("ground", "grass")), ("sand", ("ground", "sand")), ("sandy", ("ground", "sand")),
        ("beach", ("ground", "sand")), ("desert", ("ground", "sand")),
        ("clear", ("sky", "clear")), ("cloudy", ("sky", "cloudy")), ("clouds", ("sky", "cloudy")),
        ("overcast", ("sky", "cloudy")), ("studio", ("sky", "studio")),
        ("morning", ("time", "morning")), ("dawn", ("time", "morning")), ("sunrise", ("time", "morning")),
        ("noon", ("time", "noon")), ("midday", ("time", "noon")), ("middle of the day", ("time", "noon")),
        ("evening", ("time", "evening")), ("dusk", ("time", "evening")), ("sunset", ("time", "evening")),
        ("night", ("time", "night")), ("nighttime", ("time", "night")), ("night time", ("time", "night")),
    ]
)  # fmt: skip
#: Nouns of the setting that say nothing by themselves.
PLACES = frozenset(
    ["floor", "ground", "surface", "table", "sky", "light", "scene", "background", "room", "air", "time", "day", "video", "clip", "picture", "place"]
)
CAMERA_NOUNS = frozenset(("camera", "shot", "view", "cameraman"))
SETTING_PREPOSITIONS = frozenset(
    ["on", "in", "at", "under", "beneath", "below", "inside", "during", "across", "over", "by", "against", "along"]
)

THEN = lex.PhraseTable.of(
    (text, True)
    for text in ("then", "and then", "after that", "afterwards", "next", "finally", "later", "and after that")
)
SAME = lex.PhraseTable.of(
    (text, True)
    for text in ("while", "whilst", "and", "as", "at the same time", "and at the same time", "meanwhile",
                 "simultaneously", "but", "whereas", "together", "and meanwhile")
)  # fmt: skip
NUMBERS: dict[str, int] = {word: number for number, word in enumerate(lex.NUMBER_WORDS) if number}
NUMBERS |= {str(number): number for number in range(1, 1000)}
NUMBERS |= {
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
    "dozen": 12,
    "single": 1,
}
ORDINALS = {word: number for number, word in enumerate(lex.ORDINALS)}
PRONOUNS = frozenset(("it", "they", "them", "this", "these"))
COPULAS = frozenset(("is", "are", "was", "were", "be", "being"))
POSTURES = frozenset(
    ["stands", "stand", "standing", "sits", "sit", "sitting", "lies", "lie", "lying", "rests", "rest", "resting", "stays", "stay", "staying", "waits", "wait", "waiting", "floats", "float", "floating", "placed", "located", "has", "have", "having", "with"]
)
EXISTENCE = lex.PhraseTable.of(
    (text, True) for text in ("there is", "there are", "there's", "here is", "here are", "here's")
)
IGNORED = frozenset(
    ["both", "each", "all", "again", "also", "very", "quite", "just", "too", "still", "the", "a", "an", "of", "some", "with", "to", "in", "on", "at", "by", "that", "which", "who", "made", "its", "their", "there", "is", "are", "be", "it", "for", "from", "so", "not", "does", "do", "has", "have", "other", "same", "time", "right", "now", "looking", "colored", "coloured", "color", "colour", "size", "sized", "video", "clip", "show", "shows", "showing", "me", "us", "we", "see", "please", "make"]
)
_ADJECTIVES = frozenset(("shape", "color", "size", "material"))


@dataclass
class _Mention:
    """An entity while the text is read; ``number`` counts identical ones, from 0."""

    shape: Shape | None
    color: Color | None
    size: Size | None
    material: Material | None
    count: int
    plural: bool
    number: int = 0

    def attributes(self) -> tuple[Shape | None, Color | None, Size | None, Material | None]:
        return (self.shape, self.color, self.size, self.material)


@dataclass
class _Draft:
    """An event while the text is read; ``sentence`` is the number of its sentence."""

    kind: MotionKind
    subject: int
    stage: int
    sentence: int
    word: str
    direction: Direction | None = None
    speed: Speed | None = None
    target: int | None = None


@dataclass
class _Clause:
    """What a clause has gathered: its subjects, where the next prepositional phrase goes, and what was said
    before the subject came."""

    subjects: list[int] = field(default_factory=list)
    host: list[int] = field(default_factory=list)
    coordinated: bool = False
    events: list[_Draft] = field(default_factory=list)
    relations: list[tuple[RelationKind, int, int | None]] = field(default_factory=list)
    direction: Direction | None = None
    speed: Speed | None = None
    after_object: bool = False


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = lex.tokenize(text)
        self.at = 0
        self.entities: list[_Mention] = []
        self.events: list[_Draft] = []
        self.relations: list[tuple[RelationKind, int, int, int | None]] = []
        self.setting: dict[str, str] = {}
        self.camera: CameraMove | None = None
        self.unknown: list[str] = []
        self.notes: list[str] = []
        self.sentence = 0
        self.stage = 0
        self.last_stage: int | None = None
        self.on_comma: int | None = None
        self.last_subjects: list[int] = []
        self.last_mention: int | None = None
        self.opening = True

    # ------------------------------------------------------------------------------------------- small steps

    def peek(self, offset: int = 0) -> str:
        index = self.at + offset
        return self.tokens[index] if index < len(self.tokens) else ""

    def take(self, table: lex.PhraseTable[Any]) -> Any | None:
        found = table.match(self.tokens, self.at)
        if found is None:
            return None
        self.at += found[1]
        return found[0]

    def sees(self, table: lex.PhraseTable[Any], offset: int = 0) -> bool:
        return table.match(self.tokens, self.at + offset) is not None

    def take_word(self, words: frozenset[str]) -> str | None:
        if self.peek() in words:
            self.at += 1
            return self.tokens[self.at - 1]
        return None

    def sees_then(self) -> bool:
        return self.sees(THEN) and not self.sees(RELATIONS)

    def take_then(self) -> bool:
        return self.sees_then() and self.take(THEN) is not None

    def skip(self) -> None:
        """Steps over a word; what no table knows is remembered."""
        word = self.peek()
        self.at += 1
        if word not in _vocabulary() and word not in IGNORED and not _punctuation(word):
            self.unknown.append(word)

    def note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)

    def apply_setting(self, name: str, value: str) -> None:
        if self.setting.get(name, value) != value:
            self.note(f"two values for {name}: {self.setting[name]} and {value}; the first one holds")
        self.setting.setdefault(name, value)

    # ----------------------------------------------------------------------------------------- noun phrases

    def noun_phrase(self, *, subject: bool = True) -> int | None:
        """An entity's index, or ``None`` (nothing consumed) where no noun phrase of an entity starts.

        A headless phrase with attributes or an unknown noun ("a red dragon") is an object of no said shape.
        """
        start = self.at
        unknown_before = len(self.unknown)
        if self.peek() in PRONOUNS:
            found = self._pronoun()
            if found is not None:
                self.at += 1
            return found
        determiner, count, ordinal, other = self._determiner()
        values: dict[str, Any] = {"shape": None, "color": None, "size": None, "material": None}
        head = False
        plural = False
        odd_words = 0
        while True:
            word = self.peek()
            noun = NOUNS.match(self.tokens, self.at)
            if noun is not None:
                self.at += noun[1]
                values["shape"], plural = noun[0]
                head = True
                break
            if word in ("one", "ones") and (determiner or any(values.values())) and not self.sees(NOUNS, 1):
                self.at += 1
                head, plural = True, word == "ones"
                break
            if self._adjective(values):
                continue
            if word == "," and any(values.values()) and self._adjective_at(1):
                self.at += 1
                continue
            if word == "and" and any(values.values()) and self._adjective_at(1) and self._noun_follows(1):
                self.at += 1
                continue
            if word in ("very", "quite", "really", "colored", "coloured", "sized"):
                self.at += 1
                continue
            if (
                (determiner or any(values.values()))
                and word
                and word not in _vocabulary()
                and word not in IGNORED
                and not _punctuation(word)
                and odd_words < 3
            ):
                odd_words += 1
                self.at += 1
                self.unknown.append(word)
                if any(values.values()) and not self._noun_follows(0):
                    break
                continue
            break
        said = any(values.values())
        if not head and not said and not (odd_words and subject and determiner):
            self.at = start
            del self.unknown[unknown_before:]
            return None
        if not head and determiner not in (None, "number") and count is None:
            count = 1
        self._behind_noun(values)
        if count is None and plural:
            count_said, count = False, 2
        else:
            count_said, count = count is not None, count or 1
        return self._resolve(values, count, count_said, plural or count > 1, determiner, ordinal, other)

    def _pronoun(self) -> int | None:
        word = self.peek()
        if len(self.last_subjects) == 1 and (
            (word in ("they", "them", "these")) == self.entities[self.last_subjects[0]].plural
        ):
            return self.last_subjects[0]
        if word in ("they", "them", "these"):
            return None
        return self.last_mention

    def _determiner(self) -> tuple[str | None, int | None, int | None, bool]:
        """(kind, count, ordinal, whether "another"/"other" was there). Kinds: indefinite, definite, number."""
        kind: str | None = None
        count: int | None = None
        ordinal: int | None = None
        other = False
        while True:
            word = self.peek()
            if word in ("a", "an"):
                if self.tokens[self.at + 1 : self.at + 3] in (["pair", "of"], ["couple", "of"]):
                    kind, count = "number", 2
                    self.at += 3
                    continue
                if self.tokens[self.at + 1 : self.at + 3] == ["group", "of"]:
                    kind = "number"
                    self.at += 3
                    continue
                kind = kind or "indefinite"
                count = 1 if self.peek(1) not in NUMBERS else None
            elif word in ("the", "this", "that", "these", "those"):
                kind = "definite"
                if word == "that" and not self._noun_follows(1):
                    kind = None
                    return kind, count, ordinal, other
            elif word == "another":
                kind, other = "indefinite", True
            elif word == "other" and (kind is not None):
                other = True
            elif word in ("some", "several"):
                kind = "number"
                count = 3 if word == "several" else None
            elif word in ORDINALS and (kind is not None or self._noun_follows(1)):
                ordinal = ORDINALS[word]
            elif word in NUMBERS and (word not in ("one",) or self._noun_follows(1)):
                kind = kind or "number"
                count = NUMBERS[word]
            else:
                return kind, count, ordinal, other
            self.at += 1

    def _adjective(self, values: dict[str, Any]) -> bool:
        for name, table in (("size", SIZES), ("material", MATERIALS), ("color", COLORS)):
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

    def _adjective_at(self, offset: int) -> bool:
        return any(self.sees(table, offset) for table in (SIZES, MATERIALS, COLORS))

    def _noun_follows(self, offset: int) -> bool:
        """Whether adjectives, numbers and then an entity's noun stand at ``offset``."""
        at = self.at + offset
        while at < len(self.tokens) and (
            self.tokens[at] in NUMBERS or self.tokens[at] in ORDINALS or self.tokens[at] == "other"
        ):
            if self.tokens[at] == "one" and NOUNS.match(self.tokens, at + 1) is None:
                break
            at += 1
        while True:
            if NOUNS.match(self.tokens, at) is not None:
                return True
            if self.tokens[at : at + 1] in (["one"], ["ones"]):
                return NOUNS.match(self.tokens, at + 1) is None and not self._adjective_length(at + 1)
            length = self._adjective_length(at)
            if length:
                at += length
            elif self.tokens[at : at + 1] in ([","], ["and"], ["very"]) and self._adjective_length(at + 1):
                at += 1
            else:
                return False

    def _adjective_length(self, at: int) -> int:
        tables: tuple[lex.PhraseTable[Any], ...] = (SIZES, MATERIALS, COLORS)
        for table in tables:
            found = table.match(self.tokens, at)
            if found is not None:
                return found[1]
        return 0

    def _behind_noun(self, values: dict[str, Any]) -> None:
        """Attributes behind the noun: "with stripes", "made of red metal", "that is large and red",
        ", large and red,"."""
        while True:
            behind = self.take(MATERIALS_BEHIND)
            if behind is not None:
                values["material"] = values["material"] or behind
                continue
            word = self.peek()
            if word in ("made", "of") and not self.sees(SETTINGS):
                skip = 2 if word == "made" and self.peek(1) in ("of", "from", "out") else 1
                if self._adjective_at(skip):
                    self.at += skip
                    while self._adjective(values):
                        pass
                    continue
            if word in ("that", "which") and self.peek(1) in COPULAS and self._adjective_at(2):
                self.at += 2
                self._adjective_list(values)
                continue
            if word == "," and self._adjective_at(1) and not self._noun_follows(1):
                self.at += 1
                self._adjective_list(values)
                if self.peek() == ",":
                    self.at += 1
                continue
            return

    def _adjective_list(self, values: dict[str, Any]) -> None:
        """ "large, red and striped", also with "made of" and "with" parts."""
        while True:
            behind = self.take(MATERIALS_BEHIND)
            if behind is not None:
                values["material"] = values["material"] or behind
            elif self.tokens[self.at : self.at + 2] == ["made", "of"] and self._adjective_at(2):
                self.at += 2
                continue
            elif not self._adjective(values):
                return
            skip = 0
            while self.peek(skip) in (",", "and"):
                skip += 1
            more = self._adjective_at(skip) or self.sees(MATERIALS_BEHIND, skip)
            more = more or (self.peek(skip) == "made" and self._adjective_at(skip + 2))
            if not more or (skip and self._noun_follows(skip)):
                return
            self.at += skip

    def _resolve(
        self,
        values: dict[str, Any],
        count: int,
        count_said: bool,
        plural: bool,
        determiner: str | None,
        ordinal: int | None,
        other: bool,
    ) -> int | None:
        """The entity a noun phrase means: an earlier one (the same words first, then the one it fits), or a
        new one. "a", "another" and numbers bring new ones, "the" and nothing look back first."""
        attributes = (values["shape"], values["color"], values["size"], values["material"])
        same = [
            i
            for i, e in enumerate(self.entities)
            if e.attributes() == attributes
            and e.plural == plural
            and (e.count == count or (plural and not count_said))
        ]
        found: int | None = None
        if determiner == "definite":
            if ordinal is not None:
                found = same[ordinal] if ordinal < len(same) else None
            elif other and same:
                found = next((i for i in reversed(same) if i != self.last_mention), None)
            elif same:
                found = same[0]
            else:
                fitting = [
                    i
                    for i, e in enumerate(self.entities)
                    if e.plural == plural
                    and (e.count == count or (plural and not count_said))
                    and all(m is None or m == a for m, a in zip(attributes, e.attributes(), strict=True))
                ]
                if fitting:
                    recent = self.last_mention in fitting
                    found = self.last_mention if recent else fitting[-1]
        elif determiner is None and same and ordinal is None:
            found = same[0]
        if found is None:
            room = MAX_OBJECTS - sum(entity.count for entity in self.entities)
            if room < 1:
                self.note(f"the world holds at most {MAX_OBJECTS} objects; the others are left out")
                return self.last_mention
            if count > room:
                self.note(f"{count} objects asked for, {room} shown: the world holds at most {MAX_OBJECTS}")
                count = room
            self.entities.append(_Mention(**values, count=count, plural=plural, number=len(same)))
            found = len(self.entities) - 1
        self.last_mention = found
        return found

    # ------------------------------------------------------------------------------------ setting and camera

    def setting_phrase(self) -> bool:
        """[preposition] [article] setting words, for example "on a wooden floor", "at night"."""
        start = self.at
        self.take_word(SETTING_PREPOSITIONS)
        if self.peek() in ("a", "an", "the", "some"):
            self.at += 1
        found: list[tuple[str, str]] = []
        place = False
        while True:
            setting = self.take(SETTINGS)
            if setting is not None:
                found.append(setting)
            elif self.peek() in PLACES:
                self.at += 1
                place = True
            else:
                break
        if (not found and not place) or self.sees(NOUNS) or (not place and self._adjective_at(0)):
            self.at = start
            return False
        if place and self.peek() in COPULAS:
            self._setting_predicate(found)
        for name, value in found:
            self.apply_setting(name, value)
        return True

    def _setting_predicate(self, found: list[tuple[str, str]]) -> None:
        """ "the floor is wooden", "the scene is in a studio"."""
        start = self.at
        self.at += 1
        while self.peek() in SETTING_PREPOSITIONS or self.peek() in ("a", "the"):
            self.at += 1
        setting = self.take(SETTINGS)
        if setting is None:
            self.at = start
            if self._adjective_at(1):
                self.at += 2
                self.note("the ground and the sky have the colours of their kind")
        while setting is not None:
            found.append(setting)
            if self.peek() == "and":
                self.at += 1
            setting = self.take(SETTINGS)

    def camera_phrase(self) -> bool:
        """[with] [article] [adjective] camera [verb]; also "a panning shot of"."""
        start = self.at
        self.take_word(frozenset(("with", "by", "in", "from", "on")))
        if self.peek() in ("a", "an", "the", "our"):
            self.at += 1
        speed = self.take(SPEEDS)
        kind = self.take(CAMERA_ADJECTIVES)
        if self.peek() not in CAMERA_NOUNS:
            self.at = start
            return False
        self.at += 1
        self.take_word(CAMERA_NOUNS)
        speed = self.take(SPEEDS) or speed
        verb_start = self.at
        if self.peek() in COPULAS and not self.sees(CAMERA_VERBS):
            self.at += 1
            speed = self.take(SPEEDS) or speed
        move = self.take(CAMERA_VERBS)
        if move is None:
            self.at = verb_start
        if move is not None:
            kind, direction = move
            if kind == "orbit" and self.peek() == "around":
                self.at += 1
            if direction is None:
                direction = self._camera_direction(kind)
            self._set_camera(CameraMove(kind=kind, direction=direction))
        elif kind is not None:
            self._set_camera(CameraMove(kind=kind, direction=self._camera_direction(kind)))
        if self.take(SPEEDS) is not None or speed is not None:
            self.note("the camera moves at one speed; the word for its speed is left out")
        if self.peek() == "of":
            self.at += 1
        return True

    def _camera_direction(self, kind: CameraKind) -> CameraDirection | None:
        start = self.at
        self.take_word(frozenset(("to",)))
        self.take_word(frozenset(("the",)))
        word = self.peek()
        for direction in CAMERA_DIRECTIONS[kind]:
            if word == direction and self.peek(1) != "of":
                self.at += 1
                return direction
        self.at = start
        return None

    def _set_camera(self, move: CameraMove) -> None:
        if self.camera is not None and self.camera != move:
            self.note("the camera makes one move; the first one holds")
            return
        self.camera = move

    # ------------------------------------------------------------------------------------------------ relations

    def relation_phrase(self) -> tuple[RelationKind, int, int | None] | None:
        """Preposition and reference noun phrases; nothing consumed and ``None`` otherwise."""
        start = self.at
        kind: RelationKind | None = self.take(RELATIONS)
        if kind is None:
            return None
        if kind == "between":
            first = self.noun_phrase(subject=False)
            if first is not None:
                if self.peek() in ("and", ","):
                    middle = self.at
                    self.at += 1
                    second = self.noun_phrase(subject=False)
                    if second is not None and second != first:
                        return kind, first, second
                    self.at = middle
                pair = self._split(first)
                if pair is not None:
                    return kind, first, pair
                self.note("'between' needs two objects; taken as near the one that was named")
                return "near", first, None
        else:
            reference = self.noun_phrase(subject=False)
            if reference is not None:
                return kind, reference, None
        self.at = start
        return None

    def _split(self, index: int) -> int | None:
        """Makes two entities of a pair, so that each can be referred to."""
        entity = self.entities[index]
        if entity.count != 2:
            return None
        entity.count, entity.plural = 1, False
        self.entities.append(_Mention(*entity.attributes(), count=1, plural=False, number=1))
        return len(self.entities) - 1

    def relate(self, hosts: list[int], relation: tuple[RelationKind, int, int | None]) -> None:
        kind, reference, second = relation
        for host in hosts:
            if host not in (reference, second):
                self.relations.append((kind, host, reference, second))

    # ------------------------------------------------------------------------------------------------- clauses

    def run(self) -> Parsed:
        new_sentence = True
        while self.at < len(self.tokens):
            word = self.peek()
            if word in lex.SENTENCE_ENDS:
                self.at += 1
                self.sentence += 1
                self.on_comma = None
                new_sentence = self.opening = True
                continue
            if word in lex.PAUSES:
                self.at += 1
                if self.on_comma is not None and not self._verb_ahead():
                    self.stage, self.on_comma = self.on_comma, None
                continue
            if new_sentence:
                self.stage = 0
                new_sentence = False
                self._sentence_opening()
                continue
            if self.take_then():
                self.stage = 0 if self.last_stage is None else self.last_stage + 1
                continue
            if self.take(SAME):
                continue
            if word in ("before", "after", "once") and all(e.sentence != self.sentence for e in self.events):
                self._subordinate(word)
                continue
            if word == "before":
                self.at += 1
                self.stage = (self.last_stage or 0) + (0 if self.last_stage is None else 1)
                continue
            if word in ("after", "once"):
                self.at += 1
                self._after()
                continue
            before = self.at
            self.clause()
            if self.at == before:
                self.skip()
        return self._result()

    def _sentence_opening(self) -> None:
        """Connectives that stand first in a sentence."""
        last = self.last_stage
        if self.take_then():
            self.stage = 0 if last is None else last + 1
            return
        for phrase in (["at", "the", "same", "time"], ["meanwhile"], ["simultaneously"]):
            if self.tokens[self.at : self.at + len(phrase)] == phrase:
                self.at += len(phrase)
                self.stage = last or 0
                return
        word = self.peek()
        if word == "first" and not self._noun_follows(1):
            self.at += 1

    def _subordinate(self, word: str) -> None:
        """"After X, Y" and "before X, Y": the comma leads to the other stage."""
        self.at += 1
        if word == "before":
            self.on_comma = self.stage
            self.stage += 1
        else:
            self.on_comma = self.stage + 1

    def _after(self) -> None:
        """ "X after Y": what the sentence has said so far at the current stage moves one stage on."""
        stage = self.last_stage or 0
        for event in self.events:
            if event.sentence == self.sentence and event.stage >= stage:
                event.stage += 1
        self.stage = stage

    def clause(self) -> None:
        """Fronted phrases, then camera, setting, existence, or subject and predicate."""
        clause = _Clause()
        while True:
            if self.setting_phrase():
                continue
            relation = self.relation_phrase()
            if relation is not None:
                clause.relations.append(relation)
                continue
            direction = self.take(DIRECTIONS)
            if direction is not None:
                clause.direction = direction
                continue
            if not self._camera_ahead() and not self._adjective_ahead():
                speed = self.take(SPEEDS)
                if speed is not None:
                    clause.speed = speed
                    continue
            if (clause.relations or clause.direction or clause.speed) and self.peek() == ",":
                self.at += 1
                continue
            break
        if self.peek() == "it" and self.peek(1) in COPULAS and self._setting_after_it():
            return
        if self.camera_phrase():
            if clause.relations or clause.direction:
                self.note("the camera's words stand elsewhere than expected; some are left out")
            self._apply_front(clause, self.last_subjects)
            return
        if self.peek() == "it" and self.peek(1) in COPULAS and self.peek(2) in ("a", "an", "the", "one"):
            self.at += 2
            self._subjects(clause)
        elif self.take(EXISTENCE) or (self.peek() in COPULAS and (clause.relations or clause.direction)):
            if self.peek() in COPULAS:
                self.at += 1
            self._subjects(clause)
        elif self._inverted(clause):
            pass
        elif self._verb_ahead():
            clause.subjects = list(self.last_subjects)
        else:
            self._subjects(clause)
        self.opening = self.opening and not clause.subjects
        if not clause.subjects:
            if clause.relations or clause.direction or clause.speed:
                self._apply_front(clause, self.last_subjects)
            return
        clause.host = clause.subjects if clause.coordinated else clause.subjects[-1:]
        self._apply_front(clause, clause.subjects)
        self.predicates(clause)
        self.last_subjects = clause.subjects

    def _camera_ahead(self) -> bool:
        return any(self.peek(offset) in CAMERA_NOUNS for offset in (1, 2))

    def _adjective_ahead(self) -> bool:
        return self.peek() in ("slow", "quick", "rapid") and self._noun_follows(1)

    def _setting_after_it(self) -> bool:
        start = self.at
        self.at += 2
        if self.setting_phrase():
            return True
        self.at = start
        return False

    def _apply_front(self, clause: _Clause, subjects: list[int]) -> None:
        for relation in clause.relations:
            self.relate(subjects, relation)
        clause.relations = []

    def _verb_ahead(self) -> bool:
        offset = 1 if self.sees(SPEEDS) else 0
        if self.peek(offset) in COPULAS:
            return True
        return self.sees(VERBS, offset) and not self._noun_follows(offset)

    def _inverted(self, clause: _Clause) -> bool:
        """ "Rolling left is a ball", "To the left rolls a ball"."""
        start = self.at
        found = VERBS.match(self.tokens, self.at)
        if found is None:
            return False
        reading = found[0]
        fronted = clause.direction is not None or clause.speed is not None or bool(clause.relations)
        if reading.form not in ("ing", "third", "base") or (reading.form != "ing" and not fronted):
            return False
        if reading.kind in TARGETED_MOTIONS or not self.opening:
            return False
        self.at += found[1]
        direction, speed = self._manner()
        if self.peek() in COPULAS or (self.peek() == "," and reading.form == "ing"):
            self.at += 1
        elif reading.form == "ing":
            self.at = start
            return False
        subject = self.noun_phrase()
        if subject is None:
            self.at = start
            return False
        clause.subjects = [subject]
        for subject in clause.subjects:
            self._event(clause, subject, reading.kind, self.tokens[start])
        for event in clause.events:
            self._say(event, direction or clause.direction, speed or clause.speed)
        clause.direction = clause.speed = None
        return True

    def _manner(self) -> tuple[Direction | None, Speed | None]:
        direction: Direction | None = None
        speed: Speed | None = None
        while True:
            if direction is None and not self.sees(RELATIONS):
                found = self.take(DIRECTIONS)
                if found is not None:
                    direction = found
                    continue
            if speed is None:
                quick = self.take(SPEEDS)
                if quick is not None:
                    speed = quick
                    continue
            return direction, speed

    def _subjects(self, clause: _Clause) -> None:
        """Noun phrases joined by commas and "and". With a final "and" they share what follows."""
        if self.peek() in ("they", "these") and len(self.last_subjects) > 1:
            self.at += 1
            clause.subjects = list(self.last_subjects)
            clause.coordinated = True
            return
        first = self.noun_phrase()
        if first is None:
            return
        clause.subjects.append(first)
        while True:
            start = self.at
            joined = False
            if self.peek() == ",":
                self.at += 1
            if self.peek() == "and":
                self.at += 1
                joined = True
            if self.at == start or self.sees_then() or self.setting_ahead():
                self.at = start
                break
            index = self.noun_phrase()
            if index is None or index in clause.subjects:
                self.at = start
                break
            clause.subjects.append(index)
            clause.coordinated = clause.coordinated or joined
        if not clause.coordinated:
            clause.subjects = clause.subjects[-1:]

    def setting_ahead(self) -> bool:
        start, setting = self.at, dict(self.setting)
        notes = len(self.notes)
        found = self.setting_phrase()
        self.at, self.setting = start, setting
        del self.notes[notes:]
        return found

    def predicates(self, clause: _Clause) -> None:
        """Everything said about the subjects, until the clause ends.

        A finite verb belongs to the clause's subjects. A participle or relative clause belongs to the noun
        phrase it stands behind; so does a preposition, except behind a verb without object, where it belongs
        to the verb's subject.
        """
        while self.at < len(self.tokens):
            word = self.peek()
            if word in lex.SENTENCE_ENDS or self.sees_then():
                return
            if self.setting_phrase() or (word in ("with", "by", "from", "in") and self.camera_phrase()):
                continue
            relation = self.relation_phrase()
            if relation is not None:
                self.relate(clause.host, relation)
                self._further_relations(clause.host)
                clause.host = [relation[2] if relation[2] is not None else relation[1]]
                clause.after_object = True
                continue
            if word == "with" and self._companion(clause):
                continue
            if word in ("that", "which", "who"):
                self.at += 1
                self._relative(clause)
                continue
            if word in COPULAS:
                self.at += 1
                self._copula(clause)
                continue
            if word in POSTURES:
                self.at += 1
                clause.host = list(clause.subjects)
                continue
            adverb = self._adverb_before_verb(clause)
            if adverb or self.sees(VERBS):
                self._verb(clause)
                continue
            if clause.events and not self.sees(RELATIONS):
                direction, speed = self._manner()
                if direction or speed:
                    for event in clause.events:
                        self._say(event, direction, speed)
                    continue
            if word in ("both", "each", "all", "also", "again") or word == "not":
                self.at += 1
                continue
            if word and word not in _vocabulary() and not _punctuation(word):
                self.skip()
                continue
            return

    def _further_relations(self, hosts: list[int]) -> None:
        """ "left of a cube and behind a cone"."""
        while self.peek() in ("and", ","):
            start = self.at
            self.at += 1
            if self.peek() == "and":
                self.at += 1
            relation = None if self.setting_ahead() else self.relation_phrase()
            if relation is None:
                self.at = start
                return
            after = self.peek()
            if after == "," or self._subject_starts():
                for_next_clause = self._subject_starts() or self._subject_starts(1)
                if for_next_clause:
                    self.at = start
                    return
            self.relate(hosts, relation)

    def _subject_starts(self, offset: int = 0) -> bool:
        word = self.peek(offset)
        return word in (
            "a",
            "an",
            "the",
            "it",
            "they",
            "there",
            "another",
            "is",
            "are",
        ) or self._noun_follows(offset)

    def _companion(self, clause: _Clause) -> bool:
        """ "with a cube behind it", "with two cubes on its left"."""
        start = self.at
        self.at += 1
        subjects = list(clause.host) if not clause.events else list(clause.subjects)
        companion = self.noun_phrase(subject=False)
        if companion is None:
            self.at = start
            return False
        kind = self.take(POSSESSED)
        if kind is None:
            after = self.at
            kind = self.take(RELATIONS)
            if kind is not None and self.peek() in PRONOUNS:
                self.at += 1
            else:
                self.at = after
                return True
        for subject in subjects:
            self.relate([companion], (kind, subject, None))
        return True

    def _adverb_before_verb(self, clause: _Clause) -> bool:
        found = SPEEDS.match(self.tokens, self.at)
        if found is None or not self.sees(VERBS, found[1]):
            return False
        self.at += found[1]
        clause.speed = found[0]
        return True

    def _relative(self, clause: _Clause) -> None:
        """ "that rolls left", "that is rolling left", "which is behind a cube"; about the nearest noun."""
        if self.peek() in COPULAS:
            self.at += 1
            self._copula(clause, subjects=list(clause.host))
            return
        if self._adverb_before_verb(clause) or self.sees(VERBS):
            self._verb(clause, subjects=list(clause.host))

    def _copula(self, clause: _Clause, subjects: list[int] | None = None) -> None:
        """After "is": -ing form, passive, attributes, or a place."""
        who = list(clause.subjects) if subjects is None else subjects
        clause.host = who
        clause.after_object = False
        if self.peek() == "not":
            self.at += 1
        if self._adverb_before_verb(clause):
            self._verb(clause, subjects=who, after_copula=True)
            return
        if self._adjective_at(0) and not self._noun_follows(0):
            values: dict[str, Any] = {"shape": None, "color": None, "size": None, "material": None}
            self._adjective_list(values)
            self._describe(who, values)
            return
        if self.tokens[self.at : self.at + 2] == ["made", "of"]:
            values = {"shape": None, "color": None, "size": None, "material": None}
            self.at += 2
            self._adjective_list(values)
            self._describe(who, values)
            return
        behind = self.take(MATERIALS_BEHIND)
        if behind is not None:
            self._describe(who, {"material": behind})
            return
        if self.sees(VERBS):
            self._verb(clause, subjects=who, after_copula=True)

    def _describe(self, who: list[int], values: dict[str, Any]) -> None:
        for index in who:
            entity = self.entities[index]
            for name, value in values.items():
                if value is None:
                    continue
                if getattr(entity, name) not in (None, value):
                    self.note(f"two values for {name}: {getattr(entity, name)} and {value}; the first holds")
                else:
                    setattr(entity, name, value)

    def _verb(
        self, clause: _Clause, subjects: list[int] | None = None, *, after_copula: bool = False
    ) -> None:
        word = self.peek()
        reading: lex.VerbReading = self.take(VERBS)
        if subjects is None:
            nearest = reading.form in ("ing", "participle") and not after_copula and clause.after_object
            subjects = list(clause.host) if nearest else list(clause.subjects)
            if clause.coordinated and reading.form == "third" and not after_copula:
                subjects = clause.subjects[-1:]
        speed, clause.speed = clause.speed, None
        direction, clause.direction = clause.direction, None
        first = len(clause.events)
        kind = reading.kind
        if kind in TARGETED_MOTIONS and not reading.mutual:
            if reading.form != "ing" and self._passive_ahead():
                self._passive(clause, subjects, kind, word, speed)
                return
            early_direction, early_speed = self._manner()
            target = self.noun_phrase(subject=False)
            direction, speed = direction or early_direction, speed or early_speed
            if target is None and self.tokens[self.at : self.at + 2] == ["each", "other"]:
                self.at += 2
                self._mutual(clause, subjects, kind, word)
            elif target is None:
                if kind == "orbit" and reading.kind == "orbit":
                    self.note(f"'{word}' needs a second object; left out")
                elif len(subjects) == 2 or (len(subjects) == 1 and self.entities[subjects[0]].count == 2):
                    self._mutual(clause, subjects, kind, word)
                else:
                    self.note(f"'{word}' needs a second object; left out")
            else:
                for subject in subjects:
                    if subject != target:
                        self._event(clause, subject, kind, word, target)
                clause.host = [target]
                clause.after_object = True
        elif reading.mutual:
            if self.tokens[self.at : self.at + 3] == ["with", "each", "other"]:
                self.at += 3
            self._mutual(clause, subjects, kind, word)
        else:
            for subject in subjects:
                self._event(clause, subject, kind, word)
            clause.host = subjects
            clause.after_object = False
        if kind == "fall":
            self.take_word(frozenset(("down",)))
        late_direction, late_speed = self._manner()
        for event in clause.events[first:]:
            self._say(event, late_direction or direction, late_speed or speed)

    def _passive_ahead(self) -> bool:
        offset = 0
        for _ in range(6):
            if self.peek(offset) == "by":
                return True
            manner = DIRECTIONS.match(self.tokens, self.at + offset) or SPEEDS.match(
                self.tokens, self.at + offset
            )
            if manner is None:
                return False
            offset += manner[1]
        return False

    def _passive(
        self, clause: _Clause, subjects: list[int], kind: MotionKind, word: str, speed: Speed | None
    ) -> None:
        """ "is followed by a ball": the noun phrase behind "by" acts."""
        direction, early = self._manner()
        self.at += 1
        agent = self.noun_phrase(subject=False)
        if agent is None:
            self.note(f"'{word} by' needs a second object; left out")
            return
        first = len(clause.events)
        for target in subjects:
            if target != agent:
                self._event(clause, agent, kind, word, target)
        late_direction, late = self._manner()
        for event in clause.events[first:]:
            self._say(event, direction or late_direction, speed or early or late)
        clause.host = [agent]
        clause.after_object = True

    def _mutual(self, clause: _Clause, subjects: list[int], kind: MotionKind | None, word: str) -> None:
        pair = list(subjects)
        if len(pair) == 1:
            other = self._split(pair[0])
            if other is not None:
                pair.append(other)
                clause.subjects = list(pair)
                clause.coordinated = True
        if len(pair) < 2 or kind is None:
            self.note(f"'{word}' needs two objects; left out")
            return
        for a, b in zip(pair[::2], pair[1::2], strict=False):
            self._event(clause, a, kind, word, b)
        clause.host = pair
        clause.after_object = False

    def _event(
        self, clause: _Clause, subject: int, kind: MotionKind | None, word: str, target: int | None = None
    ) -> None:
        if kind is None:
            kind = "roll" if self.entities[subject].shape in ROLLING_SHAPES else "slide"
        event = _Draft(kind, subject, self.stage, self.sentence, word, target=target)
        clause.events.append(event)
        self.events.append(event)
        self.last_stage = self.stage

    def _say(self, event: _Draft, direction: Direction | None, speed: Speed | None) -> None:
        if direction is not None:
            if direction not in MOTION_DIRECTIONS[event.kind]:
                self.note(f"'{event.word}' has no direction '{direction}'; left out")
            elif event.direction is None:
                event.direction = direction
        if speed is not None and event.speed is None:
            event.speed = speed

    # --------------------------------------------------------------------------------------------------- the end

    def _result(self) -> Parsed:
        entities = self.entities
        understood = [e for e in entities if any(value is not None for value in e.attributes())]
        if not entities or (not understood and not self.events and all(w in self.unknown for w in self.unknown)
                            and not self._named_generic()):  # fmt: skip
            raise ValueError(
                "the text names no object of the world; name one, for example 'a red ball rolls left'"
            )
        stages = {stage: rank for rank, stage in enumerate(sorted({event.stage for event in self.events}))}
        events = []
        for event in self.events:
            stage = stages[event.stage]
            if stage > 2:
                self.note("a clip has three stages; what comes later joins the last one")
            made = Event(
                kind=event.kind,
                subject=event.subject,
                direction=event.direction,
                speed=event.speed,
                target=event.target,
                stage=min(stage, 2),
            )
            if made not in events:
                events.append(made)
        relations = []
        for kind, subject, reference, second in self.relations:
            relation = Relation(kind=kind, subject=subject, reference=reference, second=second)
            if relation not in relations:
                relations.append(relation)
        description = Description(
            entities=tuple(
                Entity(shape=e.shape, color=e.color, size=e.size, material=e.material, count=e.count)
                for e in entities
            ),
            events=tuple(events),
            relations=tuple(relations),
            camera=self.camera,
            **self.setting,
        )
        return Parsed(description, tuple(dict.fromkeys(self.unknown)), tuple(self.notes))

    def _named_generic(self) -> bool:
        return any(NOUNS.match(self.tokens, at) is not None for at in range(len(self.tokens)))


def _punctuation(word: str) -> bool:
    return word in lex.SENTENCE_ENDS or word in lex.PAUSES


_VOCABULARY: set[str] = set()


def _vocabulary() -> set[str]:
    """All words of all tables, built once."""
    if not _VOCABULARY:
        tables = (NOUNS, COLORS, SIZES, MATERIALS, MATERIALS_BEHIND, VERBS, SPEEDS, DIRECTIONS, RELATIONS,
                  POSSESSED, CAMERA_VERBS, CAMERA_ADJECTIVES, SETTINGS, THEN, SAME, EXISTENCE)  # fmt: skip
        for table in tables:
            _VOCABULARY.update(table.words())  # type: ignore[attr-defined]
        _VOCABULARY.update(NUMBERS, ORDINALS, PRONOUNS, COPULAS, POSTURES, PLACES, CAMERA_NOUNS)
        _VOCABULARY.update(
            SETTING_PREPOSITIONS, ("another", "pair", "before", "after", "once", "each", "other")
        )
    return _VOCABULARY
