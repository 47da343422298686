"""`python -m elbound.properties` is the command `elbound`."""

import sys

from elbound.properties.cli import main

if __name__ == "__main__":
    sys.exit(main())
