"""The accelerators of a rank, and which of the node's devices it would train on."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from hydria.core.errors import HydriaError
from hydria.doctor.facts import Devices
from hydria.runtime.environment import read_environment
from hydria.runtime.launch import Ranks

MIB = 1024 * 1024
# Variables that hide devices, the outermost first: each counts within what the one before leaves.
HIDING = {
    "cuda": (("CUDA_VISIBLE_DEVICES",),),
    "rocm": (("ROCR_VISIBLE_DEVICES",), ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")),
    "xpu": (("ZE_AFFINITY_MASK",),),
}
# Where torch cannot be asked, the first of these that is set speaks for the launcher.
GUESSES = (
    (("CUDA_VISIBLE_DEVICES",),),
    (("ROCR_VISIBLE_DEVICES",), ("HIP_VISIBLE_DEVICES",)),
    (("ZE_AFFINITY_MASK",),),
)
VENDORS = {"cuda": "0x10de", "rocm": "0x1002"}
# PCI classes of accelerators: VGA, 3D and other display controllers, processing accelerators.
PCI_CLASSES = ("0x0300", "0x0302", "0x0380", "0x1200")
PCI_DEVICES = Path("/sys/bus/pci/devices")

Chain = tuple[tuple[str, ...], ...]


def device_facts(ranks: Ranks, env: Mapping[str, str]) -> Devices:
    """What this rank sees; without torch only what the launcher's variables say."""
    hiding = _hiding_variables(env)
    try:
        environment = read_environment(env)
        forced = environment.device == "cpu"
    except HydriaError as err:
        return Devices(variables=hiding, error=str(err))
    chain = next((row for row in GUESSES if env.get(row[0][0])), ())
    guess = Devices(variables=hiding, forced_cpu=forced, **_from_variables(chain, env, ranks))
    try:
        process_group = import_module("hydria.runtime.process_group")
        device = process_group.choose_device(ranks, environment)
    except (ImportError, OSError):
        return guess
    except (HydriaError, RuntimeError) as err:
        return guess.model_copy(update={"error": str(err)})
    if device.type == "cpu":
        return guess.model_copy(update={"kind": "cpu"})
    return _accelerators(device, ranks, env, guess)


def _hiding_variables(env: Mapping[str, str]) -> dict[str, str]:
    names = {name for chain in HIDING.values() for aliases in chain for name in aliases}
    return {name: env[name] for name in sorted(names) if name in env}


def _accelerators(device: Any, ranks: Ranks, env: Mapping[str, str], guess: Devices) -> Devices:
    torch = import_module("torch")
    kind = "rocm" if device.type == "cuda" and torch.version.hip else device.type
    module = getattr(torch, device.type)
    seen = [module.get_device_properties(index) for index in range(module.device_count())]
    chosen = seen[device.index]
    facts = {
        "kind": kind,
        "names": tuple(str(each.name) for each in seen),
        "memory_mib": tuple(int(each.total_memory) // MIB for each in seen),
        "chosen": device.index,
        "identity": str(getattr(chosen, "uuid", "")) or pci_address(chosen),
    }
    by_bus = bus_number(pci_address(chosen), kind)
    number = _from_variables(HIDING[kind], env, ranks)
    if by_bus is not None:
        number = {"number": by_bus, "number_from": "PCI order"}
    elif not any(env.get(alias) for aliases in HIDING[kind] for alias in aliases):
        number = {"number": device.index, "number_from": "no device is hidden"}
    return guess.model_copy(update=facts | number)


def _from_variables(chain: Chain, env: Mapping[str, str], ranks: Ranks) -> dict[str, Any]:
    """The device a rank takes of those that are left visible, by local rank, or the only one."""
    numbers, name = visible_numbers(chain, env)
    if not numbers:
        return {"number": None, "number_from": ""}
    index = ranks.local_rank if len(numbers) > 1 else 0
    number = numbers[index] if index < len(numbers) else None
    return {"number": number, "number_from": name}


def visible_numbers(chain: Chain, env: Mapping[str, str]) -> tuple[tuple[int, ...] | None, str]:
    """The node's numbers of the devices left visible, and the variable that said so last.

    Returns:
        None when no variable is set, or one names devices in another way than by number.
    """
    numbers: tuple[int, ...] | None = None
    said = ""
    for aliases in chain:
        name = next((alias for alias in aliases if env.get(alias)), None)
        if name is None:
            continue
        entries = [_number(entry.strip()) for entry in env[name].split(",")]
        if any(entry is None for entry in entries):
            return None, name
        inner = tuple(entry for entry in entries if entry is not None)
        outer = numbers
        numbers = inner if outer is None else tuple(outer[i] for i in inner if i < len(outer))
        said = name
    return numbers, said


def _number(entry: str) -> int | None:
    """`3`, or tile `1.0` of Intel's masks, where each card has two tiles."""
    card, dot, tile = entry.partition(".")
    if not card.isdigit() or (dot and not tile.isdigit()):
        return None
    return 2 * int(card) + int(tile) if dot else int(card)


def pci_address(properties: Any) -> str | None:
    """`0000:d1:00.0` of torch's device properties; None where torch does not tell."""
    bus = getattr(properties, "pci_bus_id", None)
    if bus is None:
        return None
    domain = getattr(properties, "pci_domain_id", 0)
    return f"{domain:04x}:{bus:02x}:{getattr(properties, 'pci_device_id', 0):02x}.0"


def bus_number(address: str | None, kind: str, folder: Path | None = None) -> int | None:
    """Place of a device among all of its vendor on the node, hidden ones included.

    Drivers and facility guides number devices in the order of their PCI addresses.
    """
    if address is None or kind not in VENDORS:
        return None
    found = sorted(
        path.name
        for path in (folder or PCI_DEVICES).glob("*")
        if _text(path / "vendor") == VENDORS[kind] and _text(path / "class")[:6] in PCI_CLASSES
    )
    return found.index(address) if address in found else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
