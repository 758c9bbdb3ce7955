"""Which of the node's devices a rank has, by variables and by PCI address."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from hydria.doctor.devices import HIDING, bus_number, device_facts, pci_address, visible_numbers
from hydria.runtime.launch import Ranks

# The bus of each GPU of a Frontier node, GPU 0 first.
FRONTIER = ("c1", "c6", "c9", "ce", "d1", "d6", "d9", "de")


@pytest.mark.parametrize(
    ("kind", "env", "expected"),
    [
        ("cuda", {}, (None, "")),
        ("cuda", {"CUDA_VISIBLE_DEVICES": "2"}, ((2,), "CUDA_VISIBLE_DEVICES")),
        ("cuda", {"CUDA_VISIBLE_DEVICES": "GPU-8932f937"}, (None, "CUDA_VISIBLE_DEVICES")),
        ("rocm", {"ROCR_VISIBLE_DEVICES": "4"}, ((4,), "ROCR_VISIBLE_DEVICES")),
        (
            "rocm",
            {"ROCR_VISIBLE_DEVICES": "4,5,2", "HIP_VISIBLE_DEVICES": "2"},
            ((2,), "HIP_VISIBLE_DEVICES"),
        ),
        (
            "rocm",
            {"ROCR_VISIBLE_DEVICES": "4", "HIP_VISIBLE_DEVICES": "4"},
            ((), "HIP_VISIBLE_DEVICES"),
        ),
        ("xpu", {"ZE_AFFINITY_MASK": "0.0,0.1,5.1"}, ((0, 1, 11), "ZE_AFFINITY_MASK")),
    ],
)
def test_each_variable_counts_within_the_one_before(
    kind: str, env: dict[str, str], expected: tuple[tuple[int, ...] | None, str]
) -> None:
    assert visible_numbers(HIDING[kind], env) == expected


def test_number_is_the_place_on_the_bus_hidden_devices_included(tmp_path: Path) -> None:
    for bus in FRONTIER:
        device(tmp_path, f"0000:{bus}:00.0", "0x1002", "0x038000")
    device(tmp_path, "0000:21:00.0", "0x1002", "0x020000")  # of the same vendor, no accelerator
    device(tmp_path, "0000:22:00.0", "0x1a03", "0x030000")  # the console's display
    assert [bus_number(f"0000:{bus}:00.0", "rocm", tmp_path) for bus in FRONTIER] == [*range(8)]
    assert bus_number("0000:ff:00.0", "rocm", tmp_path) is None
    assert bus_number("0000:c1:00.0", "cuda", tmp_path) is None
    assert bus_number(None, "rocm", tmp_path) is None


def device(folder: Path, address: str, vendor: str, kind: str) -> None:
    (folder / address).mkdir()
    (folder / address / "vendor").write_text(f"{vendor}\n")
    (folder / address / "class").write_text(f"{kind}\n")


def test_address_is_what_the_driver_lists() -> None:
    properties = SimpleNamespace(pci_domain_id=0, pci_bus_id=0xD1, pci_device_id=0)
    assert pci_address(properties) == "0000:d1:00.0"
    assert pci_address(SimpleNamespace()) is None


@pytest.mark.parametrize(("local_rank", "shown", "number"), [(1, "3,2", 2), (1, "3", 3)])
def test_rank_takes_its_own_of_the_devices_shown(local_rank: int, shown: str, number: int) -> None:
    ranks = Ranks(local_rank, 2, local_rank, 2, 0, "Slurm")
    env = {"CUDA_VISIBLE_DEVICES": shown, "HYDRIA_DEVICE": "cpu"}
    facts = device_facts(ranks, env)
    assert (facts.number, facts.number_from) == (number, "CUDA_VISIBLE_DEVICES")
    assert facts.forced_cpu
    assert facts.variables == {"CUDA_VISIBLE_DEVICES": shown}


def test_device_nobody_has_is_an_error_of_the_facts() -> None:
    facts = device_facts(Ranks(), {"HYDRIA_DEVICE": "tpu"})
    assert facts.error == "HYDRIA_DEVICE: expected one of cpu, cuda, xpu, got 'tpu'"


@pytest.mark.parametrize(
    ("on_bus", "number", "told_by"), [(True, 1, "PCI order"), (False, 6, "ROCR_VISIBLE_DEVICES")]
)
def test_accelerator_is_numbered_by_the_bus_else_by_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_bus: bool, number: int, told_by: str
) -> None:
    """A stand-in for torch on a rank that is shown GPU 6 alone, as its device 0."""
    shown = SimpleNamespace(
        name="MI250X", total_memory=64 * 1024**3, uuid="d9", pci_domain_id=0, pci_bus_id=0xD9,
        pci_device_id=0,
    )  # fmt: skip
    module = SimpleNamespace(device_count=lambda: 1, get_device_properties=lambda index: shown)
    torch = SimpleNamespace(cuda=module, version=SimpleNamespace(hip="6.4"))
    process_group = SimpleNamespace(
        choose_device=lambda ranks, environment: SimpleNamespace(type="cuda", index=0)
    )
    modules = {"torch": torch, "hydria.runtime.process_group": process_group}
    monkeypatch.setattr("hydria.doctor.devices.import_module", modules.__getitem__)
    for bus in ("c1", "d9") if on_bus else ():
        device(tmp_path, f"0000:{bus}:00.0", "0x1002", "0x038000")
    monkeypatch.setattr("hydria.doctor.devices.PCI_DEVICES", tmp_path)

    facts = device_facts(Ranks(3, 8, 3, 8, 0, "Slurm"), {"ROCR_VISIBLE_DEVICES": "6"})
    assert (facts.number, facts.number_from) == (number, told_by)
    assert (facts.kind, facts.chosen, facts.names) == ("rocm", 0, ("MI250X",))
    assert (facts.identity, facts.memory_mib) == ("d9", (65536,))


@pytest.mark.parametrize(
    ("mask", "number", "told_by"),
    [("", 3, "no device is hidden"), ("5.1,0.0,4.0,1.1", 3, "ZE_AFFINITY_MASK")],
)
def test_tile_is_numbered_though_intel_tells_no_bus(
    monkeypatch: pytest.MonkeyPatch, mask: str, number: int, told_by: str
) -> None:
    """Aurora's ranks see all twelve tiles, and each takes the one of its own number."""
    tile = SimpleNamespace(name="PVC tile", total_memory=64 * 1024**3)
    module = SimpleNamespace(device_count=lambda: 12, get_device_properties=lambda index: tile)
    process_group = SimpleNamespace(
        choose_device=lambda ranks, environment: SimpleNamespace(type="xpu", index=3)
    )
    modules = {"torch": SimpleNamespace(xpu=module), "hydria.runtime.process_group": process_group}
    monkeypatch.setattr("hydria.doctor.devices.import_module", modules.__getitem__)
    env = {"ZE_AFFINITY_MASK": mask} if mask else {}
    facts = device_facts(Ranks(3, 12, 3, 12, 0, "PMI"), env)
    assert (facts.number, facts.number_from) == (number, told_by)
