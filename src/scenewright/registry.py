"""Names for the things that can be chosen by name, and a door for other packages to add theirs.

A registry maps a name to an object or to ``"module:attribute"``, which is imported the first time it is asked
for. Installed packages join through entry points of the group ``scenewright.<kind>s``::

    [project.entry-points."scenewright.models"]
    my-model = "my_package.model:MyModel"
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")
D = TypeVar("D")


class RegistryError(ValueError):
    """A name that is unknown, taken, or that cannot be loaded."""


class Registry(Generic[T]):
    """Names to objects of one ``kind`` ("model", "metric").

    A built-in name wins over an entry point of the same name: installing a package never changes what a name
    of this project means.
    """

    def __init__(self, kind: str, entries: Mapping[str, T | str] | None = None) -> None:
        self.kind = kind
        self.group = f"scenewright.{kind}s"
        self._entries: dict[str, T | str] = dict(entries or {})

    @overload
    def register(self, name: str, target: T | str) -> None: ...
    @overload
    def register(self, name: str) -> Callable[[D], D]: ...
    def register(self, name: str, target: Any = None) -> Any:
        """Add ``target``, an object or ``"module:attribute"``; without it, a decorator.

        Raises:
            RegistryError: the name is taken by something else.
        """
        if target is None:

            def decorate(thing: D) -> D:
                self.register(name, thing)  # type: ignore[arg-type]
                return thing

            return decorate
        known = self._entries.setdefault(name, target)
        if known is not target and known != target:
            raise RegistryError(f"the {self.kind} name {name!r} is taken; choose another one")
        return None

    def get(self, name: str) -> T:
        """The object called ``name``.

        Raises:
            RegistryError: no such name (the line lists close ones), or its module cannot be imported.
        """
        if name in self._entries:
            target = self._entries[name]
            return self._load(name, target) if isinstance(target, str) else target
        if name in self._plugins:
            point = self._plugins[name]
            package = point.dist.name if point.dist is not None else point.value
            return self._load(name, point.value, f" of the package {package}")
        raise RegistryError(f"there is no {self.kind} {name!r}; {self._known(name)}")

    __getitem__ = get

    def names(self) -> list[str]:
        """All names, sorted, those of other packages included. Imports none of them."""
        return sorted({*self._entries, *self._plugins})

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._plugins

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    @cached_property
    def _plugins(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}

    def _load(self, name: str, target: str, of: str = "") -> T:
        module, _, attribute = target.partition(":")
        try:
            thing: Any = importlib.import_module(module)
            for part in attribute.split(".") if attribute else ():
                thing = getattr(thing, part)
        except (ImportError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise RegistryError(
                f"the {self.kind} {name!r}{of} ({target}) cannot be loaded: {reason}"
            ) from error
        if name in self._entries:
            self._entries[name] = thing
        return thing

    def _known(self, name: str) -> str:
        names = self.names()
        close = difflib.get_close_matches(name, names, n=3)
        if close:
            return f"did you mean {' or '.join(close)}?"
        return f"known: {', '.join(names)}" if names else "none is known"


#: Video models by name: the class of each network.
models: Registry[Any] = Registry(
    "model",
    {
        "causal-flow-transformer": "scenewright.models.causal_flow_transformer:CausalFlowTransformer",
        "conditional-gan": "scenewright.models.conditional_gan:ConditionalGAN",
        "damsm": "scenewright.models.damsm:DAMSM",
        "diffusion-unet": "scenewright.models.diffusion_unet:DiffusionUNet",
        "encoder-decoder": "scenewright.models.encoder_decoder:EncoderDecoder",
        "flow-transformer": "scenewright.models.flow_transformer:FlowTransformer",
        "hierarchical-video-gan": "scenewright.models.hierarchical_video_gan:HierarchicalVideoGAN",
        "keyframe-gan": "scenewright.models.keyframe_gan:KeyframeGAN",
        "layout-decoder": "scenewright.models.layout_decoder:LayoutDecoder",
        "layout-planner": "scenewright.models.layout_planner:LayoutPlanner",
        "moco-gan": "scenewright.models.moco_gan:MoCoGAN",
        "motion-policy": "scenewright.models.motion_policy:MotionPolicy",
        "sight-to-sound": "scenewright.models.sight_to_sound:SightToSound",
        "sound-to-sight": "scenewright.models.sound_to_sight:SoundToSight",
        "stacked-gan": "scenewright.models.stacked_gan:StackedGAN",
        "token-transformer": "scenewright.models.token_transformer:TokenTransformer",
        "video-autoencoder": "scenewright.models.video_autoencoder:VideoAutoencoder",
        "video-gan": "scenewright.models.video_gan:VideoGAN",
        "vilbert": "scenewright.models.vilbert:ViLBERT",
    },
)

#: Metrics by name: functions of (pipeline, options) that return scores with intervals; more is better.
metrics: Registry[Any] = Registry(
    "metric",
    {
        "world-core": "scenewright.evaluation.metric:world_core",
        "measures": "scenewright.evaluation.metric:measured",
        "distances": "scenewright.evaluation.metric:distances",
        "plans": "scenewright.evaluation.plans:plans",
        "reconstruction": "scenewright.evaluation.reconstruction:reconstruction",
    },
)

#: Measures of one clip by name: :class:`scenewright.evaluation.measures.Measure`.
measures: Registry[Any] = Registry(
    "measure",
    {
        name: f"scenewright.evaluation.measures:{name.replace('-', '_').upper()}"
        for name in (
            "psnr",
            "ssim",
            "ms-ssim",
            "vmaf",
            "warping-error",
            "flow-agreement",
            "smoothness",
            "motion-strength",
            "dynamic",
            "jerk",
            "flicker",
            "luminance-flicker",
            "frozen",
            "frame-similarity",
            "camera-unsteadiness",
            "camera-path",
            "camera",
            "entailed",
            "contradicted",
            "graph-distance",
            "graph-change",
            "unexplained-objects",
            "object-precision",
            "object-recall",
            "object-f1",
            "box-iou",
            "action",
            "action-segments",
            "agreement",
        )
    },
)
