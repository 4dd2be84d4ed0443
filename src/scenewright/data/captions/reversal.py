"""Time reversal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from scenewright.data.captions.changes import FRAMING, ORDER
from scenewright.data.captions.sides import OTHER_SIDE, follows_going, is_side
from scenewright.data.captions.text import (
    RefusalError,
    Tokens,
    Verdict,
    forms_of,
    judge,
    listed,
    phrases_of,
    quoted,
)
from scenewright.world import lexicon as lex
from scenewright.world import reading


@dataclass(frozen=True)
class _Sense:
    """What a phrase is when time runs back.

    ``kind``: a "verb" that looks the same or becomes another, a "one_way" happening, a "place", a "way" that
    something goes, a "turn" it turns, or what is "still". ``new``: what to say instead. ``ing``: that as an
    -ing form, for finite verbs. ``states``: adjectives that would name the wrong end. ``travels``: places
    told of the start are not those of the end. ``camera``: only a camera's move.
    """

    kind: Literal["verb", "one_way", "place", "way", "turn", "still"]
    new: str = ""
    ing: str = ""
    states: frozenset[str] = frozenset()
    travels: bool = False
    camera: bool = False


_SIZES = frozenset(reading.SIZES.words())
_OPPOSITES = {"grow": "shrink", "shrink": "grow", "appear": "vanish", "vanish": "appear"}
#: Gravity, momentum and pursuit have a direction in time: a bounce gets lower, a jump of a body lands
#: otherwise than it takes off, and what is hit begins to move.
_ONE_WAY_KINDS = ("bounce", "fall", "jump", "follow", "collide")
_ING = {form: v.ing for verbs in lex.MOTION_VERBS.values() for v in verbs for form in (v.base, v.third)}
#: Two verbs of which each is the other backwards, and adjectives that name a start or an end.
_MORE_OPPOSITES = (
    ("open", "close", "open opened closed shut"), ("inflate", "deflate", "flat full"),
    ("brighten", "darken", "bright dark dim light"), ("widen", "narrow", "wide narrow"),
    ("lengthen", "shorten", "long short"), ("accelerate", "decelerate", ""), ("speed up", "slow down", ""),
    ("fade in", "fade out", ""), ("rise", "descend", "high low"), ("ascend", "descend", "high low"),
)  # fmt: skip
_CAMERA_OPPOSITES = (("zoom in", "zoom out"), ("push in", "pull out"), ("come closer", "go back"))
_WAYS_BACK = {
    "toward": "away from", "towards": "away from", "away from": "toward", "away": "toward the camera",
    "into the distance": "toward the camera", "into the background": "toward the camera",
    "forward": "backward", "forwards": "backwards", "backward": "forward", "backwards": "forwards",
    "upward": "downward", "upwards": "downwards", "downward": "upward", "downwards": "upwards",
}  # fmt: skip
_TURNS_BACK = {
    "clockwise": "counterclockwise", "counterclockwise": "clockwise", "anticlockwise": "clockwise",
    "counter clockwise": "clockwise", "anti clockwise": "clockwise",
}  # fmt: skip
_UP_DOWN = {"up": "down", "down": "up"}
_STEADY = "pan tilt dolly float hover flicker glow shine sway dangle remain"
#: Base forms and pasts of verbs whose other forms the ending gives away, and other words of one way.
_ONE_WAY = listed(
    """walk run jog march dance sing play eat drink drive ride fly swim climb crawl throw toss catch kick hit
    push pull pour spill splash drip flow melt freeze burn explode break crack cut chop cook boil write draw
    paint build dig open close shut enter exit leave arrive come give take put pick lift drop talk speak
    laugh cry smile wave blink nod press pass cross kiss dress cast spread grew shrank fell ran threw broke
    ate drank drove rode flew swam wrote drew built gave took came went rose sank spoke sang bake fight look
    face point lean rise descend inflate deflate brighten darken widen lengthen shorten back closer further
    farther again backflip somersault lightning firework fireworks explosion waterfall fountain rain rainfall
    snowfall smoke"""
)
_ADJECTIVES_AND_NOUNS = (
    reading.NOUNS, reading.COLORS, reading.SIZES, reading.MATERIALS, reading.MATERIALS_BEHIND, reading.SPEEDS,
    reading.SETTINGS, reading.CAMERA_ADJECTIVES,
)  # fmt: skip
_NOT_VERBS = frozenset(word for table in _ADJECTIVES_AND_NOUNS for word in table.words()).union(
    reading.IGNORED, reading.PLACES, reading.POSTURES, reading.COPULAS, reading.SETTING_PREPOSITIONS, listed(
    """this his its always does things objects something nothing anything everything during stripes
    colored coloured shaped sized polished unpolished building buildings ceiling morning evening
    wing wings ring rings string spring king red bed shed hundred clothes glasses stairs clouds
    hands eyes legs arms windows doors walls mountains hills rocks stones bricks tiles books houses cars
    toys bottles cups tables chairs shelves lamps trees flowers dots edges sides cameras
    others scenes seconds interesting detailed curved rounded pointed patterned spotted dotted wooded
    crowded"""
))  # fmt: skip
_THEN = phrases_of("then, and then, after that, and after that, next")


def reverse_caption(caption: str) -> Verdict:
    """The caption of the clip played backwards.

    Only what is known to run both ways is rewritten: things that move, turn, grow or shrink, appear or
    vanish, open or close, and camera moves. Refused are falls, bounces, jumps, collisions and pursuits; every
    word that may be a verb and is not known to look natural backwards; sizes of what grows ("a small ball
    grows" is large when it shrinks); places of what moves elsewhere; more than two steps one after the other.
    Two steps keep their places in the text and change the word between them: "X, then Y" becomes "X', after
    Y'".

    Verbs are told by their endings, so a base form that is not listed ("a cat and a dog bark") goes unseen.
    """
    return judge(caption, _reverse)


def _reverse(tokens: Tokens) -> None:
    found = dict(_scan(tokens))
    _settle_ways(tokens, found)
    travelling = any(sense.travels for _, sense in found.values())
    places = [tokens.word(at) for at, (_, sense) in found.items() if sense.kind == "place"]
    if travelling and places:
        raise RefusalError(f"{quoted(places)}: what moves is elsewhere at the other end of the clip")
    for _, sense in found.values():
        states = [word for word in tokens.lower if word in sense.states]
        if states:
            raise RefusalError(f"{quoted(states)}: true only at the other end of what happens")
    for at, (length, sense) in found.items():
        if sense.new:
            tokens.replace(at, length, sense.new)
    orders = list(_orders(tokens))
    if len(orders) > 1:
        raise RefusalError("more than two steps one after the other")
    opener = next(
        (i for i in range(len(tokens)) if tokens.word(i) == "first" and tokens.opens_sentence(i)), None
    )
    if opener is not None:
        if not orders or opener > orders[0][0]:
            raise RefusalError('"first": the order of more than this would change')
        _drop_first(tokens, opener)
    for at, length in orders:
        _turn_order(tokens, at, length, found)


def _scan(tokens: Tokens) -> Iterator[tuple[int, tuple[int, _Sense]]]:
    """Where phrases that matter stand: (first token, (number of tokens, sense))."""
    table = _senses()
    at = 0
    while at < len(tokens):
        word, (sense, length) = tokens.word(at), table.match(tokens.lower, at) or (None, 1)
        if sense is None and word in ("left", "right") and not is_side(tokens, at):
            raise RefusalError(f'"{word}" may be more than a direction here')
        if sense is None and word in _UP_DOWN and not follows_going(tokens, at):
            raise RefusalError(f'"{word}" may look different backwards')
        if sense is None and word in (*OTHER_SIDE, *_UP_DOWN):
            bare = follows_going(tokens, at)
            sense = _Sense("way", OTHER_SIDE.get(word) or _UP_DOWN[word]) if bare else _Sense("place")
        if sense is None and _may_be_verb(word):
            raise RefusalError(f'"{word}" may look different backwards')
        if sense is not None:
            phrase = " ".join(tokens.lower[at : at + length])
            if sense.kind == "one_way":
                raise RefusalError(f'"{phrase}" looks different backwards')
            camera = bool(reading.CAMERA_NOUNS & set(tokens.lower[tokens.sentence(at).start : at]))
            aimed = tokens.word(at + length) in ("on", "from", "to", "a", "the")
            if (sense.camera and (aimed or not camera)) or (sense.new == "toward the camera" and camera):
                raise RefusalError(f'"{phrase}" may look different backwards')
            yield at, (length, sense)
        at += length


def _settle_ways(tokens: Tokens, found: dict[int, tuple[int, _Sense]]) -> None:
    """Tells ways from places by the verb before: what rolls to the left goes there, what stands to the left
    is there. What turns to the left may be either."""
    for at, (length, sense) in found.items():
        if sense.kind == "way":
            sentence = range(tokens.sentence(at).start, at)
            before = [s for i, (_, s) in found.items() if i in sentence and s.kind in ("verb", "still")]
            if not before or before[-1].kind == "still":
                found[at] = (length, _Sense("place"))
            elif not before[-1].travels:
                phrase = " ".join(tokens.lower[at : at + length])
                raise RefusalError(f'"{phrase}" may be a place or a turn here')


def _may_be_verb(word: str) -> bool:
    ending = re.fullmatch(r"[a-z]+(?:[^su]s|ing|ed)", word)
    return ending is not None and len(word) > 3 and word not in _NOT_VERBS


@cache
def _senses() -> reading.PhraseTable[_Sense]:
    return reading.PhraseTable.of(_sense_pairs())


def _sense_pairs() -> Iterator[tuple[str, _Sense]]:
    """Phrases and senses; the first sense of a phrase holds, and the longest phrase where several fit."""
    closer, farther = lex.CAMERA_VERBS["dolly", "in"], lex.CAMERA_VERBS["dolly", "out"]
    for one, two in ((closer, farther), (farther, closer)):
        for forms, others in zip(one, two, strict=True):
            for phrase, new in zip(forms, others, strict=True):
                yield phrase, _Sense("verb", new, others[1], travels=True, camera=True)
    for verbs in _CAMERA_OPPOSITES:
        for verb, opposite in (verbs, verbs[::-1]):
            for phrase, new in zip(forms_of(verb)[1:3], forms_of(opposite)[1:3], strict=True):
                yield phrase, _Sense("verb", new, forms_of(opposite)[2], travels=True, camera=True)
    for side, other in (("left", "right"), ("right", "left")):
        for before in ("to", "toward", "towards"):
            yield f"{before} the {side}", _Sense("way", f"{before} the {other}")
        yield f"from {side} to {other}", _Sense("way", f"from {other} to {side}")
        yield f"from the {side} to the {other}", _Sense("way", f"from the {other} to the {side}")
        for end in ("ward", "wards"):
            yield side + end, _Sense("way", other + end)
    for phrase, new in _WAYS_BACK.items():
        yield phrase, _Sense("way", new)
    for phrase, new in _TURNS_BACK.items():
        yield phrase, _Sense("turn", new)
    for word in reading.POSTURES:
        yield word, _Sense("still")
    for relations in (*reading.RELATIONS.by_first.values(), *reading.POSSESSED.by_first.values()):
        for words, _ in relations:
            if words != ("on",):
                yield " ".join(words), _Sense("place")
    for word in (*FRAMING - listed("enter enters entering exit exits exiting leaves leaving"), "inside"):
        yield word, _Sense("place")
    for setting in ("middle of the day", "inside a studio"):
        yield setting, _Sense("still")
    for entries in reading.VERBS.by_first.values():
        for words, meaning in entries:
            yield " ".join(words), _verb_sense(words, meaning)
    for one_verb, other_verb, states in _MORE_OPPOSITES:
        for verb, opposite in ((one_verb, other_verb), (other_verb, one_verb)):
            for phrase, new in zip(forms_of(verb)[1:3], forms_of(opposite)[1:3], strict=True):
                yield (
                    phrase,
                    _Sense("verb", new, forms_of(opposite)[2], listed(states), other_verb == "descend"),
                )
    for verb in _STEADY.split():
        for phrase in forms_of(verb):
            yield phrase, _Sense("verb", ing=forms_of(verb)[2], travels=verb in ("pan", "tilt", "dolly"))
    for word in _ONE_WAY:
        yield word, _Sense("one_way")


def _verb_sense(words: tuple[str, ...], verb: reading.VerbReading) -> _Sense:
    if verb.kind in _ONE_WAY_KINDS or (verb.kind in _OPPOSITES and verb.form == "participle"):
        return _Sense("one_way")
    if verb.kind in _OPPOSITES:
        other = lex.MOTION_VERBS[_OPPOSITES[verb.kind]][0]  # type: ignore[index]
        states = _SIZES if verb.kind in ("grow", "shrink") else frozenset()
        return _Sense("verb", getattr(other, verb.form), other.ing, states)
    finite = verb.form in ("base", "third") and words[0] in _ING
    ing = " ".join([_ING[words[0]], *words[1:]]) if finite else ""
    return _Sense("verb", ing=ing, travels=verb.kind not in ("spin", "shake"))


# ------------------------------------------------------------------------------------------- order in time


def _orders(tokens: Tokens) -> Iterator[tuple[int, int]]:
    """Words that put one step after another: (first token, number of tokens)."""
    at = 0
    while at < len(tokens):
        match, word = _THEN.match(tokens.lower, at), tokens.word(at)
        next_to = word == "next" and not (tokens.opens_sentence(at) or tokens.word(at + 1) == ",")
        if match and not next_to:
            yield at, match[1]
            at += match[1]
            continue
        if word in ("before", "after"):
            yield at, 1
        elif word in ORDER - {"first", "next"}:
            raise RefusalError(f'"{word}": the order of what happens would change')
        at += 1


def _drop_first(tokens: Tokens, at: int) -> None:
    length = 2 if tokens.word(at + 1) == "," else 1
    gap, capital = tokens.gaps[at], tokens.pieces[at][0].isupper()
    tokens.delete(at, length)
    if at + length < len(tokens):
        following = tokens.pieces[at + length]
        tokens.gaps[at + length] = gap
        tokens.pieces[at + length] = following[0].upper() + following[1:] if capital else following


def _turn_order(tokens: Tokens, at: int, length: int, found: dict[int, tuple[int, _Sense]]) -> None:
    """Says that what came second comes first, in the order of the text."""
    inside = tokens.sentence(at)
    follows = tokens.word(at) in ("before", "after") and length == 1
    if not follows and tokens.opens_sentence(at):
        if at == 0:
            raise RefusalError(f'"{tokens.word(at)}": what came before is not told')
        inside = range(tokens.sentence(at - 1).start, inside.stop)
    doing = [i for i, (_, sense) in found.items() if sense.kind == "verb"]
    steps = [i for i in doing if i in inside]
    if len(steps) < 2 or steps[-1] < at or not (follows or steps[0] < at):
        raise RefusalError(f'"{tokens.word(at)}": what happens in which order is not clear')
    for i in doing:
        elsewhere = tokens.sentence(i)
        camera = (
            tokens.word(elsewhere.start + (tokens.word(elsewhere.start) == "the")) in reading.CAMERA_NOUNS
        )
        if i not in inside and not (camera and sum(j in elsewhere for j in doing) == 1):
            raise RefusalError("several sentences, one after the other in time")
    if follows:
        tokens.replace(at, 1, "after" if tokens.word(at) == "before" else "before")
        if tokens.word(at - 1) in ("left", "right"):
            tokens.gaps[at] = "," + tokens.gaps[at]
        return
    start = at + length
    if tokens.opens_sentence(at):
        tokens.pieces[at - 1] = ","
    elif tokens.word(at - 1) != ",":
        tokens.gaps[at] = "," + tokens.gaps[at]
    tokens.delete(at + 1, length - 1)
    tokens.pieces[at] = "after"
    if tokens.word(start) == ",":
        tokens.delete(start, 1)
        start += 1
    _participle(tokens, start, found)


def _participle(tokens: Tokens, start: int, found: dict[int, tuple[int, _Sense]]) -> None:
    """ "After grows" becomes "after growing", where the subject is left out."""
    verb = start
    while tokens.word(verb).endswith("ly") or tokens.word(verb) in reading.SPEEDS.by_first:
        verb += 1
    if verb not in found or found[verb][1].kind != "verb" or tokens.word(verb).endswith("ing"):
        return
    length, sense = found[verb]
    rest = tokens.lower[verb : tokens.sentence(verb).stop]
    if not sense.ing or "and" in rest:
        raise RefusalError(f'"{tokens.word(verb)}": who does it in which order is not clear')
    tokens.replace(verb, length, sense.ing)
