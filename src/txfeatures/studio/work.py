"""Creation and deletion as loops: inspect the account, make the calls that are due, wait.

The account is the only state. A process that is killed at any instruction leaves parts of a
Studio, and the next run goes on from them; nothing has a time limit.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.process.runtime import Runtime
from txfeatures.studio.account import Account
from txfeatures.studio.creation import Studio, creations, failed, missing
from txfeatures.studio.parts import Call, Parts, deletions

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The work on one Studio.

    Attributes:
        account: Where it is, or shall be.
        name: Name of the Studio's domain.
        domain_id: A domain given by its id instead, perhaps not of our making.
        pause_s: Seconds between two inspections.
        runtime: The clock and the stop flag.
        report: Receives a sentence per call, and one whenever what is waited for changes.
    """

    account: Account
    name: str
    runtime: Runtime
    report: Report
    domain_id: str | None = None
    pause_s: float = 15.0

    def inspect(self) -> Parts:
        """Return the parts as they are now."""
        return self.account.inspect(self.name, self.domain_id)

    def advance_creation(self, studio: Studio) -> list[str]:
        """Make the calls that are due; return the parts that are waited for, none at the end.

        Raises:
            FatalError: AWS could not make a part, or refused a call.
        """
        parts = self.inspect()
        if reasons := failed(parts):
            raise FatalError(
                f"{'; '.join(reasons)}; run `txfeatures studio delete --name {self.name}` "
                "and create it again"
            )
        if parts.domain is None and (parts.file_systems or parts.security_groups):
            raise FatalError(
                f"a deleted domain, {parts.domain_id}, has left parts behind; finish "
                f"`txfeatures studio delete --name {self.name}` first"
            )
        self._perform(creations(studio, parts))
        return missing(studio, parts)

    def advance_deletion(self) -> list[str]:
        """Make the calls that are due; return the parts that were left before, none at the end."""
        parts = self.inspect()
        self._perform(deletions(parts))
        return [f"{kind} {name} ({state})" for kind, name, state in parts.listed()]

    def create(self, studio: Studio) -> None:
        """Create what is missing of ``studio``, until all of it is in service."""
        self._repeat(lambda: self.advance_creation(studio))

    def delete(self) -> None:
        """Delete every part, until nothing is left."""
        self._repeat(self.advance_deletion)

    def _perform(self, calls: Iterable[Call]) -> None:
        for call in calls:
            if self.account.perform(call):
                self.report(call.sentence)

    def _repeat(self, advance: Callable[[], list[str]]) -> None:
        reported = ""
        while True:
            try:
                waited_for = ", ".join(advance())
            except TransientError as error:
                waited_for = f"AWS; {error}"
            if not waited_for:
                return
            if waited_for != reported:
                self.report(f"waiting for {waited_for}")
                reported = waited_for
            if self.runtime.clock.wait(self.runtime.stop, self.pause_s):
                raise FatalError("stopped before the end; run the same command again to go on")
