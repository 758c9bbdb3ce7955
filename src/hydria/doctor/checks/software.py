"""Checks of what is installed."""

from __future__ import annotations

from collections.abc import Iterator

from hydria.doctor.finding import Said, Seen, fault, ok, warning

# What each purpose needs; packages that only some formats need are not here.
NEEDED = {
    "train": ("torch", "torch-geometric", "numpy", "vesin"),
    "predict": ("torch", "torch-geometric", "numpy", "vesin"),
    "prepare": ("torch-geometric", "numpy", "vesin", "ase"),
}
PURPOSES = tuple(NEEDED)


def check_versions(seen: Seen) -> Iterator[Said]:
    """The same versions on every rank, and all that the purpose needs."""
    told = [*_different(seen), *_missing(seen), *_broken(seen)]
    yield from told
    if not told:
        versions = seen.first.software.versions
        yield ok(", ".join(f"{name} {version}" for name, version in versions.items()))


def _different(seen: Seen) -> Iterator[Said]:
    groups: dict[str, list[int]] = {}
    for facts in seen.ranks:
        text = str(sorted(facts.software.versions.items()))
        groups.setdefault(text, []).append(facts.ranks.rank)
    if len(groups) > 1:
        fewest = min(groups.values(), key=len)
        odd = next(facts for facts in seen.ranks if facts.ranks.rank == fewest[0])
        usual = next(
            facts for facts in seen.ranks if facts.software.versions != odd.software.versions
        )
        names = odd.software.versions.items() ^ usual.software.versions.items()
        yield fault(
            f"ranks have different versions of {', '.join(sorted({name for name, _ in names}))}",
            "see which environment each node loads",
            fewest,
        )


def _missing(seen: Seen) -> Iterator[Said]:
    needed = NEEDED.get(seen.purpose or "", ())
    for name in needed:
        ranks = [f.ranks.rank for f in seen.ranks if name not in f.software.versions]
        if ranks:
            yield fault(
                f"{name} is not installed, and `hydria {seen.purpose}` needs it",
                "pip install 'hydria[train]', or use an image that has it",
                ranks,
            )


def _broken(seen: Seen) -> Iterator[Said]:
    messages: dict[tuple[str, str], list[int]] = {}
    for facts in seen.ranks:
        for name, message in facts.software.broken.items():
            messages.setdefault((name, message), []).append(facts.ranks.rank)
    for (name, message), ranks in messages.items():
        needed = name in NEEDED.get(seen.purpose or "", ())
        say = fault if needed else warning
        yield say(
            f"{name} is installed but cannot be imported: {message}",
            "see which libraries the module system or the image provides",
            ranks,
        )


def check_mpi(seen: Seen) -> Iterator[Said]:
    """Which MPI library mpi4py finds, and what torch can communicate with."""
    libraries = {facts.software.mpi or "none" for facts in seen.ranks}
    if len(libraries) > 1:
        yield fault(
            f"ranks find different MPI libraries: {'; '.join(sorted(libraries))}",
            "see LD_LIBRARY_PATH and the modules on each node",
        )
        return
    backends = ", ".join(seen.first.software.backends) or "none"
    yield ok(f"MPI library: {libraries.pop()}; torch communicates through: {backends}")
