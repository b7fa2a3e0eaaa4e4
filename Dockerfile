# echokit in a container; docs/install.md shows how to run it.
#
#   docker build -t echokit .                                        NVIDIA GPUs, and machines without one
#   docker build -t echokit:cpu --build-arg TORCH_INDEX=URL .        CPUs only, some GB smaller
#
# URL is the index of CPU wheels that the page "Get started" of PyTorch shows after --index-url.
FROM python:3.12-slim

ARG TORCH_INDEX=""

# What the wheels of OpenCV and PyTorch expect of the system.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 libgomp1 \
    && rm -rf /var/lib/apt/lists/*

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1

# torch first: it is the largest layer and changes least.
WORKDIR /opt/echokit
COPY constraints.txt ./
RUN python -m pip install -c constraints.txt ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} torch torchvision

COPY pyproject.toml README.md LICENSE ./
COPY echokit echokit
COPY recipes recipes
COPY benchmarks benchmarks
RUN python -m pip install -c constraints.txt .

# /cache keeps prepared clips and the key of the pseudonyms: mount a volume. Runs appear in /work/runs. Any user may write there.
RUN mkdir -m 1777 /cache /work
ENV ECHOKIT_CACHE=/cache MPLCONFIGDIR=/tmp USER=echokit
WORKDIR /work
ENTRYPOINT ["echokit"]
CMD ["run", "ef_112"]
