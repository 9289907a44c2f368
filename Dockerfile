# The image of every part of imgpipe: `docker build -t imgpipe .`, then `docker run imgpipe --help`.
# Base images are pinned by version, not by digest: whoever deploys this should add the digest that he has checked
# (`docker buildx imagetools inspect python:3.12.8-slim-bookworm`).

FROM python:3.12.8-slim-bookworm AS build
WORKDIR /build
COPY requirements/run.txt requirements/
RUN python -m venv /opt/imgpipe \
    && /opt/imgpipe/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY cli cli
RUN /opt/imgpipe/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps .

FROM python:3.12.8-slim-bookworm
ENV PATH=/opt/imgpipe/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin imgpipe \
    && install --directory --owner imgpipe --group imgpipe /srv/pictures
COPY --from=build /opt/imgpipe /opt/imgpipe
USER 10001:10001
WORKDIR /srv/pictures
STOPSIGNAL SIGTERM
ENTRYPOINT ["imgpipe"]
CMD ["--help"]
