"""Named locks of processes that all live, and die, in one test."""

from threading import Lock


class FakeLocks:
    """The Locks port of one process; each process that is made `beside` it is on one machine with
    it. It dies when it is told to.
    """

    def __init__(self, *, beside: "FakeLocks | None" = None) -> None:
        self._holders: dict[str, FakeLocks] = {} if beside is None else beside._holders
        self._mutex: Lock = Lock() if beside is None else beside._mutex
        self._alive = True

    def die(self) -> None:
        """The process is killed: what it holds is abandoned."""
        self._alive = False

    def acquire(self, name: str) -> bool:
        """Take the lock, or answer False if a living process holds it."""
        with self._mutex:
            holder = self._holders.setdefault(name, self)
            if not holder._alive:
                holder = self._holders[name] = self
            return holder is self

    def release(self, name: str) -> None:
        """Give it back. No error if it is not held."""
        with self._mutex:
            if self._holders.get(name) is self:
                del self._holders[name]

    def abandoned(self, name: str) -> bool:
        """Whether the holder is dead and no process has taken the lock since."""
        with self._mutex:
            holder = self._holders.get(name)
            return holder is not None and not holder._alive
