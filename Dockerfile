# The image of the service. It holds no PostgreSQL and no Redis: those are named by the settings (.env.example).
#
#   docker build -t zerosum .
#   docker run --rm -p 8080:8080 --env-file .env zerosum
#
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /build
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN python3 -m venv /opt/zerosum \
    && /opt/zerosum/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY alembic ./alembic
COPY src ./src
RUN /opt/zerosum/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .

FROM ${BASE}
# A number, so that an orchestrator can see that it is not root.
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent zerosum
COPY --from=build /opt/zerosum /opt/zerosum
ENV PATH=/opt/zerosum/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ZEROSUM_HOST=0.0.0.0 \
    ZEROSUM_PORT=8080 \
    ZEROSUM_METRICS_DIR=/tmp/zerosum-metrics
USER 10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
ENTRYPOINT ["zerosum"]
CMD ["serve"]
