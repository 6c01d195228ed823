"""The application: its middleware and its routes."""

from fastapi import FastAPI

from txfeatures import __version__
from txfeatures.process.runtime import Runtime
from txfeatures_api import problems
from txfeatures_api.declared import add_declared
from txfeatures_api.endpoints import add_features
from txfeatures_api.features import Features
from txfeatures_api.head import HeadAsGet
from txfeatures_api.openapi import describe
from txfeatures_api.page.routes import add_page
from txfeatures_api.pipeline import Pipeline, add_pipeline
from txfeatures_api.swagger.routes import add_docs
from txfeatures_api.telemetry import RequestMetrics


def create_app(*, features: Features, pipeline: Pipeline, runtime: Runtime) -> FastAPI:
    """Return the application; nothing runs yet."""
    app = FastAPI(
        title="txfeatures",
        version=__version__,
        description="Features of live Bitcoin transactions, per minute.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the client's Host
    )
    app.add_middleware(RequestMetrics, runtime=runtime)
    app.add_middleware(HeadAsGet)
    problems.install(app)
    declaration = features.declaration
    add_declared(app, declaration.features)
    add_features(app, features)
    add_pipeline(app, pipeline, features.feed_clock)
    add_page(app)
    add_docs(app)
    describe(app, declaration)
    return app
