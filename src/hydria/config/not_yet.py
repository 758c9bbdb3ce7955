"""What a config may ask for, and this version cannot do: one line each, until it can."""

from __future__ import annotations

from hydria.config.run import RunConfig
from hydria.core.errors import Problem

# Architectures whose model cannot update vector features yet; a test compares them with the models.
WITHOUT_VECTORS = frozenset({"SchNet"})

# path → (attributes from the config to the value, what it asks for)
SWITCHES = {
    "NeuralNetwork.Architecture.global_attn_engine": (
        "neural_network.architecture.global_attn_engine",
        "global attention",
    ),
    "NeuralNetwork.Architecture.use_graph_attr_conditioning": (
        "neural_network.architecture.use_graph_attr_conditioning",
        "conditioning on graph attributes",
    ),
    "NeuralNetwork.Architecture.enable_interatomic_potential": (
        "neural_network.architecture.enable_interatomic_potential",
        "an interatomic potential",
    ),
    "NeuralNetwork.Training.conv_checkpointing": (
        "neural_network.training.conv_checkpointing",
        "recomputing activations in the backward pass",
    ),
    "NeuralNetwork.Training.compute_grad_energy": (
        "neural_network.training.compute_grad_energy",
        "forces as the gradient of the energy",
    ),
    "NeuralNetwork.ds_config": ("neural_network.ds_config", "DeepSpeed"),
    "Dataset.Descriptors.SphericalCoordinates": (
        "dataset.descriptors.SphericalCoordinates",
        "spherical coordinates of edges",
    ),
    "Dataset.Descriptors.PointPairFeatures": (
        "dataset.descriptors.PointPairFeatures",
        "point-pair features of edges",
    ),
}


def not_yet(config: RunConfig) -> list[Problem]:
    """What this version cannot train, although the config is right."""
    found = [
        Problem(path, f"asks for {what}, which this version cannot do", "leave it out")
        for path, (attributes, what) in SWITCHES.items()
        if _value(config, attributes)
    ]
    architecture = config.neural_network.architecture
    if architecture.equivariance and architecture.mpnn_type in WITHOUT_VECTORS:
        found.append(
            Problem(
                "NeuralNetwork.Architecture.equivariance",
                f"asks for vector features in {architecture.mpnn_type}, "
                "which this version cannot update",
                "leave it out",
            )
        )
    for kind in ("graph", "node"):
        branches = getattr(architecture.output_heads, kind)
        if len(branches) > 1:
            found.append(
                Problem(
                    f"NeuralNetwork.Architecture.output_heads.{kind}",
                    f"asks for {len(branches)} branches, and this version trains one",
                    "keep the branch of one data set",
                )
            )
    return found


def _value(config: object, attributes: str) -> object:
    for name in attributes.split("."):
        config = getattr(config, name)
    return config
