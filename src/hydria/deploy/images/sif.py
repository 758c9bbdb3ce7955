"""Read a SIF file's processor and labels without Apptainer, as a login node may have to.

Layout, from the published specification of SIF version 1 and checked against Apptainer 1.4: a
launch line of 32 bytes, `SIF_MAGIC`, version, processor, identity and times, then numbers that
say where the descriptors are; a descriptor says where its object is. One object is JSON that
`apptainer inspect` prints, labels included.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from hydria.core.errors import DeployError

MAGIC = b"SIF_MAGIC"
# launch line, magic, version, processor, identity, made, changed; descriptors: free, total,
# offset, length; objects: offset, length
HEADER = struct.Struct("<32s10s3s3s16s8q")
# type, in use, identity, group, link, offset, length, length with padding, made, changed, uid, gid
DESCRIPTOR = struct.Struct("<i?IIIqqqqqqq128s384s")
JSON = 0x4006
PROCESSORS = {b"02": "x86_64", b"04": "aarch64"}


def is_sif(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(64)[32:].startswith(MAGIC)


def architecture_of(path: Path) -> str:
    """The processor family that an image was made for."""
    with path.open("rb") as stream:
        processor = _header(path, stream)[3].rstrip(b"\0")
    return PROCESSORS.get(bytes(processor), "another processor")


def labels_of(path: Path) -> dict[str, str]:
    """Labels of an image; empty where it holds none in this form."""
    with path.open("rb") as stream:
        for offset, length in _objects(path, stream):
            stream.seek(offset)
            tree = json.loads(stream.read(length))
            labels = tree.get("data", {}).get("attributes", {}).get("labels")
            if labels:
                return dict(labels)
    return {}


def _header(path: Path, stream: BinaryIO) -> tuple[bytes, ...]:
    head = stream.read(HEADER.size)
    if len(head) < HEADER.size or not head[32:].startswith(MAGIC):
        raise DeployError(
            f"{path}: expected an Apptainer image (SIF), got another kind of file. "
            f"Hint: apptainer build IMAGE.sif docker-archive:{path} makes one of a Docker archive"
        )
    return HEADER.unpack(head)


def _objects(path: Path, stream: BinaryIO) -> Iterator[tuple[int, int]]:
    """Offset and length of every JSON object."""
    fields = _header(path, stream)
    total, offset = int(fields[8]), int(fields[9])
    stream.seek(offset)
    for record in [stream.read(DESCRIPTOR.size) for _ in range(total)]:
        kind, used, _, _, _, start, length, *_ = DESCRIPTOR.unpack(record)
        if used and kind == JSON:
            yield start, length
