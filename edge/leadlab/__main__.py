"""``python -m leadlab``: the same as the command ``leadlab``."""

from leadlab_edge.cli import main

if __name__ == "__main__":
    main()
