"""Pickles of `torch_geometric` samples, opened without running what strangers put into them.

A pickle can name any function, and loading it would call it. Here only those classes are restored
that samples consist of: tensors, arrays, `Data` and plain containers.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

SAFE = {
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_tensor"),
    ("torch", "Size"),
    ("torch", "device"),
    ("torch.serialization", "_get_layout"),
    ("builtins", "set"),
    ("builtins", "slice"),
    ("_codecs", "encode"),
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("collections", "deque"),
}
NUMPY = {"ndarray", "dtype", "_reconstruct", "scalar", "_frombuffer"}
# not all that lies in torch_geometric.data: it can download, too
SAMPLES = {
    "Data",
    "DataEdgeAttr",
    "DataTensorAttr",
    "BaseStorage",
    "NodeStorage",
    "EdgeStorage",
    "GlobalStorage",
}


class SampleUnpickler(pickle.Unpickler):
    """Restores tensors, arrays and samples, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """The class or function that the pickle names.

        Raises:
            pickle.UnpicklingError: if samples do not consist of it.
        """
        import torch

        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return lambda content: torch.load(io.BytesIO(content), weights_only=True)
        is_dtype = module == "torch" and (
            isinstance(getattr(torch, name, None), torch.dtype) or name.endswith("Storage")
        )
        if is_dtype or (module, name) in SAFE or _is_data_class(module, name):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"refuses to restore {module}.{name}")


def _is_data_class(module: str, name: str) -> bool:
    return (module.startswith("torch_geometric.data.") and name in SAMPLES) or (
        module.split(".")[0] == "numpy" and name in NUMPY
    )
