"""Gives the memory of large requests back to the system."""

import ctypes
import sys
from typing import Final

LARGE: Final = 1024 * 1024  # octets
_M_MMAP_THRESHOLD: Final = -3  # malloc.h


def return_large_blocks() -> bool:
    """Have blocks of `LARGE` octets or more returned as soon as they are freed.

    glibc raises that threshold, up to 32 MB, with each larger block that is freed. What lies below
    it comes from the heap then, which small blocks keep from shrinking: after some emails with
    files of 15 MB a process would hold hundreds of megabytes. False where there is no glibc.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_M_MMAP_THRESHOLD, LARGE) == 1
