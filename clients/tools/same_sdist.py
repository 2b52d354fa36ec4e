"""Packs an sdist anew so that the same sources are the same bytes: same_sdist.py SDIST FOLDER.

Names are in order, nobody owns a file, and all are as old as SOURCE_DATE_EPOCH says.
"""

import gzip
import os
import sys
import tarfile
from pathlib import Path

DATE = int(os.environ["SOURCE_DATE_EPOCH"])


def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = DATE
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    member.pax_headers = {}
    return member


sdist, folder = Path(sys.argv[1]), Path(sys.argv[2])
with (
    tarfile.open(sdist) as old,
    (folder / sdist.name).open("wb") as file,
    gzip.GzipFile("", "wb", mtime=DATE, fileobj=file) as packed,
    tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new,
):
    for member in sorted(old.getmembers(), key=lambda member: member.name):
        new.addfile(plain(member), old.extractfile(member) if member.isfile() else None)
