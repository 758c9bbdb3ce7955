#!/usr/bin/env python3
"""Let an x86-64 ELF built against glibc >= 2.38 run on an older glibc.

Binaries compiled by gcc 14+ / glibc 2.38+ reference ``__isoc23_strtol`` and
friends (version GLIBC_2.38), which are the C23 flavours of ``strtol`` ...  (the
only difference: "0b" prefixes).  When these are the *only* too-new symbols, the
reference can be redirected to the old function in place, with no change of
the file's layout:

  * dynsym entry ``__isoc23_X``: st_name += 9  -> "X" (same string's tail)
  * vernaux entry of the too-new version: name and hash -> GLIBC_2.2.5

Anything else that is too new for the host is reported and the exit status is 1.
usage: glibc_downlevel.py [--check] FILE...
"""

import os
import struct
import sys
from pathlib import Path

PREFIX = b"__isoc23_"
BASE = b"GLIBC_2.2.5"


def host_glibc():
    v = os.confstr("CS_GNU_LIBC_VERSION").split()[-1]
    return tuple(int(x) for x in v.split("."))


def sysv_hash(name):
    h = 0
    for c in name:
        h = (h << 4) + c
        g = h & 0xF0000000
        if g:
            h ^= g >> 24
        h &= ~g & 0xFFFFFFFF
    return h


def cstr(b, o):
    return bytes(b[o : b.index(b"\0", o)])


def process(path, host, check=False):
    data = bytearray(Path(path).read_bytes())
    if data[:5] != b"\x7fELF\x02" or data[5] != 1:
        raise SystemExit(f"{path}: not a 64-bit little-endian ELF file")
    (shoff,) = struct.unpack_from("<Q", data, 0x28)
    shentsize, shnum = struct.unpack_from("<HH", data, 0x3A)
    secs = [struct.unpack_from("<IIQQQQIIQQ", data, shoff + i * shentsize) for i in range(shnum)]
    bytype = {s[1]: s for s in secs}
    dynsym, verneed, versym = bytype[11], bytype[0x6FFFFFFE], bytype[0x6FFFFFFF]
    stroff = secs[dynsym[6]][4]
    # walk .gnu.version_r
    new, base_name = {}, None
    pos = verneed[4]
    for _ in range(verneed[7]):
        _vn_version, vn_cnt, _vn_file, vn_aux, vn_next = struct.unpack_from("<HHIII", data, pos)
        a = pos + vn_aux
        for _ in range(vn_cnt):
            _vhash, _vflags, vother, vname, vnext = struct.unpack_from("<IHHII", data, a)
            name = cstr(data, stroff + vname)
            if name == BASE:
                base_name = vname
            if name.startswith(b"GLIBC_2."):
                ver = tuple(int(x) for x in name[6:].split(b"."))
                if ver > host:
                    new[vother] = (a, name.decode())
            a += vnext
        pos += vn_next
    if not new:
        return "ok (nothing newer than the host's glibc)"
    # which symbols use those versions?
    bad, edits = [], []
    n = dynsym[5] // 24
    for i in range(n):
        (v,) = struct.unpack_from("<H", data, versym[4] + 2 * i)
        if (v & 0x7FFF) in new:
            off = dynsym[4] + 24 * i
            (st_name,) = struct.unpack_from("<I", data, off)
            sym = cstr(data, stroff + st_name)
            if sym.startswith(PREFIX):
                edits.append((off, st_name + len(PREFIX), sym.decode()))
            else:
                bad.append(f"{sym.decode()}@{new[v & 0x7FFF][1]}")
    if bad or base_name is None:
        raise SystemExit(
            f"{path}: needs symbols this host lacks: {', '.join(bad) or 'no ' + BASE.decode()}"
        )
    for off, st_name, _ in edits:
        struct.pack_into("<I", data, off, st_name)
    for a, _ in new.values():
        struct.pack_into("<I", data, a, sysv_hash(BASE))
        struct.pack_into("<I", data, a + 8, base_name)
    if not check:
        mode = os.stat(path).st_mode
        tmp = path + ".tmp"
        with open(tmp, "wb") as f:
            f.write(data)
        os.chmod(tmp, mode)
        os.replace(tmp, path)
    return "patched " + ", ".join(sorted({e[2] for e in edits}))


if __name__ == "__main__":
    args = sys.argv[1:]
    check = "--check" in args
    for p in [a for a in args if a != "--check"]:
        print(f"{p}: {process(p, host_glibc(), check)}")
