"""``python -m kafka_local``, the same as ``kafka-local``."""

import sys

from kafka_local.command import main

sys.exit(main())
