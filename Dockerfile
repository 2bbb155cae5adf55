# One file, four images: `docker build --target gateway|worker|worker-gpu|train .`
# Packages are those of deploy/requirements, with their hashes (`make lock`). What an image needs lies in /opt/venv,
# which a stage builds and the image takes over: no compiler, no pip cache, no source tree comes along. The classic
# builder makes every stage up to the one that is asked for, so the smallest come first.
ARG PYTHON=python:3.11-slim-bookworm

FROM ${PYTHON} AS base
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 ORT_DISABLE_TELEMETRY=1
RUN groupadd --gid 10001 mien \
 && useradd --uid 10001 --gid mien --no-create-home --home-dir /var/lib/mien --shell /usr/sbin/nologin mien \
 && install -d -o mien -g mien -m 700 /var/lib/mien /var/lib/mien/blobs
LABEL org.opencontainers.image.title="Mien" \
      org.opencontainers.image.description="What faces in a video show over time." \
      org.opencontainers.image.licenses="MIT"

# Mien itself: the package as a wheel, and the applications, which run from where they lie.
FROM base AS wheel
COPY pyproject.toml README.md LICENSE /src/
COPY mien /src/mien
RUN python -m venv /opt/build && /opt/build/bin/pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /src

FROM base AS gateway-venv
COPY deploy/requirements/gateway.txt /tmp/requirements.txt
RUN python -m venv /opt/venv && pip install --no-cache-dir --no-deps --require-hashes -r /tmp/requirements.txt
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir --no-deps /wheels/*.whl && pip uninstall --yes pip setuptools \
 && echo /opt/mien > "$(python -c 'import site; print(site.getsitepackages()[0])')/mien-applications.pth"

FROM base AS gateway
COPY --from=gateway-venv /opt/venv /opt/venv
COPY service /opt/mien/service
ENV MIEN_HOST=0.0.0.0 MIEN_BLOBS_DIR=/var/lib/mien/blobs MIEN_METRICS_HOST=0.0.0.0 MIEN_GATEWAY_METRICS_PORT=9100
USER mien
WORKDIR /var/lib/mien
VOLUME /var/lib/mien/blobs
EXPOSE 8000 50051 9100
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["python", "-m", "service.gateway"]

FROM base AS worker-venv
COPY deploy/requirements/worker.txt /tmp/requirements.txt
RUN python -m venv /opt/venv && pip install --no-cache-dir --no-deps --require-hashes -r /tmp/requirements.txt
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir --no-deps /wheels/*.whl && pip uninstall --yes pip setuptools \
 && echo /opt/mien > "$(python -c 'import site; print(site.getsitepackages()[0])')/mien-applications.pth"

FROM base AS worker-base
ENV MIEN_BLOBS_DIR=/var/lib/mien/blobs MIEN_METRICS_HOST=0.0.0.0
USER mien
WORKDIR /var/lib/mien
VOLUME /var/lib/mien/blobs
EXPOSE 9101
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9101/metrics', timeout=4)"]
# Python itself is the first process, so that SIGTERM reaches it and the work under way can end.
CMD ["python", "-m", "service.worker"]

FROM worker-base AS worker
COPY --from=worker-venv /opt/venv /opt/venv
COPY service /opt/mien/service

FROM base AS worker-gpu-venv
COPY deploy/requirements/worker-gpu.txt /tmp/requirements.txt
RUN python -m venv /opt/venv && pip install --no-cache-dir --no-deps --require-hashes -r /tmp/requirements.txt
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir --no-deps /wheels/*.whl && pip uninstall --yes pip setuptools \
 && echo /opt/mien > "$(python -c 'import site; print(site.getsitepackages()[0])')/mien-applications.pth"

FROM worker-base AS worker-gpu
COPY --from=worker-gpu-venv /opt/venv /opt/venv
COPY service /opt/mien/service
ENV MIEN_PROVIDERS='["cuda"]' NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,video

FROM base AS train-venv
COPY deploy/requirements/train.txt /tmp/requirements.txt
RUN python -m venv /opt/venv && pip install --no-cache-dir --no-deps --require-hashes -r /tmp/requirements.txt
COPY --from=wheel /wheels /wheels
RUN pip install --no-cache-dir --no-deps /wheels/*.whl && pip uninstall --yes pip \
 && echo /opt/mien > "$(python -c 'import site; print(site.getsitepackages()[0])')/mien-applications.pth"

FROM base AS train
# OpenGL without a screen or a card, for `mien-model render`.
RUN apt-get update -qq \
 && apt-get install -qq -y --no-install-recommends libegl1 libgl1-mesa-dri > /dev/null \
 && rm -rf /var/lib/apt/lists/*
COPY --from=train-venv /opt/venv /opt/venv
COPY service /opt/mien/service
COPY model /opt/mien/model
USER mien
WORKDIR /var/lib/mien
CMD ["mien-model", "--help"]
