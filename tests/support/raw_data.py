"""Raw data in every format, and configs that read it."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data

from hydria.config.dataset import Dataset
from hydria.data.store import GraphStore

Tree = dict[str, Any]

NODE_FEATURES = {
    "name": ["num_of_protons", "charge_density", "magnetic_moment"],
    "dim": [1, 1, 1],
    "column_index": [0, 5, 6],
}
GRAPH_FEATURES = {"name": ["free_energy_scaled_num_nodes"], "dim": [1], "column_index": [0]}
EDGE = 5.0  # Å, of the cubic cells here


def lsms_text(num_atoms: int = 8, seed: int = 0) -> str:
    """One structure: energy first, then protons, index, position, electrons, moment."""
    rng = np.random.RandomState(seed)
    protons = np.where(rng.rand(num_atoms) < 0.5, 26, 78)
    values = np.column_stack([rng.rand(num_atoms, 3) * EDGE, protons + 0.1 * rng.rand(num_atoms),
                              rng.rand(num_atoms)])  # fmt: skip
    lines = [f"{-10.0 - rng.rand():.8f} 0.5 1.5"]
    for index, row in enumerate(values):
        numbers = " ".join(f"{value:.8f}" for value in row)
        lines.append(f"{protons[index]} {index} {numbers}")
    return "\n".join(lines) + "\n"


def write_lsms(folder: Path, count: int = 12, num_atoms: int = 8) -> Path:
    """`count` files, named so that their order is that of their seeds."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        (folder / f"structure_{index:03d}.txt").write_text(lsms_text(num_atoms, seed=index))
    return folder


def lsms_dataset(**changes: Any) -> Dataset:
    """The Dataset section of the FePt study."""
    section = {
        "name": "made",
        "format": "LSMS",
        "path": {"total": "raw"},
        "node_features": NODE_FEATURES,
        "graph_features": GRAPH_FEATURES,
        **changes,
    }
    return Dataset.model_validate(section)


def config_tree(path: Path | str, **dataset: Any) -> Tree:
    """A whole config that predicts energy, charge density and moment from the protons."""
    tree: Tree = {
        "Dataset": {
            "name": "made",
            "format": "LSMS",
            "path": {"total": str(path)},
            "node_features": NODE_FEATURES,
            "graph_features": GRAPH_FEATURES,
            **dataset,
        },
        "NeuralNetwork": {
            "Architecture": {
                "mpnn_type": "PNA",
                "radius": 3.5,
                "max_neighbours": 50,
                "hidden_dim": 8,
                "num_conv_layers": 2,
                "edge_features": ["lengths"],
                "output_heads": {
                    "graph": {
                        "num_sharedlayers": 1,
                        "dim_sharedlayers": 8,
                        "num_headlayers": 1,
                        "dim_headlayers": [8],
                    },
                    "node": {"num_headlayers": 1, "dim_headlayers": [8], "type": "mlp"},
                },
            },
            "Variables_of_interest": {
                "input_node_features": [0],
                "output_names": ["free_energy", "charge_density", "magnetic_moment"],
                "output_index": [0, 1, 2],
                "type": ["graph", "node", "node"],
            },
            "Training": {"num_epoch": 2, "batch_size": 4, "perc_train": 0.7},
        },
    }
    return deepcopy(tree)


def with_outputs(
    tree: Tree, names: Sequence[str], kinds: Sequence[str], index: Sequence[int]
) -> Tree:
    """The same config with other outputs."""
    tree["NeuralNetwork"]["Variables_of_interest"].update(
        output_names=list(names), type=list(kinds), output_index=list(index)
    )
    return tree


def make_frames(count: int = 10, num_atoms: int = 6) -> list[Any]:
    """Periodic ASE frames with energy, forces and moments."""
    from ase import Atoms
    from ase.calculators.singlepoint import SinglePointCalculator

    frames = []
    for index in range(count):
        rng = np.random.RandomState(index)
        atoms = Atoms(
            numbers=rng.choice([29, 79], num_atoms),
            positions=rng.rand(num_atoms, 3) * EDGE,
            cell=np.eye(3) * EDGE,
            pbc=True,
        )
        atoms.set_initial_magnetic_moments(rng.rand(num_atoms))
        atoms.calc = SinglePointCalculator(
            atoms, energy=-float(rng.rand()), forces=rng.rand(num_atoms, 3)
        )
        frames.append(atoms)
    return frames


def _ase_tree(path: Path, fmt: str, node: list[str], dims: list[int]) -> Tree:
    return config_tree(
        path,
        format=fmt,
        node_features={"name": node, "dim": dims},
        graph_features={"name": ["volume"]},
    )


def _lsms(folder: Path) -> Tree:
    return config_tree(write_lsms(folder / "raw"))


def _unit_test(folder: Path) -> Tree:
    return config_tree(write_lsms(folder / "raw"), format="unit_test")


def _extxyz(folder: Path) -> Tree:
    from ase.io import write

    write(folder / "frames.extxyz", make_frames(), format="extxyz")
    tree = config_tree(
        folder / "frames.extxyz",
        format="extxyz",
        node_features={"name": ["atomic_numbers", "forces"], "dim": [1, 3]},
        graph_features={"name": ["energy_scaled_num_nodes"]},
    )
    return with_outputs(tree, ["energy", "forces"], ["graph", "node"], [0, 1])


def _ase(folder: Path) -> Tree:
    from ase.io import write

    write(folder / "frames.traj", make_frames())
    tree = config_tree(
        folder / "frames.traj",
        format="ase",
        node_features={"name": ["numbers", "initial_magmoms"]},
        graph_features={"name": ["energy"]},
    )
    return with_outputs(tree, ["energy", "moment"], ["graph", "node"], [0, 1])


def _one_file_each(fmt: str, ase_format: str, suffix: str) -> Callable[[Path], Tree]:
    def build(folder: Path) -> Tree:
        from ase.io import write

        raw = folder / "raw"
        raw.mkdir()
        for index, frame in enumerate(make_frames()):
            write(raw / f"{index:02d}{suffix}", frame, format=ase_format)
        tree = _ase_tree(raw, fmt, ["numbers"], [1])
        return with_outputs(tree, ["volume"], ["graph"], [0])

    return build


def _cfg(folder: Path) -> Tree:
    from ase.io.cfg import write_cfg

    raw = folder / "raw"
    raw.mkdir()
    for index, frame in enumerate(make_frames()):
        forces = frame.get_forces()
        frame.calc = None
        del frame.arrays["initial_magmoms"]
        frame.arrays["c_peratom"] = np.linspace(-1, 1, len(frame)) + index
        for axis, name in enumerate(("fx", "fy", "fz")):
            frame.arrays[name] = forces[:, axis]
        write_cfg(str(raw / f"{index:02d}.cfg"), frame)
        (raw / f"{index:02d}.bulk").write_text(f"{100 + index} 2 3\n")
    tree = config_tree(
        raw,
        format="CFG",
        node_features={
            "name": ["protons", "c", "force"],
            "dim": [1, 1, 3],
            "column_index": [0, 2, 3],
        },
        graph_features={"name": ["bulk"]},
    )
    return with_outputs(tree, ["bulk", "force"], ["graph", "node"], [0, 2])


def _xyz(folder: Path) -> Tree:
    from ase.io import write

    raw = folder / "raw"
    raw.mkdir()
    for index, frame in enumerate(make_frames()):
        write(raw / f"{index:02d}.xyz", frame, format="xyz")
        (raw / f"{index:02d}_energy.txt").write_text(f"{-index / 3}\n")
    tree = config_tree(
        raw,
        format="XYZ",
        node_features={"name": ["protons"]},
        graph_features={"name": ["energy"]},
    )
    return with_outputs(tree, ["energy"], ["graph"], [0])


def mlearn_entry(seed: int = 0, group: str = "Elastic") -> Tree:
    """A structure of four silicon atoms as mlearn publishes it."""
    rng = np.random.RandomState(seed)
    return {
        "group": group,
        "description": "Si 2x2x2 cell, mode 5, strain -0.06",
        "structure": {
            "lattice": {"matrix": (5 * np.eye(3) + rng.rand(3, 3)).tolist()},
            "sites": [
                {"species": [{"element": "Si", "occu": 1}], "xyz": xyz}
                for xyz in (5 * rng.rand(4, 3)).tolist()
            ],
        },
        "outputs": {
            "energy": -float(rng.rand()) * 300,
            "forces": rng.normal(size=(4, 3)).tolist(),
            "virial_stress": rng.normal(size=6).tolist(),
        },
    }


def make_samples(count: int = 10, num_nodes: int = 6) -> list[Any]:
    """`torch_geometric` samples as HydraGNN pickles them: two node columns, one graph column."""
    generator = torch.Generator().manual_seed(0)
    return [
        Data(
            x=torch.rand(num_nodes, 2, generator=generator),
            y=torch.rand(1, generator=generator),
            pos=torch.rand(num_nodes, 3, generator=generator) * EDGE,
        )
        for _ in range(count)
    ]


def _pickle(folder: Path) -> Tree:
    with (folder / "made.pkl").open("wb") as stream:
        pickle.dump(np.array([[0.0, -1.0], [2.0, 3.0]]), stream)
        pickle.dump(np.array([[10.0], [20.0]]), stream)
        pickle.dump(make_samples(), stream)
    tree = config_tree(
        folder / "made.pkl",
        format="unit_test",
        node_features={"name": ["type", "charge"]},
        graph_features={"name": ["energy"]},
    )
    return with_outputs(tree, ["energy", "charge"], ["graph", "node"], [0, 1])


MOLECULES = ("C", "O", "CCO", "c1ccccc1", "C=C", "C#N", "CC(=O)O", "[NH4+]", "CO", "N", "CC", "C=O")


def _smiles(folder: Path) -> Tree:
    lines = [f"{smiles}, {index / 7}" for index, smiles in enumerate(MOLECULES)]
    (folder / "molecules.csv").write_text("\n".join(["smiles, gap", *lines]) + "\n")
    tree = config_tree(
        folder / "molecules.csv",
        format="SMILES",
        node_features={"name": ["atomic_number", "aromatic", "hybridization"]},
        graph_features={"name": ["gap"]},
    )
    return with_outputs(tree, ["gap"], ["graph"], [0])


def _store(folder: Path) -> Tree:
    samples = make_samples()
    for sample in samples:
        sample.edge_index = torch.tensor([[0, 1], [1, 0]])
    bounds = {"minmax_node_feature": [[0.0, -1.0], [2.0, 3.0]]}
    place = GraphStore.from_data_list(samples, attrs=bounds).save(folder / "made")
    tree = config_tree(
        place,
        format="store",
        node_features={"name": ["type", "charge"]},
        graph_features={"name": ["energy"]},
    )
    return with_outputs(tree, ["energy", "charge"], ["graph", "node"], [0, 1])


# format → writes a small set into a folder and returns a config for it
RAW: dict[str, Callable[[Path], Tree]] = {
    "LSMS": _lsms,
    "unit_test": _unit_test,
    "CFG": _cfg,
    "XYZ": _xyz,
    "extxyz": _extxyz,
    "ase": _ase,
    "CIF": _one_file_each("CIF", "cif", ".cif"),
    "POSCAR": _one_file_each("POSCAR", "vasp", ".poscar"),
    "pickle": _pickle,
    "SMILES": _smiles,
    "store": _store,
}
