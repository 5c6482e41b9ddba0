# One recipe for all images: docker build --build-arg PACKAGE=feature_service .
#   PACKAGE       the distribution that the image runs
#   REQUIREMENTS  the file of pins below requirements/, where it is not named like the package
#   INTERNAL      our own distributions that it needs, apart from itself
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ARG PACKAGE
ARG REQUIREMENTS=${PACKAGE}
ARG INTERNAL="shared_schemas service_kit"
# Pins before code: an edit of ours does not install the world anew.
COPY requirements/${REQUIREMENTS}.txt /build/requirements.txt
RUN python3 -m venv /app \
 && /app/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /build/requirements.txt
COPY shared_schemas /build/shared_schemas
COPY decision_log /build/decision_log
COPY console /build/console
COPY docs /build/docs
COPY service_kit /build/service_kit
COPY ${PACKAGE} /build/${PACKAGE}
RUN cd /build \
 && for distribution in ${INTERNAL} ${PACKAGE}; do \
      /app/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation "./${distribution}" || exit 1; done \
 && /app/bin/pip uninstall --yes --quiet flit_core pip \
 && /app/bin/python -m compileall -q /app/lib

FROM ${PYTHON_IMAGE}
ARG PACKAGE
COPY --from=build /app /app
# What docker-compose.yml runs once, and its health check.
COPY --chmod=755 deploy/compose /compose
# Folders that volumes are mounted on: a new volume takes over whose they are.
RUN mkdir -p /training /models /decision_log /run/owner /run/reader /run/decision_owner /run/decision_writer /run/decision_sequencer /run/decision_monitor \
 && chown 10001:10001 /training /models /run/owner /run/reader /run/decision_owner /run/decision_writer /run/decision_sequencer /run/decision_monitor \
 # Of the sequencer alone, which signs with the key in it.
 && chown 10002:10002 /decision_log && chmod 700 /decision_log
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PACKAGE=${PACKAGE} OMP_NUM_THREADS=1 MPLCONFIGDIR=/tmp
USER 10001:10001
WORKDIR /tmp
# exec: the service itself gets the signal to stop.
CMD ["sh", "-c", "exec python -m ${PACKAGE}"]
