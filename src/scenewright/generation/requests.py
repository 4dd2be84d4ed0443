"""What is the same for all that makes clips: what is refused, and what the user should know."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from scenewright.clip import GivenFrame, Prompt
from scenewright.generation.resizing import wanted_size


def check_text(prompt: Prompt) -> None:
    """ValueError for a prompt without words."""
    if not prompt.text.strip():
        raise ValueError("the prompt is empty; say what the video should show")


def check_text_alone(name: str, prompt: Prompt) -> None:
    """ValueError for a prompt that has more than a text, or an empty one."""
    check_text(prompt)
    check_no_sound(name, prompt)
    for what, given in (("negative", prompt.negative), ("given", prompt.given), ("layout", prompt.layout)):
        if given:
            raise ValueError(f"{name} makes videos from text alone; leave {what} out")


def check_no_sound(name: str, prompt: Prompt) -> None:
    """ValueError for a prompt with a sound."""
    if prompt.sound is not None:
        raise ValueError(f"{name} does not listen; leave sound out, or take a model such as zoo/sound2sight")


def check_length(name: str, prompt: Prompt, most: int) -> None:
    """ValueError for more frames than are made."""
    if prompt.num_frames is not None and prompt.num_frames > most:
        raise ValueError(f"{name} makes at most {most} frames, not {prompt.num_frames}; ask for fewer")


def given_places(prompt: Prompt, count: int) -> list[tuple[int, GivenFrame]]:
    """The given frames by their places, from 0, in a video of ``count`` frames. ValueError where they cannot
    be met."""
    places: dict[int, GivenFrame] = {}
    for given in prompt.given:
        if not -count <= given.at < count:
            raise ValueError(f"a frame is given for place {given.at} of a video of {count} frames")
        if given.at % count in places:
            raise ValueError(f"two frames are given for place {given.at % count}")
        places[given.at % count] = given
    if len(places) == count:
        raise ValueError(f"all {count} frames are given; there is nothing to make")
    return sorted(places.items())


def check_nothing_to_sample(name: str, fast: bool, changes: Mapping[str, Any] | None) -> None:
    """ValueError where any setting of sampling is asked for."""
    given = [setting for setting, value in (changes or {}).items() if value is not None]
    if given or fast:
        named = ", ".join(given or ["fast"]).replace("_", "-")
        raise ValueError(f"{name} makes a video at once, without steps of sampling; leave {named} out")


def unknown_words(known: Collection[str], text: str) -> list[str]:
    """Words of ``text`` that are not known, in order; empty where nothing is recorded as known."""
    if not known:
        return []
    return list(dict.fromkeys(word for word in words_of(text) if word not in known))


def words_of(text: str) -> list[str]:
    """The words of a text, lower case, in order."""
    return "".join(c if c.isalnum() or c in "-'" else " " for c in text.lower()).split()


def notes_of(
    name: str, known: Collection[str], native: tuple[int, int], prompt: Prompt, source: str | None = None
) -> list[str]:
    """Sentences on words that are not known, and on a size that is not ``native``, (width, height).
    ``source``: what the text encoder began with, which may know more words."""
    notes = []
    if unknown := unknown_words(known, prompt.text):
        quoted = ", ".join(f'"{word}"' for word in unknown)
        if source is None:
            notes.append(f"{name} does not know {quoted}; it shows its best guess without them")
        else:
            notes.append(f"{name} was not trained with {quoted}; it goes by what {source} knows of them")
    if (wanted := wanted_size(prompt, native)) != native:
        notes.append(f"{name} makes {native[0]}x{native[1]}; the video is resized to {wanted[0]}x{wanted[1]}")
    return notes
