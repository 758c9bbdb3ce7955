"""Training steps of all architectures, against upstream's published figures and against peers.

The workload is the one of upstream's figures: 32 periodic fcc Cu-Au cells of 32 atoms (random
composition, Vegard's lattice, 0.08 Å rattle, EMT energies), radius 5 Å, width 64, 3 convolutions,
silu, a graph and a node head, float32, AdamW, one thread.

Each candidate runs in a process of its own (so that its peak memory is its own), and all take
turns. Two fixed kernels, whose times on upstream's machine are known, say how fast this machine
is; upstream's figures are scaled by them. `bench_models.py [NAME…]` times some of them; a run of
all writes the table into README.md.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import harness

from hydria.config.architectures import ARCHITECTURES

HERE = Path(__file__).parent
README = HERE / "README.md"
BEGIN, END = "<!-- models: begin -->", "<!-- models: end -->"
BUDGET_S = 15.0


class Upstream(NamedTuple):
    """HydraGNN d251f816 with torch 2.13.0 on 41 665 edges, as published in its facts."""

    seconds: float
    """Of a step on one thread."""
    peak_mib: float
    """Resident set, with the imports."""
    factor: float = 2.0
    """How many times as many edges per second are wanted."""
    seen: float = 1.0
    """Part of the edges that it looks at."""


EDGES = 41_665
IMPORTS_MIB = 320
MEMORY_PART = 0.6
UPSTREAM = {
    "PNA": Upstream(0.296, 881),
    "PNAPlus": Upstream(0.613, 970),
    "PNAEq": Upstream(1.207, 1453),
    "EGNN": Upstream(0.336, 970),
    "CGCNN": Upstream(0.307, 992),
    # its neighbour list has open boundaries: 516 of 1 302 edges of a cell
    "SchNet": Upstream(0.097, 717, seen=516 / 1302),
    "PAINN": Upstream(0.387, 1248),
    "MACE": Upstream(2.853, 2610, factor=4.0),
    # the best of two threads; one has not been measured, and is slower
    "DimeNet": Upstream(5.404, 6047, factor=4.0),
    "GAT": Upstream(1.910, 1409, factor=4.0),
    "GIN": Upstream(0.015, 633, factor=1.2),
    "SAGE": Upstream(0.014, 630, factor=1.2),
    "MFC": Upstream(0.062, 650, factor=1.2),
}
# seconds of the calibration kernels on the machine of these figures
KERNELS = {"product": 0.0631, "gather": 0.0045}
TORCH_GEOMETRIC = frozenset({"PNA", "SchNet", "CGCNN", "DimeNet", "GAT", "GIN", "SAGE", "MFC"})

MACE_TORCH = "mace-torch==0.3.16"
CACHE = Path.home() / ".cache" / "hydria" / "benchmarks"


def candidate(kind: str, name: str) -> harness.Candidate:
    """A process of `models_worker.py`."""
    memory = {harness.DEFAULT_MEMORY: "1", "THP_MEM_ALLOC_ENABLE": "0"}
    env = memory if kind == "calibration" else {}
    return harness.Candidate([sys.executable, str(HERE / "models_worker.py"), kind, name], env)


def calibrate() -> dict[str, float]:
    """How slow this machine is beside that of upstream's figures, and its two rates.

    Returns:
        `scale`, `flop_per_s`, `bytes_per_s`, and the seconds of each kernel.
    """
    kernels = candidate("calibration", "all")
    harness.take_turns({"kernels": kernels}, BUDGET_S)
    seconds = kernels.finish()
    scale = statistics.geometric_mean(seconds[name] / KERNELS[name] for name in KERNELS)
    rates = {"flop_per_s": 2 * 1024**3 / seconds["matrix"], "bytes_per_s": 2**26 / seconds["copy"]}
    return {"scale": scale, **rates, **seconds}


def mace_python() -> Path:
    """The Python of an environment with mace-torch beside our torch; made on first use.

    Raises:
        subprocess.CalledProcessError: if it cannot be installed.
    """
    folder = CACHE / MACE_TORCH.replace("==", "-")
    python = folder / "bin" / "python"
    done = folder / "installed"
    if not done.exists():
        print(f"installing {MACE_TORCH} into {folder}", flush=True)
        venv.create(folder, clear=True)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = folder / "lib" / version / "site-packages"
        # its pins (e3nn 0.4.4) come first, our torch serves both
        own = next(path for path in sys.path if path.endswith("site-packages"))
        (packages / "ours.pth").write_text(f"import site; site.addsitedir({own!r})\n")
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q"]
        subprocess.run([*pip, MACE_TORCH], check=True, capture_output=True, text=True)
        done.touch()
    return python


@contextmanager
def mace_peer() -> Iterator[harness.Candidate | None]:
    """mace-torch's step on the same graphs; None, with a line that says so, where it fails."""
    try:
        python = mace_python()
    except (subprocess.CalledProcessError, OSError) as err:
        said = getattr(err, "stderr", None) or str(err)
        print(f"mace-torch is left out, MACE has no peer: {said}", flush=True)
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        graphs = Path(folder) / "graphs.npz"
        worker = [sys.executable, str(HERE / "models_worker.py"), "graphs", str(graphs)]
        subprocess.run(worker, check=True)
        command = [str(python), str(HERE / "models_mace_peer.py"), str(graphs)]
        yield harness.Candidate(command, {"PYTHONWARNINGS": "ignore"})


def measure(name: str, machine: dict[str, float]) -> dict[str, Any]:
    """Ours beside its peer, and both beside what upstream's figures demand here."""
    if name == "MACE":
        with mace_peer() as mace:
            return judged(name, machine, {"mace-torch": mace} if mace else {})
    if name in TORCH_GEOMETRIC:
        peer = "torch-geometric"
        return judged(name, machine, {peer: candidate(peer, name)})
    return judged(name, machine, {})


def judged(
    name: str, machine: dict[str, float], peers: dict[str, harness.Candidate]
) -> dict[str, Any]:
    """Seconds, memory, their limits, and what a step costs at least."""
    candidates = {"ours": candidate("ours", name), **peers}
    seconds = harness.take_turns(candidates, BUDGET_S)
    facts = {label: one.finish() for label, one in candidates.items()}
    ours = seconds.pop("ours")
    upstream, work = UPSTREAM[name], facts["ours"]
    there = upstream.seconds / upstream.seen * (work["edges"] / EDGES) * machine["scale"]
    limit_mib = MEMORY_PART * (upstream.peak_mib - IMPORTS_MIB)
    predicted = work["flop"] / machine["flop_per_s"] + work["bytes"] / machine["bytes_per_s"]
    return {
        "name": name,
        "seconds": ours,
        "target": there / upstream.factor,
        "peers": seconds,
        "peers_mib": {label: facts[label]["peak_mib"] for label in peers},
        "edges_per_s": work["edges"] / ours,
        "upstream_seconds": there,
        "times_upstream": there / ours,
        "factor": upstream.factor,
        "peak_mib": work["peak_mib"],
        "limit_mib": limit_mib,
        "flop": work["flop"],
        "bytes": work["bytes"],
        "predicted_seconds": predicted,
        "ok": ours <= min([there / upstream.factor, *seconds.values()])
        and work["peak_mib"] <= limit_mib,
    }


HEADINGS = (
    "architecture", "step", "edges/s", "× upstream", "wanted", "peer", "× peer",
    "peak MiB", "allowed", "Gflop", "MB", "predicted", "",
)  # fmt: skip


def table(figures: list[dict[str, Any]]) -> str:
    """The figures in Markdown."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---" * len(HEADINGS) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row_of(figure)) + " |" for figure in figures)])


def row_of(figure: dict[str, Any]) -> list[str]:
    """The cells of one architecture."""
    peer = next(iter(figure["peers"]), None)
    return [
        figure["name"],
        harness.human(figure["seconds"]),
        f"{figure['edges_per_s'] / 1e3:,.0f} k".replace(",", " "),
        f"{figure['times_upstream']:.2f}",
        f"{figure['factor']:g}",
        peer or "–",
        f"{figure['peers'][peer] / figure['seconds']:.2f}" if peer else "–",
        f"{figure['peak_mib']:.0f}",
        f"{figure['limit_mib']:.0f}",
        f"{figure['flop'] / 1e9:.1f}",
        f"{figure['bytes'] / 1e6:.0f}",
        harness.human(figure["predicted_seconds"]),
        "ok" if figure["ok"] else "MISSED",
    ]


def write_readme(text: str) -> None:
    """Put the table where README.md wants it."""
    before, rest = README.read_text().split(BEGIN)
    after = rest.split(END)[1]
    README.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def machine_line(machine: dict[str, Any], calibration: dict[str, float]) -> str:
    """With what the figures were taken."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['date']}, {machine['processor']} ({machine['cores']} cores, one thread), Python "
        f"{machine['python']}, {versions}, {MACE_TORCH.replace('==', ' ')}. Calibration: product "
        f"{harness.human(calibration['product'])}, gather {harness.human(calibration['gather'])}, "
        f"so upstream's seconds × {calibration['scale']:.2f}; "
        f"{calibration['flop_per_s'] / 1e9:.0f} Gflop/s, "
        f"{calibration['bytes_per_s'] / 1e9:.1f} GB/s."
    )


def main() -> int:
    """Time the architectures named, or all."""
    wanted = sys.argv[1:] or list(ARCHITECTURES)
    if unknown := [name for name in wanted if name not in UPSTREAM]:
        raise SystemExit(
            f"no such architecture: {', '.join(unknown)}; there are {', '.join(UPSTREAM)}"
        )
    bench = harness.Bench("models", ("torch", "torch-geometric", "e3nn", "numpy"))
    calibration = calibrate()
    for name in wanted:
        figure = measure(name, calibration)
        bench.figures.append(figure)
        print(table([figure]).splitlines()[-1], flush=True)
    line = machine_line(bench.machine(), calibration)
    print(f"\n{line}\n\n{table(bench.figures)}")
    if not sys.argv[1:]:
        write_readme(f"{line}\n\n{table(bench.figures)}")
    return bench.finish()


if __name__ == "__main__":
    sys.exit(main())
