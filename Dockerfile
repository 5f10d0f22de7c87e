# The base is pinned by its tag; whoever builds for production adds the digest of it that they
# have checked (python:3.11.14-slim-bookworm@sha256:...), in both places.
FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
# What is locked changes less often than the service: it makes layers of its own.
COPY locks/build.txt locks/runtime.txt locks/
RUN pip install --require-hashes --no-deps --only-binary :all: -r locks/build.txt
RUN python -m venv --without-pip /opt/session-service
RUN pip --python /opt/session-service/bin/python install --require-hashes --no-deps --only-binary :all: -r locks/runtime.txt
COPY pyproject.toml README.md ./
COPY config config
COPY service service
RUN pip wheel --no-deps --no-index --no-build-isolation --wheel-dir wheels .
RUN pip --python /opt/session-service/bin/python install --no-deps --no-index --find-links wheels session-service

FROM python:3.11.14-slim-bookworm AS runtime
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="session-service" \
      org.opencontainers.image.description="The service in which AI chat products keep their conversations." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11.14-slim-bookworm"
RUN groupadd --gid 10001 session \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin session
COPY --from=build /opt/session-service /opt/session-service
# Bytecode is in the image already: nothing is written where the root file system is read-only.
ENV PATH=/opt/session-service/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SESSIONS_HOST=0.0.0.0 \
    SESSIONS_PORT=8000
WORKDIR /opt/session-service
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=6 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['SESSIONS_PORT']), timeout=4); c.request('GET', '/livez'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["session-service"]
CMD ["serve"]
