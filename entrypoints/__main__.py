"""``python -m entrypoints`` is the command ``email-service``."""

from entrypoints.cli import main

if __name__ == "__main__":
    main()
