"""Every process runs with exactly its rights in AWS, and needs each of them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from featurestore_local import LocalAws

from deploy.iam.declared import PROCESSES
from deploy.iam.policies import policy
from tests.integration.history.account import Account
from tests.integration.history.replay import final_rows, replayed
from tests.integration.rights.scenarios import SCENARIOS, bootstrap, outdate
from tests.support.authorizing_aws import ADMINISTRATOR, AuthorizingAws
from tests.support.aws_needs import ACCOUNT
from tests.support.iam import Need, allows, without_each_action, without_each_resource
from tests.support.local_account import entered
from tests.support.shared_data import RECORDING
from tests.support.site import KMS_KEY, SITE, policies
from txfeatures.process import aws

pytestmark = pytest.mark.integration

ELSEWHERE = {"feature_store", "studio"}
"""SageMaker itself: the local one writes the offline store without rights. And the Studio, which
the local AWS lacks: tests/unit/txfeatures/studio has an account of its own."""

TESTED = sorted(name for name, of in PROCESSES.items() if of.aws and name not in ELSEWHERE)

Used = dict[str, set[Need]]


@contextmanager
def acting(process: str, url: str) -> Iterator[None]:
    """Let the clients of this test call AWS as ``process``."""
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("AWS_ENDPOINT_URL", url)
        environ.setenv("AWS_ACCESS_KEY_ID", process)
        aws._session.cache_clear()
        yield
    aws._session.cache_clear()


@contextmanager
def account(used: Used) -> Iterator[tuple[LocalAws, AuthorizingAws]]:
    with LocalAws(settling_s=0.0) as local, entered(local) as environ:
        environ.setenv("TXF_AWS_TABLE_FORMAT", SITE.table_format)
        environ.setenv("TXF_AWS_TIMEOUT_S", "60")
        environ.setenv("TXF_AWS_KMS_KEY_ARN", KMS_KEY)
        environ.setenv("TXF_AWS_BUCKET_OWNER", ACCOUNT)
        environ.setenv("AWS_MAX_ATTEMPTS", "1")
        with AuthorizingAws(local.endpoint_url, policies(), kms_key=KMS_KEY, used=used) as secured:
            yield local, secured


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Used:
    """Every right that the processes' calls need, none of which was refused."""
    found: Used = {}
    directory = tmp_path_factory.mktemp("processes")
    with account(found) as (_, secured):
        with acting("bootstrap", secured.url):
            bootstrap(directory, [])
        outdate()
        with acting("bootstrap", secured.url):
            bootstrap(directory, [])
        assert secured.refused == []
    logs = replayed(RECORDING)
    rows = final_rows(logs)
    with account(found) as (local, secured):
        full = Account(local, "iceberg")
        for part in (slice(None, 780), slice(780, None)):  # so that there are objects to merge
            full.archive([r for log in logs for r in log[part] if r.key is not None])
        for row in rows[:2]:
            full.put(row, "OnlineStore")  # and rows to backfill
        for row in rows[2:]:
            full.put(row, "OnlineStore", "OfflineStore")
        with acting("bootstrap", secured.url):
            bootstrap(directory, rows)
        for name, scenario in SCENARIOS.items():
            full.controls.flush()
            own = directory / name
            own.mkdir()
            with acting(name, secured.url):
                scenario(own, rows)
            assert secured.refused == [], name
    return found


def test_each_process_was_at_work(used: Used) -> None:
    assert sorted(used.keys() - {ADMINISTRATOR}) == TESTED


@pytest.mark.parametrize("name", TESTED)
def test_a_process_needs_each_of_its_actions_and_resources(used: Used, name: str) -> None:
    own = policy(PROCESSES[name], SITE)
    assert all(allows(own, need) for need in used[name])
    for without in (without_each_action, without_each_resource):
        spare = [
            right
            for right, changed in without(own)
            if "kafka-cluster:" not in right and all(allows(changed, n) for n in used[name])
        ]
        assert spare == []
