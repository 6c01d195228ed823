"""Start aggregator: ``python -m txfeatures_aggregator``."""

import sys

from txfeatures_aggregator.main import main

if __name__ == "__main__":
    sys.exit(main())
