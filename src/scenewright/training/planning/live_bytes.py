"""Counts the bytes of all tensors that are alive, operator by operator; works on fake tensors too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """``peak``: the most bytes that were alive at once since :meth:`restart`. ``operators``: how many ran,
    views aside.

    ``resized``: whether storages change their size, as those of sharded weights do, which no operator tells:
    then all are counted anew after each of them.
    """

    def __init__(self, *, resized: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._alive: dict[int, StorageWeakRef] = {}
        self._resized = resized
        #: At least what is alive: counting anew takes time, and is needed only where this is above the peak.
        self._most = 0
        self.peak = 0
        self.operators = 0

    def restart(self) -> None:
        self.peak = self.operators = 0

    def track(self, *trees: object) -> None:
        for leaf in tree_leaves(trees):
            if isinstance(leaf, torch.Tensor):
                local = getattr(leaf, "_local_tensor", leaf)
                storage = local.untyped_storage()
                known = self._alive.get(storage._cdata)
                # A storage may have taken the place of one that is gone.
                if known is None or known.expired():
                    self._alive[storage._cdata] = StorageWeakRef(storage)
                    self._most += storage.nbytes()

    def now(self) -> int:
        """Bytes that are alive."""
        total = 0
        for key, reference in list(self._alive.items()):
            storage: torch.UntypedStorage | None = torch.UntypedStorage._new_with_weak_ptr(reference.cdata)
            if storage is None:
                del self._alive[key]
            else:
                total += storage.nbytes()
        self._most = total
        return total

    def __torch_dispatch__(
        self,
        function: Callable[..., Any],
        types: Any,
        arguments: tuple[Any, ...] = (),
        keywords: dict[str, Any] | None = None,
    ) -> Any:
        result = function(*arguments, **(keywords or {}))
        self.track(arguments, keywords, result)
        if not function.is_view:  # type: ignore[attr-defined]
            self.operators += 1
            if self._resized or self._most > self.peak:
                self.peak = max(self.peak, self.now())
        return result
