"""Start dedup: ``python -m services.dedup``."""

import sys

from services.dedup.main import main

if __name__ == "__main__":
    sys.exit(main())
