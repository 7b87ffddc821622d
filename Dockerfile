# The example's image: Warrener with its worker and API extras, and examples/.
FROM python:3.13-slim AS build
RUN python -m venv /opt/warrener
ENV PATH=/opt/warrener/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# The packages first: this layer is built again only when the lock changes.
COPY deploy/requirements.lock /src/
RUN pip install --require-hashes -r /src/requirements.lock
COPY pyproject.toml README.md /src/
COPY broker /src/broker
COPY workers /src/workers
COPY api /src/api
RUN pip install --no-deps /src

FROM python:3.13-slim
# A volume mounted on the reports' directory takes over its owner.
RUN useradd --uid 10001 --home-dir /srv warrener \
    && install -d -o warrener /var/lib/warrener/reports
COPY --from=build /opt/warrener /opt/warrener
COPY examples /srv/examples
WORKDIR /srv
ENV PATH=/opt/warrener/bin:$PATH PYTHONPATH=/srv PYTHONUNBUFFERED=1
USER warrener
CMD ["warrener", "--help"]
