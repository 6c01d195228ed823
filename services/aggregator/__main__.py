"""Start aggregator: ``python -m services.aggregator``."""

import sys

from services.aggregator.main import main

if __name__ == "__main__":
    sys.exit(main())
