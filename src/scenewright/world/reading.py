"""The tables the parser reads by: phrases and what they mean, the longest phrase first.

They hold every word of the lexicon, held-out ones included, and words that people write and the writer does
not, which are read as the nearest concept of the world.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, Literal, TypeVar

from scenewright.world import lexicon as lex
from scenewright.world.lexicon import Verb, tokenize
from scenewright.world.scene import (
    CameraDirection,
    CameraKind,
    Color,
    Direction,
    Material,
    MotionKind,
    RelationKind,
    Shape,
    Size,
    Speed,
)

T = TypeVar("T")


@dataclass(frozen=True)
class PhraseTable(Generic[T]):
    """Phrases and what they mean. The first meaning given for a phrase holds."""

    by_first: dict[str, list[tuple[tuple[str, ...], T]]] = field(default_factory=dict)

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, T]]) -> PhraseTable[T]:
        table: dict[str, list[tuple[tuple[str, ...], T]]] = {}
        for text, value in pairs:
            words = tuple(tokenize(text))
            entries = table.setdefault(words[0], [])
            if all(known != words for known, _ in entries):
                entries.append((words, value))
        for entries in table.values():
            entries.sort(key=lambda entry: -len(entry[0]))
        return cls(table)

    def match(self, tokens: list[str], at: int) -> tuple[T, int] | None:
        """(meaning, number of words) of the longest phrase that starts at ``at``, or ``None``."""
        if at >= len(tokens):
            return None
        for words, value in self.by_first.get(tokens[at], ()):
            if len(words) == 1 or tuple(tokens[at : at + len(words)]) == words:
                return value, len(words)
        return None

    def words(self) -> Iterator[str]:
        for entries in self.by_first.values():
            for words, _ in entries:
                yield from words


def _spelled(meanings: dict[T, str]) -> list[tuple[str, T]]:
    """Pairs for a table from {meaning: "phrase, phrase"}."""
    return [(phrase, value) for value, phrases in meanings.items() for phrase in phrases.split(", ")]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# ----------------------------------------------------------------------------------- nouns, adjectives

_MORE_NOUNS: dict[tuple[Shape | None, bool], str] = {
    ("torus", False): "toroid, bagel, wheel, tire, tyre",
    ("torus", True): "tori, bagels, wheels, tires, tyres",
    ("cylinder", False): "rod, column, pipe",
    ("cylinder", True): "rods, columns, pipes, cans",
    ("cube", False): "die",
    ("cube", True): "dice",
    (None, False): "something, shape, solid",
    (None, True): "shapes, solids",
}


def _nouns() -> Iterator[tuple[str, tuple[Shape | None, bool]]]:
    for shape, nouns in lex.SHAPE_NOUNS.items():
        for noun in nouns:
            yield noun.singular, (shape, False)
            yield noun.plural, (shape, True)
    yield from _spelled(_MORE_NOUNS)


#: (shape, whether plural).
NOUNS: PhraseTable[tuple[Shape | None, bool]] = PhraseTable.of(_nouns())

_MORE_COLORS: dict[Color, str] = {
    "red": "crimson",
    "yellow": "golden, gold",
    "green": "lime, emerald",
    "cyan": "teal",
    "blue": "navy, azure",
    "pink": "magenta",
    "brown": "tan",
    "gray": "silver",
}
COLORS: PhraseTable[Color] = PhraseTable.of(
    [(w.text, c) for c, words in lex.COLOR_WORDS.items() for w in words] + _spelled(_MORE_COLORS)
)

_MORE_SIZES: dict[Size, str] = {
    "small": "mini, petite",
    "large": "enormous, gigantic, massive, great",
    "medium": "average, medium size, mid size",
}
SIZES: PhraseTable[Size] = PhraseTable.of(
    [(w.text, s) for s, words in lex.SIZE_WORDS.items() for w in words] + _spelled(_MORE_SIZES)
)

_MORE_MATERIALS: dict[Material, str] = {
    "metal": "shiny metal, chrome, iron, polished",
    "glass": "clear glass, crystal",
    "striped": "stripey, banded",
    "chequered": "chequerboard, checkerboard",
    "matte": "mat",
}
MATERIALS: PhraseTable[Material] = PhraseTable.of(
    [(w.text, m) for m, words in lex.MATERIAL_WORDS.items() for w in words if w.place != "behind"]
    + _spelled(_MORE_MATERIALS)
)
_MORE_MATERIALS_BEHIND: dict[Material, str] = {
    "chequered": "with checks, with a chequered pattern",
}
#: "with stripes"
MATERIALS_BEHIND: PhraseTable[Material] = PhraseTable.of(
    [(w.text, m) for m, words in lex.MATERIAL_WORDS.items() for w in words if w.place == "behind"]
    + _spelled(_MORE_MATERIALS_BEHIND)
)

# ----------------------------------------------------------------------------------------------- verbs

Form = Literal["third", "base", "ing", "participle"]


@dataclass(frozen=True)
class VerbReading:
    """What a verb form means. ``kind`` ``None``: "moves", to be settled by the shape. ``mutual``: the
    subjects do it to each other, no object follows."""

    kind: MotionKind | None
    form: Form
    mutual: bool = False


_MORE_VERBS: dict[MotionKind | None, tuple[Verb, ...]] = {
    "fall": (Verb("tumble", "tumbles", "tumbling", "tumbled"),),
    "jump": (Verb("jump", "jumps", "jumping", "jumped", "up"),),
    "spin": (
        Verb("turn", "turns", "turning", "turned", "around"),
        Verb("spin", "spins", "spinning", "spun", "around"),
        Verb("whirl", "whirls", "whirling", "whirled"),
    ),
    "orbit": (
        Verb("orbit", "orbits", "orbiting", "orbited", "around"),
        Verb("circle", "circles", "circling", "circled", "around"),
        Verb("move", "moves", "moving", "moved", "around"),
        Verb("rotate", "rotates", "rotating", "rotated", "around"),
    ),
    "grow": (
        Verb("become", "becomes", "becoming", "become", "bigger"),
        Verb("become", "becomes", "becoming", "become", "larger"),
        Verb("enlarge", "enlarges", "enlarging", "enlarged"),
    ),
    "shrink": (Verb("become", "becomes", "becoming", "become", "smaller"),),
    "vanish": (Verb("fade", "fades", "fading", "faded"),),
    "follow": (
        Verb("go", "goes", "going", "gone", "after"),
        Verb("run", "runs", "running", "run", "after"),
        Verb("trail", "trails", "trailing", "trailed"),
    ),
    "collide": (
        Verb("strike", "strikes", "striking", "struck"),
        Verb("smash", "smashes", "smashing", "smashed", "into"),
    ),
    "swap": (
        Verb("swap", "swaps", "swapping", "swapped", "positions with", mutual="positions"),
        Verb("change", "changes", "changing", "changed", "places with", mutual="places"),
        Verb("exchange", "exchanges", "exchanging", "exchanged", "places with", mutual="places"),
    ),
    "shake": (Verb("vibrate", "vibrates", "vibrating", "vibrated"),),
    None: (
        Verb("move", "moves", "moving", "moved"),
        Verb("go", "goes", "going", "gone"),
        Verb("travel", "travels", "travelling", "travelled"),
        Verb("drift", "drifts", "drifting", "drifted"),
    ),
}


def _verbs() -> Iterator[tuple[str, VerbReading]]:
    forms: tuple[Form, ...] = ("third", "base", "ing", "participle")
    for kind, verbs in (*lex.MOTION_VERBS.items(), *_MORE_VERBS.items()):
        for verb in verbs:
            for form in forms:
                head = getattr(verb, form)
                yield f"{head} {verb.tail}", VerbReading(kind, form)
                if verb.mutual is not None:
                    yield f"{head} {verb.mutual}", VerbReading(kind, form, mutual=True)


VERBS: PhraseTable[VerbReading] = PhraseTable.of(_verbs())

# ------------------------------------------------------------------------------------ manner and place

_MORE_SPEEDS: dict[Speed, str] = {"slow": "slow", "fast": "quick, rapid, speedily"}
SPEEDS: PhraseTable[Speed] = PhraseTable.of(
    [(w.text, s) for s, words in lex.SPEED_WORDS.items() for w in words] + _spelled(_MORE_SPEEDS)
)

_MORE_DIRECTIONS: dict[Direction, str] = {
    "left": "towards the left, toward the left, from right to left, from the right to the left",
    "right": "towards the right, toward the right, from left to right, from the left to the right",
    "toward": "towards the camera, toward the viewer, towards us, forwards, closer",
    "away": "backward, backwards, back, into the background",
    "counterclockwise": "counter clockwise, anti clockwise",
}
DIRECTIONS: PhraseTable[Direction] = PhraseTable.of(
    [(w.text, d) for d, words in lex.DIRECTION_WORDS.items() for w in words] + _spelled(_MORE_DIRECTIONS)
)

_MORE_RELATIONS: dict[RelationKind, str] = {
    "left_of": "to left of, at the left of",
    "right_of": "to right of, at the right of",
    "on_top_of": "above, onto, upon",
    "near": "by the side of, close by",
    "between": "in the middle between, in the middle of",
}
RELATIONS: PhraseTable[RelationKind] = PhraseTable.of(
    [(w.text, r) for r, words in lex.RELATION_WORDS.items() for w in words] + _spelled(_MORE_RELATIONS)
)
#: "to its left"
POSSESSED: PhraseTable[RelationKind] = PhraseTable.of(
    (text.format(pronoun), kind)
    for kind, texts in lex.POSSESSED_RELATIONS.items()
    for text in texts
    for pronoun in ("its", "their")
)
_SIDES: dict[Literal["left", "right"], str] = {
    "left": "on the left, to the left, at the left, on the left side, on the left hand side",
    "right": "on the right, to the right, at the right, on the right side, on the right hand side",
}
#: A place in the picture: "a cube on the left".
SIDES: PhraseTable[Literal["left", "right"]] = PhraseTable.of(_spelled(_SIDES))
#: Paths by which nothing in the world moves.
PATHS = _words("over through past under into towards toward across from")

# ---------------------------------------------------------------------------------- camera and setting

CameraReading = tuple[CameraKind, CameraDirection | None]

_MORE_CAMERA_VERBS: dict[CameraReading, str] = {
    ("static", None): "stays static, stays fixed, is still, stands still, doesn't move",
    ("pan", None): "pan",
    ("pan", "left"): "pan left, turns left, looks left, moves left",
    ("pan", "right"): "pan right, turns right, looks right, moves right",
    ("tilt", None): "tilt",
    ("tilt", "up"): "tilt up, looks up, moves up",
    ("tilt", "down"): "tilt down, looks down, moves down",
    ("dolly", "in"): "dolly in, zoom in, pushes in, moves forward, goes in, comes closer",
    ("dolly", "out"): "dolly out, zoom out, moves out, moves backward, moves away, pulls out, goes back",
    ("orbit", None): "orbit, circles, circling, moves around, goes around, orbits around, orbiting around",
    ("shake", None): "shake, trembles, vibrates",
}


def _camera_verbs() -> Iterator[tuple[str, CameraReading]]:
    for move, pairs in lex.CAMERA_VERBS.items():
        for third, ing in pairs:
            yield third, move
            yield ing, move
            yield f"is {ing}", move
            yield third.removeprefix("is "), move
    yield from _spelled(_MORE_CAMERA_VERBS)


CAMERA_VERBS: PhraseTable[CameraReading] = PhraseTable.of(_camera_verbs())
CAMERA_ADJECTIVES: PhraseTable[CameraKind] = PhraseTable.of(
    (word, kind) for kind, words in lex.CAMERA_ADJECTIVES.items() for word in words
)
CAMERA_NOUNS = frozenset(("camera", "shot", "view"))

_SETTINGS: dict[tuple[str, str], str] = {
    ("ground", "plain"): "plain",
    ("ground", "tiled"): "tiled, tiles, tile",
    ("ground", "wooden"): "wooden, wood, parquet, made of wood",
    ("ground", "grass"): "grass, grassy, lawn, meadow, covered with grass, covered in grass",
    ("ground", "sand"): "sand, sandy, beach, desert, covered with sand, covered in sand",
    ("sky", "clear"): "clear",
    ("sky", "cloudy"): "cloudy, clouds, overcast",
    ("sky", "studio"): "studio",
    ("time", "morning"): "morning, dawn, sunrise",
    ("time", "noon"): "noon, midday, middle of the day",
    ("time", "evening"): "evening, dusk, sunset",
    ("time", "night"): "night, nighttime, night time",
}
#: Adjectives and nouns of the setting, as (field, value).
SETTINGS: PhraseTable[tuple[str, str]] = PhraseTable.of(_spelled(_SETTINGS))
#: Nouns of the setting that say nothing by themselves.
PLACES = _words(
    "floor ground surface table sky light scene background room air time day video clip picture place"
)
SETTING_PREPOSITIONS = _words("on in at under beneath below inside during across over by against along")

# -------------------------------------------------------------------------- the words that hold it all

#: What comes next in time.
THEN: PhraseTable[bool] = PhraseTable.of(
    _spelled({True: "then, and then, after that, and after that, afterwards, next, finally, later"})
)
#: What happens in the same stage.
SAME: PhraseTable[bool] = PhraseTable.of(
    _spelled(
        {
            True: "while, whilst, and, as, at the same time, and at the same time, meanwhile, and meanwhile, "
            "simultaneously, but, whereas, together"
        }
    )
)
NUMBERS: dict[str, int] = (
    {word: number for number, word in enumerate(lex.NUMBER_WORDS) if number}
    | {str(number): number for number in range(1, 1000)}
    | {"seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "dozen": 12, "single": 1}
)
ORDINALS = {word: number for number, word in enumerate(lex.ORDINALS)}
ARTICLES = frozenset(("a", "an", "the"))
PRONOUNS = frozenset(("it", "they", "them", "this", "these"))
COPULAS = frozenset(("is", "are", "was", "were", "be", "being"))
RELATIVES = frozenset(("that", "which", "who"))
NEGATIONS = frozenset(("not", "never", "doesn't", "don't", "isn't", "aren't", "without"))
POSTURES = _words(
    """stands stand standing sits sit sitting lies lie lying rests rest resting stays stay staying waits wait
    waiting floats float floating placed located has have having"""
)
EXISTENCE = PhraseTable.of(
    (text, True) for text in ("there is", "there are", "there's", "here is", "here are", "here's")
)
#: Words without a meaning of their own here; they are never reported as unknown.
IGNORED = _words(
    """both each all again also very quite just too still the a an of some with to in on at by that which who
    made its their there is are be it for from so not does do has have other same time right now looking
    colored coloured color colour size sized video clip show shows showing me us we see please make"""
)


def punctuation(word: str) -> bool:
    return word in lex.SENTENCE_ENDS or word in lex.PAUSES


@cache
def vocabulary() -> frozenset[str]:
    """All words of all tables."""
    tables: tuple[PhraseTable[Any], ...] = (
        NOUNS, COLORS, SIZES, MATERIALS, MATERIALS_BEHIND, VERBS, SPEEDS, DIRECTIONS, RELATIONS, POSSESSED,
        SIDES, CAMERA_VERBS, CAMERA_ADJECTIVES, SETTINGS, THEN, SAME, EXISTENCE,
    )  # fmt: skip
    words = {word for table in tables for word in table.words()}
    for group in (
        NUMBERS,
        ORDINALS,
        PRONOUNS,
        COPULAS,
        POSTURES,
        PLACES,
        CAMERA_NOUNS,
        RELATIVES,
        NEGATIONS,
        PATHS,
    ):
        words.update(group)
    words.update(SETTING_PREPOSITIONS, ("another", "pair", "before", "after", "once", "each", "other"))
    return frozenset(words)
