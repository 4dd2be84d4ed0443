"""Left and right in a mirror."""

from __future__ import annotations

from scenewright.data.captions.text import RefusalError, Tokens, Verdict, all_forms, judge, listed, quoted
from scenewright.world import lexicon as lex

OTHER_SIDE = {
    **{f"left{end}": f"right{end}" for end in ("", "ward", "wards", "most", "hand", "handed")},
    **{f"right{end}": f"left{end}" for end in ("", "ward", "wards", "most", "hand", "handed")},
    "clockwise": "counterclockwise",
    "counterclockwise": "clockwise",
    "anticlockwise": "clockwise",
}
_SPLIT_TURNS = ("counter", "anti")
_WRITING = listed(
    """text texts word words letter letters lettering writing written handwriting sign signs signage logo
    logos subtitle subtitles label labels labeled labelled inscription says spells digits slogan clock
    watermark license licence"""
)
#: Before these, "left" and "right" are places or directions for certain.
_PLACES_BEFORE = listed("the its his her their my your our to from of far upper lower top bottom front rear")
_GOING = all_forms(
    """roll glide skid trundle bounce hop move travel drift pan tilt orbit circle turn walk look face point
    head lean step sail veer jump leap"""
) | listed(
    "slide slides sliding slid go goes going went run runs running drive drives driving fly flies flying"
)
_STILL = listed("is are was were be been being sits sitting stands standing lies lying rests stays and just")
#: What "right" stresses when it stands before.
_STRESSED = listed(
    """behind after before away now next beside near between into through up down above below past over
    there here against along alongside around back by off out at as"""
)
_STRESSED_PAIRS = (("in", "front"), ("in", "the"), ("on", "top"), ("close", "to"))
_CORRECT = listed("time moment way person answer choice thing direction place amount size tool order")
_LEFT_OBJECTS = listed("the a an his her its their him them for over alone out open behind unattended")


def mirror_caption(caption: str) -> Verdict:
    """The caption of the clip flipped left to right.

    Sides and turning directions are swapped. "left" the verb and "right" that stresses ("right behind") stay
    or, where the words around do not tell, are refused; so are captions with writing in the picture.
    """
    return judge(caption, _mirror)


def _mirror(tokens: Tokens) -> None:
    writing = [w for w in tokens.lower if w in _WRITING or w in '"“”']
    if writing:
        raise RefusalError(f"{quoted(writing)}: writing cannot be read in a mirror")
    for at, word in enumerate(tokens.lower):
        if word == "clockwise" and tokens.word(at - 1) in _SPLIT_TURNS:
            tokens.replace(at - 1, 2, "clockwise")
        elif word in OTHER_SIDE and is_side(tokens, at):
            new = OTHER_SIDE[word]
            if new == "right" and _is_stress(tokens, at) and tokens.word(at - 1) not in _PLACES_BEFORE:
                new = "to the right"
            tokens.replace(at, 1, new)


def is_side(tokens: Tokens, at: int) -> bool:
    """Whether "left" or "right" is a place or direction. :class:`RefusalError` where that cannot be told."""
    word, before, after = tokens.word(at), tokens.word(at - 1), tokens.word(at + 1)
    going = follows_going(tokens, at)
    if word == "left" and before not in _PLACES_BEFORE and not going:
        if before in ("has", "have", "had", "having"):
            return False
        if after in _LEFT_OBJECTS or (before in _STILL - {"and"} and after != "of"):
            raise RefusalError('"left" may be the verb here')
    if word == "right":
        if before == "all" or after in ("angle", "angles", "triangle"):
            return False
        if after in _CORRECT or (before in _STILL - {"and"} and after in ("", *lex.SENTENCE_ENDS)):
            raise RefusalError('"right" may mean correct here')
        if before not in _PLACES_BEFORE and _is_stress(tokens, at):
            if not going and (before in _STILL or not before.isalnum()):
                return False
            raise RefusalError(f'"right {after}" may be a direction or a stress')
    return True


def _is_stress(tokens: Tokens, at: int) -> bool:
    """Whether the words behind ``at`` are such as "right" stresses."""
    after = (tokens.word(at + 1), tokens.word(at + 2))
    return after[0] in _STRESSED or after in _STRESSED_PAIRS


def follows_going(tokens: Tokens, at: int) -> bool:
    """Whether a verb of motion stands before, adverbs between them left out."""
    at -= 1
    while tokens.word(at).endswith("ly") or tokens.word(at) in ("fast", "along"):
        at -= 1
    return tokens.word(at) in _GOING
