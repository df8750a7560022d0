"""The command ``email-service``."""

from entrypoints.cli.commands import cli, main

__all__ = ["cli", "main"]
