import os
import threading
from datetime import UTC, datetime

import httpx
import pytest

from client_support.clients import AT_ONCE, Client
from client_support.scripted_api import Handler, ScriptedApi, problem, row
from txfeatures.client import (
    BadAnswerError,
    Features,
    FeaturesError,
    NotFoundError,
    RefusedError,
    Retries,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
)


def cut(handler: Handler) -> None:
    handler.cut()


def test_the_newest_row_has_its_features_as_attributes(api: ScriptedApi, client: Client) -> None:
    api.publish(row(4, fee_rate_p50_1min=2.5, total_fee_1h=7))
    found = client.call("latest")
    assert (found.tx_minute, found.total_nb_trx_1min, found.revision) == (
        "2026-01-02 03:04:00",
        41,
        1,
    )
    assert (found.fee_rate_p50_1min, found.min_fee_1min) == (2.5, None)
    assert (found.staleness_s, found.as_of, found.more) == (1.5, "now", {"total_fee_1h": 7})
    assert (found.id, found.minute) == (
        "2026-01-02T03:04:00Z/1",
        datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
    )
    assert api.paths == ["/v1/features/latest"]


def test_only_final_and_fresh_rows_can_be_asked_for(api: ScriptedApi, client: Client) -> None:
    api.publish(row(3, is_final=1), row(4))
    assert client.call("latest", final=True, max_staleness_s=90).tx_minute == "2026-01-02 03:03:00"
    assert api.requests[0][1] == {"final": "true", "max_staleness": "90"}


@pytest.mark.parametrize(
    "moment",
    ["2026-01-02 03:04", "2026-01-02T04:04:30+01:00", datetime(2026, 1, 2, 3, 4, 59)],
)
def test_the_row_of_a_minute_is_that_of_any_moment_in_it(
    api: ScriptedApi, client: Client, moment: datetime | str
) -> None:
    api.publish(row(4))
    assert client.call("minute", moment).tx_minute == "2026-01-02 03:04:00"


def test_a_row_that_is_not_there_is_an_error_with_the_apis_sentence(client: Client) -> None:
    with pytest.raises(NotFoundError, match="no row yet near the feed's clock; try again") as found:
        client.call("latest")
    assert found.value.status == 404


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_that_fails_is_asked_again(api: ScriptedApi, client: Client, status: int) -> None:
    api.publish(row(4))
    api.script += [problem(status, "The store is down."), problem(status, "The store is down.")]
    assert client.call("latest").tx_minute == "2026-01-02 03:04:00"
    assert len(api.requests) == 3


def test_a_connection_that_breaks_is_made_again(api: ScriptedApi, client: Client) -> None:
    api.publish(row(4))
    api.script += [cut, cut]
    assert client.call("latest").tx_minute == "2026-01-02 03:04:00"


def test_after_all_retries_the_error_has_the_apis_sentence(
    api: ScriptedApi, client: Client
) -> None:
    api.script += [problem(503, "The store is down; try again.")] * 5
    with pytest.raises(UnavailableError, match="The store is down; try again"):
        client.call("latest")
    assert len(api.requests) == 5


def test_no_answer_at_all_is_one_sentence(api: ScriptedApi, client: Client) -> None:
    api.stop()
    with pytest.raises(UnavailableError, match=r"does not answer: .*; try again later") as found:
        client.call("latest")
    assert "\n" not in str(found.value)
    api.start()


def test_a_slow_answer_is_given_up(api: ScriptedApi, client: Client) -> None:
    ended = threading.Event()

    def hang(handler: Handler) -> None:
        ended.wait(30)

    api.script.append(hang)
    once = {"retries": Retries(attempts=1), "timeout_s": 0.05}
    with pytest.raises(UnavailableError, match="it took too long"):
        client.call("latest", client=once)
    ended.set()


def test_retry_after_is_waited_in_full(api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    api.publish(row(4))
    api.script.append(problem(429, "Too many.", Retry_After="7"))
    waits: list[float] = []
    with Features(api.url, retries=Retries(jitter=lambda: 0.0)) as features:
        monkeypatch.setattr(features, "_wait", waits.append)
        assert features.latest().revision == 1
    assert waits == [7.0]


def test_a_long_retry_after_is_an_error_that_names_it(api: ScriptedApi, client: Client) -> None:
    api.script.append(problem(429, "Too many requests; ask less often.", Retry_After="3600"))
    with pytest.raises(TooManyRequestsError, match="ask less often") as found:
        client.call("latest")
    assert (found.value.retry_after_s, len(api.requests)) == (3600.0, 1)


@pytest.mark.parametrize(
    ("status", "error"), [(401, UnauthorizedError), (403, UnauthorizedError), (422, RefusedError)]
)
def test_a_refusal_is_not_repeated(
    api: ScriptedApi, client: Client, status: int, error: type[FeaturesError]
) -> None:
    api.script.append(problem(status, "Give a token."))
    with pytest.raises(error, match="Give a token"):
        client.call("latest")
    assert len(api.requests) == 1


def test_a_redirect_is_not_followed_with_the_token(api: ScriptedApi, client: Client) -> None:
    api.script.append((307, {"Location": "http://elsewhere.example/"}, b""))
    with pytest.raises(RefusedError, match=r"redirects to 'http://elsewhere.example/'"):
        client.call("latest", client={"token": "secret"})
    assert len(api.requests) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"tx_minute": 1}', b'"row"'])
def test_an_answer_of_something_else_is_one_sentence(
    api: ScriptedApi, client: Client, body: bytes
) -> None:
    api.script.append((200, {"Content-Type": "text/html"}, body))
    with pytest.raises(BadAnswerError) as found:
        client.call("latest")
    assert str(found.value).endswith(".")
    assert "\n" not in str(found.value)


def test_the_token_is_sent_and_a_function_is_asked_each_time(api: ScriptedApi) -> None:
    api.publish(row(4))
    tokens = iter(["one", "two"])
    with Features(api.url, token=lambda: next(tokens)) as features:
        features.latest()
        features.latest()
    with Features(api.url) as features:
        features.latest()
    sent = [headers.get("authorization") for _, _, headers in api.requests]
    assert sent == ["Bearer one", "Bearer two", None]


def test_address_and_token_may_come_from_the_environment(
    api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.publish(row(4))
    monkeypatch.setenv("TXFEATURES_URL", f"{api.url}/")
    monkeypatch.setenv("TXFEATURES_TOKEN", "secret")
    with Features() as features:
        features.latest()
        assert "secret" not in repr(vars(features))
    assert api.requests[0][2]["authorization"] == "Bearer secret"


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host", "http://"])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(FeaturesError, match="is not the address of an api; write it as http"):
        Features(url)


def test_an_older_api_is_read_without_v1(api: ScriptedApi, client: Client) -> None:
    api.has_v1 = False
    api.publish(row(4))
    assert client.call("latest").revision == 1
    assert api.paths == ["/v1/features/latest", "/features/latest", "/v1/features/latest"]


def test_an_older_api_is_recognized_once(api: ScriptedApi) -> None:
    api.has_v1 = False
    api.publish(row(4))
    with Features(api.url) as features:
        for _ in range(3):
            features.latest()
    assert api.paths[3:] == ["/features/latest"] * 2


def test_a_missing_row_does_not_make_the_api_an_old_one(api: ScriptedApi) -> None:
    with Features(api.url) as features:
        with pytest.raises(NotFoundError):
            features.latest()
        api.publish(row(4))
        features.latest()
        with pytest.raises(NotFoundError):
            features.minute("2026-01-02 03:30")
    assert api.paths[2:] == ["/v1/features/latest", "/v1/features/2026-01-02T03:30:00Z"]


def test_a_row_that_comes_between_two_requests_does_not_either(api: ScriptedApi) -> None:
    def answer_and_publish(handler: Handler) -> None:
        handler.reply(*problem(404, "There is no row yet near the feed's clock; try again."))
        api.publish(row(4))

    api.script.append(answer_and_publish)
    with Features(api.url) as features:
        assert features.latest().revision == 1
        features.latest()
    assert api.paths[3:] == ["/v1/features/latest"]


def test_closing_ends_a_call_that_waits(api: ScriptedApi) -> None:
    def close(handler: Handler) -> None:
        handler.reply(*problem(503, "Down.", Retry_After="50"))
        features.close()

    api.script.append(close)
    features = Features(api.url)
    with pytest.raises(FeaturesError, match="The client is closed"):
        features.latest()


def test_an_own_http_client_stays_open(api: ScriptedApi) -> None:
    api.publish(row(4))
    with httpx.Client(headers={"X-Mine": "1"}, trust_env=False) as http:
        with Features(api.url, retries=AT_ONCE, http=http) as features:
            features.latest()
        assert not http.is_closed
    assert api.requests[0][2]["x-mine"] == "1"
    assert os.environ["NO_PROXY"] == "127.0.0.1"
