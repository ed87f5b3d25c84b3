"""`python -m penstock.pipelines FOLDER FILE`: draws a project's pipelines into a file of JSON."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from penstock.pipelines.survey import survey

if __name__ == "__main__":
    folder, file = sys.argv[1:]
    Path(file).write_bytes(msgspec.json.encode(survey(folder)))
