"""Writes a description as English.

The writer plans clauses (what is said of whom, in which order), picks a sentence form for each and lets
:class:`~scenewright.world.phrases.Phrases` word it. Everything it writes, :func:`scenewright.world.parser.parse`
reads back to the same description (equal after :func:`~scenewright.world.canonical.canonical`).

Held-out phrasings are sentence forms (:data:`HELD_OUT_TEMPLATES`) that training text never has, built from
words that it does have:

- ``attribute_clause``: "a ball that is large and red rolls left"
- ``apposed_attributes``: "a ball, large and red, rolls left"
- ``attribute_sentence``: "A ball rolls left. The ball is large and red."
- ``fronted_direction``: "To the left, a red ball rolls", "To the left rolls a red ball"
- ``fronted_speed``: "Slowly, a red ball rolls left"
- ``inverted_participle``: "Rolling left is a red ball"
- ``cleft``: "It is a red ball that rolls left"
- ``scene_frame``: "In the scene, a red ball rolls left", "In the scene there is a red ball"
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from scenewright.world.canonical import canonical, covers, partial
from scenewright.world.phrases import (
    ADVERBS_BEFORE,
    DIRECTIONS,
    MUTUAL_VERBS,
    PASSIVE_VERBS,
    Phrases,
    clashes,
)
from scenewright.world.scene import Description, Event, Relation

__all__ = ["HELD_OUT_TEMPLATES", "canonical", "partial", "write"]

HELD_OUT_TEMPLATES = (
    "attribute_clause",
    "apposed_attributes",
    "attribute_sentence",
    "fronted_direction",
    "fronted_speed",
    "inverted_participle",
    "cleft",
    "scene_frame",
)
_MANY = 1_000_000


def write(
    description: Description,
    seed: int,
    *,
    held_out_phrasings: bool = False,
    held_out_synonyms: bool = False,
) -> str:
    """One English caption of ``description``; the same seed writes the same words.

    Says everything in ``description`` and nothing else. ``held_out_phrasings`` uses one of
    :data:`HELD_OUT_TEMPLATES` and at most one held-out synonym; ``held_out_synonyms`` uses held-out synonyms
    freely in the sentence forms of training text (or of the held-out ones, with both).
    """
    rng = Random(seed * 4 + held_out_phrasings + 2 * held_out_synonyms)
    synonyms = _MANY if held_out_synonyms else int(held_out_phrasings and rng.random() < 0.35)
    return _Writer(description, rng, synonyms=synonyms, held_out=held_out_phrasings).text()


@dataclass
class _Clause:
    """Subjects that share events; ``relation`` is said along with them, ``mode`` tells how."""

    subjects: tuple[int, ...]
    events: list[Event]
    relation: Relation | None = None
    mode: str = ""


@dataclass
class _Plan:
    stages: list[list[_Clause]] = field(default_factory=list)
    static: list[Relation] = field(default_factory=list)


class _Writer(Phrases):
    def __init__(self, description: Description, rng: Random, *, synonyms: int, held_out: bool) -> None:
        super().__init__(description, rng, synonyms=synonyms)
        self.link_at = 0
        self.plan = self._plan()
        staged = len(self.plan.stages) > 1
        self.progressive = not staged and self.random() < 0.35
        self.template: str | None = None
        if held_out:
            self.template = self._template()
        elif not staged and self.random() < 0.14:
            self.bare = True
        if not self.bare and self.random() < 0.12 and self._told_apart():
            self.definite = True

    # ---------------------------------------------------------------------------------------------- planning

    def _plan(self) -> _Plan:
        plan = _Plan()
        by_stage: dict[int, list[Event]] = {}
        for event in dict.fromkeys(self.description.events):
            by_stage.setdefault(event.stage, []).append(event)
        for stage in sorted(by_stage):
            plan.stages.append(self._clauses(by_stage[stage]))
        relations = list(dict.fromkeys(self.description.relations))
        self.rng.shuffle(relations)
        clauses = [clause for stage in plan.stages for clause in stage]
        for relation in relations:
            if not self._attach(relation, clauses):
                plan.static.append(relation)
        return plan

    def _clauses(self, events: list[Event]) -> list[_Clause]:
        """Events of one stage in clauses: what one entity does, or what several do alike."""
        rng = self.rng
        clauses: list[_Clause] = []
        for event in events:
            mine = [c for c in clauses if c.subjects == (event.subject,) and len(c.events) < 3]
            if mine and self.random() < 0.85:
                mine[0].events.append(event)
                continue
            clauses.append(_Clause((event.subject,), [event]))
        if len(clauses) > 1 and self.random() < 0.6:
            alike: dict[tuple, list[_Clause]] = {}
            for clause in clauses:
                event = clause.events[0]
                if len(clause.events) == 1 and event.target is None:
                    alike.setdefault((event.kind, event.direction, event.speed), []).append(clause)
            for same in alike.values():
                subjects = tuple(dict.fromkeys(c.subjects[0] for c in same))
                if len(subjects) > 1 and len(subjects) == len(same):
                    clauses = [c for c in clauses if all(c is not s for s in same)]
                    clauses.append(_Clause(subjects, same[0].events))
        if len(clauses) > 1:
            rng.shuffle(clauses)
        return clauses

    def _attach(self, relation: Relation, clauses: list[_Clause]) -> bool:
        """Says ``relation`` in the clause that first names its subject (or reference), if one is free."""
        if self.random() < 0.35:
            return False
        named: set[int] = set()
        for position, clause in enumerate(clauses):
            mine = clause.subjects == (relation.subject,)
            free = clause.relation is None and len(clause.subjects) == 1
            if mine and free:
                modes = []
                if all(e.target is None for e in clause.events) and not clashes(relation, clause.events):
                    modes += ["adverbial"] * 3
                if relation.subject not in named:
                    modes += ["behind_noun", "that_is"]
                    if position == 0:
                        modes += ["front", "front", "main"]
                if not modes:
                    return False
                clause.relation, clause.mode = relation, modes[int(self.random() * len(modes))]
                return True
            if (
                free
                and clause.subjects == (relation.reference,)
                and relation.kind != "between"
                and relation.subject not in named
                and relation.reference not in named
                and all(relation.subject != e.target for e in clause.events)
            ):
                clause.relation, clause.mode = relation, "companion"
                return True
            named.update(clause.subjects)
            named.update(e.target for e in clause.events if e.target is not None)
        return False

    def _told_apart(self) -> bool:
        """Whether no noun phrase fits two entities, so that all can be called "the"."""
        entities = self.entities
        return not any(covers(a, b) for i, a in enumerate(entities) for j, b in enumerate(entities) if i != j)

    def _template(self) -> str:
        """A held-out sentence form that this description can be said in."""
        fitting = ["scene_frame"]
        entities = self.entities
        with_attributes = [i for i, e in enumerate(entities) if e.color or e.size or e.material]
        if with_attributes:
            fitting += ["attribute_clause", "apposed_attributes"]
        separate = [
            i
            for i in with_attributes
            if not any(
                entities[i].shape in (None, other.shape) or other.shape in (None, entities[i].shape)
                for j, other in enumerate(entities)
                if j != i
            )
        ]
        if separate:
            fitting.append("attribute_sentence")
        if self.plan.stages:
            clause = self.plan.stages[0][0]
            event = clause.events[0]
            if len(clause.subjects) == 1 and len(clause.events) == 1 and event.target is None:
                fitting.append("inverted_participle")
                if event.direction in ("left", "right", "toward", "away"):
                    fitting.append("fronted_direction")
                if event.speed:
                    fitting.append("fronted_speed")
            if len(clause.subjects) == 1 and entities[clause.subjects[0]].count == 1:
                fitting.append("cleft")
        template = fitting[int(self.random() * len(fitting))]
        if template in ("attribute_clause", "apposed_attributes"):
            self.attribute_style = template
        elif template == "attribute_sentence":
            self.unsaid.add(separate[int(self.random() * len(separate))])
        if template in ("inverted_participle", "fronted_direction", "fronted_speed", "cleft"):
            clause = self.plan.stages[0][0]
            if clause.relation is not None:
                self.plan.static.append(clause.relation)
                clause.relation = None
        return template

    # ------------------------------------------------------------------------------------------------ clauses

    def _be(self, subjects: tuple[int, ...]) -> str:
        return "are" if self.plural(subjects) else "is"

    def clause(self, clause: _Clause, *, opening: bool = False, elliptic: bool = False) -> str:
        """The text of a clause. ``opening``: it starts a sentence, so something may be fronted. ``elliptic``:
        its subject was that of the last clause and is left out."""
        events, subjects, relation, mode = clause.events, clause.subjects, clause.relation, clause.mode
        form = "base" if self.plural(subjects) else "third"
        if elliptic:
            text = self.verb_phrases(events, form)
            if relation is not None:
                text += f" {self.place(relation)}"
            return text
        single = len(subjects) == 1
        if relation is None and single and len(events) == 1 and events[0].target is not None:
            text = self._other_voice(events[0])
            if text:
                return text
        new = single and not self.known(subjects[0])
        if mode == "front" and not opening:
            mode = "adverbial" if all(e.target is None for e in events) else "that_is"
        if mode in ("behind_noun", "that_is", "companion", "main") and not new:
            mode = "adverbial"
        if (
            mode == "adverbial"
            and relation is not None
            and (
                relation.subject not in subjects
                or clashes(relation, events)
                or any(e.target is not None for e in events)
            )
        ):
            self.plan.static.append(relation)
            relation, mode = None, ""
        prefix = ""
        if relation is not None and mode == "front":
            prefix = self.place(relation) + (", " if self.bare or self.random() < 0.5 else " ")
        words = [self.subject(subjects)]
        if relation is not None:
            if mode == "behind_noun":
                words.append(self.place(relation))
            elif mode == "that_is":
                words.append(f"that {self._be(subjects)} {self.place(relation)}")
            elif mode == "companion":
                words.append(f"with {self.noun_phrase(relation.subject)} {self.place_by_pronoun(relation)}")
        finite = mode in ("behind_noun", "that_is", "main")
        if mode == "main" and relation is not None:
            words.append("that")
        if self.bare and not finite:
            words.append(self.verb_phrases(events, "ing"))
        elif self.progressive:
            words += [self._be(subjects), self.verb_phrases(events, "ing")]
        elif mode == "" and opening and new and not self.definite and self.random() < 0.2:
            there = f"there {self._be(subjects)} {words[0]} "
            words = [there + (self.verb_phrases(events, "ing") if self.random() < 0.5 else
                              "that " + self.verb_phrases(events, form))]  # fmt: skip
        else:
            if len(subjects) > 1 and len(subjects) == 2 and self.random() < 0.2:
                words.append("both")
            words.append(self.verb_phrases(events, form))
        if relation is not None and mode == "adverbial":
            words.append(self.place(relation))
        if relation is not None and mode == "main":
            words.append(f"{self._be(subjects)} {self.place(relation)}")
        self.last = subjects
        return prefix + " ".join(words)

    def _other_voice(self, event: Event) -> str:
        if self.bare:
            return ""
        r = self.random()
        if r < 0.25 and PASSIVE_VERBS[event.kind][0]:
            return self.passive(event)
        if r < 0.6 and MUTUAL_VERBS[event.kind][0] and event.direction is None:
            return self.mutual(event, self.progressive)
        return ""

    def _held_out_clause(self, clause: _Clause) -> str:
        """The first clause in the chosen held-out form."""
        events, subjects = clause.events, clause.subjects
        event = events[0]
        form = "base" if self.plural(subjects) else "third"
        template, self.template = self.template, None
        if template == "cleft":
            text = f"it is {self.noun_phrase(subjects[0])} that {self.verb_phrases(events, form)}"
        elif template == "inverted_participle":
            doing = self.verb_phrase(event, "ing")
            text = f"{doing} {self._be(subjects)} {self.noun_phrase(subjects[0])}"
        else:
            fronted = {"direction": None} if template == "fronted_direction" else {"speed": None}
            rest = event.model_copy(update=fronted)
            if template == "fronted_direction":
                assert event.direction is not None
                front = {"left": "to the left", "right": "to the right"}.get(event.direction)
                front = front or self.pick(DIRECTIONS[event.direction]).text
            else:
                front = self.pick(ADVERBS_BEFORE[event.speed]).text
            if rest.direction is None and rest.speed is None and self.random() < 0.5:
                text = f"{front} {self.verb_phrase(rest, form)} {self.noun_phrase(subjects[0])}"
            else:
                comma = ", " if self.random() < 0.7 else " "
                text = f"{front}{comma}{self.noun_phrase(subjects[0])} {self.verb_phrase(rest, form)}"
        self.last = subjects
        return text

    # ---------------------------------------------------------------------------------------------- sentences

    def _static_sentence(self, relation: Relation, opening: bool) -> str:
        """A sentence that says where something is."""
        subject, reference = relation.subject, relation.reference
        new = not self.known(subject) and not self.definite
        be = self._be((subject,))
        r = self.random()
        if self.bare:
            text = f"{self.noun_phrase(subject)} {self.place(relation)}"
        elif new and r < 0.3:
            text = f"there {be} {self.noun_phrase(subject)} {self.place(relation)}"
        elif new and r < 0.45:
            place = self.place(relation)
            there = f"there {be}" if self.random() < 0.5 else be
            text = f"{place} {there} {self.noun_phrase(subject)}"
        elif new and r < 0.6 and not self.known(reference) and relation.kind != "between":
            self.last = ()
            first = f"there {self._be((reference,))} {self.noun_phrase(reference)}"
            text = f"{first} with {self.noun_phrase(subject)} {self.place_by_pronoun(relation)}"
            self.last = (reference,)
            return text
        else:
            name = self.subject((subject,))
            if self.random() < 0.25:
                be = self.choose(("stand", "sit") if be == "are" else ("stands", "sits"))
            text = f"{name} {be} {self.place(relation)}"
        self.last = (subject,)
        return text

    def _existence(self, indices: list[int]) -> str:
        names = [self.noun_phrase(i) for i in indices]
        self.last = tuple(indices) if len(indices) == 1 else ()
        if self.bare or self.definite or self.random() < 0.35:
            return self.join(names)
        return f"there {self._be((indices[0],))} {self.join(names)}"

    def _same_time(self, clauses: list[_Clause], *, opening: bool) -> list[str]:
        """Clauses of one stage, as sentences without capitals and stops."""
        template = self.template
        clause_form = template in ("cleft", "inverted_participle", "fronted_direction", "fronted_speed")
        first = self._held_out_clause(clauses[0]) if opening and clause_form else ""
        leading = False
        if not first:
            leading = opening and len(clauses) > 1 and not self.bare and self.random() < 0.12
            first = self.clause(clauses[0], opening=opening and not leading)
        sentences = [f"{self.choose(('while', 'as'))} {first}" if leading else first]
        joined = 1
        for clause in clauses[1:]:
            if leading and joined == 1:
                sentences[-1] += f", {self.clause(clause)}"
                joined = 2
                continue
            if joined >= 3 or self.random() < 0.18:
                if opening and not self.bare:
                    lead = self.choose(("", "", "at the same time, ", "meanwhile, "))
                else:
                    lead = "" if opening else self.choose(("at the same time, ", "meanwhile, "))
                sentences.append(lead + self.clause(clause, opening=lead == ""))
                joined = 1
                continue
            connectives = (", ", ", ", " and ", " while ") if self.bare else (
                " while ", " while ", " and ", " as ", ", and ", ", while ")  # fmt: skip
            sentences[-1] += self.choose(connectives) + self.clause(clause)
            joined += 1
        return sentences

    def _events(self) -> list[str]:
        """All stages as sentences."""
        stages = self.plan.stages
        if not stages:
            return []
        if len(stages) == 1:
            return self._same_time(stages[0], opening=True)
        simple = all(len(stage) == 1 for stage in stages)
        if len(stages) == 2 and simple and self.template in (None, "scene_frame") and self.random() < 0.3:
            return [self._reordered(stages[0][0], stages[1][0])]
        opener = ""
        if self.template is None and self.random() < 0.2:
            opener = "first, " if self.random() < 0.5 else "first "
        sentences = self._same_time(stages[0], opening=not opener)
        sentences[0] = opener + sentences[0]
        before_used = False
        for number, stage in enumerate(stages[1:], start=1):
            final = number == len(stages) - 1 and number > 1
            alone = len(stages[number - 1]) == 1
            if self.random() < 0.4:
                lead = self.choose(
                    ("finally, ", "then ") if final else ("then ", "after that, ", "then, ", "next, ")
                )
                later = self._same_time(stage, opening=False)
                sentences.append(lead + later[0])
                sentences += later[1:]
                continue
            elliptic = alone and self.last == stage[0].subjects and self.random() < 0.85
            if alone and len(stage) == 1 and not before_used and not opener and self.random() < 0.3:
                before_used = True
                if elliptic and stage[0].relation is None:
                    text = self.verb_phrases(stage[0].events, "ing")
                else:
                    text = self.clause(stage[0])
                sentences[-1] += f" before {text}"
                continue
            link = self.choose((", then ", " and then ", ", and then ", ", then "))
            if elliptic:
                sentences[-1] += link + self.clause(stage[0], elliptic=True)
                for clause in stage[1:]:
                    sentences[-1] += self.choose((" while ", " as ")) + self.clause(clause)
            else:
                later = self._same_time(stage, opening=False)
                sentences[-1] += link + later[0]
                sentences += later[1:]
        return sentences

    def _reordered(self, first: _Clause, second: _Clause) -> str:
        """Two stages in one sentence with "after" or "before"."""
        r = self.random()
        if r < 0.4:
            return f"after {self.clause(first)}, {self.clause(second)}"
        if r < 0.75:
            return f"{self.clause(second)} after {self.clause(first)}"
        return f"before {self.clause(second)}, {self.clause(first)}"

    # ------------------------------------------------------------------------------------------------ the text

    def text(self) -> str:
        description = self.description
        mentioned = {i for stage in self.plan.stages for c in stage for i in c.subjects}
        for stage in self.plan.stages:
            for clause in stage:
                mentioned.update(e.target for e in clause.events if e.target is not None)
                if clause.relation is not None:
                    mentioned.update(_members(clause.relation))
        for relation in self.plan.static:
            mentioned.update(_members(relation))
        alone = [i for i in range(len(self.entities)) if i not in mentioned]
        if self.plan.stages and not alone and len(self.entities) > 1 and not self.bare:
            held_clause = self.template not in (None, "scene_frame")
            if not held_clause and self.random() < 0.08:
                alone = list(range(len(self.entities)))
                self.rng.shuffle(alone)
        statements: list[str] = []
        early = self.random() < 0.5 and not (self.template and self.plan.stages)
        if alone and (early or not self.plan.stages or len(alone) == len(self.entities)):
            statements.append(self._existence(alone))
            alone = []
        done = 0
        if early or not self.plan.stages:
            while done < len(self.plan.static):
                statements.append(self._static_sentence(self.plan.static[done], not statements))
                done += 1
        statements += self._events()
        self.link_at = len(statements) - 1
        while done < len(self.plan.static):
            statements.append(self._static_sentence(self.plan.static[done], False))
            done += 1
        if alone:
            statements.append(self._existence(alone))
        if self.template == "scene_frame":
            lead = "in the scene " if statements[0].startswith("there ") else "in the scene, "
            statements[0] = lead + statements[0]
        self._add_setting(statements)
        self._add_camera(statements, bool(description.events))
        statements += [self._attribute_sentence(index) for index in sorted(self.unsaid)]
        return self._finish(statements)

    def _attribute_sentence(self, index: int) -> str:
        name = self._again(index)
        kept, self.unsaid = self.unsaid, set()
        described = Phrases(self.description, self.rng, synonyms=0)
        words = described._word(index)
        self.unsaid = kept
        return f"{name} {self._be((index,))} {self.join(words.full)}"

    def _add_setting(self, statements: list[str]) -> None:
        d = self.description
        if not (d.ground or d.sky or d.time):
            return
        r = self.random()
        if self.bare:
            r *= 0.7
        if r < 0.6:
            at = 0 if self.random() < 0.4 else self._link_at(statements)
            tail = " ".join(self.setting_phrases())
            statements[at] += (", " if self.bare or statements[at].endswith(",") else " ") + tail
        elif r < 0.8 and self._may_front(statements):
            statements[0] = ", ".join([*self.setting_phrases(), statements[0]])
        else:
            sentences = self.setting_sentences()
            if self.random() < 0.25:
                statements[:0] = sentences
                self.link_at += len(sentences)
            else:
                statements += sentences

    def _link_at(self, statements: list[str]) -> int:
        """The statement that takes what is added about the whole scene: the last event, but never between a
        subject and its pronoun."""
        at = self.link_at
        after = statements[at + 1].split(" ", 1)[0] if at + 1 < len(statements) else ""
        return len(statements) - 1 if after in ("it", "they") else at

    def _may_front(self, statements: list[str]) -> bool:
        return statements[0].split(" ", 1)[0].rstrip(",") not in (
            "after", "before", "first", "while", "as", "in", "on", "at", "under"
        )  # fmt: skip

    def _add_camera(self, statements: list[str], moving: bool) -> None:
        move = self.description.camera
        if move is None:
            return
        r = self.random()
        last = self._link_at(statements)
        if self.bare:
            adjectives = self.camera_with(move) if r < 0.4 else ""
            statements[last] += f", {adjectives or 'camera ' + self.camera_verb(move, ing=True)}"
        elif r < 0.45:
            link = self.choose((" while ", " while ", ", while ", " as ", ", and "))
            if not moving:
                link = ", and "
            statements[last] += f"{link}the camera {self.camera_verb(move, ing=False)}"
        elif r < 0.6:
            # "colliding with a static camera" would be read as a collision with it
            comma = self.random() < 0.5 or statements[last].endswith(("collide", "colliding"))
            statements[last] += f"{',' if comma else ''} {self.camera_with(move)}"
        elif r < 0.72 and moving and self._may_front(statements):
            lead = self.choose(("while", "as"))
            statements[0] = f"{lead} the camera {self.camera_verb(move, ing=False)}, {statements[0]}"
        else:
            sentence = f"the camera {self.camera_verb(move, ing=False)}"
            if self.random() < 0.25:
                statements.insert(0, sentence)
            else:
                statements.append(sentence)

    def _finish(self, statements: list[str]) -> str:
        r = self.random()
        statements = [s.replace(",,", ",").rstrip(",") for s in statements]
        if r < 0.7:
            return ". ".join(s[0].upper() + s[1:] for s in statements) + "."
        text = ". ".join(statements)
        return text if r < 0.9 else text + "."


def _members(relation: Relation) -> tuple[int, ...]:
    if relation.second is None:
        return (relation.subject, relation.reference)
    return (relation.subject, relation.reference, relation.second)
