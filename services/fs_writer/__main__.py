"""``python -m services.fs_writer``."""

import sys

from services.fs_writer.main import main

if __name__ == "__main__":
    sys.exit(main())
