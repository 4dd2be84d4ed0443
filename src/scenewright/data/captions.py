"""What a change of the picture makes of its caption: still true, true in other words, or refused.

Every function takes any English caption and returns a :class:`Verdict`. The rules look at whole words, keep
their case, and refuse where they are not sure: a refused change costs one augmentation, a false caption
teaches a model something wrong. They know words, not grammar; the limits are said at each function.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
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


class _RefusalError(Exception):
    """The reason why a caption cannot stay true; never leaves this module."""


def _judge(caption: str, rule: Callable[[_Tokens], None]) -> Verdict:
    tokens = _Tokens(caption)
    try:
        rule(tokens)
    except _RefusalError as refusal:
        return Verdict("refused", caption, str(refusal))
    text = tokens.text()
    return Verdict("true" if text == caption else "rewritten", text)


# ------------------------------------------------------------------------------------------------- the text

_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s\-‐]")


class _Tokens:
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


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _forms(verb: str) -> tuple[str, str, str, str]:
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


def _all_forms(verbs: str) -> frozenset[str]:
    return frozenset(form for verb in verbs.split() for form in _forms(verb))


def _phrases(listed: str) -> reading.PhraseTable[bool]:
    return reading.PhraseTable.of((phrase, True) for phrase in re.split(r",\s+", listed))


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f'"{word}"' for word in dict.fromkeys(words))


# --------------------------------------------------------------------------------------- the mirror's sides

_OTHER_SIDE = {
    **{f"left{end}": f"right{end}" for end in ("", "ward", "wards", "most", "hand", "handed")},
    **{f"right{end}": f"left{end}" for end in ("", "ward", "wards", "most", "hand", "handed")},
    "clockwise": "counterclockwise",
    "counterclockwise": "clockwise",
    "anticlockwise": "clockwise",
}
_SPLIT_TURNS = ("counter", "anti")
_WRITING = _words(
    """text texts word words letter letters lettering writing written handwriting sign signs signage logo
    logos subtitle subtitles label labels labeled labelled inscription says spells digits slogan clock
    watermark license licence"""
)
#: Before these, "left" and "right" are places or directions for certain.
_PLACES_BEFORE = _words("the its his her their my your our to from of far upper lower top bottom front rear")
_GOING = _all_forms(
    """roll glide skid trundle bounce hop move travel drift pan tilt orbit circle turn walk look face point
    head lean step sail veer jump leap"""
) | _words(
    "slide slides sliding slid go goes going went run runs running drive drives driving fly flies flying"
)
_STILL = _words("is are was were be been being sits sitting stands standing lies lying rests stays and just")
#: What "right" stresses when it stands before.
_STRESSED = _words(
    """behind after before away now next beside near between into through up down above below past over
    there here against along alongside around back by off out at as"""
)
_STRESSED_PAIRS = (("in", "front"), ("in", "the"), ("on", "top"), ("close", "to"))
_CORRECT = _words("time moment way person answer choice thing direction place amount size tool order")
_LEFT_OBJECTS = _words("the a an his her its their him them for over alone out open behind unattended")


def mirror_caption(caption: str) -> Verdict:
    """The caption of the clip flipped left to right.

    Sides and turning directions are swapped. "left" the verb and "right" that stresses ("right behind") stay
    or, where the words around do not tell, are refused; so are captions with writing in the picture.
    """
    return _judge(caption, _mirror)


def _mirror(tokens: _Tokens) -> None:
    writing = [w for w in tokens.lower if w in _WRITING or w in '"“”']
    if writing:
        raise _RefusalError(f"{_quoted(writing)}: writing cannot be read in a mirror")
    for at, word in enumerate(tokens.lower):
        if word == "clockwise" and tokens.word(at - 1) in _SPLIT_TURNS:
            tokens.replace(at - 1, 2, "clockwise")
        elif word in _OTHER_SIDE and _is_side(tokens, at):
            new = _OTHER_SIDE[word]
            if new == "right" and _is_stress(tokens, at) and tokens.word(at - 1) not in _PLACES_BEFORE:
                new = "to the right"
            tokens.replace(at, 1, new)


def _is_side(tokens: _Tokens, at: int) -> bool:
    """Whether "left" or "right" is a place or direction. :class:`_RefusalError` where that cannot be told."""
    word, before, after = tokens.word(at), tokens.word(at - 1), tokens.word(at + 1)
    going = _follows_going(tokens, at)
    if word == "left" and before not in _PLACES_BEFORE and not going:
        if before in ("has", "have", "had", "having"):
            return False
        if after in _LEFT_OBJECTS or (before in _STILL - {"and"} and after != "of"):
            raise _RefusalError('"left" may be the verb here')
    if word == "right":
        if before == "all" or after in ("angle", "angles", "triangle"):
            return False
        if after in _CORRECT or (before in _STILL - {"and"} and after in ("", *lex.SENTENCE_ENDS)):
            raise _RefusalError('"right" may mean correct here')
        if before not in _PLACES_BEFORE and _is_stress(tokens, at):
            if not going and (before in _STILL or not before.isalnum()):
                return False
            raise _RefusalError(f'"right {after}" may be a direction or a stress')
    return True


def _is_stress(tokens: _Tokens, at: int) -> bool:
    """Whether the words behind ``at`` are such as "right" stresses."""
    after = (tokens.word(at + 1), tokens.word(at + 2))
    return after[0] in _STRESSED or after in _STRESSED_PAIRS


def _follows_going(tokens: _Tokens, at: int) -> bool:
    """Whether a verb of motion stands before, adverbs between them left out."""
    at -= 1
    while tokens.word(at).endswith("ly") or tokens.word(at) in ("fast", "along"):
        at -= 1
    return tokens.word(at) in _GOING


# ------------------------------------------------------------------------- colours, framing, angles and time

_SHADES = (
    "red orange yellow green cyan blue purple pink brown white gray grey black violet gold silver".split()
)
_COLOR_WORDS = (
    frozenset(reading.COLORS.words())
    | {stem + end for word in _SHADES for stem in (word, word.removesuffix("e")) for end in ("ish", "s", "y")}
    | _words(
        """reddish redder redden reddens whiten whitens blacken blackens golden bronze copper maroon
        burgundy ruby coral salmon peach apricot amber mustard ochre cream ivory beige khaki olive mint
        jade indigo lavender lilac mauve plum fuchsia rose chocolate charcoal pale pastel vivid vibrant
        saturated neon colorful colourful colorless colourless multicolored multicoloured monochrome
        monochromatic grayscale greyscale sepia tinted hue hues blond blonde brunette rainbow color colors
        colour colours grass grassy lawn meadow leaf leaves foliage sky fire flame flames lava blood
        sunset sunrise snow snowy sand sandy beach sea ocean skin banana bananas lemon lemons tomato
        tomatoes strawberry strawberries wood wooden autumn"""
    )
)
_COUNTS = {w for w, n in reading.NUMBERS.items() if n > 1 or w == "single"} | _words(
    "pair couple both several all every only alone many few group row crowd"
)
_FRAMING = _words(
    """edge edges corner corners border borders margin center centre centered centred middle frame screen
    picture image offscreen foreground background leftmost rightmost topmost bottommost enters enter
    entering exits exit exiting leaves leaving closeup fullscreen whole entire symmetric symmetrical top
    bottom side"""
)
_FRAMING_PHRASES = _phrases(
    """close up, wide shot, long shot, full body, head to toe, on the left, on the right, at the left,
    at the right, to the left, to the right, out of view, into view"""
)
_NOT_FRAMING = _phrases(
    """on top of, in the middle of the day, into the background, middle between, on the left of,
    on the right of, at the left of, at the right of, to the left of, to the right of, on the left side of,
    on the right side of"""
)
_ANGLES = _words(
    """horizontal horizontally vertical vertically level upright straight diagonal diagonally tilted
    slanted slanting leaning parallel perpendicular angle angles"""
)
_SPEEDS = frozenset(reading.SPEEDS.words()) | _words(
    """quicker faster slower fastest slowest speed speeds speeding speedy slowed slowing motion timelapse
    hyperlapse lapse suddenly gradually instantly abruptly briskly hurriedly hastily swift brisk sprint
    sprints sprinting racing accelerates accelerating decelerates decelerating seconds minutes minute"""
)
_ORDER = _words(
    """then before after afterwards later next finally eventually until once when first begins beginning
    starts starting stops stopping ends ending finishes finishing"""
)
_BRIEF_KINDS = ("appear", "vanish", "fall", "collide", "swap", "jump")
_BRIEF = reading.PhraseTable.of(
    [(" ".join(words), True) for entries in reading.VERBS.by_first.values() for words, verb in entries
     if verb.kind in _BRIEF_KINDS]
    + [(form, True) for form in sorted(_all_forms("open close enter exit arrive throw catch kick explode "
       "land crack flip knock pour splash burst snap clap"))]
)  # fmt: skip


def recolor_caption(caption: str) -> Verdict:
    """Refused where hue or saturation is changed and the caption names a colour, or a thing whose colour
    everybody knows (grass, snow, a banana)."""
    return _judge(caption, lambda tokens: _forbid(tokens, _COLOR_WORDS, "would not be true of other colours"))


def reframe_caption(caption: str) -> Verdict:
    """Refused for a clip cropped, shifted or scaled where the caption tells places in the frame, the framing,
    or how many things there are: what is at the border gets lost or repeated there."""

    def rule(tokens: _Tokens) -> None:
        counts = [w for w in tokens.lower if w in _COUNTS or (w.isdecimal() and w != "1")]
        if counts:
            raise _RefusalError(
                f"{_quoted(counts)}: what is counted may be cut off or repeated at the border"
            )
        at = 0
        while at < len(tokens):
            fine = _NOT_FRAMING.match(tokens.lower, at)
            if fine:
                at += fine[1]
                continue
            framing = _FRAMING_PHRASES.match(tokens.lower, at) or (True, int(tokens.word(at) in _FRAMING))
            if framing[1] and not _follows_going(tokens, at):
                phrase = " ".join(tokens.lower[at : at + framing[1]])
                raise _RefusalError(f'"{phrase}": a place in the frame, or the framing, would change')
            at += 1

    return _judge(caption, rule)


def rotate_caption(caption: str) -> Verdict:
    """Refused for a tilted clip where :func:`reframe_caption` is, or where the caption tells angles."""
    reframed = reframe_caption(caption)
    if reframed.refused:
        return reframed
    return _judge(caption, lambda tokens: _forbid(tokens, _ANGLES, "would not be true at another angle"))


def retime_caption(caption: str) -> Verdict:
    """Refused for a part of the clip, played at another speed, where the caption tells a speed, an order, or
    something brief that the part may miss."""

    def rule(tokens: _Tokens) -> None:
        _forbid(tokens, _SPEEDS, "would not be true at another speed")
        order = [
            w for w, then in pairwise([*tokens.lower, ""]) if w in _ORDER and (w, then) != ("next", "to")
        ]
        if order:
            raise _RefusalError(f"{_quoted(order)}: a part of the clip may not show what comes first or last")
        for at in range(len(tokens)):
            brief = _BRIEF.match(tokens.lower, at)
            if brief:
                words = " ".join(tokens.lower[at : at + brief[1]])
                raise _RefusalError(f'"{words}": a part of the clip may miss it')

    return _judge(caption, rule)


def _forbid(tokens: _Tokens, words: frozenset[str], why: str) -> None:
    found = [word for word in tokens.lower if word in words]
    if found:
        raise _RefusalError(f"{_quoted(found)} {why}")


# -------------------------------------------------------------------------------------------- time reversal


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
_ONE_WAY = _words(
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
    reading.IGNORED, reading.PLACES, reading.POSTURES, reading.COPULAS, reading.SETTING_PREPOSITIONS, _words(
    """this his its always does things objects something nothing anything everything during stripes
    colored coloured shaped sized polished unpolished building buildings ceiling morning evening
    wing wings ring rings string spring king red bed shed hundred clothes glasses stairs clouds
    hands eyes legs arms windows doors walls mountains hills rocks stones bricks tiles books houses cars
    toys bottles cups tables chairs shelves lamps trees flowers dots edges sides cameras
    others scenes seconds interesting detailed curved rounded pointed patterned spotted dotted wooded
    crowded"""
))  # fmt: skip
_THEN = _phrases("then, and then, after that, and after that, next")


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
    return _judge(caption, _reverse)


def _reverse(tokens: _Tokens) -> None:
    found = dict(_scan(tokens))
    _settle_ways(tokens, found)
    travelling = any(sense.travels for _, sense in found.values())
    places = [tokens.word(at) for at, (_, sense) in found.items() if sense.kind == "place"]
    if travelling and places:
        raise _RefusalError(f"{_quoted(places)}: what moves is elsewhere at the other end of the clip")
    for _, sense in found.values():
        states = [word for word in tokens.lower if word in sense.states]
        if states:
            raise _RefusalError(f"{_quoted(states)}: true only at the other end of what happens")
    for at, (length, sense) in found.items():
        if sense.new:
            tokens.replace(at, length, sense.new)
    orders = list(_orders(tokens))
    if len(orders) > 1:
        raise _RefusalError("more than two steps one after the other")
    opener = next(
        (i for i in range(len(tokens)) if tokens.word(i) == "first" and tokens.opens_sentence(i)), None
    )
    if opener is not None:
        if not orders or opener > orders[0][0]:
            raise _RefusalError('"first": the order of more than this would change')
        _drop_first(tokens, opener)
    for at, length in orders:
        _turn_order(tokens, at, length, found)


def _scan(tokens: _Tokens) -> Iterator[tuple[int, tuple[int, _Sense]]]:
    """Where phrases that matter stand: (first token, (number of tokens, sense))."""
    table = _senses()
    at = 0
    while at < len(tokens):
        word, (sense, length) = tokens.word(at), table.match(tokens.lower, at) or (None, 1)
        if sense is None and word in ("left", "right") and not _is_side(tokens, at):
            raise _RefusalError(f'"{word}" may be more than a direction here')
        if sense is None and word in _UP_DOWN and not _follows_going(tokens, at):
            raise _RefusalError(f'"{word}" may look different backwards')
        if sense is None and word in (*_OTHER_SIDE, *_UP_DOWN):
            bare = _follows_going(tokens, at)
            sense = _Sense("way", _OTHER_SIDE.get(word) or _UP_DOWN[word]) if bare else _Sense("place")
        if sense is None and _may_be_verb(word):
            raise _RefusalError(f'"{word}" may look different backwards')
        if sense is not None:
            phrase = " ".join(tokens.lower[at : at + length])
            if sense.kind == "one_way":
                raise _RefusalError(f'"{phrase}" looks different backwards')
            camera = bool(reading.CAMERA_NOUNS & set(tokens.lower[tokens.sentence(at).start : at]))
            aimed = tokens.word(at + length) in ("on", "from", "to", "a", "the")
            if (sense.camera and (aimed or not camera)) or (sense.new == "toward the camera" and camera):
                raise _RefusalError(f'"{phrase}" may look different backwards')
            yield at, (length, sense)
        at += length


def _settle_ways(tokens: _Tokens, found: dict[int, tuple[int, _Sense]]) -> None:
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
                raise _RefusalError(f'"{phrase}" may be a place or a turn here')


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
            for phrase, new in zip(_forms(verb)[1:3], _forms(opposite)[1:3], strict=True):
                yield phrase, _Sense("verb", new, _forms(opposite)[2], travels=True, camera=True)
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
    for word in (*_FRAMING - _words("enter enters entering exit exits exiting leaves leaving"), "inside"):
        yield word, _Sense("place")
    for setting in ("middle of the day", "inside a studio"):
        yield setting, _Sense("still")
    for entries in reading.VERBS.by_first.values():
        for words, meaning in entries:
            yield " ".join(words), _verb_sense(words, meaning)
    for one_verb, other_verb, states in _MORE_OPPOSITES:
        for verb, opposite in ((one_verb, other_verb), (other_verb, one_verb)):
            for phrase, new in zip(_forms(verb)[1:3], _forms(opposite)[1:3], strict=True):
                yield (
                    phrase,
                    _Sense("verb", new, _forms(opposite)[2], _words(states), other_verb == "descend"),
                )
    for verb in _STEADY.split():
        for phrase in _forms(verb):
            yield phrase, _Sense("verb", ing=_forms(verb)[2], travels=verb in ("pan", "tilt", "dolly"))
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


def _orders(tokens: _Tokens) -> Iterator[tuple[int, int]]:
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
        elif word in _ORDER - {"first", "next"}:
            raise _RefusalError(f'"{word}": the order of what happens would change')
        at += 1


def _drop_first(tokens: _Tokens, at: int) -> None:
    length = 2 if tokens.word(at + 1) == "," else 1
    gap, capital = tokens.gaps[at], tokens.pieces[at][0].isupper()
    tokens.delete(at, length)
    if at + length < len(tokens):
        following = tokens.pieces[at + length]
        tokens.gaps[at + length] = gap
        tokens.pieces[at + length] = following[0].upper() + following[1:] if capital else following


def _turn_order(tokens: _Tokens, at: int, length: int, found: dict[int, tuple[int, _Sense]]) -> None:
    """Says that what came second comes first, in the order of the text."""
    inside = tokens.sentence(at)
    follows = tokens.word(at) in ("before", "after") and length == 1
    if not follows and tokens.opens_sentence(at):
        if at == 0:
            raise _RefusalError(f'"{tokens.word(at)}": what came before is not told')
        inside = range(tokens.sentence(at - 1).start, inside.stop)
    doing = [i for i, (_, sense) in found.items() if sense.kind == "verb"]
    steps = [i for i in doing if i in inside]
    if len(steps) < 2 or steps[-1] < at or not (follows or steps[0] < at):
        raise _RefusalError(f'"{tokens.word(at)}": what happens in which order is not clear')
    for i in doing:
        elsewhere = tokens.sentence(i)
        camera = (
            tokens.word(elsewhere.start + (tokens.word(elsewhere.start) == "the")) in reading.CAMERA_NOUNS
        )
        if i not in inside and not (camera and sum(j in elsewhere for j in doing) == 1):
            raise _RefusalError("several sentences, one after the other in time")
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


def _participle(tokens: _Tokens, start: int, found: dict[int, tuple[int, _Sense]]) -> None:
    """ "After grows" becomes "after growing", where the subject is left out."""
    verb = start
    while tokens.word(verb).endswith("ly") or tokens.word(verb) in reading.SPEEDS.by_first:
        verb += 1
    if verb not in found or found[verb][1].kind != "verb" or tokens.word(verb).endswith("ing"):
        return
    length, sense = found[verb]
    rest = tokens.lower[verb : tokens.sentence(verb).stop]
    if not sense.ing or "and" in rest:
        raise _RefusalError(f'"{tokens.word(verb)}": who does it in which order is not clear')
    tokens.replace(verb, length, sense.ing)
