"""Other RabbitMQs on a Debian machine: their packages, unpacked beside the machine's own.

A tree is what another Debian's packages would put under /usr. Nothing is installed and nobody needs
to be root: a node runs in a mount namespace in which the tree's usr/ stands in for /usr. The mirror,
proxies and passwords are those of the machine's own apt.
"""

# Standard library only: ./dev runs this before there is a .venv.
from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

SUITES = {"3.10": "bookworm", "4.0": "trixie", "4.3": "sid"}
"""Which Debian has which RabbitMQ."""

# What RabbitMQ's scripts call, and its packages count on to be there.
_CALLED = ["bash", "coreutils", "dash", "findutils", "grep", "hostname", "libc-bin", "mawk", "sed"]
_PACKAGES = ["rabbitmq-server", *_CALLED, "util-linux"]
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_ENTER = 'mount --bind "$0" /usr && exec "$@"'


class TreeError(Exception):
    """A RabbitMQ of this version cannot be had here; the message says what to do."""


def tree_of(version: str) -> Path:
    """Where the tree of a version is, or would be."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "warrener" / f"rabbitmq-{version}"


def servers_in(tree: Path) -> Path:
    """Where a tree has its RabbitMQ."""
    return tree / "usr" / "lib" / "rabbitmq" / "lib"


def entering(tree: Path) -> list[str]:
    """The start of a command line that runs the rest of it on the tree; all become one process."""
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    unshare = shutil.which("unshare") or "/usr/bin/unshare"
    return [unshare, *as_root, "--mount", "sh", "-c", _ENTER, str(tree / "usr")]


def fetch(version: str) -> None:
    """Unpack a version's packages, about 70 MB to download, unless that was done before. Raises
    TreeError."""
    tree = tree_of(version)
    if tree.exists():
        return
    if version not in SUITES:
        raise TreeError(f"no RabbitMQ {version}: choose {', '.join(SUITES)}")
    if missing := [name for name in ("apt-get", "dpkg-deb", "unshare") if not shutil.which(name)]:
        raise TreeError(f"{missing[0]} is missing: RabbitMQ {version} is had on Debian only")
    source = f"deb [signed-by={_KEYRING}] {_mirror()} {SUITES[version]} main\n"
    tree.parent.mkdir(parents=True, exist_ok=True)
    # Renamed when whole, so that an interrupted fetch leaves no half a tree.
    with tempfile.TemporaryDirectory(dir=tree.parent, prefix="fetching-") as folder:
        _download(Path(folder), source)
        whole = Path(folder) / "tree"
        for package in sorted(Path(folder).glob("archives/*.deb")):
            _run(["dpkg-deb", "--extract", str(package), str(whole)])
        _merge(whole)
        _check(whole, version)
        try:
            whole.rename(tree)
        except OSError:
            if not tree.exists():  # by another run, a moment ago
                raise


def _download(folder: Path, source: str) -> None:
    """The packages, into archives/: apt with lists of its own, and nothing installed yet."""
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "sources.list").write_text(source)
    (folder / "status").touch()
    options = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::State": folder,
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "Dir::Cache::archives": folder / "archives",
        "Acquire::Languages": "none",
        # The user that root's downloads run as may not reach a folder in root's home.
        "APT::Sandbox::User": "",
    }
    lines = [f'{key} "{value}";\n' for key, value in options.items()]
    # What the machine does after an update is about its own lists, and may need root.
    lines += [f"#clear APT::Update::Post-Invoke{when};\n" for when in ("", "-Success")]
    (folder / "apt.conf").write_text("".join(lines))
    apt = ["apt-get", "-q", f"--config-file={folder / 'apt.conf'}"]
    _run([*apt, "update"])
    _run([*apt, "install", "--yes", "--no-install-recommends", "--download-only", *_PACKAGES])


def _mirror() -> str:
    """The Debian archive that this machine's apt uses."""
    form = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)"
    said = _run(["apt-get", "indextargets", "--format", form, "Created-By: Packages"])
    for line in said.splitlines():
        origin, label, component, uri = line.split("|")
        if (origin, label, component) == ("Debian", "Debian", "main"):
            return _first_listed(uri)
    raise TreeError(
        "apt knows no Debian mirror here: run `apt-get update` as root, and see that "
        "/etc/apt/sources.list or sources.list.d names a Debian archive"
    )


def _first_listed(uri: str) -> str:
    """The URI itself, or the first in the list that a mirror+file: URI names, as cloud images do."""
    if not uri.startswith("mirror+file:"):
        return uri
    lines = Path(urlsplit(uri).path.rstrip("/")).read_text().splitlines()
    return next(line.split()[0] for line in lines if line and not line.startswith("#"))


def _merge(tree: Path) -> None:
    """Put under usr/ what Debian 12's packages still have beside it: only that is mounted."""
    for name in ("bin", "sbin", "lib", "lib64"):
        beside = tree / name
        if beside.is_dir() and not beside.is_symlink():
            shutil.copytree(beside, tree / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(beside)


def _check(tree: Path, version: str) -> None:
    found = [path.name for path in servers_in(tree).glob("rabbitmq_server-*")]
    if not any(re.match(rf"rabbitmq_server-{re.escape(version)}\.", name) for name in found):
        raise TreeError(
            f"Debian {SUITES[version]} has {' and '.join(found) or 'no RabbitMQ'} now, not "
            f"{version}: name its version in {Path(__file__).name}"
        )


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}".strip().splitlines()
        raise TreeError("\n".join([f"`{' '.join(command)}` failed:", *said[-12:]]))
    return done.stdout
