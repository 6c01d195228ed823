from collections.abc import Iterator

import pytest
from featurestore_local import LocalAws

from tests.integration.history.account import Account
from tests.integration.history.replay import final_rows, replayed
from tests.support.shared_data import RECORDING
from txfeatures.feature_store.codec import TableFormat
from txfeatures.process import aws


@pytest.fixture
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    table_format: TableFormat = getattr(request, "param", "glue")
    with pytest.MonkeyPatch.context() as environ, LocalAws(settling_s=0.0) as local:
        for name, value in (
            ("AWS_ENDPOINT_URL", local.endpoint_url),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_DEFAULT_REGION", local.region),
            ("TXF_AWS_TABLE_FORMAT", table_format),
        ):
            environ.setenv(name, value)
        aws._session.cache_clear()
        yield Account(local, table_format)
    aws._session.cache_clear()


@pytest.fixture
def replay(account: Account) -> Account:
    """An account in which the services have archived and stored a replay."""
    logs = replayed(RECORDING)
    account.archive([record for log in logs for record in log if record.key is not None])
    for row in final_rows(logs):
        account.put(row, "OnlineStore", "OfflineStore")
    account.flush()
    return account
