"""Writes an archive with one of everything that python's tarfile can write, devices too.

usage: write-layer.py ustar|gnu|pax ARCHIVE
"""

import io
import sys
import tarfile

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def member(name, kind, **fields):
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def main():
    form, path = sys.argv[1:]
    long = "long/" + "directory-name/" * 8 + "x" * 60
    big = form != "ustar"
    with tarfile.open(path, "w", format=FORMATS[form], encoding="utf-8", errors="surrogateescape") as archive:

        def add(name, kind=tarfile.REGTYPE, content=b"", **fields):
            fields.setdefault("mtime", 1_500_000_000)
            archive.addfile(member(name, kind, size=len(content), **fields), io.BytesIO(content))

        add("./", tarfile.DIRTYPE, mode=0o711, uid=7, gid=8)
        add("dev", tarfile.DIRTYPE, mode=0o755)
        add("dev/null", tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3)
        add("dev/nvme0n1p9", tarfile.BLKTYPE, mode=0o660, gid=6, devmajor=259, devminor=65_537)
        add("run/initctl", tarfile.FIFOTYPE, mode=0o600)
        add("bin/su", content=b"\x7fELF" + bytes(5000), mode=0o4755, gid=2_000_000)
        add("bin/sudo", tarfile.LNKTYPE, linkname="/bin/su", mode=0o4755, gid=2_000_000)
        add("bin/forward", tarfile.LNKTYPE, linkname="./later", mode=0o600)
        add("later", content=b"after its link", mode=0o640, mtime=1_400_000_000)
        add("lower/link", tarfile.LNKTYPE, linkname="only/in/a/lower/layer")
        add("closed", tarfile.DIRTYPE, mode=0)
        add("closed/file", content=b"x" * 512, mode=0o000)
        add("var/run", tarfile.SYMTYPE, linkname="/run", mode=0o777)
        add("var/run/through-a-symlink", content=b"y" * 513)
        add("\udcff\udcfe\n\\ #", content=b"name is bytes")
        add("caf\u00e9", content=b"composed")
        add("cafe\u0301", content=b"not composed")
        add(long, content=b"z" * 1023)
        add("twice", content=b"first")
        add("twice", content=b"second", uid=3)
        add("turns", tarfile.DIRTYPE, mode=0o700)
        add("turns/below", content=b"goes")
        add("turns", content=b"a file now")
        add("etc/.wh.gone", mode=0o600)
        add("etc/.wh.new")
        add("etc/new", content=b"here again")
        add("opt/.wh.app")
        add("opt/app/main", content=b"in a new directory")
        if big:
            add("ids", content=b"", uid=4_294_967_294, gid=3_000_000_000, mtime=-1)
            add("y2242", content=b"", mtime=8_589_934_592)
        if form == "pax":
            xattrs = {"user.note": "caf\u00e9\n", "security.capability": "\x01\x00\x00\x02" + "\x00" * 16}
            records = {f"SCHILY.xattr.{key}": value for key, value in xattrs.items()}
            add("bin/ping", pax_headers={**records, "mtime": "1500000000.123456789"})
            add("floored", pax_headers={"mtime": "-1.5"})


main()
