"""Every port of the application, by subject.

The docstring is the contract, and `tests/contract` proves it.

A port speaks the domain's words. No SQL, no socket and no framework type crosses it.
"""
