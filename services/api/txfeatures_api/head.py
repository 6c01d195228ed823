"""HEAD requests, which the routes would refuse."""

from http import HTTPMethod

from starlette.types import ASGIApp, Message, Receive, Scope, Send

IS_HEAD = "txfeatures.is_head"
"""Key of the scope: the client wants no body, so an endless one need not begin."""


class HeadAsGet:
    """ASGI middleware that answers HEAD as GET without a body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on as a GET and drop the body of its answer."""
        if scope["type"] != "http" or scope["method"] != HTTPMethod.HEAD:
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app(
            {**scope, "method": HTTPMethod.GET.value, IS_HEAD: True}, receive, send_head
        )
