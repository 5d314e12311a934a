# Not built where the project was written: there was no container runtime. Its steps were run one by one
# on a bare Debian 12, then a small comparison as a --user without an account. envs/apptainer.def is the
# same recipe. The lock holds torch's build for CUDA, which also runs without a GPU; `docker run --gpus
# all` passes one in.
#
#   docker build --tag cmimh .
#   docker run --rm --volume "$PWD:/work" --user "$(id -u):$(id -g)" cmimh \
#     sh -c 'snakemake --snakefile "$(cmimh snakefile)" --cores 2 results/table3.csv'
FROM python:3.11-slim-bookworm

# Before the project's own files, so that a change in these does not install everything again.
COPY envs/requirements.lock /opt/cmimh/envs/requirements.lock
RUN python -m pip install --no-cache-dir --compile --require-hashes \
    --requirement /opt/cmimh/envs/requirements.lock

COPY pyproject.toml setup.py README.md LICENSE Snakefile config.yaml /opt/cmimh/
COPY config /opt/cmimh/config
COPY envs /opt/cmimh/envs
COPY overlays /opt/cmimh/overlays
COPY profiles /opt/cmimh/profiles
COPY workflow /opt/cmimh/workflow
COPY pipeline /opt/cmimh/pipeline
RUN python -m pip install --no-cache-dir --compile --no-deps --no-build-isolation /opt/cmimh

# A user without rights; a home and caches that any other --user may write to as well, and a name for
# one without an account, whom Snakemake asks for it.
ENV HOME=/home/cmimh USER=cmimh
RUN useradd --uid 1000 --create-home cmimh && chmod 1777 /home/cmimh \
    && mkdir /work && chown cmimh /work
USER cmimh
WORKDIR /work
CMD ["cmimh", "--help"]
