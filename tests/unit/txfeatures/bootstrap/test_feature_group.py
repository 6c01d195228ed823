import re
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from featurestore_local.control import ControlPlane
from featurestore_local.errors import AwsError
from featurestore_local.registry import Registry

from tests.support.declared import DEFAULT, FEATURES
from txfeatures.bootstrap import feature_group as module
from txfeatures.bootstrap import schema
from txfeatures.bootstrap.feature_group import FeatureGroup
from txfeatures.domain.errors import FatalError
from txfeatures.domain.features import ComputedFeature, Declaration, read
from txfeatures.domain.features.reading import default_text
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import AwsSettings

NAME = AwsSettings().feature_group


class Client:
    """A client of SageMaker that calls the local control plane without a server."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control
        real = boto3.Session("any", "any", region_name="eu-west-1").client("sagemaker")
        self.exceptions = real.exceptions
        self.calls: list[str] = []

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**params: Any) -> Any:
            self.calls.append(operation)
            try:
                return getattr(self._control, operation)(params)
            except AwsError as error:
                kind = getattr(self.exceptions, error.code, ClientError)
                said: Any = {"Error": {"Code": error.code, "Message": error.message}}
                raise kind(said, operation) from error

        return call


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def registry(clock: ManualClock) -> Registry:
    return Registry(clock=clock, settling_s=2.0)


@pytest.fixture
def client(registry: Registry, clock: ManualClock) -> Client:
    return Client(
        ControlPlane(registry, put_table=lambda _: None, clock=clock, account="1", region="r")
    )


@pytest.fixture
def runtime(clock: ManualClock) -> Runtime:
    return Runtime(metrics=Metrics("bootstrap"), clock=clock)


@pytest.fixture
def ensure(client: Any, runtime: Runtime) -> Callable[..., str]:
    def ensure(declaration: Declaration = DEFAULT, **changes: Any) -> str:
        return FeatureGroup(client, AwsSettings(**changes), declaration, runtime).ensure()

    return ensure


def described(client: Any) -> Any:
    return client.describe_feature_group(FeatureGroupName=NAME)


def test_a_missing_group_is_made_waited_for_and_described(
    client: Any, ensure: Callable[..., str], clock: ManualClock
) -> None:
    assert ensure() == "created"
    assert clock.monotonic() >= 2.0
    found = described(client)
    assert (found["FeatureGroupStatus"], found["Description"]) == ("Created", schema.DESCRIPTION)
    assert client.list_tags(ResourceArn=found["FeatureGroupArn"])["Tags"] == [
        {"Key": "application", "Value": "txfeatures"}
    ]
    for feature in FEATURES:
        said = client.describe_feature_metadata(FeatureGroupName=NAME, FeatureName=feature.name)
        assert said["Description"] == feature.description
        parameters = {each["Key"]: each["Value"] for each in said["Parameters"]}
        assert parameters.pop("unit", "") == feature.unit
        is_computed = isinstance(feature, ComputedFeature)
        assert parameters.keys() == ({"meaning", "meaning-digest"} if is_computed else set())


def test_a_second_run_changes_nothing(client: Any, ensure: Callable[..., str]) -> None:
    ensure()
    client.calls.clear()
    assert ensure() == "exists already"
    assert {call.partition("_")[0] for call in client.calls} == {"describe", "list"}


OLDER = Declaration(computed=DEFAULT.computed[:-2])
"""A declaration of before two features were added."""


def test_features_that_were_declared_since_are_added_and_others_stay(
    client: Any, ensure: Callable[..., str]
) -> None:
    ensure(OLDER)
    assert ensure() == "features added: total_output_value_1min, rbf_share_1min"
    found = described(client)
    assert found["LastUpdateStatus"] == {"Status": "Successful"}
    assert {d["FeatureName"] for d in found["FeatureDefinitions"]} == {f.name for f in FEATURES}
    assert ensure(OLDER) == (
        "exists already; no longer declared, kept without values: "
        "total_output_value_1min, rbf_share_1min"
    )


def test_a_changed_meaning_under_an_old_name_is_refused_with_both_meanings(
    client: Any, ensure: Callable[..., str]
) -> None:
    ensure()
    text = default_text().replace("from: fee\n    else: 0", "from: fee + 1\n    else: 0", 1)
    before = described(client)
    with pytest.raises(FatalError) as caught:
        ensure(read(text, name="mine.yaml"))
    assert "min_fee_1min was min(fee), and is declared as min(fee + 1)" in str(caught.value)
    assert "new names" in str(caught.value)
    assert described(client) == before


def test_a_group_of_a_release_without_meanings_has_those_of_the_shipped_features(
    client: Any, ensure: Callable[..., str]
) -> None:
    ensure()
    for feature in DEFAULT.computed:
        client.update_feature_metadata(
            FeatureGroupName=NAME,
            FeatureName=feature.name,
            ParameterRemovals=["meaning", "meaning-digest"],
        )
    text = default_text().replace("where: rbf", "where: NOT rbf")
    with pytest.raises(FatalError, match=r"rbf_share_1min was count\(\) WHERE rbf / count"):
        ensure(read(text, name="mine.yaml"))
    assert ensure() == "exists already"
    with pytest.raises(FatalError, match=r"rbf_share_1min was count\(\) WHERE rbf / count"):
        ensure(read(text, name="mine.yaml"))


def test_a_new_description_is_no_new_meaning(client: Any, ensure: Callable[..., str]) -> None:
    ensure()
    text = default_text().replace("Sum of their fees, exact.", "Sum of all fees.")
    assert ensure(read(text, name="mine.yaml")) == "exists already"
    found = client.describe_feature_metadata(FeatureGroupName=NAME, FeatureName="total_fee_1min")
    assert found["Description"] == "Sum of all fees."


def test_features_are_added_in_as_many_calls_as_it_takes(
    client: Any, ensure: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure(Declaration(computed=DEFAULT.computed[:1]))
    monkeypatch.setattr(module, "MAX_ADDITIONS", 4)
    ensure()
    calls = -(-(len(DEFAULT.computed) - 1) // 4)
    assert client.calls.count("update_feature_group") == calls
    assert len(described(client)["FeatureDefinitions"]) == len(FEATURES)


def test_a_group_of_another_format_is_refused_and_the_difference_said(
    ensure: Callable[..., str],
) -> None:
    ensure()
    expected = (
        "event_time is Fractional, declared String, table format is glue, declared iceberg; "
        "choose another TXF_AWS_FEATURE_GROUP"
    )
    with pytest.raises(FatalError, match=f"{re.escape(expected)}$"):
        ensure(table_format="iceberg")


def test_an_iceberg_table_is_asked_for(client: Any, ensure: Callable[..., str]) -> None:
    assert ensure(table_format="iceberg") == "created"
    assert described(client)["OfflineStoreConfig"]["TableFormat"] == "Iceberg"
    said = client.describe_feature_metadata(FeatureGroupName=NAME, FeatureName="event_time")
    assert said["Parameters"] == [{"Key": "unit", "Value": "ISO-8601 UTC"}]


def test_what_was_said_otherwise_is_corrected_and_what_others_said_stays(
    client: Any, ensure: Callable[..., str]
) -> None:
    ensure()
    feature = {"FeatureGroupName": NAME, "FeatureName": "revision"}  # has no unit
    client.update_feature_metadata(
        **feature,
        Description="wrong",
        ParameterAdditions=[{"Key": "unit", "Value": "x"}, {"Key": "owner", "Value": "me"}],
    )
    ensure()
    said = client.describe_feature_metadata(**feature)
    assert said["Description"] != "wrong"
    assert said["Parameters"] == [{"Key": "owner", "Value": "me"}]


def test_a_group_that_is_being_made_is_waited_for(
    client: Any, ensure: Callable[..., str], clock: ManualClock
) -> None:
    client.create_feature_group(**schema.request(AwsSettings(), features=FEATURES))
    assert ensure() == "exists already"
    assert clock.monotonic() >= 2.0


def test_another_bootstrap_may_be_quicker(
    client: Any, ensure: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    control = client._control
    look = control.describe_feature_group
    answers = iter([AwsError("ResourceNotFound", "not yet")])

    def late(params: Any) -> Any:
        for error in answers:
            raise error
        return look(params)

    client.create_feature_group(**schema.request(AwsSettings(), features=FEATURES))
    monkeypatch.setattr(control, "describe_feature_group", late)
    assert ensure() == "exists already"


@pytest.mark.parametrize(
    ("state", "complaint"),
    [
        ({"status": "CreateFailed", "failure": "the role may not"}, "CreateFailed: the role may n"),
        ({"status": "Deleting"}, "is Deleting: no reason given"),
    ],
)
def test_a_group_that_can_not_become_ready_is_said_with_the_reason(
    client: Any,
    ensure: Callable[..., str],
    registry: Registry,
    clock: ManualClock,
    state: dict[str, str],
    complaint: str,
) -> None:
    client.create_feature_group(**schema.request(AwsSettings(), features=FEATURES))
    clock.advance(2.0)
    found = registry.get(NAME)
    found.settles_at_s = clock.now() + 3600.0
    for name, value in state.items():
        setattr(found, name, value)
    with pytest.raises(FatalError, match=complaint):
        ensure()


def test_a_group_that_is_never_made_is_given_up(
    ensure: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 1.0)
    with pytest.raises(FatalError, match="was not created within 1 s"):
        ensure()


def test_a_wait_can_be_stopped_and_says_what_to_do(
    ensure: Callable[..., str], runtime: Runtime
) -> None:
    runtime.stop.set()
    with pytest.raises(FatalError, match="run it again"):
        ensure()


def test_an_update_that_failed_is_said_with_the_reason(
    client: Any, ensure: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure(OLDER)
    control = client._control
    look = control.describe_feature_group

    def failed(params: Any) -> Any:
        update = {"Status": "Failed", "FailureReason": "no more room"}
        return look(params) | {"LastUpdateStatus": update}

    monkeypatch.setattr(control, "describe_feature_group", failed)
    with pytest.raises(FatalError, match="did not accept further features: no more room"):
        ensure()
