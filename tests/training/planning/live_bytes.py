"""Counts the bytes of all tensors that are alive, operator by operator; works on fake tensors too."""

from __future__ import annotations

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """``peak``: the most bytes that were alive at once since :meth:`restart`."""

    def __init__(self) -> None:
        super().__init__()
        self._alive: dict[int, StorageWeakRef] = {}
        self.peak = 0

    def restart(self) -> None:
        self.peak = 0

    def track(self, *trees: object) -> None:
        for leaf in tree_leaves(trees):
            if isinstance(leaf, torch.Tensor):
                local = getattr(leaf, "_local_tensor", leaf)
                storage = local.untyped_storage()
                self._alive.setdefault(storage._cdata, StorageWeakRef(storage))

    def now(self) -> int:
        total = 0
        for key, reference in list(self._alive.items()):
            storage = torch.UntypedStorage._new_with_weak_ptr(reference.cdata)
            if storage is None:
                del self._alive[key]
            else:
                total += storage.nbytes()
        return total

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        self.track(arguments, keywords, result)
        if not function.is_view:
            self.peak = max(self.peak, self.now())
        return result
