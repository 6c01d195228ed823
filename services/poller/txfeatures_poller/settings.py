"""Settings of the poller: ``TXF_POLLER_*``."""

import socket
from pathlib import Path
from typing import Literal

from pydantic import Field, HttpUrl, SecretStr, WebsocketUrl
from pydantic_settings import SettingsConfigDict

from txfeatures.process.settings import TracedServiceSettings

MEBIBYTE = 1024 * 1024


class Settings(TracedServiceSettings):
    """Settings of the poller."""

    model_config = SettingsConfigDict(env_prefix="TXF_POLLER_")

    name: str = Field(
        default_factory=socket.gethostname,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$",
        description="Name of this poller, unlike that of any other; the host's name by default.",
    )
    source: Literal["http", "websocket"] = Field(
        default="http",
        description="http polls `url`; websocket also takes what `websocket_url` pushes, and polls "
        "as its check.",
    )
    url: HttpUrl = Field(
        default=HttpUrl("https://blockchain.info/unconfirmed-transactions?format=json"),
        description="Endpoint that returns the newest transactions.",
    )
    api_code: SecretStr | None = Field(
        default=None,
        description="The source's API code, sent as the query's api_code; none if unset.",
    )
    feed_clock: Literal["poll", "response_date"] = Field(
        default="poll",
        description="The feed's time of a poll: poll, the time of day (live sources), or "
        "response_date, the answer's Date header (replay and simulation).",
    )
    max_clock_jump_s: float = Field(
        default=300.0,
        gt=0,
        le=10 * 365 * 86_400,
        description="An answer may put the feed clock this many seconds ahead of the time that has "
        "passed; further only with a new transaction dated within as many seconds of it.",
    )
    interval_s: float = Field(
        default=1.0,
        ge=0,
        le=3600,
        description="Seconds from the start of a poll to the next; 0 polls without a pause.",
    )
    min_interval_s: float = Field(
        default=0.5,
        ge=0,
        le=3600,
        description="The interval is halved after a gap, but not below this many seconds.",
    )
    backoff_first_s: float = Field(
        default=1.0,
        ge=0,
        le=600,
        description="Longest wait after the first failed poll or lost websocket; doubled with each "
        "in a row.",
    )
    backoff_max_s: float = Field(
        default=60.0,
        ge=0,
        le=600,
        description="Longest wait after any number of failed polls or lost websockets.",
    )
    websocket_url: WebsocketUrl = Field(
        default=WebsocketUrl("wss://ws.blockchain.info/inv"),
        description="Websocket that pushes new transactions, for the source websocket.",
    )
    websocket_check_s: float = Field(
        default=10.0,
        ge=0,
        le=3600,
        description="Seconds between two polls while the websocket pushes. Without a push for "
        "`interval_s`, the next poll is due at once.",
    )
    websocket_gather_s: float = Field(
        default=0.1,
        ge=0,
        le=10,
        description="Seconds between two publications of what the websocket pushes; each makes a "
        "revision of the minute's row.",
    )
    timeout_s: float = Field(
        default=10.0,
        gt=0,
        le=300,
        description="Seconds that a poll may take, from the look-up of the host's name to the "
        "answer's last byte, and the opening of a websocket.",
    )
    max_body_bytes: int = Field(
        default=64 * MEBIBYTE,
        ge=MEBIBYTE,
        le=512 * MEBIBYTE,
        description="Largest answer that is read, in bytes after decompression.",
    )
    max_elements: int = Field(
        default=10_000,
        ge=100,
        le=100_000,
        description="Most elements of an answer; one with more is refused, and is one dead letter.",
    )
    max_rejected: int = Field(
        default=200,
        ge=0,
        le=100_000,
        description="Most dead letters of an answer; beyond it they are replaced by one for the "
        "answer, with its size, SHA-256 and beginning.",
    )
    full_answer: int = Field(
        default=100,
        ge=1,
        le=100_000,
        description="Transactions in an answer that may have left some out; for detecting gaps.",
    )
    remembered_transactions: int = Field(
        default=100_000,
        ge=1_000,
        le=10_000_000,
        description="How many transactions are remembered as published; some 200 bytes each.",
    )
    spool_dir: Path = Field(
        default=Path("/tmp/txfeatures-poller"),  # noqa: S108 - all that a read-only root leaves
        description="Writable directory of the spool, with room for twice the bound.",
    )
    spool_max_bytes: int = Field(
        default=256 * MEBIBYTE,
        ge=0,
        le=2**40,
        description="Polling stops while this many bytes wait for Kafka; one answer may exceed it.",
    )
