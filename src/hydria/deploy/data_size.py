"""How many samples a config trains on, as far as that can be told without reading the data."""

from __future__ import annotations

from pathlib import Path

from hydria.config.run import RunConfig

# Data sets that Hydria makes or brings along → (path in the config, samples there, split by us).
CATALOG = {
    "lsms": ("lsms/raw", 1000, True),
    "dft_si": ("dft_si/train.extxyz.xz", 191, False),
}
# Formats that keep each sample in a file of its own.
ONE_FILE_EACH = frozenset({"LSMS", "CFG"})


def training_samples(config: RunConfig) -> int | None:
    """Samples of the training set; None where only the data itself could tell."""
    data, part = config.dataset, config.neural_network.training.perc_train
    path, count, split = CATALOG.get(data.name, ("", 0, False))
    given = data.path.total if data.path.total is not None else data.path.train
    if count and given == path:
        return int(count * part) if split else count
    if data.format not in ONE_FILE_EACH or given is None or not Path(given).is_dir():
        return None
    files = sum(1 for file in Path(given).iterdir() if file.is_file())
    return int(files * part) if data.path.total is not None else files
