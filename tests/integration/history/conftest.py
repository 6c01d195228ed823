from collections.abc import Iterator

import pytest
from featurestore_local import LocalAws

from tests.integration.history.account import Account
from tests.integration.history.replay import final_rows, replayed
from tests.support.local_account import entered
from tests.support.shared_data import RECORDING
from txfeatures.feature_store.codec import TableFormat


@pytest.fixture
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    table_format: TableFormat = getattr(request, "param", "glue")
    with LocalAws(settling_s=0.0) as local, entered(local) as environ:
        environ.setenv("TXF_AWS_TABLE_FORMAT", table_format)
        yield Account(local, table_format)


@pytest.fixture
def replay(account: Account) -> Account:
    """An account in which the services have archived and stored a replay."""
    logs = replayed(RECORDING)
    account.archive([record for log in logs for record in log if record.key is not None])
    for row in final_rows(logs):
        account.put(row, "OnlineStore", "OfflineStore")
    account.controls.flush()
    return account
