"""The identity of this process, and a way to see that another one of this machine is dead.

Each process that takes leases holds a lock on a file of its own. The kernel drops the lock when the process ends,
however it ends, so a file that can be locked belongs to a dead process. Process numbers would not do: a container's
are the same after every restart.
"""

import fcntl
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Instance:
    id: str
    lock: IO[bytes]


_lock = threading.Lock()
_current: Instance | None = None
_pid = 0


def current() -> Instance:
    """This process's identity, made on first use (and again after a fork)."""
    global _current, _pid
    with _lock:
        if _current is None or _pid != os.getpid():
            _current, _pid = _begin(), os.getpid()
        return _current


def take_dead() -> Iterator[str]:
    """The ids of this machine's processes that ended without saying so; each is yielded to one caller only."""
    for path in sorted(_directory().glob("*.lock")):
        with suppress(FileNotFoundError), path.open("rb") as file:  # another process may clear up at the same time
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield path.stem
            path.unlink(missing_ok=True)


def _begin() -> Instance:
    directory = _directory()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = uuid.uuid4().hex
    # Locked under a name that `take_dead` does not look at, so that it is never seen unlocked.
    unborn = directory / f"{name}.new"
    file = unborn.open("wb")
    fcntl.flock(file, fcntl.LOCK_EX)
    unborn.rename(directory / f"{name}.lock")
    return Instance(name, file)


def _directory() -> Path:
    return Path(settings.DATA_DIR) / "instances"
