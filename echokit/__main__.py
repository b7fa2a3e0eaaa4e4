"""``python -m echokit``."""

from echokit.cli import main

if __name__ == "__main__":
    main()
