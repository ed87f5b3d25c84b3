#!/bin/sh
# What a build does, as far as the usual tools do it: by_hand.sh REPOSITORY BRANCH OUTPUT PENSTOCK.whl,
# in an empty folder. A lock that held Penstock would bring it from uv's cache too, so the index is not asked.
set -eu
git clone --quiet --branch "$2" "$1" checkout
cd checkout
uv sync --frozen --quiet
uv pip install --quiet --offline "$4"
uv run --no-sync pytest --quiet --junitxml "$3/report.xml"
uv build --quiet --wheel --out-dir "$3"
uv export --frozen --no-dev --no-emit-project --quiet --output-file "$3/requirements.txt"
uv export --frozen --no-dev --quiet --format cyclonedx1.5 --preview-features sbom-export --output-file "$3/sbom.json"
