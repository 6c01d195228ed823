from txfeatures.client.declared import REQUIRED, TYPES

from clients.generate import COMMAND, GENERATED
from txfeatures.domain import features


def test_the_clients_rows_equal_the_declaration() -> None:
    assert GENERATED.stale() == [], f"the client lags behind the declaration: run `{COMMAND}`"
    assert list(TYPES) == [feature.name for feature in features.default().features]
    assert features.REQUIRED == REQUIRED
