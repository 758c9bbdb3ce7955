"""What the training loop costs beside a bare PyTorch loop over the same batches and model."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import harness
import torch

from hydria.config import load_config
from hydria.data.prepare import prepare
from hydria.runtime.environment import Environment
from hydria.runtime.launch import Ranks
from hydria.runtime.process_group import World
from hydria.runtime.stop import StopRequest
from hydria.train.loop import Trainer
from hydria.workloads.property.task import PropertyTask
from tests.support.raw_data import write_lsms
from tests.support.runs import make_tree

OVERHEAD = 1.03
WORLD = World(Ranks(), torch.device("cpu"))


def bare_loop(task: PropertyTask) -> Callable[[], None]:
    """An epoch as one would write it by hand."""
    model, store = task.model, task.store
    optimizer = torch.optim.AdamW(model.parameters())
    batches = task.order(0)

    def epoch() -> None:
        for ids in batches:
            batch = store.batch(ids)
            optimizer.zero_grad()
            outputs = model(batch)
            losses = [
                torch.nn.functional.mse_loss(output, batch[f"y.{name}"])
                for name, output in zip(task.terms, outputs, strict=True)
            ]
            (task.weights * torch.stack(losses)).sum().backward()
            optimizer.step()

    return epoch


def main() -> int:
    bench = harness.Bench("engine")
    folder = Path(tempfile.mkdtemp(prefix="hydria-bench-"))
    raw = write_lsms(folder / "raw", count=366, num_atoms=32)
    tree = make_tree(raw, {"hidden_dim": 32, "num_conv_layers": 3}, batch_size=32)
    config = load_config(tree).config
    tasks = [PropertyTask(config, prepare(config, folder), WORLD, Environment()) for _ in range(2)]
    settings = config.neural_network.training
    trainer = Trainer(tasks[0], settings, WORLD, folder, StopRequest(folder), Environment())

    def engine() -> None:
        trainer.progress.batch = 0
        trainer._train_epoch()

    times = harness.interleaved({"engine": engine, "bare": bare_loop(tasks[1])}, repeats=15)
    bare = times["bare"]
    bench.record("an epoch of 8 steps", times["engine"], OVERHEAD * bare, {"bare loop": bare})
    saving = harness.interleaved({"save": trainer.save})
    bench.record("a checkpoint, synchronously", saving["save"])
    return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
