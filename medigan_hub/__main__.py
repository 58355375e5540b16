"""``python -m medigan_hub``: the command ``medigan``."""

from medigan_hub.cli import main

if __name__ == "__main__":
    main()
