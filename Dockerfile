# The image of the service: Zerosum and what it needs to run, nothing else. It holds no PostgreSQL, no Redis, no pip, no
# compiler and no secret; the settings (.env.example) name the servers and bring the secrets.
#
#   docker build --tag zerosum .
#   docker run --rm --publish 127.0.0.1:8080:8080 --env-file zerosum.env zerosum
#
# Any image of Debian with Python 3.11 or newer will do: docker build --build-arg PYTHON_IMAGE=…
ARG PYTHON_IMAGE=python:3.13.16-slim-bookworm@sha256:a1165e272e578941b84abc79e4ab38a0305cd12803a5c4247979ac7655f4d641

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# The tools stay in this stage. --only-binary: nothing of others is built, so no compiler is needed and no setup.py is run.
COPY requirements-build.lock requirements-image.lock ./
RUN python3 -m venv /opt/tools \
    && /opt/tools/bin/pip install --require-hashes --only-binary=:all: -r requirements-build.lock \
    && python3 -m venv --without-pip /opt/zerosum \
    && /opt/tools/bin/pip --python /opt/zerosum/bin/python install \
        --require-hashes --only-binary=:all: -r requirements-image.lock
# Wheels carry what only a debugger reads, and tests of their own: 30 MB.
# hadolint ignore=DL3008
RUN apt-get update -qq && apt-get install -qq --yes --no-install-recommends binutils \
    && find /opt/zerosum/lib -name '*.so' -exec strip --strip-debug {} + \
    && find /opt/zerosum/lib -type d \( -name tests -o -name testing -o -name _testbase \) -prune -exec rm -r {} +
COPY pyproject.toml README.md LICENSE ./
COPY alembic ./alembic
COPY src ./src
RUN /opt/tools/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir dist . \
    && /opt/tools/bin/pip --python /opt/zerosum/bin/python install --no-deps --no-index dist/*.whl \
    && /opt/zerosum/bin/zerosum --version

FROM ${PYTHON_IMAGE}
# The base image brings pip, which nobody needs here but an intruder. The folders of pip differ between Python's image and
# Debian's. The user is a number, so that an orchestrator can see that it is not root; a volume at /var/lib/zerosum
# becomes this user's.
RUN rm -rf /usr/local/bin/pip* /usr/local/bin/idle* /usr/share/python-wheels \
        /usr/local/lib/python3.*/site-packages/pip* /usr/local/lib/python3.*/ensurepip /usr/lib/python3.*/ensurepip \
    && useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin zerosum \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/zerosum
COPY --from=build /opt/zerosum /opt/zerosum
COPY deploy/container/ /usr/local/lib/zerosum/
ENV PATH=/opt/zerosum/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ZEROSUM_HOST=0.0.0.0 \
    ZEROSUM_PORT=8080
USER 10001:10001
WORKDIR /var/lib/zerosum
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python3", "-I", "/usr/local/lib/zerosum/healthcheck.py"]
ENTRYPOINT ["zerosum"]
CMD ["serve"]
