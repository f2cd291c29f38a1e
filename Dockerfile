# The workflow and its pip environment: `docker build --tag visual-search .`, then docs/module.md. The
# base is pinned by tag, as its digest changes with each of Debian's security updates.
FROM docker.io/library/python:3.11-slim-bookworm AS environment
RUN apt-get update && apt-get install --yes --no-install-recommends g++ make
WORKDIR /build
COPY Makefile requirements-lock.txt ./
COPY install install
# As on any machine: the lock's very files, and annoy compiled to run anywhere. With --build-arg CPU=1
# PyTorch comes without CUDA.
ARG CPU
RUN PIP_NO_CACHE_DIR=1 make CPU=$CPU VENV=/opt/venv /opt/venv/.packages-installed

FROM docker.io/library/python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="visual-search" org.opencontainers.image.licenses="MIT"
# Open to whatever --user runs as; a name, as Snakemake asks who that is.
RUN useradd --uid 1000 searcher && install --directory --mode 1777 /work
COPY --from=environment /opt/venv /opt/venv
COPY . /opt/visual-search
# Results, Snakemake's records and downloaded weights outlive the container in this one folder.
ENV PATH=/opt/venv/bin:$PATH LOGNAME=searcher HOME=/work XDG_CACHE_HOME=/work/.cache
USER searcher
WORKDIR /work
VOLUME /work
CMD ["snakemake", "--snakefile", "/opt/visual-search/Snakefile", "--cores", "all", \
     "--configfile", "/opt/visual-search/config/demo.yaml"]
