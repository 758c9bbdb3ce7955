"""The MACE architecture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from hydria.config.architectures.mace import MACE
from hydria.config.spec import ModelSpec
from hydria.core.errors import ConfigError, DataError, Problem
from hydria.models.base import MessagePassingStack, required_cutoff
from hydria.models.mace.conv import MACEConv, Messages, Sizes, Surroundings
from hydria.models.mace.outputs import MACEOutputs
from hydria.models.mace.product import NUM_ELEMENTS, ProductBasis
from hydria.models.mace.radial import RadialEmbedding
from hydria.models.outputs import Outputs
from hydria.models.state import Encoded, NodeState
from hydria.nn.edges import Edges
from hydria.nn.functions import plain


class MACEStack(MessagePassingStack):
    """MACE over periodic images; the only node feature is the atomic number, as it is.

    Each layer is read out, the elements before the first one too, and the readouts are added,
    those of vectors and tensors as well. All but the last readout are linear. With a list,
    `correlation` has an entry for each layer (HydraGNN uses its first entry for all).
    """

    unavailable = frozenset()

    def __init__(self, spec: ModelSpec) -> None:
        _check(spec)
        super().__init__(spec)
        options = self.options
        self.radial = RadialEmbedding(options, required_cutoff(spec))
        self.embedding = nn.Parameter(torch.randn(NUM_ELEMENTS, options.hidden_dim))
        if options.freeze_conv_layers:
            self.embedding.requires_grad_(False)

    @property
    def options(self) -> MACE:
        """The options of this architecture."""
        return cast(MACE, self.spec.architecture)

    def widths(self) -> list[int]:
        """Channels before the first and after each layer: the same everywhere."""
        return [self.options.hidden_dim] * (self.options.num_conv_layers + 1)

    @property
    def feature_dim(self) -> int:
        """Channels of the embedded elements."""
        return self.options.hidden_dim

    @property
    def encoded_edge_dim(self) -> int:
        """One for each eigenvector: a path has weights of its own for each."""
        return self.options.pe_dim

    @property
    def attended_lmax(self) -> int:
        """Degrees of the hidden features."""
        return self.options.node_max_ell

    def make_attention(self, last: bool) -> nn.Module | None:
        """As usual; the equivariant transformer not where only scalars are left."""
        transforms = self.options.global_attn_engine == "EquivariantTransformer"
        return None if last and transforms else super().make_attention(last)

    def vector_channels(self, width: int) -> int:
        """As many as scalars; the convolutions of heads have none, and leave these as they are."""
        return self.options.hidden_dim

    def vectors(self, nodes: NodeState, pos: Tensor | None) -> Tensor:
        """(N, 3, C) features of degree one."""
        assert nodes.equivariant is not None
        return nodes.equivariant[:, :3]

    def make_norm(self, width: int) -> nn.Module:
        """MACE has none."""
        return nn.Identity()

    def make_layer(self, layer: int, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """A layer: the first one gets scalars, the last one gives scalars."""
        degrees = 0 if layer == 0 else self.options.node_max_ell
        out = 0 if last else self.options.node_max_ell
        return self._conv(in_dim, out_dim, (degrees, out), self.correlations()[layer])

    def make_conv(self, in_dim: int, out_dim: int, last: bool) -> nn.Module:
        """A layer of a `conv` head, from scalars to scalars."""
        return self._conv(in_dim, out_dim, (0, 0), self.correlations()[-1])

    def _conv(
        self, in_dim: int, out_dim: int, degrees: tuple[int, int], correlation: int
    ) -> nn.Module:
        options = self.options
        sizes = Sizes(
            in_dim=in_dim,
            hidden_dim=options.hidden_dim,
            out_dim=out_dim,
            in_lmax=degrees[0],
            out_lmax=degrees[1],
            edge_lmax=options.max_ell,
            num_radial=options.num_radial,
            edge_dim=self.edge_dim,
        )
        measured = self.spec.avg_num_neighbors or 1.0  # no edges at all: nothing to divide
        messages, product = self._sums()
        return MACEConv(
            sizes,
            messages(sizes, options.avg_num_neighbors or measured),
            product(sizes.edge_lmax, sizes.out_lmax, correlation, sizes.hidden_dim),
        )

    def _sums(self) -> tuple[type[Messages], type[ProductBasis]]:
        """What computes messages and products; cuEquivariance where there is an NVIDIA GPU."""
        if not (self.options.enable_cueq and torch.cuda.is_available()):
            return Messages, ProductBasis
        from hydria.models.mace.fused import FusedMessages, FusedProductBasis

        return FusedMessages, FusedProductBasis

    def correlations(self) -> tuple[int, ...]:
        """The order of correlation of each layer."""
        given = self.options.correlation
        return (given,) * self.options.num_conv_layers if isinstance(given, int) else given

    def make_outputs(self, width: int) -> Outputs:
        """Readouts of the elements and of each layer."""
        widths = [NUM_ELEMENTS, *self.widths()[1:]]
        return MACEOutputs(
            self.spec, widths, self.activation, self.make_head_conv, self.vector_channels
        )

    def geometry(self, edges: Edges, pos: Tensor | None) -> Surroundings:
        """Distances and spherical harmonics of the edges."""
        assert pos is not None
        return Surroundings(edges, pos, self.options.max_ell, self.radial)

    def inputs(self, batch: Any) -> tuple[Edges, Tensor, Tensor | None]:
        """As usual, but for the features: the atomic numbers `z` of a batch that has them."""
        edges, x, pos = super().inputs(batch)
        numbers = getattr(batch, "z", None)
        return edges, x if numbers is None else numbers.to(x.dtype).view(-1, 1), pos

    def elements(self, x: Tensor) -> Tensor:
        """(N,) elements, hydrogen 0, of the (N, 1) node features.

        Raises:
            DataError: if they are no atomic numbers.
        """
        numbers = x[:, 0]
        if plain():  # what is recorded for any data cannot look at it
            return numbers.long() - 1
        known = (numbers >= 1) & (numbers <= NUM_ELEMENTS) & (numbers == numbers.round())
        if not bool(known.all()):
            raise DataError(
                f"batch.x: expected atomic numbers from 1 to {NUM_ELEMENTS}, because MACE has "
                f"weights by element, got {numbers[~known][:3].tolist()}. "
                f"Hint: let input_node_features name the atomic number, and do not normalise it"
            )
        return numbers.long() - 1

    def embed(self, x: Tensor, pos: Tensor | None) -> NodeState:
        """(N, C) scalars by element."""
        elements = self.elements(x)
        weight = self.embedding * NUM_ELEMENTS**-0.5
        return NodeState(weight.index_select(0, elements), None, elements)

    def encode(self, batch: Any) -> Encoded:
        """The batch after the last layer."""
        return self.encode_each(batch)[-1]

    def encode_each(self, batch: Any) -> list[Encoded]:
        """The batch as elements, and after each layer."""
        edges, x, pos = self.inputs(batch)
        nodes = self.embed(x, pos)
        assert nodes.elements is not None
        one_hot = functional.one_hot(nodes.elements, NUM_ELEMENTS).to(x.dtype)
        states = [NodeState(one_hot, None, nodes.elements)]
        if self.encodings is not None:
            embedded, edges = self.encodings(nodes.x, edges, batch)
            nodes = nodes._replace(x=embedded)
        around = self.surroundings(batch, edges, pos)
        # now, because a layer that is computed again must do what it did before
        around.geometry.basis(nodes.elements)
        for layer in range(len(self.convs)):
            nodes = self.layer(layer, nodes, around)
            states.append(nodes)
        parts = [self.encoded(state, around, pos) for state in states]
        return [replace(part, geometry_of=self._head_geometry) for part in parts]

    def _head_geometry(self, edges: Edges, pos: Tensor | None) -> Surroundings | None:
        """What heads of a part of the graphs need: only convolutions look at the edges."""
        branches = self.options.output_heads.node
        convolved = any(branch.architecture.type == "conv" for branch in branches)
        return self.geometry(edges, pos) if convolved else None

    def forward(self, batch: Any) -> list[Tensor]:
        """One tensor per head: (G, dim) for graph heads, (N, dim) for node heads."""
        outputs = cast(MACEOutputs, self.outputs)
        return outputs.summed(self.encode_each(batch), getattr(batch, "dataset_name", None))


def _check(spec: ModelSpec) -> None:
    """Raise what only the data, or two options together, can tell."""
    options = cast(MACE, spec.architecture)
    problems = []
    if spec.input_dim != 1:
        problems.append(
            Problem(
                "NeuralNetwork.Variables_of_interest.input_node_features",
                f"expected the atomic number alone, because MACE has weights by element, "
                f"got {spec.input_dim} columns",
            )
        )
    given = options.correlation
    if not isinstance(given, int) and len(given) != options.num_conv_layers:
        problems.append(
            Problem(
                "NeuralNetwork.Architecture.correlation",
                f"expected one number, or one for each of {options.num_conv_layers} layers, "
                f"got {len(given)}",
            )
        )
    if problems:
        raise ConfigError(problems)
