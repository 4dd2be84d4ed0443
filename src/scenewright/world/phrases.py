"""Noun, verb, relation and camera phrases: the parts of which the grammar builds its sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from scenewright.world import lexicon as lex
from scenewright.world.scene import TARGETED_MOTIONS, CameraMove, Description, Entity, Event, Relation


class _Markable(Protocol):
    @property
    def held_out(self) -> bool: ...


class _Choices(dict[Any, tuple[tuple[Any, ...], tuple[Any, ...]]]):
    """key -> (train words, held-out words)."""

    def __init__(self, table: Mapping[Any, Sequence[_Markable]]) -> None:
        super().__init__(
            (key, (tuple(w for w in words if not w.held_out), tuple(w for w in words if w.held_out)))
            for key, words in table.items()
        )


NOUNS = _Choices(lex.SHAPE_NOUNS)
COLORS = _Choices(lex.COLOR_WORDS)
SIZES = _Choices(lex.SIZE_WORDS)
MATERIALS = _Choices(lex.MATERIAL_WORDS)
VERBS = _Choices(lex.MOTION_VERBS)
SPEEDS = _Choices(lex.SPEED_WORDS)
DIRECTIONS = _Choices(lex.DIRECTION_WORDS)
RELATIONS = _Choices(lex.RELATION_WORDS)
GROUNDS = _Choices(lex.GROUND_PHRASES)
SKIES = _Choices(lex.SKY_PHRASES)
TIMES = _Choices(lex.TIME_PHRASES)

#: Verbs without a tail, for events with a direction ("rolls left", not "rolls along left").
PLAIN_VERBS = _Choices(
    {k: [v for v in verbs if not v.tail] or verbs for k, verbs in lex.MOTION_VERBS.items()}
)
PASSIVE_VERBS = _Choices({k: [v for v in verbs if v.passive] for k, verbs in lex.MOTION_VERBS.items()})
MUTUAL_VERBS = _Choices(
    {k: [v for v in verbs if v.mutual is not None] for k, verbs in lex.MOTION_VERBS.items()}
)
#: Verbs whose -ing form can stand before a noun.
ATTRIBUTIVE_VERBS = _Choices({k: [v for v in verbs if not v.tail] for k, verbs in lex.MOTION_VERBS.items()})
#: Adverbs that sound right before the verb.
ADVERBS_BEFORE = _Choices(
    {k: [w for w in words if w.text.endswith("ly") and w.text != "leisurely"] for k, words in
     lex.SPEED_WORDS.items()}
)  # fmt: skip


@dataclass
class Wording:
    """The words chosen for an entity when it is first mentioned; later mentions repeat them."""

    noun: lex.Noun
    before: list[str]
    behind: str
    full: list[str]
    color: str


class Phrases:
    """Writes phrases about one description and remembers what has been mentioned.

    ``last`` holds the subjects of the last clause, to which "it" and "they" refer.
    """

    def __init__(self, description: Description, rng: Random, *, synonyms: int) -> None:
        self.description = description
        self.entities = description.entities
        self.rng = rng
        self.random = rng.random
        self.synonyms = synonyms
        self.wording: dict[int, Wording] = {}
        self.order: dict[Entity, list[int]] = {}
        self.last: tuple[int, ...] = ()
        self.bare = False
        self.definite = False
        self.digits = self.random() < 0.25
        #: "attribute_clause" or "apposed_attributes" while first mentions put attributes behind the noun.
        self.attribute_style: str | None = None
        #: Events said before the noun at the first mention, by entity.
        self.attributive: dict[int, Event] = {}
        #: Entities named without their attributes, which follow in a sentence of their own.
        self.unsaid: set[int] = set()
        self.alike: dict[Entity, int] = {}
        for entity in self.entities:
            self.alike[entity] = self.alike.get(entity, 0) + 1

    # ---------------------------------------------------------------------------------------------- choosing

    def pick(self, choices: tuple[tuple[Any, ...], tuple[Any, ...]]) -> Any:
        """A train word, the first ones more often; a held-out one while ``synonyms`` allows."""
        train, held = choices
        r = self.random()
        if held and self.synonyms > 0 and r < 0.6:
            self.synonyms -= 1
            return held[int(r / 0.6 * len(held))]
        r = self.random()
        return train[int(r**1.5 * len(train))]

    def choose(self, options: Sequence[str]) -> str:
        return options[int(self.random() * len(options))]

    # ------------------------------------------------------------------------------------------- noun phrases

    def known(self, index: int) -> bool:
        return index in self.wording

    def plural(self, subjects: Sequence[int]) -> bool:
        return len(subjects) > 1 or self.entities[subjects[0]].count > 1

    def noun_phrase(self, index: int) -> str:
        if index in self.wording:
            return self._again(index)
        return self._first(index)

    def subject(self, subjects: Sequence[int]) -> str:
        """Subjects joined by commas and "and", or a pronoun for the last clause's subjects."""
        if self.last == tuple(subjects) and self.random() < 0.6:
            return self.pronoun(subjects)
        return self.join([self.noun_phrase(i) for i in subjects])

    def pronoun(self, subjects: Sequence[int]) -> str:
        return "they" if self.plural(subjects) else "it"

    @staticmethod
    def join(parts: Sequence[str]) -> str:
        if len(parts) == 1:
            return parts[0]
        return ", ".join(parts[:-1]) + " and " + parts[-1]

    def be(self, subjects: Sequence[int]) -> str:
        return "are" if self.plural(subjects) else "is"

    def words_for(self, index: int) -> Wording:
        """Words for an entity's noun and attributes, chosen at random."""
        entity = self.entities[index]
        noun: lex.Noun = self.pick(NOUNS[entity.shape])
        said = index not in self.unsaid
        size = self.pick(SIZES[entity.size]).text if said and entity.size else ""
        color = self.pick(COLORS[entity.color]).text if said and entity.color else ""
        before: list[str] = [size] if size else []
        full = list(before)
        behind = ""
        if said and entity.material:
            material: lex.MaterialWord = self.pick(MATERIALS[entity.material])
            text = material.text
            if text == "shiny" and self.random() < 0.5:
                text = "shiny metal"
            if material.place == "before":
                first = 0.9 if entity.material == "matte" else 0.7
                both = [text, color] if self.random() < first else [color, text]
                before += [word for word in both if word]
                full = before
            elif material.place == "after":
                before += [word for word in (color, text) if word]
                full = before
            else:
                plain = lex.MATERIAL_WORDS[entity.material][0].text
                order = (color, plain) if material.place == "of" else (plain, color)
                full += [word for word in order if word]
                if material.place == "of" and color and self.random() < 0.5:
                    behind = f"made of {color} {text}"
                else:
                    behind = f"made of {text}" if material.place == "of" else text
                    if color:
                        before.append(color)
        elif color:
            before.append(color)
            full = before
        return Wording(noun, before, behind, full, color)

    def _first(self, index: int) -> str:
        entity = self.entities[index]
        earlier = len(self.order.get(entity, ()))
        wording = self.wording[index] = self.words_for(index)
        self.order.setdefault(entity, []).append(index)
        noun = wording.noun.plural if entity.count > 1 else wording.noun.singular
        style = self.attribute_style
        if style and wording.full and not self.bare:
            listed = self.join(wording.full)
            words = [noun, f"that {'are' if entity.count > 1 else 'is'} {listed}"]
            if style == "apposed_attributes":
                words = [f"{noun}, {listed},"]
            again = style == "attribute_clause" and self.random() < 0.5
            self.attribute_style = style if again else None
        else:
            words = [*wording.before, noun]
            if wording.behind:
                words.append(wording.behind)
        event = self.attributive.get(index)
        if event is not None:
            adverb = [self.pick(ADVERBS_BEFORE[event.speed]).text] if event.speed else []
            words = [*adverb, self.pick(ATTRIBUTIVE_VERBS[event.kind]).ing, *words]
        return self._determined(entity, earlier, words)

    def _determined(self, entity: Entity, earlier: int, words: list[str]) -> str:
        text = " ".join(words)
        if entity.count == 1:
            if earlier:
                ordinal = lex.ORDINALS[earlier]
                return f"another {text}" if self.random() < 0.6 else f"a {ordinal} {text}"
            if self.definite:
                return f"the {text}"
            if self.bare:
                return text
            if self.random() < 0.07:
                return f"{self.number(1)} {text}"
            return ("an " if text[0] in "aeiou" else "a ") + text
        number = self.number(entity.count)
        if earlier:
            return f"another {number} {text}"
        if self.definite:
            return f"the {number} {text}"
        if entity.count == 2 and self.random() < 0.15:
            return f"a pair of {text}"
        return f"{number} {text}"

    def number(self, value: int) -> str:
        return str(value) if self.digits else lex.NUMBER_WORDS[value]

    def _again(self, index: int) -> str:
        """A definite phrase that fits no other entity."""
        entity = self.entities[index]
        wording = self.wording[index]
        noun = wording.noun.plural if entity.count > 1 else wording.noun.singular
        number = [self.number(entity.count)] if entity.count > 1 and self.random() < 0.4 else []
        if self.alike[entity] > 1:
            ordinal = lex.ORDINALS[self.order[entity].index(index)]
            number = [self.number(entity.count)] if entity.count > 1 else []
            return " ".join(["the", ordinal, *number, *wording.full, noun])
        if index in self.unsaid:
            return " ".join(["the", *number, noun])
        r = self.random()
        if r < 0.55 and self._only(index, None):
            return " ".join(["the", *number, noun])
        if r < 0.8 and wording.color and self._only(index, entity.color):
            return " ".join(["the", *number, wording.color, noun])
        if not number and any(
            other.count > 1 and other.count != entity.count and _same_attributes(other, entity)
            for other in self.entities
        ):
            number = [self.number(entity.count)] if entity.count > 1 else []
        return " ".join(["the", *number, *wording.full, noun])

    def _only(self, index: int, color: Any) -> bool:
        """Whether shape and ``color`` (or shape alone) fit no other entity, seen without counts."""
        entity = self.entities[index]
        for j, other in enumerate(self.entities):
            if j == index or (other.count > 1) != (entity.count > 1):
                continue
            if entity.shape in (None, other.shape) and color in (None, other.color):
                return False
        return True

    # ------------------------------------------------------------------------------------------- verb phrases

    def verb_phrase(self, event: Event, form: str) -> str:
        """Verb, object, direction and adverb. ``form``: third, base or ing."""
        verb: lex.Verb = self.pick((PLAIN_VERBS if event.direction else VERBS)[event.kind])
        words = [getattr(verb, form)]
        if verb.tail:
            words.append(verb.tail)
        if event.kind in TARGETED_MOTIONS:
            assert event.target is not None
            words.append(self.noun_phrase(event.target))
        way = [self.pick(DIRECTIONS[event.direction]).text] if event.direction else []
        if event.speed:
            r = self.random()
            if r < 0.4:
                adverb = self.pick(ADVERBS_BEFORE[event.speed]).text
                return " ".join([adverb, *words, *way])
            adverb = self.pick(SPEEDS[event.speed]).text
            way = [adverb, *way] if r < 0.65 else [*way, adverb]
        return " ".join(words + way)

    def verb_phrases(self, events: Sequence[Event], form: str) -> str:
        return self.join([self.verb_phrase(event, form) for event in events])

    def passive(self, event: Event) -> str:
        """ "a cube is followed by a ball"; the target is the grammatical subject."""
        assert event.target is not None
        verb: lex.Verb = self.pick(PASSIVE_VERBS[event.kind])
        target = self.subject((event.target,))
        words = [target, self.be((event.target,))]
        if event.speed:
            words.append(self.pick(ADVERBS_BEFORE[event.speed]).text)
        words.append(verb.participle)
        late = ""
        if event.direction:
            way = self.pick(DIRECTIONS[event.direction]).text
            if self.random() < 0.5:
                words.append(way)
            else:
                late = way
        words += ["by", self.noun_phrase(event.subject)]
        if late:
            words.append(late)
        self.last = (event.target,)
        return " ".join(words)

    def mutual(self, event: Event, progressive: bool) -> str:
        """ "a ball and a cube swap places"."""
        assert event.target is not None
        pair = (event.subject, event.target)
        verb: lex.Verb = self.pick(MUTUAL_VERBS[event.kind])
        words = [self.subject(pair)]
        if progressive:
            words.append("are")
        adverb = ""
        if event.speed:
            adverb = self.pick(ADVERBS_BEFORE[event.speed]).text
            if self.random() < 0.5:
                words.append(adverb)
                adverb = ""
        words.append(verb.ing if progressive else verb.base)
        if verb.mutual:
            words.append(verb.mutual)
        if adverb:
            words.append(adverb)
        self.last = pair
        return " ".join(words)

    # ------------------------------------------------------------------------- relations, camera and setting

    def place(self, relation: Relation) -> str:
        """Preposition and reference, "between a cube and a cone"."""
        words = self.pick(RELATIONS[relation.kind]).text
        text = f"{words} {self.noun_phrase(relation.reference)}"
        if relation.second is not None:
            text += f" and {self.noun_phrase(relation.second)}"
        return text

    def place_by_pronoun(self, relation: Relation) -> str:
        """The relation to what "it" or "they" means: "behind it", "to its left"."""
        many = self.entities[relation.reference].count > 1
        possessed = lex.POSSESSED_RELATIONS.get(relation.kind)
        if possessed:
            return self.choose(possessed).format("their" if many else "its")
        return f"{self.pick(RELATIONS[relation.kind]).text} {'them' if many else 'it'}"

    def camera_verb(self, move: CameraMove, *, ing: bool) -> str:
        forms = lex.CAMERA_VERBS[move.kind, move.direction]
        return forms[int(self.random() ** 1.5 * len(forms))][1 if ing else 0]

    def camera_with(self, move: CameraMove) -> str:
        """ "with a static camera", "with the camera panning left"."""
        adjectives = lex.CAMERA_ADJECTIVES[move.kind]
        if adjectives and move.direction is None and self.random() < 0.7:
            adjective = self.choose(adjectives)
            return f"with {'an' if adjective[0] in 'aeiou' else 'a'} {adjective} camera"
        return f"with the camera {self.camera_verb(move, ing=True)}"

    def setting_phrases(self) -> list[str]:
        d = self.description
        phrases = []
        if d.ground:
            phrases.append(self.pick(GROUNDS[d.ground]).text)
        if d.sky:
            phrases.append(self.pick(SKIES[d.sky]).text)
        if d.time:
            phrases.append(self.pick(TIMES[d.time]).text)
        return phrases

    def setting_sentences(self) -> list[str]:
        d = self.description
        sentences = []
        if d.ground:
            sentences.append(self.choose([w.text for w in lex.GROUND_SENTENCES[d.ground]]))
        if d.sky:
            sentences.append(self.choose([w.text for w in lex.SKY_SENTENCES[d.sky]]))
        if d.time:
            sentences.append(self.choose([w.text for w in lex.TIME_SENTENCES[d.time]]))
        return sentences


def _same_attributes(a: Entity, b: Entity) -> bool:
    return (a.shape, a.color, a.size, a.material) == (b.shape, b.color, b.size, b.material)
