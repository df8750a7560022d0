"""The rules of the service: frozen values and pure functions.

No I/O, clock, randomness, thread or framework may enter this package; `now`, jitter and tokens are
arguments. Everything here can be tested by calling it.
"""
