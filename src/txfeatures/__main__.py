"""Start the command: ``python -m txfeatures``."""

from txfeatures.cli import main

if __name__ == "__main__":
    main()
