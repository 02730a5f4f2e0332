"""`python -m vocabtrim_core`."""

import sys

from vocabtrim_core.cli import main

if __name__ == "__main__":
    sys.exit(main())
