"""The data sets and writers of HydraGNN's user manual, as its samples use them."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from hydria.core.errors import DataError

HERE = Path(__file__).parent
HYDRAGNN = HERE.parent / "data" / "hydragnn_stores"
OPENING_SERIALIZED = """
# Loading pickle datasets
from hydragnn.utils.datasets.serializeddataset import SerializedDataset
dataset = SerializedDataset(basedir, dataset_name, "trainset")
"""
OPENING_ADIOS = """
# Loading ADIOS datasets
from hydragnn.utils.datasets.adiosdataset import AdiosDataset
dataset = AdiosDataset(filename, "trainset", comm)
"""
SHARED = """
# Enable shared memory for efficiency
opt = {
    "preload": True,
    "shmem": True,
}
dataset = AdiosDataset(filename, "trainset", comm, **opt)
"""
SERIALIZING = """
from hydragnn.utils.datasets.serializeddataset import SerializedWriter

# Save processed datasets for fast loading
writer = SerializedWriter(dataset, basedir, dataset_name, "trainset")
"""
WRITING_ADIOS = """
from hydragnn.utils.datasets.adiosdataset import AdiosWriter

# Create ADIOS writer for large datasets
writer = AdiosWriter(filename, comm)
writer.add("trainset", train_dataset)
writer.add("valset", val_dataset)
writer.add("testset", test_dataset)

# Add global metadata
writer.add_global("minmax_node_feature", minmax_features)
writer.save()
"""
LOADER = """
from hydragnn.preprocess.raw_dataset_loader import RawDatasetLoader

class CustomRawDataLoader(RawDatasetLoader):
    def __init__(self, config):
        super().__init__(config)
    
    def load_raw_data(self):
        # Implement custom data loading logic
        pass
    
    def get_data(self):
        # Return processed torch_geometric.data.Data objects
        return self.dataset
"""  # noqa: W293 (as printed)
OWN_LOADER = """
from hydragnn.preprocess.raw_dataset_loader import RawDatasetLoader
import torch_geometric.data as pygdata

class MyCustomLoader(RawDatasetLoader):
    def __init__(self, config):
        super().__init__(config)
        
    def load_raw_data(self):
        # Load your custom data format
        raw_data = self.load_my_format()
        
        # Convert to PyTorch Geometric format
        self.dataset = []
        for sample in raw_data:
            data = pygdata.Data(
                x=sample.node_features,
                edge_index=sample.edge_indices,
                edge_attr=sample.edge_features,
                y=sample.targets,
                pos=sample.positions
            )
            self.dataset.append(data)
    
    def load_my_format(self):
        # Implement your data loading logic
        pass
"""  # noqa: W293 (as printed)


def type_in(code, **names):
    exec(compile(code, "manual", "exec"), names)
    return names


def samples(count=5):
    """Paths of 2 to 6 nodes with packed targets."""
    made = []
    for n in range(2, 2 + count):
        steps = torch.arange(n - 1)
        made.append(
            Data(
                x=torch.rand(n, 2),
                pos=torch.rand(n, 3),
                edge_index=torch.stack([steps, steps + 1]),
                y=torch.rand(n + 1, 1),
                y_loc=torch.tensor([[0, 1, n + 1]]),
            )
        )
    return made


def assert_equal(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert sorted(a.keys()) == sorted(b.keys())
        for name in a.keys():  # noqa: SIM118 (`Data` is no dict)
            assert torch.equal(a[name], b[name])


def test_serialized_data_go_out_and_come_back(tmp_path):
    names = {"basedir": tmp_path, "dataset_name": "mine"}
    expected = samples()
    for _ in range(2):  # the second time it is replaced
        type_in(SERIALIZING, dataset=expected, **names)
    assert [file.name for file in tmp_path.iterdir()] == ["mine-trainset.pkl"]
    assert_equal(type_in(OPENING_SERIALIZED, **names)["dataset"], expected)


@pytest.mark.parametrize("options", [{}, {"preload": True}])
def test_adios_data_go_out_and_come_back(tmp_path, options):
    made = samples(8)
    sets = {"train_dataset": made[:5], "val_dataset": made[5:6], "test_dataset": made[6:]}
    names = {"filename": str(tmp_path / "sets.bp"), "comm": None}
    for _ in range(2):
        type_in(WRITING_ADIOS, minmax_features=np.array([[0.0], [1.0]]), **sets, **names)
    opened = type_in(OPENING_ADIOS, **names)
    assert_equal(opened["dataset"], made[:5])
    assert_equal(type_in(SHARED, **opened)["dataset"], made[:5])
    found = opened["AdiosDataset"](names["filename"], "testset", **options)
    assert_equal(found, made[6:])
    assert_equal(found[:], made[6:])
    assert found.minmax_node_feature.tolist() == [[0.0], [1.0]]
    assert found.minmax_graph_feature is None


def test_what_hydragnn_wrote_is_opened():
    adios = type_in(OPENING_ADIOS, filename=f"{HYDRAGNN}/sample.bp", comm=None)
    names = {"basedir": HYDRAGNN / "serialized", "dataset_name": "sample"}
    serialized = type_in(OPENING_SERIALIZED, **names)["dataset"]
    assert_equal(adios["dataset"], serialized[:6])
    preloaded = adios["AdiosDataset"](f"{HYDRAGNN}/sample.bp", "trainset", None, preload=True)
    assert_equal(preloaded, serialized[:6])
    assert serialized.minmax_node_feature.tolist() == [[1.0], [8.0]]


@pytest.mark.parametrize("preload", [True, False])
@pytest.mark.parametrize("use_subdir", [True, False])
def test_simple_pickles_go_out_and_come_back(tmp_path, preload, use_subdir):
    from hydragnn.utils.datasets.pickledataset import SimplePickleDataset, SimplePickleWriter

    made = samples(7)
    options = {"use_subdir": use_subdir, "nmax_persubdir": 3}
    SimplePickleWriter(made[:5], tmp_path, "trainset", [[0.0], [1.0]], **options)
    SimplePickleWriter(made[5:], tmp_path, "testset", **options)
    found = SimplePickleDataset(tmp_path, "trainset", preload=preload)
    assert_equal(found, made[:5])
    assert found.minmax_node_feature.tolist() == [[0.0], [1.0]]
    assert_equal(SimplePickleDataset(tmp_path, "testset", preload=preload), made[5:])
    assert (tmp_path / "1" / "trainset-3.pkl").is_file() == use_subdir
    with pytest.raises(DataError, match="one of the labels testset, trainset, got 'valset'"):
        SimplePickleDataset(tmp_path, "valset")


def test_loaders_of_ones_own(tmp_path):
    plain = type_in(LOADER)["CustomRawDataLoader"]({"Dataset": {}})
    plain.load_raw_data()
    assert plain.get_data() == []
    names = type_in(OWN_LOADER)

    class Mine(names["MyCustomLoader"]):
        def load_my_format(self):
            return [
                SimpleNamespace(
                    node_features=one.x, edge_indices=one.edge_index, edge_features=None,
                    targets=one.y, positions=one.pos,
                )
                for one in samples()
            ]  # fmt: skip

    loaded = Mine({"Dataset": {}}).get_data()
    assert len(loaded) == 5
    type_in(SERIALIZING, dataset=loaded, basedir=tmp_path, dataset_name="own")
    found = type_in(OPENING_SERIALIZED, basedir=tmp_path, dataset_name="own")["dataset"]
    assert torch.equal(found[3].x, loaded[3].x)
    with pytest.raises(NotImplementedError, match="Unwritten: expected a load_raw_data"):
        type("Unwritten", (names["RawDatasetLoader"],), {})({}).get_data()


@pytest.mark.system("mpich")
def test_four_ranks_share_data_sets(tmp_path):
    """Remote access, shared memory and writing with MPICH, whose library mpi4py is told."""
    library = tmp_path / "lib"
    library.mkdir()
    (found,) = Path("/usr/lib").glob("*/libmpich.so.12")
    (library / "libmpi.so.12").symlink_to(found)
    env = os.environ | {
        "LD_LIBRARY_PATH": str(library),
        "MPI4PY_MPIABI": "mpich",
        "PYTHONPATH": str(HERE.parents[2]),
        "OMP_NUM_THREADS": "1",
    }
    script = [sys.executable, str(HERE / "mpi_stores.py"), str(tmp_path)]
    done = subprocess.run(
        ["mpiexec.mpich", "-n", "4", *script],
        env=env, check=False, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("is through") == 4
