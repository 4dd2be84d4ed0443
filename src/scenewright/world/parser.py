"""Reads a sentence about the world: English in, :class:`Description` out.

A chunk parser: noun phrases, verbs, prepositions and connectives are found left to right by phrase tables,
the longest phrase first, and attached by a few rules (documented at the methods). It reads everything the
grammar writes exactly and makes the best of everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scenewright.world import lexicon as lex
from scenewright.world.predication import Clause, PredicateReader
from scenewright.world.reading import (
    CAMERA_NOUNS,
    COPULAS,
    DIRECTIONS,
    EXISTENCE,
    NOUNS,
    SAME,
    SPEEDS,
    VERBS,
)
from scenewright.world.scene import (
    TARGETED_MOTIONS,
    Description,
    Entity,
    Event,
    Relation,
)


@dataclass(frozen=True)
class Parsed:
    """``description``, its entities in order of mention; ``unknown``: words that no table knows, in order,
    each once; ``notes``: one English line for everything understood that the world cannot do and that is
    therefore left out; ``phrases``: (entity, first token, the one behind the last) of every noun phrase, by
    the tokens of :func:`.lexicon.tokenize`."""

    description: Description
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    phrases: tuple[tuple[int, int, int], ...] = ()


def parse(text: str) -> Parsed:
    """The description that ``text`` gives.

    Never fails on odd text: unknown words are skipped and listed, what cannot be shown is noted. Sentences
    without a word of time are about the clip's first stage.

    Raises:
        ValueError: not a single object is named.
    """
    return _Parser(text).run()


class _Parser(PredicateReader):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        #: Whether no clause of the sentence has been read yet; the stage that the next comma leads to.
        self.opening = True
        self.on_comma: int | None = None

    # --------------------------------------------------------------------------------- sentences and time

    def run(self) -> Parsed:
        new_sentence = True
        while self.at < len(self.tokens):
            word = self.peek()
            if word in lex.SENTENCE_ENDS:
                self.at += 1
                self.sentence += 1
                self.on_comma = None
                new_sentence = self.opening = True
            elif word in lex.PAUSES:
                self.at += 1
                if self.on_comma is not None and not self._verb_ahead():
                    self.stage, self.on_comma = self.on_comma, None
            elif new_sentence:
                self.stage = 0
                new_sentence = False
                self._sentence_opening()
            elif not self._connective():
                before = self.at
                self.clause()
                if self.at == before:
                    self.skip()
        return self._result()

    def _next_stage(self) -> int:
        return 0 if self.last_stage is None else self.last_stage + 1

    def _sentence_opening(self) -> None:
        """ "Then" and "at the same time" at the start of a sentence look back to the last event."""
        if self.sees_then():
            return
        if self.takes("at", "the", "same", "time") or self.takes("meanwhile") or self.takes("simultaneously"):
            self.stage = self.last_stage or 0
        elif self.peek() == "first" and not self.noun_follows(1):
            self.at += 1

    def _connective(self) -> bool:
        """Reads a word of time; clauses joined by any other word happen together.

        "X before Y" and "X, then Y" go one stage on, "X after Y" moves what the sentence has said one stage
        on. In front of both clauses ("after X, Y"), the comma between them changes the stage.
        """
        word = self.peek()
        if self.sees_then():
            self.at += 1 if word in ("then", "next", "finally", "later", "afterwards") else 2
            while self.sees_then() or self.peek() == "that":
                self.at += 1
            self.stage = self._next_stage()
            return True
        if self.take(SAME):
            return True
        if word not in ("before", "after", "once"):
            return False
        self.at += 1
        if all(event.sentence != self.sentence for event in self.events):
            self.on_comma = self.stage if word == "before" else self.stage + 1
            self.stage += word == "before"
        elif word == "before":
            self.stage = self._next_stage()
        else:
            self.stage = self.last_stage or 0
            for event in self.events:
                event.stage += event.sentence == self.sentence and event.stage >= self.stage
        return True

    # -------------------------------------------------------------------------------------------- clauses

    def clause(self) -> None:
        """Fronted phrases, then camera, setting, existence, or subject and predicate."""
        clause = Clause()
        self._front(clause)
        if self.peek() == "it" and self.peek(1) in COPULAS:
            start = self.at
            self.at += 2
            if self.setting_phrase():
                return
            self.at = start
        if self.camera_phrase():
            self.relate_all(self.last_subjects, clause.places)
            return
        if self.peek() == "it" and self.peek(1) in COPULAS and self.peek(2) in ("a", "an", "the", "one"):
            self.at += 2
            self._subjects(clause)
        elif self.take(EXISTENCE):
            self._subjects(clause)
        elif self.peek() in COPULAS and (clause.places or clause.direction):
            self.at += 1
            self._subjects(clause)
        elif self._verb_first(clause):
            pass
        elif self._verb_ahead():
            clause.subjects = list(self.last_subjects)
            clause.coordinated = len(clause.subjects) > 1
        else:
            self._subjects(clause)
        self.opening = self.opening and not clause.subjects
        if not clause.subjects:
            self.relate_all(self.last_subjects, clause.places)
            for event in self.last_events:
                self.say(event, clause.direction, clause.speed)
            return
        clause.host = list(clause.subjects) if clause.coordinated else clause.subjects[-1:]
        self.relate_all(clause.subjects, clause.places)
        self.predicates(clause)
        self.last_subjects = clause.subjects
        self.last_events = clause.events or self.last_events

    def _front(self, clause: Clause) -> None:
        """What stands before the subject: places, directions, adverbs, settings."""
        while True:
            if self.setting_phrase():
                continue
            place = self.place()
            if place is not None:
                clause.places.append(place)
                continue
            direction = self.take(DIRECTIONS)
            if direction is not None:
                clause.direction = direction
                continue
            adverb = SPEEDS.match(self.tokens, self.at)
            camera_next = any(self.peek(offset) in CAMERA_NOUNS for offset in (1, 2))
            if adverb is not None and not camera_next and not self.noun_follows(0):
                self.at += adverb[1]
                clause.speed = adverb[0]
                continue
            if (clause.places or clause.direction or clause.speed) and self.peek() == ",":
                self.at += 1
                continue
            return

    def _verb_ahead(self) -> bool:
        """Whether a predicate starts here, its subject left out ("and spins")."""
        offset = 1 if self.sees(SPEEDS) else 0
        if self.noun_follows(0):
            return False
        return self.peek(offset) in COPULAS or self.sees(VERBS, offset)

    def _verb_first(self, clause: Clause) -> bool:
        """ "Rolling left is a ball", "To the left rolls a ball", at the start of a sentence."""
        start = self.at
        found = VERBS.match(self.tokens, self.at)
        if found is None or not self.opening or self.noun_follows(0):
            return False
        reading, length = found
        fronted = clause.direction is not None or clause.speed is not None or bool(clause.places)
        if reading.kind in TARGETED_MOTIONS or not (reading.form == "ing" or fronted):
            return False
        self.at += length
        direction, speed = self.manner()
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
        self.event(clause, subject, reading.kind, self.tokens[start])
        for event in clause.events:
            self.say(event, direction or clause.direction, speed or clause.speed)
        clause.direction = clause.speed = None
        return True

    def _subjects(self, clause: Clause) -> None:
        """Noun phrases joined by commas and "and". With an "and" they share what follows, else the last one
        alone has it."""
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
            self.at += self.peek() == ","
            joined = self.peek() == "and"
            self.at += joined
            index = None
            if self.at > start and not self.sees_then() and not self.setting_ahead():
                index = self.noun_phrase()
            if index is None or index in clause.subjects:
                self.at = start
                break
            clause.subjects.append(index)
            clause.coordinated = clause.coordinated or joined
        if not clause.coordinated:
            clause.subjects = clause.subjects[-1:]

    # ---------------------------------------------------------------------------------------------- the end

    def _result(self) -> Parsed:
        self.take_motions_before_noun(Clause())
        understood = any(NOUNS.match(self.tokens, at) is not None for at in range(len(self.tokens)))
        understood = understood or any(any(e.attributes()) for e in self.entities) or bool(self.events)
        if not self.entities or not understood:
            raise ValueError(
                "the text names no object of the world; name one, for example 'a red ball rolls left'"
            )
        for left in [i for i, side in self.sides.items() if side == "left"]:
            for right in [i for i, side in self.sides.items() if side == "right"]:
                self.relations.append(("left_of", left, right, None))
        stages = {stage: rank for rank, stage in enumerate(sorted({event.stage for event in self.events}))}
        if len(stages) > 3:
            self.note("a clip has three stages; what comes later joins the last one")
        events = [
            Event(
                kind=event.kind,
                subject=event.subject,
                direction=event.direction,
                speed=event.speed,
                target=event.target,
                stage=min(stages[event.stage], 2),
            )
            for event in self.events
        ]
        relations = [
            Relation(kind=kind, subject=subject, reference=reference, second=second)
            for kind, subject, reference, second in self.relations
        ]
        scenery: dict[str, Any] = {"camera": self.camera, **self.setting}
        description = Description(
            entities=tuple(
                Entity(shape=e.shape, color=e.color, size=e.size, material=e.material, count=e.count)
                for e in self.entities
            ),
            events=tuple(dict.fromkeys(events)),
            relations=tuple(dict.fromkeys(relations)),
            **scenery,
        )
        unknown, phrases = tuple(dict.fromkeys(self.unknown)), tuple(dict.fromkeys(self.phrases))
        return Parsed(description, unknown, tuple(self.notes), phrases)
