"""``python -m txfeatures_fs_writer``."""

import sys

from txfeatures_fs_writer.main import main

if __name__ == "__main__":
    sys.exit(main())
