"""Reading predicates: what is said about the subjects of a clause, as events and relations."""

from __future__ import annotations

from dataclasses import dataclass, field

from scenewright.world import lexicon as lex
from scenewright.world.mentions import Attributes
from scenewright.world.reading import (
    COPULAS,
    DIRECTIONS,
    MATERIALS_BEHIND,
    NEGATIONS,
    PATHS,
    POSSESSED,
    POSTURES,
    PRONOUNS,
    RELATIONS,
    RELATIVES,
    SIDES,
    SPEEDS,
    VERBS,
    VerbReading,
)
from scenewright.world.scene import (
    MOTION_DIRECTIONS,
    ROLLING_SHAPES,
    TARGETED_MOTIONS,
    Direction,
    MotionKind,
    RelationKind,
    Speed,
)
from scenewright.world.scenery import SceneryReader

#: Relation, reference and second reference.
Place = tuple[RelationKind, int, int | None]
_AUXILIARIES = frozenset(("does", "do", "did"))


@dataclass
class Draft:
    """An event while the text is read; ``sentence`` is the number of its sentence, ``word`` its verb."""

    kind: MotionKind
    subject: int
    stage: int
    sentence: int
    word: str
    direction: Direction | None = None
    speed: Speed | None = None
    target: int | None = None


@dataclass
class Clause:
    """What a clause has gathered. ``subjects`` do what its finite verbs say, ``host`` is what the next
    preposition or relative clause is about, the other fields wait for the verb."""

    subjects: list[int] = field(default_factory=list)
    host: list[int] = field(default_factory=list)
    coordinated: bool = False
    after_object: bool = False
    events: list[Draft] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    direction: Direction | None = None
    speed: Speed | None = None


class PredicateReader(SceneryReader):
    """Collects ``events``, ``relations`` and ``sides`` (who is "on the left" of the picture)."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.events: list[Draft] = []
        self.relations: list[tuple[RelationKind, int, int, int | None]] = []
        self.sides: dict[int, str] = {}
        self.sentence = 0
        #: The stage of the clause that is read, and of the last event.
        self.stage = 0
        self.last_stage: int | None = None
        self.last_events: list[Draft] = []

    # ------------------------------------------------------------------------------------------ predicates

    def predicates(self, clause: Clause) -> None:
        """Everything said about the subjects, until the clause ends.

        A finite verb belongs to the clause's subjects. A participle or relative clause belongs to the noun
        phrase it stands behind; so does a preposition, except behind a verb without object, where it belongs
        to the verb's subject.
        """
        while self.at < len(self.tokens):
            self.take_motions_before_noun(clause)
            word = self.peek()
            if word in lex.SENTENCE_ENDS or self.sees_then():
                return
            if self.setting_phrase() or (word in ("with", "by", "from", "in") and self.camera_phrase()):
                continue
            place = self.place()
            if place is not None:
                self.relate(clause.host, place)
                self._further_places(clause.host, place)
                clause.host = [place[2] if place[2] is not None else place[1]]
                clause.after_object = True
            elif word == "with" and self._companion(clause):
                pass
            elif word in RELATIVES:
                self.at += 1
                self._relative(clause)
            elif word in COPULAS:
                self.at += 1
                self._copula(clause, list(clause.subjects))
            elif word in POSTURES:
                self.at += 1
                clause.host = list(clause.subjects)
            elif word in NEGATIONS or (word in _AUXILIARIES and self.peek(1) in NEGATIONS):
                self._negation()
            elif self._adverb_before_verb(clause) or self.sees(VERBS):
                self._verb(clause)
            elif not clause.events and (side := self.take(SIDES)) is not None:
                self.sides.update((index, side) for index in clause.host)
            elif clause.events and self._late_manner(clause):
                pass
            elif word in ("both", "each", "all", "also", "again"):
                self.at += 1
            elif word in PATHS and clause.events:
                self.at += 1
                if self.noun_phrase(subject=False) is not None:
                    self.note(f"nothing moves {word} another object; '{word}' is left out")
            elif self.is_odd(word):
                self.skip()
            else:
                break
        self.take_motions_before_noun(clause)

    def take_motions_before_noun(self, clause: Clause) -> None:
        for index, kind, word, speed in self.motions_before_noun:
            event = self.event(None, index, kind, word)
            event.speed = speed
            if index in clause.subjects and not clause.events:
                self.last_events = [event]
        self.motions_before_noun.clear()

    def _late_manner(self, clause: Clause) -> bool:
        direction, speed = self.manner()
        for event in clause.events:
            self.say(event, direction, speed)
        return direction is not None or speed is not None

    def _negation(self) -> None:
        """ "does not jump" is no event."""
        start = self.at
        while self.peek() in NEGATIONS or self.peek() in _AUXILIARIES:
            self.at += 1
        self.manner()
        verb: VerbReading | None = self.take(VERBS)
        self.manner()
        if verb is not None and verb.kind is not None:
            self.note(f"what does not happen is left out: '{' '.join(self.tokens[start : self.at])}'")

    def _adverb_before_verb(self, clause: Clause) -> bool:
        found = SPEEDS.match(self.tokens, self.at)
        if found is None or not self.sees(VERBS, found[1]):
            return False
        self.at += found[1]
        clause.speed = found[0]
        return True

    def _relative(self, clause: Clause) -> None:
        """ "that rolls left", "that is rolling left", "which is behind a cube"; about the nearest noun."""
        if self.peek() in COPULAS:
            self.at += 1
            self._copula(clause, list(clause.host))
        elif self._adverb_before_verb(clause) or self.sees(VERBS):
            self._verb(clause, list(clause.host))

    def _copula(self, clause: Clause, who: list[int]) -> None:
        """After "is": -ing form, passive, attributes, or a place (which :meth:`predicates` reads)."""
        clause.host = who
        clause.after_object = False
        if self.peek() in NEGATIONS:
            self._negation()
        elif (
            (self.adjective_at(0) and not self.noun_follows(0))
            or self.sees(MATERIALS_BEHIND)
            or self.peek() == "made"
        ):
            self._attributes(who)
        elif self._adverb_before_verb(clause) or self.sees(VERBS):
            self._verb(clause, who)

    def _attributes(self, who: list[int]) -> None:
        values: Attributes = {"shape": None, "color": None, "size": None, "material": None}
        self.adjective_list(values)
        self.describe(who, values)

    # ---------------------------------------------------------------------------------------------- places

    def place(self) -> Place | None:
        """Preposition and what it refers to; ``None``, nothing consumed, if none."""
        start = self.at
        kind: RelationKind | None = self.take(RELATIONS)
        if kind is None:
            return None
        reference = self.noun_phrase(subject=False)
        if reference is None:
            self.at = start
            return None
        if kind != "between":
            return kind, reference, None
        middle = self.at
        if self.peek() in ("and", ","):
            self.at += 1
            second = self.noun_phrase(subject=False)
            if second is not None and second != reference:
                return kind, reference, second
            self.at = middle
        pair = self.split_pair(reference)
        if pair is not None:
            return kind, reference, pair
        self.note("'between' needs two objects; read as near the one that is named")
        return "near", reference, None

    def relate(self, hosts: list[int], place: Place) -> None:
        kind, reference, second = place
        for host in hosts:
            if host not in (reference, second):
                self.relations.append((kind, host, reference, second))

    def relate_all(self, hosts: list[int], places: list[Place]) -> None:
        for place in places:
            self.relate(hosts, place)

    def _further_places(self, hosts: list[int], place: Place) -> None:
        """ "left of a cube and behind a cone", "left of a cube and a cone"."""
        while self.peek() in ("and", ","):
            start = self.at
            self.at += 1
            self.at += self.peek() == "and"
            joined = self.tokens[self.at - 1] == "and"
            following = None if self.setting_ahead() else self.place()
            if following is None and joined and place[0] != "between" and self.closes_after_noun(0):
                reference = self.noun_phrase(subject=False)
                following = None if reference is None else (place[0], reference, None)
            if (
                following is None
                or self._subject_starts()
                or (self.peek() == "," and self._subject_starts(1))
            ):
                self.at = start
                return
            self.relate(hosts, following)

    def _subject_starts(self, offset: int = 0) -> bool:
        word = self.peek(offset)
        starts = ("a", "an", "the", "it", "they", "there", "another", "is", "are")
        return word in starts or self.noun_follows(offset)

    def _companion(self, clause: Clause) -> bool:
        """ "with a cube behind it", "with two cubes on its left"."""
        start = self.at
        self.at += 1
        hosts = list(clause.subjects) if clause.events else list(clause.host)
        companion = self.noun_phrase(subject=False)
        if companion is None:
            self.at = start
            return False
        after = self.at
        kind = self.take(POSSESSED)
        if kind is None:
            kind = self.take(RELATIONS)
            if kind is not None and self.peek() in PRONOUNS:
                self.at += 1
            else:
                self.at, kind = after, None
        if kind is not None:
            for host in hosts:
                self.relate([companion], (kind, host, None))
        return True

    # ----------------------------------------------------------------------------------------------- verbs

    def _verb(self, clause: Clause, subjects: list[int] | None = None) -> None:
        """A verb with its object and manner; without ``subjects``, the clause's rules give them."""
        word = self.peek()
        reading = self.take(VERBS)
        if reading is None:
            return
        if subjects is None:
            subjects = list(clause.subjects)
            if reading.form in ("ing", "participle") and clause.after_object:
                subjects = list(clause.host)
            elif clause.coordinated and reading.form == "third":
                subjects = subjects[-1:]
        direction, speed = clause.direction, clause.speed
        clause.direction = clause.speed = None
        first = len(clause.events)
        if reading.mutual:
            self.takes("with", "each", "other")
            self._mutual(clause, subjects, reading.kind, word)
        elif reading.kind not in TARGETED_MOTIONS:
            for subject in subjects:
                self.event(clause, subject, reading.kind, word)
            clause.host = subjects
            clause.after_object = False
        else:
            early_direction, early_speed = self.manner()
            direction, speed = direction or early_direction, speed or early_speed
            if reading.form != "ing" and self.takes("by"):
                self._passive(clause, subjects, reading.kind, word)
            else:
                self._object(clause, subjects, reading.kind, word)
        late_direction, late_speed = self.manner()
        for event in clause.events[first:]:
            self.say(event, late_direction or direction, late_speed or speed)

    def _object(self, clause: Clause, subjects: list[int], kind: MotionKind, word: str) -> None:
        """ "follows a cube [and a cone]"."""
        if self.takes("each", "other"):
            self._mutual(clause, subjects, kind, word)
            return
        target = self.noun_phrase(subject=False)
        if target is None:
            pair = len(subjects) == 2 or (len(subjects) == 1 and self.entities[subjects[0]].count == 2)
            if pair and kind != "orbit":
                self._mutual(clause, subjects, kind, word)
            else:
                self.note(f"'{word}' needs a second object; left out")
            return
        targets = [target]
        while self.peek() == "and" and self.closes_after_noun(1):
            self.at += 1
            further = self.noun_phrase(subject=False)
            if further is not None:
                targets.append(further)
        for subject in subjects:
            for target in targets:
                if subject != target:
                    self.event(clause, subject, kind, word, target)
        clause.host = targets[-1:]
        clause.after_object = True

    def _passive(self, clause: Clause, subjects: list[int], kind: MotionKind, word: str) -> None:
        """ "followed by a ball": the noun phrase behind "by" acts."""
        agent = self.noun_phrase(subject=False)
        if agent is None:
            self.note(f"'{word} by' needs a second object; left out")
            return
        for target in subjects:
            if target != agent:
                self.event(clause, agent, kind, word, target)
        clause.host = [agent]
        clause.after_object = True

    def _mutual(self, clause: Clause, subjects: list[int], kind: MotionKind | None, word: str) -> None:
        """ "A and B swap places", "two balls collide"."""
        pair = list(subjects)
        other = self.split_pair(pair[0]) if len(pair) == 1 else None
        if other is not None:
            pair.append(other)
            clause.subjects, clause.coordinated = list(pair), True
        if len(pair) < 2:
            self.note(f"'{word}' needs two objects; left out")
        for a, b in zip(pair[::2], pair[1::2], strict=False):
            self.event(clause, a, kind, word, b)
        clause.host = pair
        clause.after_object = False

    def event(
        self,
        clause: Clause | None,
        subject: int,
        kind: MotionKind | None,
        word: str,
        target: int | None = None,
    ) -> Draft:
        if kind is None:
            kind = "roll" if self.entities[subject].shape in ROLLING_SHAPES else "slide"
        event = Draft(kind, subject, self.stage, self.sentence, word, target=target)
        if clause is not None:
            clause.events.append(event)
        self.events.append(event)
        self.last_stage = self.stage
        return event

    def say(self, event: Draft, direction: Direction | None, speed: Speed | None) -> None:
        if direction is not None and direction not in MOTION_DIRECTIONS[event.kind]:
            self.note(f"'{event.word}' has no direction '{direction}'; left out")
        elif direction is not None:
            event.direction = event.direction or direction
        event.speed = event.speed or speed

    def manner(self) -> tuple[Direction | None, Speed | None]:
        """The directions and adverbs that come next; of two the first."""
        direction: Direction | None = None
        speed: Speed | None = None
        while True:
            start = self.at
            if direction is None and not self.sees(RELATIONS):
                direction = self.take(DIRECTIONS)
            if speed is None:
                speed = self.take(SPEEDS)
            if self.at == start:
                return direction, speed
