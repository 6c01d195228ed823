"""The plug-in that Faust finds under ``microbatch://``."""

from typing import Any

import confluent_kafka
from faust.transport import base

from faust_microbatch.errors import MicrobatchError
from faust_microbatch.faust.conductor import Conductor
from faust_microbatch.faust.consumer import Consumer
from faust_microbatch.faust.producer import Producer


class Transport(base.Transport):
    """librdkafka under Faust, one event per batch."""

    Conductor = Conductor
    Consumer = Consumer
    Producer = Producer

    default_port = 9092
    driver_version = f"confluent-kafka={confluent_kafka.__version__}"

    def __init__(self, url: list[Any], app: Any, loop: Any = None) -> None:
        if not hasattr(app, "microbatch"):
            raise MicrobatchError("microbatch:// needs an app made by faust_microbatch.create_app")
        super().__init__(url, app, loop)
