"""Writes a description as English.

A plan says what goes into which clause, this module picks a sentence form for each, and
:class:`~scenewright.world.phrases.Phrases` words it. Everything it writes,
:func:`scenewright.world.parser.parse` reads back to the same description, equal after
:func:`~scenewright.world.canonical.canonical`.

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

from random import Random
from typing import get_args

from scenewright.world.canonical import canonical, partial
from scenewright.world.phrases import ADVERBS_BEFORE, DIRECTIONS, MUTUAL_VERBS, PASSIVE_VERBS, Phrases
from scenewright.world.planning import CLAUSE_TEMPLATES, Clause, Template, clashes, plan, told_apart
from scenewright.world.scene import Description, Event, Relation

__all__ = ["HELD_OUT_TEMPLATES", "canonical", "partial", "write"]

HELD_OUT_TEMPLATES: tuple[Template, ...] = get_args(Template)
_NO_LIMIT = 1_000_000


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
    freely, in the sentence forms of training text (or in the held-out ones, with both).
    """
    rng = Random(seed * 4 + held_out_phrasings + 2 * held_out_synonyms)
    synonyms = _NO_LIMIT if held_out_synonyms else int(held_out_phrasings and rng.random() < 0.35)
    return _Writer(description, rng, synonyms=synonyms, held_out=held_out_phrasings).text()


class _Writer(Phrases):
    """Turns the plan into sentences. All methods that return text must be called in the order in which the
    text is read, since a first mention differs from a later one."""

    def __init__(self, description: Description, rng: Random, *, synonyms: int, held_out: bool) -> None:
        super().__init__(description, rng, synonyms=synonyms)
        self.plan = plan(description, rng, held_out=held_out)
        self.template = self.plan.template
        if self.template == "attribute_clause" or self.template == "apposed_attributes":
            self.attribute_style = self.template
        if self.plan.unsaid is not None:
            self.unsaid = {self.plan.unsaid}
        staged = len(self.plan.stages) > 1
        self.progressive = not staged and self.random() < 0.35
        self.bare = not held_out and not staged and self.random() < 0.14
        if self.bare:
            self.unsaid = set()
        if self.plan.stages and not self.bare and self.random() < 0.12:
            everyone = len(self.plan.mentioned()) == len(self.entities)
            attributive = any(clause.attributive for clause in self.plan.clauses)
            self.definite = everyone and not attributive and told_apart(self.entities)
        #: The statement to which what concerns the whole scene is added.
        self.link_at = 0
        self.described_last = False

    # -------------------------------------------------------------------------------------------- clauses

    def clause(self, clause: Clause, *, opening: bool = False, elliptic: bool = False) -> str:
        """The text of a clause. ``opening``: it starts a sentence, so something may be fronted. ``elliptic``:
        its subject was that of the last clause and is left out."""
        events, subjects = clause.events, clause.subjects
        form = "base" if self.plural(subjects) else "third"
        if elliptic:
            text = self.verb_phrases(events, form)
            return text if clause.relation is None else f"{text} {self.place(clause.relation)}"
        if clause.attributive and not self.known(subjects[0]):
            return self._attributive(clause)
        if clause.relation is None and len(subjects) == len(events) == 1 and clause.targeted:
            text = self._other_voice(events[0])
            if text:
                return text
        new = len(subjects) == 1 and not self.known(subjects[0])
        self._settle(clause, new=new, opening=opening)
        relation, mode = clause.relation, clause.mode
        prefix = ""
        if relation is not None and mode == "front":
            prefix = self.place(relation) + (", " if self.bare or self.random() < 0.5 else " ")
        words = [self.subject(subjects)]
        if relation is not None:
            if mode == "behind_noun":
                words.append(self.place(relation))
            elif mode == "that_is":
                words.append(f"that {self.be(subjects)} {self.place(relation)}")
            elif mode == "companion":
                words.append(f"with {self.noun_phrase(relation.subject)} {self.place_by_pronoun(relation)}")
            elif mode == "main":
                words.append("that")
        if self.bare and mode not in ("behind_noun", "that_is", "main"):
            words.append(self.verb_phrases(events, "ing"))
        elif self.progressive:
            words += [self.be(subjects), self.verb_phrases(events, "ing")]
        elif relation is None and opening and new and not self.definite and self.random() < 0.2:
            relative = self.random() < 0.5
            words = [f"there {self.be(subjects)}", *words, *(["that"] if relative else [])]
            words.append(self.verb_phrases(events, form if relative else "ing"))
        else:
            if len(subjects) == 2 and self.random() < 0.2:
                words.append("both")
            words.append(self.verb_phrases(events, form))
        if relation is not None and mode == "adverbial":
            words.append(self.place(relation))
        if relation is not None and mode == "main":
            words.append(f"{self.be(subjects)} {self.place(relation)}")
        self.last = subjects
        return prefix + " ".join(words)

    def _settle(self, clause: Clause, *, new: bool, opening: bool) -> None:
        """Changes how the clause says its relation where the planned way does not fit its place; where no
        way fits, the relation gets a sentence of its own."""
        if clause.relation is None:
            return
        if clause.mode == "front" and not opening:
            clause.mode = "that_is" if clause.targeted else "adverbial"
        if clause.mode not in ("front", "adverbial") and not new:
            clause.mode = "adverbial"
        if clause.mode == "adverbial" and (
            clause.relation.subject not in clause.subjects
            or clause.targeted
            or clashes(clause.relation, clause.events)
        ):
            self.plan.places.append(clause.relation)
            clause.relation, clause.mode = None, ""

    def _attributive(self, clause: Clause) -> str:
        """ "a spinning cube", "there is a slowly spinning cube behind a ball"."""
        self.attributive[clause.subjects[0]] = clause.events[0]
        text = self.noun_phrase(clause.subjects[0])
        if not self.bare and self.random() < 0.6:
            text = f"there {self.be(clause.subjects)} {text}"
        if clause.relation is not None:
            text += f" {self.place(clause.relation)}"
        self.last = clause.subjects
        return text

    def _other_voice(self, event: Event) -> str:
        """The passive or mutual form, where there is one and chance wants it, else nothing."""
        r = self.random()
        if self.bare:
            return ""
        if r < 0.25 and PASSIVE_VERBS[event.kind][0]:
            return self.passive(event)
        if r < 0.6 and MUTUAL_VERBS[event.kind][0] and event.direction is None:
            return self.mutual(event, self.progressive)
        return ""

    def _held_out_clause(self, clause: Clause) -> str:
        """The first clause in the chosen held-out form."""
        subjects, event = clause.subjects, clause.events[0]
        form = "base" if self.plural(subjects) else "third"
        if self.template == "cleft":
            text = f"it is {self.noun_phrase(subjects[0])} that {self.verb_phrases(clause.events, form)}"
        elif self.template == "inverted_participle":
            doing = self.verb_phrase(event, "ing")
            text = f"{doing} {self.be(subjects)} {self.noun_phrase(subjects[0])}"
        else:
            if self.template == "fronted_direction":
                rest = event.model_copy(update={"direction": None})
                front = {"left": "to the left", "right": "to the right"}.get(event.direction or "")
                front = front or self.pick(DIRECTIONS[event.direction]).text
            else:
                rest = event.model_copy(update={"speed": None})
                front = self.pick(ADVERBS_BEFORE[event.speed]).text
            if rest.direction is None and rest.speed is None and self.random() < 0.5:
                text = f"{front} {self.verb_phrase(rest, form)} {self.noun_phrase(subjects[0])}"
            else:
                comma = "," if self.random() < 0.7 else ""
                text = f"{front}{comma} {self.noun_phrase(subjects[0])} {self.verb_phrase(rest, form)}"
        self.last = subjects
        return text

    # ------------------------------------------------------------------------------------------ statements

    def _place_sentences(self) -> list[str]:
        """All relations that have sentences of their own; those of one subject may share one."""
        sentences = []
        while self.plan.places:
            relation = self.plan.places.pop(0)
            sentence = self._place_sentence(relation)
            if self.plan.places and self.plan.places[0].subject == relation.subject and not self.bare:
                ends_in_place = self.last == (relation.subject,)
                if ends_in_place and self.random() < 0.6:
                    sentence += f" and {self.place(self.plan.places.pop(0))}"
            sentences.append(sentence)
        return sentences

    def _place_sentence(self, relation: Relation) -> str:
        subject, reference = relation.subject, relation.reference
        new = not self.known(subject) and not self.definite
        be = self.be((subject,))
        r = self.random()
        if self.bare:
            text = f"{self.noun_phrase(subject)} {self.place(relation)}"
        elif new and r < 0.3:
            text = f"there {be} {self.noun_phrase(subject)} {self.place(relation)}"
        elif new and r < 0.45:
            there = f"there {be}" if self.random() < 0.5 else be
            text = f"{self.place(relation)} {there} {self.noun_phrase(subject)}"
            self.last = ()
            return text
        elif new and r < 0.6 and not self.known(reference) and relation.kind != "between":
            text = f"there {self.be((reference,))} {self.noun_phrase(reference)}"
            text += f" with {self.noun_phrase(subject)} {self.place_by_pronoun(relation)}"
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
        names = self.join([self.noun_phrase(i) for i in indices])
        self.last = tuple(indices) if len(indices) == 1 else ()
        if self.bare or self.definite or self.random() < 0.3:
            return names
        return f"there {self.be((indices[0],))} {names}"

    def _attribute_sentence(self, index: int) -> str:
        """What was left unsaid: "it is large and red" of what was named last, or in the held-out form."""
        name = self.noun_phrase(index)
        if self.template is None:
            name = self.pronoun((index,))
        self.unsaid = set()
        return f"{name} {self.be((index,))} {self.join(self.words_for(index).full)}"

    def _same_time(self, clauses: list[Clause], *, opening: bool) -> list[str]:
        """Clauses of one stage, as sentences without capitals and stops."""
        reshaped = opening and self.template in CLAUSE_TEMPLATES
        leading = opening and not reshaped and len(clauses) > 1 and not self.bare and self.random() < 0.12
        if reshaped:
            first = self._held_out_clause(clauses[0])
        else:
            first = self.clause(clauses[0], opening=opening and not leading)
        sentences = [f"{self.choose(('while', 'as'))} {first}" if leading else first]
        joined, subordinate = 1, leading
        for clause in clauses[1:]:
            if leading and joined == 1:
                sentences[-1] += f", {self.clause(clause)}"
                joined = 2
            elif joined >= 3 or self.random() < 0.18:
                leads = ["at the same time, ", "meanwhile, "]
                if opening:
                    leads = [""] if self.bare else ["", "", *leads]
                lead = self.choose(leads)
                sentences.append(lead + self.clause(clause, opening=lead == ""))
                joined, subordinate = 1, False
            else:
                links = [", ", ", ", " and ", " while "] if self.bare else [" and ", ", and "]
                if not self.bare and not subordinate:
                    links += [" while ", " while ", ", while ", " as "]
                link = self.choose(links)
                subordinate = subordinate or "while" in link or "as" in link
                sentences[-1] += link + self.clause(clause)
                joined += 1
        if len(clauses) > 1:
            self.last = ()
        return sentences

    def _events(self) -> list[str]:
        """All stages as sentences."""
        stages = self.plan.stages
        if not stages:
            return []
        if len(stages) == 1:
            return self._same_time(stages[0], opening=True)
        plain = self.template is None
        if len(stages) == 2 and all(len(stage) == 1 for stage in stages) and plain and self.random() < 0.3:
            return [self._reordered(stages[0][0], stages[1][0])]
        opener = self.choose(("first, ", "first ")) if plain and self.random() < 0.2 else ""
        sentences = self._same_time(stages[0], opening=not opener)
        sentences[0] = opener + sentences[0]
        before_used = bool(opener)
        for number, stage in enumerate(stages[1:], start=1):
            final = 1 < number == len(stages) - 1
            if self.random() < 0.4:
                leads = ("finally, ", "then ") if final else ("then ", "after that, ", "then, ", "next, ")
                lead = self.choose(leads)
                later = self._same_time(stage, opening=False)
                sentences += [lead + later[0], *later[1:]]
                continue
            alone = len(stages[number - 1]) == 1
            elliptic = alone and self.last == stage[0].subjects and self.random() < 0.85
            if alone and len(stage) == 1 and not before_used and self.random() < 0.3:
                before_used = True
                if elliptic and stage[0].relation is None:
                    sentences[-1] += f" before {self.verb_phrases(stage[0].events, 'ing')}"
                else:
                    sentences[-1] += f" before {self.clause(stage[0])}"
                continue
            sentences[-1] += self.choose((", then ", ", then ", " and then ", ", and then "))
            if elliptic:
                sentences[-1] += self.clause(stage[0], elliptic=True)
                for clause in stage[1:]:
                    sentences[-1] += self.choose((" while ", " as ")) + self.clause(clause)
            else:
                later = self._same_time(stage, opening=False)
                sentences[-1] += later[0]
                sentences += later[1:]
        return sentences

    def _reordered(self, first: Clause, second: Clause) -> str:
        """Two stages in one sentence with "after" or "before"."""
        r = self.random()
        if r < 0.4:
            return f"after {self.clause(first)}, {self.clause(second)}"
        if r < 0.75:
            return f"{self.clause(second)} after {self.clause(first)}"
        return f"before {self.clause(second)}, {self.clause(first)}"

    # -------------------------------------------------------------------------------------------- the text

    def text(self) -> str:
        stages = self.plan.stages
        mentioned = self.plan.mentioned()
        rest = [i for i in range(len(self.entities)) if i not in mentioned]
        reshaped = self.template in CLAUSE_TEMPLATES
        plain = bool(stages) and not (self.bare or self.definite or reshaped)
        if plain and not rest and len(self.entities) > 1 and self.random() < 0.08:
            rest = list(range(len(self.entities)))
            self.rng.shuffle(rest)
        statements: list[str] = []
        early = not stages or (self.template is None and self.random() < 0.5)
        if rest and (early or len(rest) == len(self.entities)):
            statements.append(self._existence(rest))
            rest = []
        if early:
            statements += self._place_sentences()
        statements += self._events()
        self.link_at = len(statements) - 1
        statements += self._place_sentences()
        if rest:
            statements.append(self._existence(rest))
        if self.template is None:
            self.described_last = bool(self.unsaid)
            statements += [self._attribute_sentence(index) for index in self.unsaid]
        if self.template == "scene_frame":
            comma = "" if statements[0].startswith("there ") else ","
            statements[0] = f"in the scene{comma} {statements[0]}"
        elif self.bare and self.random() < 0.08:
            statements[0] = self.choose(("a video of ", "a clip of ")) + statements[0]
        self._add_setting(statements)
        self._add_camera(statements)
        statements += [self._attribute_sentence(index) for index in self.unsaid]
        return self._finish(statements)

    def _link_at(self, statements: list[str]) -> int:
        """The statement that takes what is added about the whole scene: the last event, but never one whose
        subject the next statement calls "it"."""
        at = self.link_at
        after = statements[at + 1].split(" ", 1)[0] if at + 1 < len(statements) else ""
        return len(statements) - 1 if after in ("it", "they") else at

    def _add_setting(self, statements: list[str]) -> None:
        d = self.description
        if not (d.ground or d.sky or d.time):
            return
        r = self.random() * (0.7 if self.bare else 1.0)
        if r < 0.6:
            at = self.link_at if self.described_last else self._link_at(statements)
            at = 0 if self.random() < 0.4 else at
            comma = "," if self.bare else ""
            statements[at] += f"{comma} {' '.join(self.setting_phrases())}"
        elif r < 0.8 and self._may_front(statements):
            statements[0] = ", ".join([*self.setting_phrases(), statements[0]])
        else:
            sentences = self.setting_sentences()
            if self.random() < 0.25:
                statements[:0] = sentences
                self.link_at += len(sentences)
            else:
                statements += sentences

    def _may_front(self, statements: list[str]) -> bool:
        """Whether the text starts with its subject, so that something can be put before."""
        if self.plan.template in CLAUSE_TEMPLATES:
            return False
        starts = ("after", "before", "first", "first,", "while", "as", "in", "on", "at", "under")
        return statements[0].split(" ", 1)[0] not in starts

    def _add_camera(self, statements: list[str]) -> None:
        move = self.description.camera
        if move is None:
            return
        r = self.random() if not self.described_last else 1.0
        at = self._link_at(statements)
        moving, static = bool(self.plan.stages), move.kind == "static"
        if self.bare:
            words = self.camera_with(move) if r < 0.4 else f"camera {self.camera_verb(move, ing=True)}"
            statements[at] += f", {words}"
        elif r < 0.45 and moving:
            link = " while " if static else self.choose((" while ", " while ", ", while ", " as ", ", and "))
            statements[at] += f"{link}the camera {self.camera_verb(move, ing=False)}"
        elif r < (0.6 if moving else 0.4):
            # without the comma, "colliding with a static camera" would be a collision with it
            comma = not moving or self.random() < 0.5 or statements[at].endswith(("collide", "colliding"))
            statements[at] += f"{',' if comma else ''} {self.camera_with(move)}"
        elif r < 0.72 and moving and not static and self._may_front(statements):
            lead = self.choose(("while", "as"))
            statements[0] = f"{lead} the camera {self.camera_verb(move, ing=False)}, {statements[0]}"
        else:
            sentence = f"the camera {self.camera_verb(move, ing=False)}"
            statements.insert(0 if self.random() < 0.25 else len(statements), sentence)

    def _finish(self, statements: list[str]) -> str:
        r = self.random()
        # an apposition ends in a comma, which another mark may follow
        statements = [s.replace(",,", ",").rstrip(",") for s in statements]
        if r < 0.7:
            return ". ".join(s[0].upper() + s[1:] for s in statements) + "."
        return ". ".join(statements) + ("." if r > 0.9 else "")
