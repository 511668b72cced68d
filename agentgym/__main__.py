"""Let ``python -m agentgym`` be the command line."""

import sys

from agentgym.cli import main

if __name__ == "__main__":
    sys.exit(main())
