"""Checks 6, 7, 8 and 26: cores, memory domains, GPUs and threads of a rank."""

from __future__ import annotations

from collections.abc import Iterator

from hydria.config.facts import ranks_of
from hydria.deploy.checks.finding import Finding, error, warning
from hydria.deploy.placement import core_list
from hydria.deploy.placement import nearest_gpus as near
from hydria.deploy.plan import Plan


def gpus_exist(plan: Plan) -> Iterator[Finding]:
    gpus, asked = plan.site.node.gpus, plan.gpus_per_node
    name = plan.site.name
    if gpus is None:
        if asked.value:
            yield error(8, asked.source, f"expected 0 GPUs per node on {name}, got {asked.value}")
        return
    most = gpus.count.value
    if most is not None and asked.value > most:
        note = f" ({gpus.count.note})" if gpus.count.note else ""
        yield error(
            8,
            asked.source,
            f"expected at most {most} GPUs per node on {name}{note}, got {asked.value}",
            f"--nodes {-(-asked.value // most)} --gpus {most} gives at least as many"
            if plan.site.launch.max_nodes != 1
            else None,
        )
    elif asked.value == 0 and "gpu" in plan.launch:
        yield error(8, asked.source, f"expected at least 1 GPU per node on {name}, got 0")
    elif most is not None and asked.value < most and plan.site.select_style == "nodes":
        message = f"{asked.value} of the {most} GPUs of a node work; {name} gives whole nodes"
        yield warning(8, asked.source, message)


def cores_exist(plan: Plan) -> Iterator[Finding]:
    node, cores, ranks = plan.site.node, plan.cores_per_rank, plan.ranks_per_node.value
    usable = node.usable_cores()
    if cores.value == 0:
        yield error(
            6, cores.source, f"expected at least one core for each of {ranks} ranks, got fewer"
        )
    elif cores.value is not None and usable and ranks * cores.value > len(usable):
        reserved = node.reserved_cores.value or ()
        why = f" (cores {core_list(reserved)} are reserved on {plan.site.name})" if reserved else ""
        yield error(
            6,
            cores.source,
            f"{ranks} ranks × {cores.value} cores = {ranks * cores.value} > {len(usable)} "
            f"usable{why}",
            f"use {len(usable) // ranks} cores per rank, {len(usable) // ranks * ranks} per node",
        )


def one_memory_domain(plan: Plan) -> Iterator[Finding]:
    """A rank whose cores lie in two NUMA domains is refused, in two L3 regions pointed out."""
    node = plan.site.node
    for place in plan.places:
        numa = [domain.id for domain in node.numa if set(domain.cores) & set(place.cores)]
        caches = [region for region in node.l3 if set(region) & set(place.cores)]
        cores = f"rank {place.local_rank} gets cores {core_list(place.cores)}"
        if len(numa) > 1:
            domains = "/".join(str(number) for number in numa)
            message = f"{cores}, spans NUMA domains {domains} ({plan.site.name})"
            yield error(7, "cores", message, _even_cores(plan))
            return
        if len(caches) > 1:
            message = f"{cores}, spans {len(caches)} L3 regions ({plan.site.name})"
            yield warning(7, "cores", message, _even_cores(plan))
            return


def _even_cores(plan: Plan) -> str | None:
    fact = plan.site.workers.cpus_per_rank_usable
    if fact is None or fact.value is None:
        return None
    return f"{fact.value} cores per rank stay together: --cpus {fact.value * len(plan.places)}"


def nearest_gpus(plan: Plan) -> Iterator[Finding]:
    """Every rank has the GPU that lies nearest to its cores, and none shares it."""
    affinity = plan.site.node.gpu_affinity
    taken: dict[int, int] = {}
    for place in plan.places:
        if place.gpu is None:
            continue
        best = near(affinity, place.cores) if affinity else [place.gpu]
        cores = core_list(place.cores)
        if place.gpu not in best:
            order = ",".join(str(row.gpu) for row in affinity)
            yield error(
                8,
                "GPUs",
                f"rank {place.local_rank} on cores {cores} uses GPU {place.gpu}; nearest is "
                f"GPU {' or '.join(map(str, best))}",
                f"order {order}",
            )
        if place.gpu in taken:
            yield error(
                8,
                "GPUs",
                f"ranks {taken[place.gpu]} and {place.local_rank} are both nearest to GPU "
                f"{place.gpu}",
                _even_cores(plan),
            )
            return
        taken[place.gpu] = place.local_rank


def whole_node_for_masks(plan: Plan) -> Iterator[Finding]:
    """Masks name cores of a whole node: a part of one may have others."""
    bind, gpus = plan.site.launch.cpu_bind, plan.site.node.gpus
    count = gpus.count.value if gpus else None
    asked = plan.gpus_per_node
    if bind.full_nodes_only and count and 0 < asked.value < count:
        message = f"cores are bound by their numbers on {plan.site.name}, which only holds for"
        yield error(
            7,
            asked.source,
            f"{message} whole nodes; got {asked.value} of {count} GPUs",
            f"--gpus {count}",
        )


def places_exist(plan: Plan) -> Iterator[Finding]:
    """A launcher that binds each rank needs a place for each."""
    bind, asked = plan.site.launch.cpu_bind, plan.cores_per_rank
    if plan.places or not plan.gpus_per_node.value or not plan.launch:
        return
    if bind.lists or bind.order == "gpus":
        message = (
            f"no binding of {plan.ranks_per_node.value} ranks with {asked.value} cores each "
            f"is described on {plan.site.name}"
        )
        yield error(6, asked.source, message, "leave --cpus and --gpus out")


def listed_width(plan: Plan) -> Iterator[Finding]:
    """A list of cores gives as many as it gives, whatever is asked for."""
    if not plan.site.launch.cpu_bind.lists or not plan.places:
        return
    width, asked = len(plan.places[0].cores), plan.cores_per_rank
    if asked.value != width:
        widths = sorted({len(ranks_of(row.value)[0]) for row in plan.site.launch.cpu_bind.lists})
        fitting = " or ".join(str(each * plan.ranks_per_node.value) for each in widths)
        message = f"{plan.site.name} binds ranks to {width} cores each, got {asked.value}"
        yield error(6, asked.source, message, f"--cpus {fitting}")


def batches_fit(plan: Plan) -> Iterator[Finding]:
    """Ranks that get no sample of a step wait for the others."""
    batch, samples, whole = (
        plan.config.batch_size,
        plan.samples.value,
        plan.config.global_batch_size,
    )
    if not plan.task.trains:
        return
    if whole is not None and plan.ranks > whole:
        message = f"{plan.ranks} ranks share a global batch of {whole}: some have no work"
        hint = f"fewer nodes, or NeuralNetwork.Training.global_batch_size={plan.ranks}"
        yield warning(26, "ranks", message, hint)
    if batch is not None and samples is not None and plan.ranks * batch > samples:
        message = (
            f"{plan.ranks} ranks × batches of {batch} = {plan.ranks * batch} > {samples} samples "
            "to train on: one step per epoch, and ranks without work"
        )
        fitting = samples // plan.ranks
        smaller = f", or NeuralNetwork.Training.batch_size={fitting}" if fitting else ""
        yield warning(26, "ranks", message, f"fewer nodes{smaller}")


def threads_fit(plan: Plan) -> Iterator[Finding]:
    cores, threads, workers = plan.cores_per_rank.value, plan.threads.value, plan.workers.value
    if cores is None or threads is None:
        return
    if threads + workers > cores:
        yield error(
            26,
            plan.threads.source if plan.threads.source != "plan" else plan.workers.source,
            f"{cores} cores per rank: {threads} threads + {workers} workers",
            f"at most {cores} together",
        )
    elif cores == 1 and plan.gpus_per_node.value:
        message = "1 core per GPU: the rank that feeds it has no core left to load data with"
        yield warning(26, plan.cores_per_rank.source, message, "ask for more with --cpus")
