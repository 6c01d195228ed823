"""Both clients behind one face, so that each test runs on all of them."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from txfeatures.client import AsyncFeatures, Features, Retries, Row

AT_ONCE = Retries(first_s=0.001, max_s=0.01)


@dataclass(frozen=True, slots=True)
class Client:
    """A client that lives for one call; ``kind`` is ``sync`` or ``async``."""

    kind: str
    url: str

    def call(self, name: str, *arguments: Any, **options: Any) -> Any:
        settings = {"retries": AT_ONCE, **options.pop("client", {})}
        if self.kind == "sync":
            with Features(self.url, **settings) as features:
                return getattr(features, name)(*arguments, **options)

        async def run() -> Any:
            async with AsyncFeatures(self.url, **settings) as features:
                return await getattr(features, name)(*arguments, **options)

        return asyncio.run(run())

    def take(self, number: int, on_row: Any = None, **options: Any) -> list[Row]:
        """Return the first rows of the stream; ``on_row`` is called after each."""
        settings = {"retries": AT_ONCE, **options.pop("client", {})}
        found: list[Row] = []
        react = on_row or (lambda _: None)
        if self.kind == "sync":
            with Features(self.url, **settings) as features:
                for row in features.stream(**options):
                    found.append(row)
                    react(row)
                    if len(found) == number:
                        break
            return found

        async def run() -> None:
            async with (
                AsyncFeatures(self.url, **settings) as features,
                aclosing(features.stream(**options)) as rows,
            ):
                async for row in rows:
                    found.append(row)
                    react(row)
                    if len(found) == number:
                        break

        asyncio.run(run())
        return found
