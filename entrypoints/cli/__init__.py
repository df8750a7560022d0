"""The command ``email-service``."""

from entrypoints.cli.group import cli, main

__all__ = ["cli", "main"]
