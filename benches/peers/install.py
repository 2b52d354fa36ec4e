"""Installs the peers into target/peers, pinned by their lock files; what is there is left alone."""

import contextlib
import fcntl
import filecmp
import shutil
import subprocess
import sys
from pathlib import Path

from processes import Failure

HERE = Path(__file__).resolve().parent
# Networks may be slow, and Go builds from source.
LIMIT = 600


def install(tools, peers):
    """Installs what these peers need, and the caller of ours."""
    tools.mkdir(parents=True, exist_ok=True)
    with (tools / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run(["go", "build", "-o", f"{tools / 'go'}/", "./..."], HERE / "go")
        if "bullmq" in peers:
            install_node(tools / "node")
        if {"celery", "celery-threads", "rq"} & set(peers):
            install_python(tools / "python")


def install_node(folder):
    folder.mkdir(exist_ok=True)
    for name in ("bullmq.mjs", "package.json", "package-lock.json"):
        shutil.copy(HERE / "node" / name, folder / name)
    wanted, installed = folder / "package-lock.json", folder / "installed.json"
    if not same(wanted, installed):
        run(["npm", "ci", "--silent", "--ignore-scripts"], folder)
        shutil.copy(wanted, installed)


def install_python(folder):
    folder.mkdir(exist_ok=True)
    for name in ("caller.py", "celery_app.py", "rq_job.py"):
        shutil.copy(HERE / "python" / name, folder / name)
    wanted, installed = HERE / "python/requirements.txt", folder / "installed.txt"
    if same(wanted, installed):
        return
    shutil.rmtree(folder / "venv", ignore_errors=True)
    run([sys.executable, "-m", "venv", "venv"], folder)
    run(["venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", wanted], folder)
    shutil.copy(wanted, installed)


def same(one, other):
    with contextlib.suppress(FileNotFoundError):
        return filecmp.cmp(one, other, shallow=False)
    return False


def run(command, folder):
    """Runs a command of a package manager."""
    print(f"peers: {' '.join(map(str, command))}", file=sys.stderr)
    try:
        subprocess.run(list(map(str, command)), cwd=folder, check=True, timeout=LIMIT, stdout=sys.stderr)
    except (OSError, subprocess.SubprocessError) as failure:
        raise Failure(f"{command[0]}: {failure}") from failure
