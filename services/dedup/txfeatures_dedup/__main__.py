"""Start dedup: ``python -m txfeatures_dedup``."""

import sys

from txfeatures_dedup.main import main

if __name__ == "__main__":
    sys.exit(main())
