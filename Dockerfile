# All images: `--build-arg SERVICE=dedup` makes a service's, `--target tools` the command's,
# `--target local` that of the local AWS and the source, for tests only.

ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements.lock pyproject.toml LICENSE deploy/docker/locked.py ./
RUN python -m venv --without-pip /opt/venv

# Our own code, apart from what it needs: a change of code changes one small layer of each image.
FROM build AS code
RUN --mount=type=cache,target=/root/.cache/pip \
    python locked.py /usr/local/bin/python hatchling && touch README.md
COPY packages/faust-microbatch packages/faust-microbatch
COPY services services
COPY src/txfeatures src/txfeatures
RUN pip install --quiet --no-deps --no-build-isolation --target /opt/txfeatures \
    ./packages/faust-microbatch .

FROM code AS local-code
COPY packages packages
COPY src/txfeatures_local src/txfeatures_local
RUN pip install --quiet --no-deps --no-build-isolation --upgrade --target /opt/txfeatures \
    ./packages/featurestore-local ./src/txfeatures_local

FROM build AS common-packages
RUN --mount=type=cache,target=/root/.cache/pip \
    python locked.py /opt/venv/bin/python ".[kafka,tracing]"

FROM common-packages AS service-packages
ARG SERVICE=poller
RUN --mount=type=cache,target=/root/.cache/pip \
    python locked.py /opt/venv/bin/python ".[${SERVICE}]"

FROM common-packages AS tools-packages
RUN --mount=type=cache,target=/root/.cache/pip \
    python locked.py /opt/venv/bin/python ".[poller,history]"

FROM build AS local-packages
RUN --mount=type=cache,target=/root/.cache/pip \
    python locked.py /opt/venv/bin/python ".[history]" featurestore-local websockets

FROM ${PYTHON_IMAGE} AS runtime
# The standard library comes uncompiled, and a read-only root would leave it so: half a second
# of each start, and of each health check.
RUN pip uninstall --quiet --yes --root-user-action=ignore pip setuptools wheel \
 && python -m compileall -qq "$(python -c 'import os; print(os.path.dirname(os.__file__))')" || true
RUN groupadd --gid 10001 txfeatures \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
    --shell /usr/sbin/nologin txfeatures \
 && install -d -o 10001 -g 10001 -m 0750 /var/lib/txfeatures
COPY --chmod=0755 deploy/docker/serve deploy/docker/healthy /usr/local/bin/
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/txfeatures \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1
USER 10001:10001
WORKDIR /

FROM runtime AS local
COPY --from=local-packages /opt/venv /opt/venv
COPY --from=local-code /opt/txfeatures /opt/txfeatures
ENTRYPOINT ["python", "-m"]
LABEL org.opencontainers.image.title="txfeatures local" \
      org.opencontainers.image.description="Local AWS and simulated source of txfeatures, for tests"

FROM runtime AS tools
COPY --from=tools-packages /opt/venv /opt/venv
COPY --from=code /opt/txfeatures /opt/txfeatures
ENTRYPOINT ["python", "-m", "txfeatures"]
ARG VERSION=unknown REVISION=unknown SOURCE=unknown
LABEL org.opencontainers.image.title="txfeatures tools" \
      org.opencontainers.image.description="The command txfeatures: bootstrap, history, audit" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"

FROM runtime AS service
COPY --from=service-packages /opt/venv /opt/venv
COPY --from=code /opt/txfeatures /opt/txfeatures
ARG SERVICE=poller
ENV SERVICE=${SERVICE}
EXPOSE 8080
# The api's public port; on 8080 every service has its operations endpoints.
EXPOSE 8000
# Alive, not ready: who replaces unhealthy containers must leave one that restores its state.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["healthy", "/healthz"]
ENTRYPOINT ["serve"]
ARG VERSION=unknown REVISION=unknown SOURCE=unknown
LABEL org.opencontainers.image.title="txfeatures ${SERVICE}" \
      org.opencontainers.image.description="txfeatures: the service ${SERVICE}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}"
