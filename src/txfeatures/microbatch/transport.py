"""The plug-in: what Faust finds under ``microbatch://``."""

from typing import Any

import confluent_kafka
from faust.transport import base

from txfeatures.errors import FatalError
from txfeatures.microbatch.conductor import Conductor
from txfeatures.microbatch.consumer import Consumer
from txfeatures.microbatch.producer import Producer


class Transport(base.Transport):
    """librdkafka under Faust, one event per batch."""

    Conductor = Conductor
    Consumer = Consumer
    Producer = Producer

    default_port = 9092
    driver_version = f"confluent-kafka={confluent_kafka.__version__}"

    def __init__(self, url: list[Any], app: Any, loop: Any = None) -> None:
        if not hasattr(app, "microbatch"):
            raise FatalError("microbatch:// needs an app made by microbatch.create_app")
        super().__init__(url, app, loop)
