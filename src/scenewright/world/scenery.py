"""Reading what is said about the whole scene: ground, sky, time of day and the camera."""

from __future__ import annotations

from scenewright.world.mentions import MentionReader
from scenewright.world.reading import (
    ARTICLES,
    CAMERA_ADJECTIVES,
    CAMERA_NOUNS,
    CAMERA_VERBS,
    COPULAS,
    NOUNS,
    PLACES,
    SETTING_PREPOSITIONS,
    SETTINGS,
    SPEEDS,
)
from scenewright.world.scene import CAMERA_DIRECTIONS, CameraDirection, CameraKind, CameraMove

_TO = frozenset(("to",))
_THE = frozenset(("the",))
_CAMERA_PREPOSITIONS = frozenset(("with", "by", "in", "from", "on"))


class SceneryReader(MentionReader):
    """Collects ``setting`` (ground, sky, time) and ``camera`` from their phrases."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.setting: dict[str, str] = {}
        self.camera: CameraMove | None = None

    def setting_phrase(self) -> bool:
        """Reads "on a wooden floor", "at night", "the sky is cloudy"; ``False``, nothing consumed, if
        none."""
        start = self.at
        found = self._setting_phrase()
        if found is None:
            self.at = start
            return False
        for name, value in found:
            if self.setting.get(name, value) != value:
                self.note(f"two values for {name}: {self.setting[name]} and {value}; the first one holds")
            self.setting.setdefault(name, value)
        return True

    def setting_ahead(self) -> bool:
        start = self.at
        found = self._setting_phrase()
        self.at = start
        return found is not None

    def _setting_phrase(self) -> list[tuple[str, str]] | None:
        self.take_word(SETTING_PREPOSITIONS)
        if self.peek() in ARTICLES or self.peek() == "some":
            self.at += 1
        found: list[tuple[str, str]] = []
        place = False
        while True:
            setting = self.take(SETTINGS)
            if setting is not None:
                found.append(setting)
            elif self.peek() in PLACES:
                self.at += 1
                place = True
            else:
                break
        if (not found and not place) or self.sees(NOUNS) or (not place and self.adjective_at(0)):
            return None
        if place and self.peek() in COPULAS:
            self._setting_predicate(found)
        return found

    def _setting_predicate(self, found: list[tuple[str, str]]) -> None:
        """Reads on after "the floor is" and "the scene is in"."""
        start = self.at
        self.at += 1
        while self.peek() in SETTING_PREPOSITIONS or self.peek() in ARTICLES:
            self.at += 1
        setting = self.take(SETTINGS)
        if setting is None:
            self.at = start + 1 if self.adjective_at(1) else start
            while self.adjective_at(0):
                self.at += 1
            return
        while setting is not None:
            found.append(setting)
            if self.peek() == "and" and self.sees(SETTINGS, 1):
                self.at += 1
            setting = self.take(SETTINGS)

    def camera_phrase(self) -> bool:
        """Reads "the camera pans left", "with a static camera", "a panning shot of"; ``False``, nothing
        consumed, if none."""
        start = self.at
        self.take_word(_CAMERA_PREPOSITIONS)
        if self.peek() in ARTICLES or self.peek() == "our":
            self.at += 1
        speed = self.take(SPEEDS)
        kind: CameraKind | None = self.take(CAMERA_ADJECTIVES)
        if self.peek() not in CAMERA_NOUNS:
            self.at = start
            return False
        self.at += 1
        self.take_word(CAMERA_NOUNS)
        speed = self.take(SPEEDS) or speed
        before_verb = self.at
        if self.peek() in COPULAS and not self.sees(CAMERA_VERBS):
            self.at += 1
            speed = self.take(SPEEDS) or speed
        move = self.take(CAMERA_VERBS)
        direction: CameraDirection | None = None
        if move is None:
            self.at = before_verb
        else:
            kind, direction = move
        if kind is not None:
            self._set_camera(CameraMove(kind=kind, direction=direction or self._camera_direction(kind)))
        if self.take(SPEEDS) is not None or speed is not None:
            self.note("the camera has one speed; what is said about it is left out")
        if self.peek() == "of":
            self.at += 1
        return True

    def _camera_direction(self, kind: CameraKind) -> CameraDirection | None:
        start = self.at
        self.take_word(_TO)
        self.take_word(_THE)
        for direction in CAMERA_DIRECTIONS[kind]:
            if self.peek() == direction and self.peek(1) != "of":
                self.at += 1
                return direction
        self.at = start
        return None

    def _set_camera(self, move: CameraMove) -> None:
        if self.camera is not None and self.camera != move:
            self.note("the camera makes one move; the first one holds")
            return
        self.camera = move
