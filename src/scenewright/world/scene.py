"""The vocabulary and the two scene types of the procedural world.

A :class:`Description` is what a sentence says: entities, events, relations, camera and setting, each
attribute present or left out. A :class:`Scene` is one complete world that fits it: every attribute chosen,
every object placed, every motion timed. Language reads and writes descriptions, layout turns a description
into a scene, physics turns a scene into states over time, and the renderer turns states into pictures.

World coordinates are right-handed in metres-like units: x to the viewer's right, y up, z towards the viewer
at the default camera. The ground is the plane y = 0.
"""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

Shape = Literal["sphere", "cube", "cylinder", "cone", "torus", "pyramid", "capsule"]
Color = Literal[
    "red",
    "orange",
    "yellow",
    "green",
    "cyan",
    "blue",
    "purple",
    "pink",
    "brown",
    "white",
    "gray",
    "black",
]
Size = Literal["small", "medium", "large"]
Material = Literal["matte", "metal", "glass", "striped", "chequered"]
MotionKind = Literal[
    "roll",
    "slide",
    "bounce",
    "fall",
    "jump",
    "spin",
    "orbit",
    "grow",
    "shrink",
    "appear",
    "vanish",
    "follow",
    "collide",
    "swap",
    "shake",
]
Direction = Literal["left", "right", "toward", "away", "clockwise", "counterclockwise"]
Speed = Literal["slow", "fast"]
RelationKind = Literal["left_of", "right_of", "in_front_of", "behind", "on_top_of", "between", "near"]
CameraKind = Literal["static", "pan", "tilt", "dolly", "orbit", "shake"]
CameraDirection = Literal["left", "right", "up", "down", "in", "out"]
Ground = Literal["plain", "tiled", "wooden", "grass", "sand"]
Sky = Literal["clear", "cloudy", "studio"]
TimeOfDay = Literal["morning", "noon", "evening", "night"]

SHAPES: tuple[Shape, ...] = get_args(Shape)
COLORS: tuple[Color, ...] = get_args(Color)
SIZES: tuple[Size, ...] = get_args(Size)
MATERIALS: tuple[Material, ...] = get_args(Material)
MOTION_KINDS: tuple[MotionKind, ...] = get_args(MotionKind)
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
SPEEDS: tuple[Speed, ...] = get_args(Speed)
RELATION_KINDS: tuple[RelationKind, ...] = get_args(RelationKind)
CAMERA_KINDS: tuple[CameraKind, ...] = get_args(CameraKind)
GROUNDS: tuple[Ground, ...] = get_args(Ground)
SKIES: tuple[Sky, ...] = get_args(Sky)
TIMES_OF_DAY: tuple[TimeOfDay, ...] = get_args(TimeOfDay)

#: sRGB base colours, 0 to 255. Chosen to stay apart under every light of the world.
COLOR_SRGB: dict[Color, tuple[int, int, int]] = {
    "red": (214, 39, 40),
    "orange": (255, 127, 14),
    "yellow": (250, 218, 30),
    "green": (40, 160, 44),
    "cyan": (35, 200, 210),
    "blue": (31, 80, 220),
    "purple": (125, 45, 175),
    "pink": (250, 130, 190),
    "brown": (115, 66, 32),
    "white": (240, 240, 240),
    "gray": (128, 128, 128),
    "black": (26, 26, 28),
}

#: Half extent (the scale of the unit shape) of each size, in world units.
SIZE_SCALE: dict[Size, float] = {"small": 0.42, "medium": 0.62, "large": 0.88}

_PLANAR: tuple[Direction, ...] = ("left", "right", "toward", "away")
_TURNING: tuple[Direction, ...] = ("clockwise", "counterclockwise")

#: The directions a motion can take. ``None`` among them means that the motion needs no direction
#: (it happens in place, or the direction may be left open).
MOTION_DIRECTIONS: dict[MotionKind, tuple[Direction | None, ...]] = {
    "roll": _PLANAR,
    "slide": _PLANAR,
    "bounce": (None, "left", "right"),
    "fall": (None,),
    "jump": (None, "left", "right"),
    "spin": _TURNING,
    "orbit": _TURNING,
    "grow": (None,),
    "shrink": (None,),
    "appear": (None,),
    "vanish": (None,),
    "follow": (None,),
    "collide": (None,),
    "swap": (None,),
    "shake": (None,),
}

#: Kinds of action: ``still``, and every motion with each of its directions: ``roll left``, ``bounce``,
#: ``bounce left``.
ACTIONS: tuple[str, ...] = (
    "still",
    *(f"{kind} {way}" if way else kind for kind, ways in MOTION_DIRECTIONS.items() for way in ways),
)

#: Motions that need a second object.
TARGETED_MOTIONS: frozenset[MotionKind] = frozenset({"orbit", "follow", "collide", "swap"})

#: Motions whose left/right/toward/away direction can be read off the picture.
DIRECTED_MOTIONS: frozenset[MotionKind] = frozenset({"roll", "slide", "bounce", "jump"})

#: Shapes that can roll and still be recognised (a capsule seen end-on is a sphere); the others slide.
ROLLING_SHAPES: frozenset[Shape] = frozenset({"sphere", "cylinder", "torus"})

CAMERA_DIRECTIONS: dict[CameraKind, tuple[CameraDirection, ...]] = {
    "static": (),
    "pan": ("left", "right"),
    "tilt": ("up", "down"),
    "dolly": ("in", "out"),
    "orbit": ("left", "right"),
    "shake": (),
}

MAX_OBJECTS = 6


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# --------------------------------------------------------------------------------------------- what is said


class Entity(_Frozen):
    """A noun phrase: ``count`` objects that share the given attributes; ``None`` means not said.

    ``shape=None`` is an unnamed kind of thing ("a red object").
    """

    shape: Shape | None = None
    color: Color | None = None
    size: Size | None = None
    material: Material | None = None
    count: int = Field(default=1, ge=1, le=MAX_OBJECTS)


class Event(_Frozen):
    """Something an entity does. Events of one ``stage`` happen together, stages follow each other."""

    kind: MotionKind
    subject: int = Field(ge=0)
    direction: Direction | None = None
    speed: Speed | None = None
    target: int | None = Field(default=None, ge=0)
    stage: int = Field(default=0, ge=0, le=2)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.direction is not None and self.direction not in MOTION_DIRECTIONS[self.kind]:
            raise ValueError(f"{self.kind} has no direction {self.direction!r}")
        if (self.target is not None) != (self.kind in TARGETED_MOTIONS):
            need = "needs" if self.kind in TARGETED_MOTIONS else "takes no"
            raise ValueError(f"{self.kind} {need} target")
        if self.target == self.subject:
            raise ValueError(f"{self.kind}: an object cannot be its own target")
        return self


class Relation(_Frozen):
    """A spatial relation that holds in every frame, seen from the first frame's camera.

    ``between`` has two reference objects, all others one.
    """

    kind: RelationKind
    subject: int = Field(ge=0)
    reference: int = Field(ge=0)
    second: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.second is not None) != (self.kind == "between"):
            raise ValueError("'between' takes two reference objects, other relations one")
        if self.subject in (self.reference, self.second) or self.reference == self.second:
            raise ValueError(f"{self.kind}: the objects must differ")
        return self


class CameraMove(_Frozen):
    kind: CameraKind = "static"
    direction: CameraDirection | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.direction is not None and self.direction not in CAMERA_DIRECTIONS[self.kind]:
            raise ValueError(f"camera {self.kind} has no direction {self.direction!r}")
        return self


class Description(_Frozen):
    """What a prompt says about a scene. Indices in events and relations point into ``entities``."""

    entities: tuple[Entity, ...] = Field(min_length=1)
    events: tuple[Event, ...] = ()
    relations: tuple[Relation, ...] = ()
    camera: CameraMove | None = None
    ground: Ground | None = None
    sky: Sky | None = None
    time: TimeOfDay | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.object_count > MAX_OBJECTS:
            raise ValueError(f"{self.object_count} objects described; the world holds at most {MAX_OBJECTS}")
        _check_indices(self.events, self.relations, len(self.entities))
        return self

    @property
    def object_count(self) -> int:
        return sum(entity.count for entity in self.entities)


# ------------------------------------------------------------------------------------------------ what is so


class SceneObject(_Frozen):
    """One object. ``position`` is its centre at the start, before its motions; ``yaw`` in radians about +y.

    ``entity`` is the index of the description's entity it belongs to (itself where there is none).
    """

    shape: Shape
    color: Color
    size: Size
    material: Material
    position: tuple[float, float, float]
    yaw: float = 0.0
    entity: int = Field(default=0, ge=0)

    @property
    def scale(self) -> float:
        return SIZE_SCALE[self.size]


class Motion(_Frozen):
    """A motion of one object from ``start`` to ``end``, fractions of the clip's duration.

    ``amount`` is the distance in world units, the height, the angle in radians, the factor or (follow) the
    lag in seconds, as the kind has it; layout chooses it so that the object stays in view. ``travel`` is how
    far a bounce or a jump gets along its direction.
    """

    kind: MotionKind
    subject: int = Field(ge=0)
    direction: Direction | None = None
    speed: Speed | None = None
    target: int | None = Field(default=None, ge=0)
    start: float = Field(default=0.0, ge=0.0, le=1.0)
    end: float = Field(default=1.0, ge=0.0, le=1.0)
    amount: float = 1.0
    travel: float = Field(default=0.0, ge=0.0)
    stage: int = 0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"{self.kind}: end ({self.end}) must come after start ({self.start})")
        return self


class Camera(_Frozen):
    """A pinhole camera: where it stands and looks at the start, its vertical field of view, its move.

    ``amount`` is the angle (radians) or distance (world units) of the whole move.
    """

    move: CameraMove = CameraMove()
    eye: tuple[float, float, float] = (0.0, 2.9, 7.6)
    target: tuple[float, float, float] = (0.0, 0.8, 0.0)
    fov_degrees: float = Field(default=38.0, gt=5.0, lt=120.0)
    amount: float = 0.0


class Scene(_Frozen):
    """A complete world: rendering it needs nothing else. ``seed`` drives what is only texture or noise."""

    objects: tuple[SceneObject, ...] = Field(min_length=1, max_length=MAX_OBJECTS)
    motions: tuple[Motion, ...] = ()
    relations: tuple[Relation, ...] = ()
    camera: Camera = Camera()
    ground: Ground = "plain"
    sky: Sky = "clear"
    time: TimeOfDay = "noon"
    seconds: float = Field(default=2.0, gt=0.0)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_indices(self.motions, self.relations, len(self.objects))
        return self


def _check_indices(
    events: tuple[Event, ...] | tuple[Motion, ...], relations: tuple[Relation, ...], count: int
) -> None:
    for event in events:
        for index in (event.subject, event.target):
            if index is not None and index >= count:
                raise ValueError(f"{event.kind}: there is no object {index} among {count}")
    for relation in relations:
        for index in (relation.subject, relation.reference, relation.second):
            if index is not None and index >= count:
                raise ValueError(f"{relation.kind}: there is no object {index} among {count}")
