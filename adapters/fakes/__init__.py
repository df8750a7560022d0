"""Ports without a technology behind them: what tests and users of the library run on.

Each passes the suite of its port. A fake may be simpler than the real adapter, never more
permissive.
"""
