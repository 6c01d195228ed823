"""``python -m txfeatures_poller``."""

import sys

from txfeatures_poller.main import main

if __name__ == "__main__":
    sys.exit(main())
