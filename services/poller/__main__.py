"""``python -m services.poller``."""

import sys

from services.poller.main import main

if __name__ == "__main__":
    sys.exit(main())
