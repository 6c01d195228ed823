from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
)

from txfeatures.domain.errors import FatalError, SettingsError, TransientError
from txfeatures.feature_store.errors import Failure, Meaning, translated

ABSENT = "Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name [x]."


def client_error(code: str, status: int, message: str = "no") -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "PutRecord")


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (client_error("ThrottlingException", 400), "retry"),
        (client_error("SlowDown", 503), "retry"),
        (client_error("Unheard", 500), "retry"),
        (client_error("Unheard", 429), "retry"),
        (client_error("ExpiredTokenException", 403), "retry"),
        (client_error("InternalFailure", 500), "retry"),
        (client_error("AccessDeniedException", 400), "refused"),
        (client_error("Unheard", 403), "refused"),
        (client_error("PermanentRedirect", 301), "refused"),
        (client_error("ValidationError", 400), "invalid"),
        (client_error("ValidationException", 400), "invalid"),
        (client_error("ValidationError", 400, ABSENT), "missing"),
        (client_error("ResourceNotFound", 404), "missing"),
        (client_error("NoSuchBucket", 404), "missing"),
        (EndpointConnectionError(endpoint_url="x"), "retry"),
        (ConnectTimeoutError(endpoint_url="x"), "timeout"),
        (ReadTimeoutError(endpoint_url="x"), "timeout"),
        (NoCredentialsError(), "unconfigured"),
        (ProfileNotFound(profile="x"), "unconfigured"),
    ],
)
def test_each_error_has_a_meaning(error: Any, meaning: Meaning) -> None:
    assert Failure.of(error).meaning == meaning


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalFailure", "Unheard"])
def test_an_error_of_a_part_of_a_batch_may_pass_unless_it_is_known_to_last(code: str) -> None:
    assert Failure.named(code, "no").may_pass
    assert not Failure.named("AccessForbidden", "no").may_pass


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (client_error("ThrottlingException", 400), TransientError, "throttled .* run it again"),
        (ReadTimeoutError(endpoint_url="x"), TransientError, "not answered in time .* run it"),
        (client_error("AccessDenied", 403), FatalError, "AWS refused .* check the permissions"),
        (client_error("ResourceNotFound", 404), FatalError, "run `txfeatures bootstrap`"),
        (NoCredentialsError(), SettingsError, "set AWS_DEFAULT_REGION and credentials"),
    ],
)
def test_only_a_real_refusal_is_called_refused(
    error: Exception, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught, translated("AWS"):
        raise error
    assert ("refused" in str(caught.value)) == ("refused" in words)
