"""The running api, held against its own description by schemathesis.

`make fuzz-api` sends more requests: FUZZ_API_EXAMPLES for each route and kind.
"""

import os
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import boto3
import pytest
from featurestore_local import LocalAws

from tests.service.api.test_api import MINUTE_S, QueueTail, Service, make_row, serving
from tests.support.declared import FEATURES
from txfeatures.domain.features import EVENT_TIME, RECORD_IDENTIFIER
from txfeatures.process import aws
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import AwsSettings
from txfeatures_api.reader import FeatureStoreReader

pytestmark = pytest.mark.integration

EXAMPLES = os.environ.get("FUZZ_API_EXAMPLES", "10")
PATIENCE_S = 3_600 if "FUZZ_API_EXAMPLES" in os.environ else 500


class Positions:
    """Offsets of brokers that answer."""

    def ends(self, topics: Collection[str]) -> dict[str, dict[int, int]]:
        return {topic: {0: 7} for topic in topics}

    def committed(self, group: str, topic: str) -> dict[int, int]:
        return {0: len(group) + len(topic)}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    settings = AwsSettings()
    with LocalAws(settling_s=0) as local_aws:
        for name, value in {
            "AWS_ENDPOINT_URL": local_aws.endpoint_url,
            "AWS_DEFAULT_REGION": local_aws.region,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
        }.items():
            monkeypatch.setenv(name, value)
        boto3.client("sagemaker").create_feature_group(
            FeatureGroupName=settings.feature_group,
            RecordIdentifierFeatureName=RECORD_IDENTIFIER,
            EventTimeFeatureName=EVENT_TIME,
            FeatureDefinitions=[
                {"FeatureName": feature.name, "FeatureType": feature.type} for feature in FEATURES
            ],
            OnlineStoreConfig={"EnableOnlineStore": True},
        )
        values = [
            {"FeatureName": name, "ValueAsString": str(value)} for name, value in make_row().items()
        ]
        client = aws.feature_store(settings)
        client.put_record(FeatureGroupName=settings.feature_group, Record=values)  # type: ignore[arg-type]
        client.close()
        reader = FeatureStoreReader.connect(
            settings, FEATURES, runtime=Runtime(metrics=Metrics("api"))
        )
        tail = QueueTail()
        with serving(reader, tail, positions=Positions()) as service:
            tail.push(MINUTE_S + 30)
            service.wait_until_ready()
            yield service
        reader.close()


def test_the_api_is_what_it_says_whatever_is_sent(service: Service, tmp_path: Path) -> None:
    assert service.get("/features/latest").status_code == 200
    # A row that is older than `max_staleness` is unavailable as documented: 503, with Retry-After.
    # Of random minutes nearly none has a row, and that is no fault of the description.
    (tmp_path / "schemathesis.toml").write_text(
        '[checks.not_a_server_error]\nexpected-statuses = ["2xx", "4xx", 503]\n'
        '[[operations]]\ninclude-path = "/v1/features/{minute}"\nwarnings = false\n'
    )
    run = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "run", f"{service.url}/openapi.json"),
            *("--checks", "all", "--mode", "all", "--max-examples", EXAMPLES, "--no-color"),
            *("--generation-database", "none", "--continue-on-failure"),
            # A schema can't say that a day is in the calendar, or that `from` is before `to`.
            *("--exclude-checks", "positive_data_acceptance"),
            *("--exclude-path", "/v1/features/stream"),  # an answer without an end
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-8_000:] + run.stderr[-2_000:]
    assert "No issues found" in run.stdout, run.stdout[-2_000:]
