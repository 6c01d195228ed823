"""Run the api: ``python -m txfeatures_api``."""

import sys

from txfeatures_api.main import main

if __name__ == "__main__":
    sys.exit(main())
