"""Recipes: typed, validated settings from YAML files and dotted overrides, with a fingerprint.

A recipe is a pydantic model whose fields have defaults. A YAML file sets some of them and may build on one
parent (``extends: base``); overrides such as ``optimizer.lr=3e-4`` come last. Precedence: override > file >
parent > default.

YAML is read by the core schema of YAML 1.2: ``3e-4`` is a number, and ``on``, ``no``, ``12:30`` and
``2026-01-01`` are text.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, ValidationError, model_validator
from pydantic_core import to_jsonable_python

M = TypeVar("M", bound=BaseModel)

#: Where the recipes of the package are.
SHIPPED = Path(str(files("scenewright") / "recipes"))


class ConfigError(ValueError):
    """A recipe that cannot be used: one line with the recipe, the key, the value and what is expected."""


class Config(BaseModel):
    """The base of every recipe and every group in one: immutable, unknown keys refused, defaults checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class ChoiceConfig(Config):
    """Settings whose ``name`` chooses a kind, each kind with fields of its own.

    ``FIELDS`` holds, for each kind, the fields that it takes and their defaults. The chosen kind's are filled
    in; all others stay ``None``, and setting one is an error. So a dumped recipe shows exactly the values in
    use and reads back as it was.
    """

    FIELDS: ClassVar[Mapping[str, Mapping[str, Any]]]

    @model_validator(mode="before")
    @classmethod
    def _only_what_applies(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        name = data.get("name", cls.model_fields["name"].default)
        if not isinstance(name, str) or name not in cls.FIELDS:
            return data
        takes = cls.FIELDS[name]
        for key in {key for fields in cls.FIELDS.values() for key in fields} - set(takes):
            if data.get(key) is not None:
                own = f"it takes {', '.join(takes)}" if takes else "it takes none of its own"
                raise ValueError(f"{key} = {data[key]!r} does nothing for {name}; leave it out ({own})")
        return {
            **takes,
            **{key: value for key, value in data.items() if key not in takes or value is not None},
        }

    @property
    def chosen(self) -> dict[str, Any]:
        """The values of the fields that the chosen kind takes."""
        return {key: getattr(self, key) for key in self.FIELDS[self.name]}  # type: ignore[attr-defined]


def kind(key: str, default: str) -> Discriminator:
    """Chooses the arm of a union, each with a ``Tag``, by the value of ``key``; without it, ``default``'s."""

    def chosen(value: Any) -> Any:
        return value.get(key, default) if isinstance(value, Mapping) else getattr(value, key, default)

    return Discriminator(chosen)


def load_recipe(schema: type[M], source: str | Path | None = None, overrides: Sequence[str] = ()) -> M:
    """Build a ``schema`` from a recipe and overrides.

    Args:
        schema: The type of the recipe, a :class:`Config`.
        source: The name of a recipe of the package ("nano"), a path to a YAML file, or ``None`` for the
            defaults alone.
        overrides: ``"key.inner=value"``; values are YAML (``3e-4``, ``null``, ``[1, 2]``, ``{a: 1}``). An
            item of a list that the recipe sets is named by its index (``stages.0.steps=100``).

    Raises:
        ConfigError: an unknown recipe or key, a value of the wrong type, a file that is not YAML.
        OSError: the file cannot be read.
    """
    given = _read(find_recipe(source), (), schema) if source is not None else {}
    # Kinds are chosen first: what stands beside them is then of the kind that was chosen.
    for override in sorted(overrides, key=lambda text: not _chooses_kind(text, schema)):
        _apply(given, override, schema)
    data = _with_defaults(schema, given)
    where = f"recipe {source}" if source is not None else schema.__name__
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{where}: {validation_summary(error, schema)}") from None


def read_recipe(source: str | Path) -> dict[str, Any]:
    """The keys a recipe and its parents set, merged, before any typing. Errors as :func:`load_recipe`."""
    return _read(find_recipe(source), ())


def find_recipe(source: str | Path) -> Path:
    """The file of a recipe: a path (has a YAML suffix, or exists), or the name of one in the package."""
    path = Path(source)
    if isinstance(source, Path) or path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise ConfigError(f"there is no recipe file {path}")
        return path
    shipped = SHIPPED / f"{source}.yaml"
    if shipped.is_file():
        return shipped
    if path.is_file():
        return path
    names = recipe_names()
    known = f"known: {', '.join(names)}" if names else "the package has none; give a path to a .yaml file"
    raise ConfigError(f"there is no recipe {str(source)!r}; {_did_you_mean(str(source), names) or known}")


def recipe_names() -> list[str]:
    """The names of the recipes in the package, sorted."""
    return sorted(str(path.relative_to(SHIPPED).with_suffix("")) for path in SHIPPED.rglob("*.yaml"))


def fingerprint(model: BaseModel) -> str:
    """SHA-256 (64 hexadecimal digits) of the model's values as canonical JSON.

    Independent of key order, of how values were given (default, file, override) and of the process.
    """
    text = json.dumps(
        _canonical(model.model_dump()), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def to_yaml(model: BaseModel) -> str:
    """All values as YAML, defaults included; :func:`load_recipe` reads it back to an equal model."""
    data = _canonical(model.model_dump())
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def parse_yaml(text: str, where: str) -> Any:
    """Read YAML 1.2 (core schema); ``where`` names the text in errors.

    Raises:
        ConfigError: not YAML, or a key that occurs twice.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" line {mark.line + 1}" if mark is not None else ""
        raise ConfigError(f"{where}{line}: {error.problem or 'not valid YAML'}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: {' '.join(str(error).split())}") from None


def validation_summary(error: ValidationError, schema: type[BaseModel] | None = None) -> str:
    """A validation error in one line, ``key = value: what is expected``, at most the first three.

    With ``schema``, unknown keys come with the names they are close to.
    """
    lines = _validation_lines(error, schema)
    more = f" (and {len(lines) - 3} more)" if len(lines) > 3 else ""
    return "; ".join(lines[:3]) + more


def _validation_lines(error: ValidationError, schema: type[BaseModel] | None) -> list[str]:
    lines = []
    for item in error.errors(include_url=False):
        key, names = _locate(schema, item["loc"])
        if item["type"] == "extra_forbidden":
            hint = _did_you_mean(str(item["loc"][-1]), names) or (names and f"known: {', '.join(names)}")
            lines.append(f"there is no key {key}" + (f"; {hint}" if hint else ""))
        elif item["type"] == "missing":
            lines.append(f"{key} is required")
        else:
            message = item["msg"].removeprefix("Value error, ").replace("Input should", "should", 1)
            value = repr(item["input"])
            value = value if len(value) <= 60 else f"{value[:57]}..."
            lines.append(" ".join(f"{key} = {value}: {message}".split()) if key else message)
    return lines


# ------------------------------------------------------------------------------------------ files and parents


def _read(path: Path, children: tuple[Path, ...], schema: type[BaseModel] | None = None) -> dict[str, Any]:
    path = path.resolve()
    if path in children:
        chain = " -> ".join(p.name for p in (*children, path))
        raise ConfigError(f"recipes extend each other in a circle: {chain}")
    try:
        data = parse_yaml(path.read_text(encoding="utf-8"), path.name)
    except UnicodeDecodeError:
        raise ConfigError(f"{path.name} is not a UTF-8 text file") from None
    data = {} if data is None else data
    if not isinstance(data, dict):
        raise ConfigError(
            f"{path.name}: a recipe is a mapping of keys to values, not a {type(data).__name__}"
        )
    parent = data.pop("extends", None)
    if parent is None:
        return data
    if not isinstance(parent, str):
        raise ConfigError(f"{path.name}: extends names one recipe or file, not {parent!r}")
    beside = path.parent / parent
    found = beside if beside.suffix in (".yaml", ".yml") else find_recipe(parent)
    if not found.is_file():
        raise ConfigError(f"{path.name}: there is no recipe file {beside}, which it extends")
    return _merge(_read(found, (*children, path), schema), data, [schema] if schema else [])


def _merge(
    base: Mapping[str, Any], over: Mapping[str, Any], models: Sequence[type[BaseModel]] = ()
) -> dict[str, Any]:
    """Mappings are merged key by key; anything else, lists included, is replaced.

    ``models``: what the mappings may be. Where ``over`` chooses another kind than ``base``, the keys of
    ``base`` that this kind does not take are left out.
    """
    merged = _of_chosen_kind(base, over, models)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merge(old, value, _inner(models, key))
        else:
            merged[key] = value
    return merged


def _of_chosen_kind(
    base: Mapping[str, Any], over: Mapping[str, Any], models: Sequence[type[BaseModel]]
) -> dict[str, Any]:
    kinds = {key: over[key] for model in models for key in _kind_keys(model) if key in over}
    if all(key in base and base[key] == value for key, value in kinds.items()):
        return dict(base)
    others, takes = set(), set()
    for model in models:
        fields = set(model.model_fields)
        others |= fields
        if any(value not in _values(model, key) for key, value in kinds.items()):
            continue
        if issubclass(model, ChoiceConfig) and kinds.get("name") in model.FIELDS:
            fields -= {key for own in model.FIELDS.values() for key in own}
            fields |= set(model.FIELDS[kinds["name"]])
        takes |= fields
    return {key: value for key, value in base.items() if not takes or key not in others - takes}


def _values(model: type[BaseModel], key: str) -> tuple[Any, ...]:
    """What the kind key ``key`` may be in ``model``; nothing if it has no such key."""
    field = model.model_fields.get(key)
    return () if field is None else get_args(field.annotation)


def _inner(models: Sequence[type[BaseModel]], key: str) -> list[type[BaseModel]]:
    """What the key may hold in any of ``models``."""
    fields = [model.model_fields[key] for model in models if key in model.model_fields]
    return [found for field in fields for found in _models_in(field.annotation)]


def _with_defaults(schema: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    """``given`` on top of the values that the schema's default groups were made with.

    A field such as ``optimizer: Optimizer = Optimizer(lr=1e-4)`` keeps that rate when only another key of
    the group is set. Where a ``Literal`` key (the kind of a union) is set to something else, the default was
    another kind of group and nothing of it is kept.
    """
    data = dict(given)
    for name, field in schema.model_fields.items():
        new = given.get(name)
        if not isinstance(new, Mapping):
            continue
        default = None if field.is_required() else field.get_default(call_default_factory=True)
        groups = _groups(field.annotation)
        if isinstance(default, BaseModel) and all(
            new.get(key, getattr(default, key)) == getattr(default, key) for key in _kind_keys(type(default))
        ):
            new = _merge(default.model_dump(exclude_unset=True), new)
            groups = [type(default)]
        data[name] = _with_defaults(groups[0], new) if len(groups) == 1 else new
    return data


def _kind_keys(schema: type[BaseModel]) -> list[str]:
    return [name for name, field in schema.model_fields.items() if get_origin(field.annotation) is Literal]


def _groups(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field holds itself, alone or in a union; not those in its lists and mappings."""
    arms = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return [arm for arm in arms if isinstance(arm, type) and issubclass(arm, BaseModel)]


# -------------------------------------------------------------------------------------------------- overrides


def _chooses_kind(override: str, schema: type[BaseModel]) -> bool:
    *groups, last = override.partition("=")[0].strip().split(".")
    models: list[type[BaseModel]] = [schema]
    for part in groups:
        models = models if part.isdecimal() else _inner(models, part)
    return any(last in _kind_keys(model) for model in models)


def _apply(data: dict[str, Any], override: str, schema: type[BaseModel]) -> None:
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not key or not all(key.split(".")):
        raise ConfigError(f"an override is key=value, such as optimizer.lr=3e-4, not {override!r}")
    value = parse_yaml(text, f"override {key}")
    *groups, last = key.split(".")
    node: Any = data
    models: list[type[BaseModel]] = [schema]
    for depth, part in enumerate(groups):
        if not isinstance(node, list):
            models = _inner(models, part)
        path = ".".join(groups[: depth + 1])
        if isinstance(node, list):
            node = node[_index(node, part, override)]
        else:
            if node.get(part) is None:
                node[part] = {}
            node = node[part]
        if not isinstance(node, (dict, list)):
            raise ConfigError(f"override {override}: {path} is the value {node!r}, not a group of keys")
    if isinstance(node, list):
        node[_index(node, last, override)] = value
    else:
        kept = _merge(node, {last: value}, models) if not isinstance(value, dict) else {**node, last: value}
        node.clear()
        node.update(kept)


def _index(items: list[Any], part: str, override: str) -> int:
    if not part.isdecimal() or int(part) >= len(items):
        raise ConfigError(f"override {override}: {part!r} is no index into a list of {len(items)}")
    return int(part)


def _locate(schema: type[BaseModel] | None, loc: tuple[int | str, ...]) -> tuple[str, list[str]]:
    """The dotted key of an error's location, and the names of the keys beside it.

    The tags that pydantic puts into the location for the arms of a union are left out.
    """
    models = [schema] if schema is not None else []
    names: list[str] = []
    kept = []
    for position, part in enumerate(loc):
        names = sorted({name for model in models for name in model.model_fields})
        inner = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        if inner:
            models = [found for annotation in inner for found in _models_in(annotation)]
        elif models and isinstance(part, str) and position < len(loc) - 1:
            tagged = [m for m in models if part == m.__name__ or part in _tags(m)]
            if tagged:
                models = tagged
                continue
        kept.append(str(part))
    return ".".join(kept), names


def _tags(schema: type[BaseModel]) -> list[Any]:
    return [tag for key in _kind_keys(schema) for tag in get_args(schema.model_fields[key].annotation)]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for arg in get_args(annotation) for model in _models_in(arg)]


def _did_you_mean(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=3)
    return f"did you mean {' or '.join(close)}?" if close else ""


# ---------------------------------------------------------------------------------------------- YAML and JSON


def _canonical(value: Any) -> Any:
    """Plain JSON values; sets become sorted lists, so that their order in memory does not show."""
    if isinstance(value, BaseModel):
        return _canonical(value.model_dump())
    if isinstance(value, Mapping):
        return {str(to_jsonable_python(key)): _canonical(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((_canonical(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    if isinstance(value, (list, tuple)):
        return [_canonical(item) for item in value]
    if isinstance(value, float):
        return value
    return to_jsonable_python(value)


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key.value} occurs twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Unquoted, PyYAML folds the Unicode line breaks (NEL, LS, PS) into spaces when it reads them back.
    style = '"' if any(mark in text for mark in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


def _construct_float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return float(loader.construct_scalar(node).lower().replace(".inf", "inf").replace(".nan", "nan"))


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _construct_float)

for _class in (_Loader, _Dumper):
    _class.yaml_implicit_resolvers = {}
    for _tag, _pattern, _first in (
        ("null", r"~|null|Null|NULL|", "~nN\0"),
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
        (
            "float",
            r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
            "-+.0123456789",
        ),
    ):
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first)
        )
