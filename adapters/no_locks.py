"""Locks for where a process cannot ask about another one."""


class NoLocks:
    """Locks for where a process cannot ask about another one: everything is free, nobody is known
    to be dead. Leases alone then tell."""

    def acquire(self, name: str) -> bool:
        """Always True."""
        return True

    def release(self, name: str) -> None:
        """Nothing."""

    def abandoned(self, name: str) -> bool:
        """Always False: it is not known."""
        return False
