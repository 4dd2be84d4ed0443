"""Colours, framing, angles and speed."""

from __future__ import annotations

from itertools import pairwise

from scenewright.data.captions.sides import follows_going
from scenewright.data.captions.text import (
    RefusalError,
    Tokens,
    Verdict,
    all_forms,
    judge,
    listed,
    phrases_of,
    quoted,
)
from scenewright.world import reading

_SHADES = (
    "red orange yellow green cyan blue purple pink brown white gray grey black violet gold silver".split()
)
_COLOR_WORDS = (
    frozenset(reading.COLORS.words())
    | {stem + end for word in _SHADES for stem in (word, word.removesuffix("e")) for end in ("ish", "s", "y")}
    | listed(
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
_COUNTS = {w for w, n in reading.NUMBERS.items() if n > 1 or w == "single"} | listed(
    "pair couple both several all every only alone many few group row crowd"
)
FRAMING = listed(
    """edge edges corner corners border borders margin center centre centered centred middle frame screen
    picture image offscreen foreground background leftmost rightmost topmost bottommost enters enter
    entering exits exit exiting leaves leaving closeup fullscreen whole entire symmetric symmetrical top
    bottom side"""
)
_FRAMING_PHRASES = phrases_of(
    """close up, wide shot, long shot, full body, head to toe, on the left, on the right, at the left,
    at the right, to the left, to the right, out of view, into view"""
)
_NOT_FRAMING = phrases_of(
    """on top of, in the middle of the day, into the background, middle between, on the left of,
    on the right of, at the left of, at the right of, to the left of, to the right of, on the left side of,
    on the right side of"""
)
_ANGLES = listed(
    """horizontal horizontally vertical vertically level upright straight diagonal diagonally tilted
    slanted slanting leaning parallel perpendicular angle angles"""
)
_SPEEDS = frozenset(reading.SPEEDS.words()) | listed(
    """quicker faster slower fastest slowest speed speeds speeding speedy slowed slowing motion timelapse
    hyperlapse lapse suddenly gradually instantly abruptly briskly hurriedly hastily swift brisk sprint
    sprints sprinting racing accelerates accelerating decelerates decelerating seconds minutes minute"""
)
ORDER = listed(
    """then before after afterwards later next finally eventually until once when first begins beginning
    starts starting stops stopping ends ending finishes finishing"""
)
_BRIEF_KINDS = ("appear", "vanish", "fall", "collide", "swap", "jump")
_BRIEF = reading.PhraseTable.of(
    [(" ".join(words), True) for entries in reading.VERBS.by_first.values() for words, verb in entries
     if verb.kind in _BRIEF_KINDS]
    + [(form, True) for form in sorted(all_forms("open close enter exit arrive throw catch kick explode "
       "land crack flip knock pour splash burst snap clap"))]
)  # fmt: skip


def recolor_caption(caption: str) -> Verdict:
    """Refused where hue or saturation is changed and the caption names a colour, or a thing whose colour
    everybody knows (grass, snow, a banana)."""
    return judge(caption, lambda tokens: _forbid(tokens, _COLOR_WORDS, "would not be true of other colours"))


def reframe_caption(caption: str) -> Verdict:
    """Refused for a clip cropped, shifted or scaled where the caption tells places in the frame, the framing,
    or how many things there are: what is at the border gets lost or repeated there."""

    def rule(tokens: Tokens) -> None:
        counts = [w for w in tokens.lower if w in _COUNTS or (w.isdecimal() and w != "1")]
        if counts:
            raise RefusalError(f"{quoted(counts)}: what is counted may be cut off or repeated at the border")
        at = 0
        while at < len(tokens):
            fine = _NOT_FRAMING.match(tokens.lower, at)
            if fine:
                at += fine[1]
                continue
            framing = _FRAMING_PHRASES.match(tokens.lower, at) or (True, int(tokens.word(at) in FRAMING))
            if framing[1] and not follows_going(tokens, at):
                phrase = " ".join(tokens.lower[at : at + framing[1]])
                raise RefusalError(f'"{phrase}": a place in the frame, or the framing, would change')
            at += 1

    return judge(caption, rule)


def rotate_caption(caption: str) -> Verdict:
    """Refused for a tilted clip where :func:`reframe_caption` is, or where the caption tells angles."""
    reframed = reframe_caption(caption)
    if reframed.refused:
        return reframed
    return judge(caption, lambda tokens: _forbid(tokens, _ANGLES, "would not be true at another angle"))


def retime_caption(caption: str) -> Verdict:
    """Refused for a part of the clip, played at another speed, where the caption tells a speed, an order, or
    something brief that the part may miss."""

    def rule(tokens: Tokens) -> None:
        _forbid(tokens, _SPEEDS, "would not be true at another speed")
        order = [w for w, then in pairwise([*tokens.lower, ""]) if w in ORDER and (w, then) != ("next", "to")]
        if order:
            raise RefusalError(f"{quoted(order)}: a part of the clip may not show what comes first or last")
        for at in range(len(tokens)):
            brief = _BRIEF.match(tokens.lower, at)
            if brief:
                words = " ".join(tokens.lower[at : at + brief[1]])
                raise RefusalError(f'"{words}": a part of the clip may miss it')

    return judge(caption, rule)


def _forbid(tokens: Tokens, words: frozenset[str], why: str) -> None:
    found = [word for word in tokens.lower if word in words]
    if found:
        raise RefusalError(f"{quoted(found)} {why}")
