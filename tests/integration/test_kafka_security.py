"""Every client of ours against brokers that demand passwords, tokens or certificates.

SESSION_S is how long the broker lets a login last: short, so that many sessions end while
a test runs. ``SECURITY_SESSION_S=60 SECURITY_LOAD_S=200`` tries it with a minute.
"""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aws_msk_iam_sasl_signer import MSKAuthTokenProvider  # type: ignore[import-untyped]
from kafka_local import EmbeddedKafka, ListenerSecurity
from kafka_local.certificates import Authority
from pydantic import SecretStr

from tests.support import tokens
from tests.support.core import Core
from tests.support.load import Load
from tests.support.worker import Worker
from txfeatures.domain.errors import TransientError
from txfeatures.domain.model import OutgoingRecord, Record
from txfeatures.domain.topics import FEED, RAW, TOPICS
from txfeatures.kafka import client as kafka
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import KafkaSink, topic_partitions
from txfeatures.kafka.source import KafkaSource, committed_ends, next_offsets
from txfeatures.kafka.tails import KafkaTail
from txfeatures.process.settings import KafkaSettings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

SESSION_S = float(os.environ.get("SECURITY_SESSION_S", "6"))
LOAD_S = float(os.environ.get("SECURITY_LOAD_S", "18"))
"""Long enough for each client to log in again three times, at nine tenths of a session."""
TOKEN_LIFE_S = 1.2 * SESSION_S
USER, PASSWORD, KEY_PASSWORD = "txfeatures", "hidden-password", "hidden-key-password"
SECRETS = (PASSWORD, KEY_PASSWORD)
RECORDS_PER_S = 400


@dataclass(frozen=True, kw_only=True)
class Site:
    """Two brokers, and what gets one in."""

    logins: EmbeddedKafka
    certificates: EmbeddedKafka
    authority: Authority
    stranger: Authority

    def settings(self, security: str, **other: object) -> KafkaSettings:
        """Return what gets one in, except for ``other``."""
        found: dict[str, Any] = {"security": security, "ca_file": self.authority.file}
        broker = self.logins
        match security:
            case "scram":
                found |= {"sasl_username": USER, "sasl_password": SecretStr(PASSWORD)}
            case "msk_iam":
                found |= {"msk_region": "eu-west-1"}
            case "mtls":
                broker = self.certificates
                certificate, key = self.authority.client("client", KEY_PASSWORD)
                found |= {"client_certificate_file": certificate, "client_key_file": key}
                found |= {"client_key_password": SecretStr(KEY_PASSWORD)}
            case "tls":
                broker = self.certificates
        servers = broker.bootstrap_servers
        return KafkaSettings(**{"bootstrap_servers": servers, **found, **other})


def logins(authority: Authority) -> ListenerSecurity:
    """Return what takes a password or a token."""
    return ListenerSecurity(
        key_and_certificate=authority.broker(),
        users={USER: PASSWORD},
        takes_tokens=True,
        session_ms=round(SESSION_S * 1000),
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("certificates")
    authority, stranger = Authority(folder, "authority"), Authority(folder, "stranger")
    certificates = ListenerSecurity(
        key_and_certificate=authority.broker(), client_authorities=authority.file
    )
    with (
        EmbeddedKafka(tmp_path_factory.mktemp("logins"), security=logins(authority)) as first,
        EmbeddedKafka(tmp_path_factory.mktemp("mtls"), security=certificates) as second,
    ):
        yield Site(logins=first, certificates=second, authority=authority, stranger=stranger)


@pytest.fixture(autouse=True)
def _unsigned_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MSKAuthTokenProvider, "generate_auth_token", tokens.unsigned(TOKEN_LIFE_S))


@pytest.mark.parametrize("security", ["scram", "msk_iam", "mtls"])
def test_every_client_gets_in(site: Site, security: str) -> None:
    settings = site.settings(security)
    by_name = {topic.name: topic for topic in TOPICS}
    wide, narrow = (replace(by_name[name], name=f"{name}-{security}") for name in (RAW, FEED))
    with closing(KafkaAdmin(settings)) as admin:
        admin.create([wide, narrow], partitions=2, replication=1, keep_forever=True)
        assert admin.partitions()[wide.name] == 2
        with closing(KafkaSink(settings, client_id="t")) as sink:
            sink.publish([record(wide.name, b"%d" % n) for n in range(10)])
            sink.publish([record(narrow.name, b"old"), record(narrow.name, b"last")])
            assert sink.partitions(wide.name) == 2
        with closing(KafkaSource(settings, [wide.name], group=security)) as source:
            found: list[Record] = []
            while len(found) < 10:
                found += source.poll(max_records=10 - len(found), timeout_s=1.0)
            source.commit(next_offsets(found))
        ends = committed_ends(settings, wide.name)
        assert sum(ends.values()) == len(found)
        assert admin.committed(security, wide.name) == {p: end for p, end in ends.items() if end}
    assert topic_partitions(settings, wide.name) == 2
    with closing(KafkaTail(settings, narrow.name)) as tail:
        while not (last := tail.poll(0.2)):
            pass
        assert [r.key for r in last] == [b"last"]


def record(topic: str, key: bytes) -> OutgoingRecord:
    return OutgoingRecord(topic=topic, key=key, value=b"v", timestamp_ms=1)


class SecuredWorker(Worker):
    """A process of dedup or aggregator that is told how to get in."""

    def __init__(self, service: str, settings: KafkaSettings, folder: Path) -> None:
        super().__init__(service, settings.security, settings, folder)
        self._env |= environment(settings)
        self.takes_tokens = settings.security == "msk_iam"
        if self.takes_tokens:
            main = f"txfeatures_{service}.main"
            self._program = [str(Path(tokens.__file__)), str(TOKEN_LIFE_S), main]


def environment(settings: KafkaSettings) -> Mapping[str, str]:
    """Return the variables that make these settings."""
    given = settings.model_dump(exclude_unset=True)
    return {
        f"TXF_KAFKA_{name}".upper(): value.get_secret_value()
        if isinstance(value, SecretStr)
        else str(value)
        for name, value in given.items()
    }


class SecuredCore(Core):
    """The loader and the checks log in too."""

    settings: KafkaSettings

    @property
    def kafka(self) -> KafkaSettings:
        return self.settings


LOGIN = "check TXF_KAFKA_SASL_USERNAME, TXF_KAFKA_SASL_PASSWORD"
AUTHORITY = "check that TXF_KAFKA_CA_FILE holds the authority"
ADDRESS = "check TXF_KAFKA_BOOTSTRAP_SERVERS and TXF_KAFKA_SECURITY"


def refusals(site: Site) -> Mapping[str, tuple[KafkaSettings, str]]:
    """Return what gets nobody in, and the advice that is expected."""
    wrong_password = site.settings("scram", sasl_password=SecretStr("hidden-typo"))
    certificate, key = site.stranger.client("unknown", KEY_PASSWORD)
    unknown = {"client_certificate_file": certificate, "client_key_file": key}
    servers = site.logins.bootstrap_servers
    return {
        "wrong password": (wrong_password, LOGIN),
        "unknown user": (site.settings("scram", sasl_username="nobody"), LOGIN),
        "untrusted brokers": (site.settings("scram", ca_file=site.stranger.file), AUTHORITY),
        "untrusted client": (site.settings("mtls", **unknown), "CLIENT_CERTIFICATE_FILE"),
        "no certificate": (site.settings("tls"), "TXF_KAFKA_SECURITY=mtls"),
        "no login": (site.settings("tls", bootstrap_servers=servers), ADDRESS),
        "plain text": (KafkaSettings(bootstrap_servers=servers), ADDRESS),
    }


def test_a_refusal_is_one_sentence_with_the_settings_to_look_at(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "METADATA_TIMEOUT_S", 3.0)
    cases = refusals(site)
    with ThreadPoolExecutor() as pool:
        attempts = {
            case: pool.submit(topic_partitions, settings, RAW)
            for case, (settings, _) in cases.items()
        }
    for case, (_, advice) in cases.items():
        said = str(attempts[case].exception())
        assert isinstance(attempts[case].exception(), TransientError), said
        assert advice in said, case
        assert "hidden" not in said


def test_a_tail_that_is_refused_says_why(site: Site) -> None:
    settings, advice = refusals(site)["wrong password"]
    with closing(KafkaTail(settings, FEED)) as tail, pytest.raises(TransientError, match=advice):
        tail.poll(0.1)


def test_a_token_that_has_expired_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "METADATA_TIMEOUT_S", 3.0)
    expired = tokens.unsigned(-60.0, believed_s=60.0)
    monkeypatch.setattr(MSKAuthTokenProvider, "generate_auth_token", expired)
    with pytest.raises(TransientError, match="TXF_KAFKA_MSK_REGION, this machine's clock"):
        topic_partitions(site.settings("msk_iam"), RAW)


def test_a_service_that_is_refused_ends_with_the_sentence_and_exit_code_1(
    site: Site, tmp_path: Path
) -> None:
    settings, advice = refusals(site)["wrong password"]
    worker = SecuredWorker("dedup", settings, tmp_path)
    worker.start()
    try:
        assert worker.wait() == 1
        log = worker.whole_log()
        assert advice in log.splitlines()[-1]
        assert "hidden" not in log
    finally:
        worker.dispose()


@pytest.fixture
def core(site: Site, tmp_path: Path) -> Iterator[SecuredCore]:
    core = SecuredCore(site.logins, tmp_path, Load(transactions=round(LOAD_S * RECORDS_PER_S)))
    core.settings = site.settings("msk_iam")
    core.bootstrap()
    try:
        yield core
    finally:
        core.close()


def test_nothing_is_lost_or_doubled_while_sessions_and_tokens_expire(
    core: SecuredCore, site: Site
) -> None:
    logins = (("dedup", "scram"), ("dedup", "msk_iam"), ("aggregator", "msk_iam"))
    workers = [
        SecuredWorker(service, site.settings(security), core.folder) for service, security in logins
    ]
    core.workers.extend(workers)
    for worker in workers:
        worker.start()
    core.start_loading(records_per_s=RECORDS_PER_S)
    assert core.loaded.wait(120 + 3 * LOAD_S)
    core.drain()
    core.check()
    for worker in workers:
        assert worker.stop() == 0, worker.log()
        log = worker.whole_log()
        assert not [secret for secret in SECRETS if secret in log]
        if worker.takes_tokens:
            assert log.count(tokens.MADE) > 3 * LOAD_S / TOKEN_LIFE_S
