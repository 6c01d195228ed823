"""The number of calls to the Feature Store at a time: lower after refusals, then higher again."""


class CallLimit:
    """A limit that halves with each refusal and grows by one with each success, as TCP's does.

    Throttling counts calls a second; fewer at a time is fewer a second, however long one takes.

    Args:
        most: Calls at a time while none is refused.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._calls = most

    @property
    def calls(self) -> int:
        """Return the number of calls that may be on their way; at least one."""
        return self._calls

    def decrease(self) -> None:
        """Halve the limit: the store has refused a call for now."""
        self._calls = max(1, self._calls // 2)

    def increase(self) -> None:
        """Raise the limit by one: as many calls as allowed were answered, none refused."""
        self._calls = min(self._most, self._calls + 1)
