"""What a model of a config takes in of an atom, when all that is known of it is its element."""

from __future__ import annotations

import numpy as np

from hydria.config.run import RunConfig
from hydria.config.summary import DataSummary
from hydria.data.descriptors import element_features
from hydria.data.structures import Floats
from hydria.data.unseen import scales_of

NUM_ELEMENTS = 118


def inputs_by_element(config: RunConfig, summary: DataSummary) -> Floats:
    """(119, F) node features of each atomic number; those of number 0 are zero.

    The inputs of `config` are atomic numbers and descriptors of elements, as those of a potential
    must be.
    """
    numbers = np.arange(1, NUM_ELEMENTS + 1, dtype=np.int32)
    features = config.dataset.node_features
    owners = [
        name for name, dim in zip(features.name, features.dim, strict=True) for _ in range(dim)
    ]
    scales = scales_of(config, summary)
    columns = []
    for column in config.neural_network.variables_of_interest.input_node_features:
        values = numbers[:, None].astype(np.float64)
        name = owners[column] if owners else ""
        columns.append(scales[name].apply(values) if name in scales else values)
    if wanted := config.dataset.descriptors.AtomicDescriptors:
        columns.append(element_features(numbers, wanted))
    table = np.concatenate(columns, axis=1)
    return np.concatenate([np.zeros((1, table.shape[1])), table])
