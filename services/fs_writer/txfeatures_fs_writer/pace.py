"""How many calls the Feature Store is given at a time: fewer when it refuses, then more again."""


class Pace:
    """Halves with each refusal and grows by one with each success, as TCP does.

    Throttling counts calls a second; fewer at a time is fewer a second whatever one takes.

    Args:
        most: Calls at a time while all goes well.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = most

    @property
    def limit(self) -> int:
        """How many calls may be on their way at present; at least one."""
        return self._limit

    def refused(self) -> None:
        """Say that the store refused a call for now."""
        self._limit = max(1, self._limit // 2)

    def went_well(self) -> None:
        """Say that as many calls as allowed were answered and none was refused for now."""
        self._limit = min(self._most, self._limit + 1)
