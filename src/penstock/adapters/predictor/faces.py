"""The protocols in which predictions are asked for: how each reads a request, answers it and refuses it."""

from __future__ import annotations

import csv
import io
from functools import lru_cache
from typing import Any, Protocol

from penstock.adapters.predictor.http import MOST_BYTES, Reply, Request, json, version_number
from penstock.core.errors import InvalidRequest, TooLarge, UnsupportedMedia
from penstock.models.types import Signature
from penstock.serving.columns import Block, Question, Row
from penstock.serving.decode import decode_request, fits_id
from penstock.serving.encode import encode_answer, encode_error, encode_with_bytes
from penstock.serving.lookups import Keyed
from penstock.serving.quick import read_known
from penstock.serving.rows import (
    encode_predictions,
    encode_rows,
    read_instances,
    read_invocation,
    read_rows,
    read_table,
    read_texts,
)
from penstock.serving.types import Answer, ServedVersion

JSON_LENGTH = b"inference-header-content-length"
MOST_ROWS = 1_000_000
"""Of a Parquet file, whose few bytes may stand for any number of rows."""
_BYTES = b"application/octet-stream"
_MLFLOW_CODES = {404: "RESOURCE_DOES_NOT_EXIST", 503: "TEMPORARILY_UNAVAILABLE"}


class Face(Protocol):
    """A request for predictions of a `model` (empty: the only one), of version `number` (0: the champion)."""

    model: str
    number: int

    def read(self, request: Request, served: ServedVersion) -> Question | Keyed:
        """What is asked, or would be if what stands online were filled in.

        Raises InvalidRequest, or UnsupportedMedia.
        """
        ...

    def read_known(self, request: Request, served: ServedVersion) -> Row | Block | None:
        """What is asked, if it can be read most quickly; in the loop only."""
        ...

    def write(self, answer: Answer, question: Question, signature: Signature) -> Reply:
        """The answer. Raises InvalidRequest for an output that there is not."""
        ...

    def refuse(self, status: int, sentence: str) -> Reply:
        """A refusal."""
        ...


@lru_cache(1024)
def face_of(method: str, path: str) -> Face | None:  # noqa: PLR0911 - a table of routes
    """The protocol that a request is in; None for one that asks for no predictions. Raises NotFound."""
    if method != "POST":
        return None
    match path.split("/")[1:]:
        case ["v2", "models", model, "infer"]:
            return Inference(model)
        case ["v2", "models", model, "versions", text, "infer"]:
            return Inference(model, version_number(text))
        case ["predict", model]:
            return Rows(model)
        case ["invocations"]:
            return Invocation("")
        case ["invocations", model]:
            return Invocation(model)
        case ["v1", "models", name] if name.endswith(":predict"):
            return Instances(name.removesuffix(":predict"))
    return None


class Rows:
    """Our own: rows in, a row out for each."""

    def __init__(self, model: str, number: int = 0) -> None:
        self.model = model
        self.number = number

    def read(self, request: Request, served: ServedVersion) -> Question | Keyed:
        """See `Face.read`."""
        return read_rows(request.body, served)

    def read_known(self, request: Request, served: ServedVersion) -> Row | Block | None:  # noqa: ARG002 - the same
        """See `Face.read_known`."""
        return None

    def write(self, answer: Answer, question: Question, signature: Signature) -> Reply:
        """See `Face.write`."""
        return Reply(200, encode_rows(answer, question, signature))

    def refuse(self, status: int, sentence: str) -> Reply:
        """See `Face.refuse`."""
        return Reply(status, encode_error(sentence))


class Inference(Rows):
    """The Open Inference Protocol v2, with its binary extension."""

    def read(self, request: Request, served: ServedVersion) -> Question:
        """See `Face.read`."""
        body, length = request.body, request.header(JSON_LENGTH)
        if not length:
            return decode_request(body, served.signature)
        if not length.isdigit() or int(length) > len(body):
            raise InvalidRequest(
                what="The length of the JSON is wrong",
                expected=f"Inference-Header-Content-Length of at most {len(body)}",
                found=length.decode(errors="replace")[:20],
            )
        return decode_request(body, served.signature, int(length))

    def read_known(self, request: Request, served: ServedVersion) -> Row | Block | None:
        """See `Face.read_known`."""
        if JSON_LENGTH in request.headers:
            return None
        read = read_known(request.body, served.signature)
        return read if read is None or not read.id or fits_id(read.id) else None

    def write(self, answer: Answer, question: Question, signature: Signature) -> Reply:  # noqa: ARG002 - the same
        """See `Face.write`."""
        if not question.binary:
            return Reply(200, encode_answer(answer, question.outputs, question.explained))
        body, length = encode_with_bytes(answer, question.outputs, question.binary, question.explained)
        return Reply(200, body, _BYTES, ((JSON_LENGTH, str(length).encode()),))


class Instances(Rows):
    """KServe's first protocol."""

    def read(self, request: Request, served: ServedVersion) -> Question:
        """See `Face.read`."""
        return read_instances(request.body, served.signature)

    def write(self, answer: Answer, question: Question, signature: Signature) -> Reply:
        """See `Face.write`."""
        return Reply(200, encode_predictions(answer, question, signature))


class Invocation(Instances):
    """MLflow's scoring server: four forms of JSON, CSV with a header, or Parquet."""

    def read(self, request: Request, served: ServedVersion) -> Question:
        """See `Face.read`."""
        media, _, more = request.header(b"content-type").decode("latin-1").partition(";")
        if more.strip().lower() not in {"", "charset=utf-8"}:
            raise UnsupportedMedia(expected="no parameter but charset=utf-8", found=more.strip())
        match media.strip().lower():
            case "application/json":
                return read_invocation(request.body, served.signature)
            case "text/csv":
                return read_texts(_csv(request.body), served.signature)
            case "application/vnd.apache.parquet":
                return read_table(_parquet(request.body), served.signature)
        raise UnsupportedMedia(
            expected="application/json, text/csv or application/vnd.apache.parquet", found=media or "none"
        )

    def refuse(self, status: int, sentence: str) -> Reply:
        """See `Face.refuse`."""
        code = _MLFLOW_CODES.get(status, "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST")
        return json({"error_code": code, "message": sentence}, status)


def _csv(body: bytes) -> dict[str, list[str]]:
    try:
        lines = list(csv.DictReader(io.StringIO(body.decode()), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequest(what="The request is not CSV", found=str(error)) from None
    uneven = next((at for at, line in enumerate(lines) if None in line or None in line.values()), -1)
    if uneven >= 0:
        raise InvalidRequest(expected="as many values as columns in each line", found=f"line {uneven + 2}")
    names = list(lines[0]) if lines else []
    return {name: [line[name] for line in lines] for name in names}


def _parquet(body: bytes) -> dict[str, list[Any]]:
    """The columns of a Parquet file. Raises InvalidRequest, and TooLarge for one that unfolds to too much."""
    import polars as pl  # few requests need it

    try:
        rows = pl.scan_parquet(io.BytesIO(body)).select(pl.len()).collect().item()
        if rows > MOST_ROWS:
            raise TooLarge(
                expected=f"at most {MOST_ROWS} rows", found=str(rows), fix="penstock batch takes any."
            )
        frame = pl.read_parquet(io.BytesIO(body))
        texts = (
            frame.select(pl.col(pl.String).str.len_bytes().sum()).row(0) if pl.String in frame.dtypes else ()
        )
        if sum(texts) > MOST_BYTES:
            raise TooLarge(
                expected=f"at most {MOST_BYTES // 1024**2} MiB of texts", found=f"{sum(texts)} bytes"
            )
        return frame.to_dict(as_series=False)
    except pl.exceptions.PolarsError as error:
        raise InvalidRequest(what="The request is not Parquet", found=str(error).split("\n")[0]) from None
