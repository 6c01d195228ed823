"""Checks of the account: credentials, clock and quotas."""

from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from txfeatures.doctor.calls import granted
from txfeatures.doctor.finding import Check, Verdict, failure, ok, skipped, warning
from txfeatures.domain.errors import FatalError
from txfeatures.feature_store.errors import Failure
from txfeatures.process import aws
from txfeatures.process.clock import Clock
from txfeatures.process.settings import AwsSettings

SKEW_REFUSED_S = 300.0
"""Seconds by which a signature's time may differ from AWS's (AWS documentation)."""

SKEW_NOTED_S = 30.0
"""Seconds that no machine with a time service is off."""

_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException"})
_UNKNOWN = frozenset({"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"})
_UNSIGNED = frozenset({"SignatureDoesNotMatch", "RequestExpired", "RequestTimeTooSkewed"})

_QUOTAS_OF = ("feature store", "feature group", "putrecord", "getrecord", "batchgetrecord")


class AccountChecks:
    """The checks.

    Args:
        settings: The AWS side.
        clock: The time of this machine.

    Attributes:
        account: Number of the account, once the identity is known.
        ahead_s: Seconds by which this machine is ahead of AWS; None if no answer was dated.
    """

    def __init__(self, settings: AwsSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.account = ""
        self.ahead_s: float | None = None

    def checks(self) -> Iterator[Check]:
        """Yield the checks in their order."""
        for name, judge, needs in (
            ("credentials", self._credentials, ()),
            ("identity", self._identity, ("credentials",)),
            ("clock", lambda: skew(self.ahead_s), ("credentials",)),
            ("quotas", self._quotas, ("identity",)),
        ):
            yield Check(subject="aws", name=name, judge=judge, needs=needs)

    def _credentials(self) -> Verdict:
        aws.require_credentials(self._settings)
        return ok("there are credentials and a region")

    def _identity(self) -> Verdict:
        client = aws.sts(self._settings)
        before_s = self._clock.now()
        try:
            found = client.get_caller_identity()
        except ClientError as error:
            self._date(error.response.get("ResponseMetadata", {}), before_s)
            raise refusal(Failure.of(error)) from error
        except BotoCoreError as error:
            raise FatalError(
                f"STS of region {client.meta.region_name} does not answer ({error}); check "
                "AWS_DEFAULT_REGION, the network and AWS_ENDPOINT_URL if it is set"
            ) from error
        self._date(found["ResponseMetadata"], before_s)
        self.account = found["Account"]
        return ok(f"{found['Arn']} in region {client.meta.region_name}")

    def _date(self, metadata: Any, before_s: float) -> None:
        text = metadata.get("HTTPHeaders", {}).get("date")
        if text:
            middle_s = (before_s + self._clock.now()) / 2
            self.ahead_s = middle_s - parsedate_to_datetime(text).timestamp()

    def _quotas(self) -> Verdict:
        client = aws.service_quotas(self._settings)
        if "amazonaws" not in client.meta.endpoint_url:
            return skipped(f"{client.meta.endpoint_url} is not AWS and has none")
        found: dict[str, float] = {}
        with granted("servicequotas:ListServiceQuotas", "the account"):
            for page in client.get_paginator("list_service_quotas").paginate(
                ServiceCode="sagemaker"
            ):
                found |= {each["QuotaName"]: each["Value"] for each in page["Quotas"]}
        return quotas(found)


def refusal(failed: Failure) -> FatalError:
    """Return the sentence about credentials that STS refuses."""
    if failed.code in _EXPIRED:
        return FatalError(
            f"the credentials have expired ({failed.code}); renew them, for example with "
            "`aws sso login`, or unset AWS_SESSION_TOKEN and use others"
        )
    if failed.code in _UNKNOWN:
        return FatalError(
            f"AWS does not know these credentials ({failed.code}); check AWS_PROFILE or "
            "AWS_ACCESS_KEY_ID, and that they belong to the partition of AWS_DEFAULT_REGION"
        )
    if failed.code in _UNSIGNED:
        return FatalError(
            f"AWS refuses the signature ({failed.code}); check AWS_SECRET_ACCESS_KEY and this "
            "machine's clock"
        )
    return FatalError(
        f"AWS does not name the caller ({failed.code}: {failed.message}); check the credentials, "
        "or run it again later"
    )


def skew(ahead_s: float | None) -> Verdict:
    """Return whether this machine's clock is right enough; ``ahead_s`` is None if unknown."""
    if ahead_s is None:
        return skipped("no answer of AWS had a date to compare with")
    sentence = f"this machine is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} AWS"
    if abs(ahead_s) >= SKEW_REFUSED_S:
        return failure(
            f"{sentence}, which refuses signatures that are {SKEW_REFUSED_S:.0f} s off; let a time "
            "service set the clock"
        )
    if abs(ahead_s) >= SKEW_NOTED_S:
        return warning(f"{sentence}; let a time service set the clock")
    return ok(sentence)


def quotas(found: Mapping[str, float]) -> Verdict:
    """Return the quotas that concern Feature Store, by name and value."""
    ours = {
        name: value
        for name, value in sorted(found.items())
        if any(part in name.lower() for part in _QUOTAS_OF)
    }
    if not ours:
        return ok(f"none of the {len(found)} listed for SageMaker is of Feature Store")
    return ok(", ".join(f"{name}: {value:g}" for name, value in ours.items()))
