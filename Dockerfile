# One image for every role: the command line, what it needs in the versions of constraints.txt, and nothing to build with.
#
#   docker build -t rendezvous .        # --build-arg PIP_INDEX_URL=... for another package index
#   docker run --rm rendezvous --help

FROM python:3.11-slim AS libraries
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# Known to the two stages that build, and in no layer of what is shipped.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
WORKDIR /build
RUN python3 -m venv --without-pip /opt/libraries
# The package without its code: its libraries alone, installed anew only when one of these files changes. Google's client describes
# five hundred products of theirs in 100 MB; we use one.
COPY pyproject.toml constraints.txt LICENSE ./
RUN python3 -m pip --python /opt/libraries/bin/python install --constraint constraints.txt . \
    && python3 -m pip --python /opt/libraries/bin/python uninstall --yes rendezvous \
    && find /opt/libraries -path '*/discovery_cache/documents/*' ! -name 'calendar.v3.json' -delete

FROM libraries AS code
COPY . .
RUN python3 -m pip --python /opt/libraries/bin/python install --no-deps --target /opt/rendezvous .

FROM python:3.11-slim
# A number as well, for orchestrators that ask for proof that it is not root.
RUN useradd --system --uid 10001 --create-home --home-dir /data rendezvous
COPY --from=libraries /opt/libraries /opt/libraries
COPY --from=code /opt/rendezvous /opt/rendezvous
ENV PATH=/opt/rendezvous/bin:/opt/libraries/bin:$PATH \
    PYTHONPATH=/opt/rendezvous \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RENDEZVOUS_DATA=/data \
    RENDEZVOUS_HOST=0.0.0.0
USER 10001
WORKDIR /data
EXPOSE 8321 9321
# The program itself is process 1 and meets SIGTERM: it finishes its batch, commits and leaves.
ENTRYPOINT ["rendezvous"]
CMD ["--help"]
