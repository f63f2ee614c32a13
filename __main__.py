"""``python -m hierprune`` is the command ``hierprune``."""

from .cli import main

if __name__ == "__main__":
    main()
