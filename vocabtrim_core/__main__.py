"""`python -m vocabtrim_core`."""

import sys

from vocabtrim_core.cli import main

if __name__ == "__main__":
    if sys.argv[1:2] == ["count"]:
        from vocabtrim_core.counting.memory import without_pandas

        without_pandas()
    sys.exit(main())
