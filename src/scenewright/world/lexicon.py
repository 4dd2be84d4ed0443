"""The words of the world: every concept with its synonyms, marked train or held-out, and the list of the
words that training text knows.

The writer takes its words from here and the phrase tables of :mod:`~scenewright.world.reading` are built from
here, so a word that can be written can be read. A word with ``held_out`` never appears in training text; it
names the same concept as its train neighbours.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from scenewright.world.scene import (
    CameraDirection,
    CameraKind,
    Color,
    Direction,
    Ground,
    Material,
    MotionKind,
    RelationKind,
    Shape,
    Size,
    Sky,
    Speed,
    TimeOfDay,
)

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "`": "'"})
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[.,;:!?]")
#: A character with the marks that combine with it.
_CLUSTER = re.compile(r".[\u0300-\u036f\u3099\u309a]*", re.DOTALL)
#: Punctuation tokens that end a sentence, and those that only pause.
SENTENCE_ENDS = frozenset(".!?;")
PAUSES = frozenset(",:")


def tokenize(text: str) -> list[str]:
    """Lower-case words, numbers and punctuation marks of ``text`` after Unicode NFKC normalisation.

    Hyphens, dashes and every other sign separate words (``"see-through"`` gives ``["see", "through"]``).
    """
    return _TOKEN.findall(_plain(text))


def token_places(text: str) -> list[tuple[int, int]]:
    """Where the tokens of :func:`tokenize` stand in ``text``: first character and the one behind the last."""
    places: list[tuple[int, int]] = []
    plain: list[str] = []
    for part in _CLUSTER.finditer(text):
        signs = _plain(part[0])
        plain.append(signs)
        places += [part.span()] * len(signs)
    found = _TOKEN.finditer("".join(plain))
    return [(places[token.start()][0], places[token.end() - 1][1]) for token in found]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).lower()


@dataclass(frozen=True)
class Word:
    """An adjective, adverb or fixed phrase."""

    text: str
    held_out: bool = False


@dataclass(frozen=True)
class Noun:
    singular: str
    plural: str
    held_out: bool = False


@dataclass(frozen=True)
class MaterialWord:
    """A material. ``place``: before the colour (an adjective), after the colour (a noun used as one), behind
    the noun ("with stripes"), or behind it with room for the colour ("made of red metal")."""

    text: str
    place: str = "before"
    held_out: bool = False


@dataclass(frozen=True)
class Verb:
    """A verb by its forms; ``tail`` follows every form ("bump" + "into"). ``mutual`` replaces the tail when
    two subjects do it to each other ("A and B swap places"), ``None`` where the verb is not used that way.
    ``passive`` tells whether "is ... by" sounds right."""

    base: str
    third: str
    ing: str
    participle: str
    tail: str = ""
    mutual: str | None = None
    passive: bool = False
    held_out: bool = False


SHAPE_NOUNS: dict[Shape | None, tuple[Noun, ...]] = {
    "sphere": (
        Noun("sphere", "spheres"),
        Noun("ball", "balls"),
        Noun("orb", "orbs"),
        Noun("globe", "globes", held_out=True),
    ),
    "cube": (Noun("cube", "cubes"), Noun("box", "boxes"), Noun("block", "blocks", held_out=True)),
    "cylinder": (
        Noun("cylinder", "cylinders"),
        Noun("tube", "tubes"),
        Noun("barrel", "barrels", held_out=True),
    ),
    "cone": (Noun("cone", "cones"),),
    "torus": (
        Noun("torus", "toruses"),
        Noun("ring", "rings"),
        Noun("donut", "donuts"),
        Noun("doughnut", "doughnuts", held_out=True),
    ),
    "pyramid": (Noun("pyramid", "pyramids"),),
    "capsule": (Noun("capsule", "capsules"), Noun("pill", "pills")),
    None: (Noun("object", "objects"), Noun("thing", "things"), Noun("item", "items", held_out=True)),
}

COLOR_WORDS: dict[Color, tuple[Word, ...]] = {
    "red": (Word("red"), Word("scarlet", held_out=True)),
    "orange": (Word("orange"),),
    "yellow": (Word("yellow"),),
    "green": (Word("green"),),
    "cyan": (Word("cyan"), Word("turquoise"), Word("aqua", held_out=True)),
    "blue": (Word("blue"),),
    "purple": (Word("purple"), Word("violet")),
    "pink": (Word("pink"),),
    "brown": (Word("brown"),),
    "white": (Word("white"),),
    "gray": (Word("gray"), Word("grey")),
    "black": (Word("black"),),
}

SIZE_WORDS: dict[Size, tuple[Word, ...]] = {
    "small": (Word("small"), Word("little"), Word("tiny"), Word("miniature", held_out=True)),
    "medium": (Word("medium-sized"), Word("medium"), Word("mid-sized", held_out=True)),
    "large": (Word("large"), Word("big"), Word("huge"), Word("giant", held_out=True)),
}

MATERIAL_WORDS: dict[Material, tuple[MaterialWord, ...]] = {
    "matte": (MaterialWord("matte"), MaterialWord("dull"), MaterialWord("unpolished", held_out=True)),
    "metal": (
        MaterialWord("metal", "after"),
        MaterialWord("metallic"),
        MaterialWord("shiny"),
        MaterialWord("metal", "of"),
        MaterialWord("steel", "after", held_out=True),
    ),
    "glass": (
        MaterialWord("glass", "after"),
        MaterialWord("transparent"),
        MaterialWord("see-through"),
        MaterialWord("glass", "of"),
        MaterialWord("translucent", held_out=True),
    ),
    "striped": (
        MaterialWord("striped"),
        MaterialWord("with stripes", "behind"),
        MaterialWord("with a striped pattern", "behind"),
        MaterialWord("stripy", held_out=True),
    ),
    "chequered": (
        MaterialWord("checkered"),
        MaterialWord("chequered"),
        MaterialWord("checked"),
        MaterialWord("with a checkered pattern", "behind"),
        MaterialWord("with a checkerboard pattern", "behind", held_out=True),
    ),
}

MOTION_VERBS: dict[MotionKind, tuple[Verb, ...]] = {
    "roll": (
        Verb("roll", "rolls", "rolling", "rolled"),
        Verb("roll", "rolls", "rolling", "rolled", "along"),
        Verb("trundle", "trundles", "trundling", "trundled", held_out=True),
    ),
    "slide": (
        Verb("slide", "slides", "sliding", "slid"),
        Verb("glide", "glides", "gliding", "glided"),
        Verb("skid", "skids", "skidding", "skidded", held_out=True),
    ),
    "bounce": (
        Verb("bounce", "bounces", "bouncing", "bounced"),
        Verb("bounce", "bounces", "bouncing", "bounced", "up and down"),
        Verb("bob", "bobs", "bobbing", "bobbed", "up and down", held_out=True),
    ),
    "fall": (
        Verb("fall", "falls", "falling", "fallen"),
        Verb("drop", "drops", "dropping", "dropped"),
        Verb("fall", "falls", "falling", "fallen", "down"),
        Verb("plummet", "plummets", "plummeting", "plummeted", held_out=True),
    ),
    "jump": (
        Verb("jump", "jumps", "jumping", "jumped"),
        Verb("hop", "hops", "hopping", "hopped"),
        Verb("leap", "leaps", "leaping", "leapt"),
        Verb("spring", "springs", "springing", "sprung", "up", held_out=True),
    ),
    "spin": (
        Verb("spin", "spins", "spinning", "spun"),
        Verb("rotate", "rotates", "rotating", "rotated"),
        Verb("turn", "turns", "turning", "turned"),
        Verb("twirl", "twirls", "twirling", "twirled", held_out=True),
    ),
    "orbit": (
        Verb("orbit", "orbits", "orbiting", "orbited", passive=True),
        Verb("circle", "circles", "circling", "circled", passive=True),
        Verb("go", "goes", "going", "gone", "around"),
        Verb("revolve", "revolves", "revolving", "revolved", "around", held_out=True),
    ),
    "grow": (
        Verb("grow", "grows", "growing", "grown"),
        Verb("get", "gets", "getting", "got", "bigger"),
        Verb("get", "gets", "getting", "got", "larger"),
        Verb("expand", "expands", "expanding", "expanded", held_out=True),
    ),
    "shrink": (
        Verb("shrink", "shrinks", "shrinking", "shrunk"),
        Verb("get", "gets", "getting", "got", "smaller"),
        Verb("contract", "contracts", "contracting", "contracted", held_out=True),
    ),
    "appear": (
        Verb("appear", "appears", "appearing", "appeared"),
        Verb("pop", "pops", "popping", "popped", "up"),
        Verb("show", "shows", "showing", "shown", "up"),
        Verb("materialize", "materializes", "materializing", "materialized", held_out=True),
    ),
    "vanish": (
        Verb("vanish", "vanishes", "vanishing", "vanished"),
        Verb("disappear", "disappears", "disappearing", "disappeared"),
        Verb("fade", "fades", "fading", "faded", "away", held_out=True),
    ),
    "follow": (
        Verb("follow", "follows", "following", "followed", passive=True),
        Verb("chase", "chases", "chasing", "chased", passive=True),
        Verb("pursue", "pursues", "pursuing", "pursued", passive=True, held_out=True),
    ),
    "collide": (
        Verb("collide", "collides", "colliding", "collided", "with", mutual=""),
        Verb("hit", "hits", "hitting", "hit", passive=True),
        Verb("bump", "bumps", "bumping", "bumped", "into", mutual="into each other"),
        Verb("run", "runs", "running", "run", "into"),
        Verb("crash", "crashes", "crashing", "crashed", "into", mutual="into each other", held_out=True),
    ),
    "swap": (
        Verb("swap", "swaps", "swapping", "swapped", "places with", mutual="places"),
        Verb("trade", "trades", "trading", "traded", "places with", mutual="places"),
        Verb("switch", "switches", "switching", "switched", "places with", mutual="places", held_out=True),
    ),
    "shake": (
        Verb("shake", "shakes", "shaking", "shaken"),
        Verb("wobble", "wobbles", "wobbling", "wobbled"),
        Verb("tremble", "trembles", "trembling", "trembled"),
        Verb("quiver", "quivers", "quivering", "quivered", held_out=True),
    ),
}

SPEED_WORDS: dict[Speed, tuple[Word, ...]] = {
    "slow": (Word("slowly"), Word("gently"), Word("leisurely", held_out=True)),
    "fast": (Word("quickly"), Word("fast"), Word("rapidly"), Word("swiftly", held_out=True)),
}

DIRECTION_WORDS: dict[Direction, tuple[Word, ...]] = {
    "left": (Word("left"), Word("to the left"), Word("leftward"), Word("leftwards", held_out=True)),
    "right": (Word("right"), Word("to the right"), Word("rightward"), Word("rightwards", held_out=True)),
    "toward": (
        Word("toward the camera"),
        Word("towards the viewer"),
        Word("forward"),
        Word("toward us", held_out=True),
    ),
    "away": (
        Word("away from the camera"),
        Word("into the distance"),
        Word("away"),
        Word("away from the viewer"),
        Word("away from us", held_out=True),
    ),
    "clockwise": (Word("clockwise"), Word("in a clockwise direction")),
    "counterclockwise": (
        Word("counterclockwise"),
        Word("anticlockwise"),
        Word("in a counterclockwise direction"),
    ),
}

RELATION_WORDS: dict[RelationKind, tuple[Word, ...]] = {
    "left_of": (
        Word("to the left of"),
        Word("left of"),
        Word("on the left of"),
        Word("on the left side of", held_out=True),
    ),
    "right_of": (
        Word("to the right of"),
        Word("right of"),
        Word("on the right of"),
        Word("on the right side of", held_out=True),
    ),
    "in_front_of": (Word("in front of"), Word("ahead of", held_out=True)),
    "behind": (Word("behind"), Word("at the back of", held_out=True)),
    "on_top_of": (Word("on top of"), Word("on"), Word("atop", held_out=True)),
    "between": (Word("between"), Word("in between")),
    "near": (
        Word("near"),
        Word("next to"),
        Word("beside"),
        Word("close to"),
        Word("alongside", held_out=True),
    ),
}

#: Relations to a pronoun whose wording differs from preposition + "it".
POSSESSED_RELATIONS: dict[RelationKind, tuple[str, ...]] = {
    "left_of": ("to {} left", "on {} left"),
    "right_of": ("to {} right", "on {} right"),
}

GROUND_PHRASES: dict[Ground, tuple[Word, ...]] = {
    "plain": (Word("on a plain floor"), Word("on plain ground")),
    "tiled": (Word("on a tiled floor"), Word("on tiles")),
    "wooden": (Word("on a wooden floor"), Word("on wood"), Word("on a wood floor")),
    "grass": (Word("on grass"), Word("on the grass"), Word("on a lawn", held_out=True)),
    "sand": (Word("on sand"), Word("on the sand"), Word("on a beach", held_out=True)),
}
GROUND_SENTENCES: dict[Ground, tuple[Word, ...]] = {
    "plain": (Word("the floor is plain"), Word("the ground is plain")),
    "tiled": (Word("the floor is tiled"),),
    "wooden": (Word("the floor is wooden"), Word("the floor is made of wood")),
    "grass": (Word("the ground is grass"), Word("the ground is covered with grass")),
    "sand": (Word("the ground is sand"), Word("the ground is covered with sand")),
}
SKY_PHRASES: dict[Sky, tuple[Word, ...]] = {
    "clear": (Word("under a clear sky"), Word("beneath a clear sky", held_out=True)),
    "cloudy": (
        Word("under a cloudy sky"),
        Word("under clouds"),
        Word("under an overcast sky", held_out=True),
    ),
    "studio": (Word("in a studio"), Word("inside a studio")),
}
SKY_SENTENCES: dict[Sky, tuple[Word, ...]] = {
    "clear": (Word("the sky is clear"),),
    "cloudy": (Word("the sky is cloudy"),),
    "studio": (Word("the scene is in a studio"),),
}
TIME_PHRASES: dict[TimeOfDay, tuple[Word, ...]] = {
    "morning": (Word("in the morning"), Word("in morning light"), Word("at dawn", held_out=True)),
    "noon": (Word("at noon"), Word("at midday"), Word("in the middle of the day", held_out=True)),
    "evening": (Word("in the evening"), Word("in evening light"), Word("at dusk", held_out=True)),
    "night": (Word("at night"), Word("during the night"), Word("at nighttime", held_out=True)),
}
TIME_SENTENCES: dict[TimeOfDay, tuple[Word, ...]] = {
    "morning": (Word("it is morning"),),
    "noon": (Word("it is noon"), Word("it is midday")),
    "evening": (Word("it is evening"),),
    "night": (Word("it is night"),),
}

#: Camera verbs as (third person, -ing form), the direction word included where there is one.
CAMERA_VERBS: dict[tuple[CameraKind, CameraDirection | None], tuple[tuple[str, str], ...]] = {
    ("static", None): (
        ("stays still", "staying still"),
        ("is static", "staying static"),
        ("does not move", "not moving"),
        ("is fixed", "staying fixed"),
    ),
    ("pan", None): (("pans", "panning"),),
    ("pan", "left"): (("pans left", "panning left"), ("pans to the left", "panning to the left")),
    ("pan", "right"): (("pans right", "panning right"), ("pans to the right", "panning to the right")),
    ("tilt", None): (("tilts", "tilting"),),
    ("tilt", "up"): (("tilts up", "tilting up"), ("tilts upward", "tilting upward")),
    ("tilt", "down"): (("tilts down", "tilting down"), ("tilts downward", "tilting downward")),
    ("dolly", None): (("dollies", "dollying"),),
    ("dolly", "in"): (
        ("moves closer", "moving closer"),
        ("dollies in", "dollying in"),
        ("moves in", "moving in"),
        ("zooms in", "zooming in"),
    ),
    ("dolly", "out"): (
        ("moves back", "moving back"),
        ("dollies out", "dollying out"),
        ("pulls back", "pulling back"),
        ("zooms out", "zooming out"),
    ),
    ("orbit", None): (
        ("orbits", "orbiting"),
        ("circles the scene", "circling the scene"),
        ("orbits around the scene", "orbiting around the scene"),
        ("moves around the scene", "moving around the scene"),
    ),
    ("orbit", "left"): (
        ("orbits left", "orbiting left"),
        ("orbits to the left", "orbiting to the left"),
        ("circles the scene to the left", "circling the scene to the left"),
    ),
    ("orbit", "right"): (
        ("orbits right", "orbiting right"),
        ("orbits to the right", "orbiting to the right"),
        ("circles the scene to the right", "circling the scene to the right"),
    ),
    ("shake", None): (("shakes", "shaking"), ("wobbles", "wobbling"), ("is shaky", "wobbling")),
}
CAMERA_ADJECTIVES: dict[CameraKind, tuple[str, ...]] = {
    "static": ("static", "fixed", "still", "stationary"),
    "pan": ("panning",),
    "tilt": ("tilting",),
    "dolly": (),
    "orbit": ("orbiting", "circling"),
    "shake": ("shaky", "handheld", "shaking"),
}

NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six")
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")

#: Words of training text that belong to no concept.
FUNCTION_WORDS = """
    a an the one two three four five six 1 2 3 4 5 6 first second third fourth fifth sixth another pair of and
    then after that before while as at same time meanwhile finally next there is are it they them its their
    with by made both stand stands sit sits scene camera video clip
"""


@cache
def known_words() -> frozenset[str]:
    """Every word that training text can hold, inflected forms and function words included."""
    texts = [FUNCTION_WORDS]
    for nouns in SHAPE_NOUNS.values():
        for noun in nouns:
            if not noun.held_out:
                texts += (noun.singular, noun.plural)
    tables: tuple[Mapping[Any, Sequence[Word | MaterialWord]], ...] = (
        COLOR_WORDS, SIZE_WORDS, MATERIAL_WORDS, SPEED_WORDS, DIRECTION_WORDS, RELATION_WORDS,
        GROUND_PHRASES, GROUND_SENTENCES, SKY_PHRASES, SKY_SENTENCES, TIME_PHRASES, TIME_SENTENCES,
    )  # fmt: skip
    for table in tables:
        for words in table.values():
            texts += (word.text for word in words if not word.held_out)
    for verbs in MOTION_VERBS.values():
        for verb in verbs:
            if not verb.held_out:
                texts += (verb.base, verb.third, verb.ing, verb.tail, verb.mutual or "")
                if verb.passive:
                    texts.append(verb.participle)
    for forms in CAMERA_VERBS.values():
        for pair in forms:
            texts += pair
    for adjectives in CAMERA_ADJECTIVES.values():
        texts += adjectives
    return frozenset(token for text in texts for token in tokenize(text))


def unknown_words(text: str) -> tuple[str, ...]:
    """The words of ``text`` that training text never holds, in order, each once."""
    known = known_words()
    return tuple(
        dict.fromkeys(
            token
            for token in tokenize(text)
            if token not in known and token not in SENTENCE_ENDS and token not in PAUSES
        )
    )


def held_out_synonyms() -> dict[str, tuple[str, ...]]:
    """Concept (its first train word) -> the phrases for it that training text never has."""
    found: dict[str, tuple[str, ...]] = {}
    tables: tuple[Mapping[Any, Sequence[Noun | Word | MaterialWord | Verb]], ...] = (
        SHAPE_NOUNS, COLOR_WORDS, SIZE_WORDS, MATERIAL_WORDS, MOTION_VERBS, SPEED_WORDS, DIRECTION_WORDS,
        RELATION_WORDS, GROUND_PHRASES, SKY_PHRASES, TIME_PHRASES,
    )  # fmt: skip
    for table in tables:
        for words in table.values():
            held = tuple(_citation(word) for word in words if word.held_out)
            if held:
                found[_citation(words[0])] = held
    return found


def _citation(word: Noun | Word | MaterialWord | Verb) -> str:
    if isinstance(word, Noun):
        return word.singular
    if isinstance(word, Verb):
        return f"{word.base} {word.tail}".strip()
    return word.text


def held_out_words() -> frozenset[str]:
    """Single words, inflected forms included, that occur in held-out synonyms and never in training text."""
    texts = [phrase for phrases in held_out_synonyms().values() for phrase in phrases]
    texts += [n.plural for nouns in SHAPE_NOUNS.values() for n in nouns if n.held_out]
    for verbs in MOTION_VERBS.values():
        for verb in verbs:
            if verb.held_out:
                texts += (verb.third, verb.ing) + ((verb.participle,) if verb.passive else ())
    return frozenset(token for text in texts for token in tokenize(text)) - known_words()
