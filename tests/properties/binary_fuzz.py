"""Feeds the decoder of inference requests what atheris makes of the branches that it takes.

`-runs=N -seed=S`; it ends with an error as soon as the decoder raises anything but its own refusal.
"""

import sys
from contextlib import suppress

import atheris

with atheris.instrument_imports(include=["penstock.serving"]):
    from penstock.core.errors import InvalidRequest
    from penstock.serving.decode import decode_request
    from penstock.testing.prediction import SIGMOID_SIGNATURE

HEAD = (
    b'{"inputs":[{"name":"wind","shape":[1],"datatype":"FP64","parameters":{"binary_data_size":8}},'
    b'{"name":"carrier","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":6}}]}'
)


def once(data: bytes) -> None:
    """Tensors behind a head that announces them, or a head of its own."""
    made = atheris.FuzzedDataProvider(data)
    own = made.ConsumeBool()
    length = made.ConsumeIntInRange(0, 400)
    body = made.ConsumeBytes(made.remaining_bytes())
    with suppress(InvalidRequest):
        if own:
            decode_request(body, SIGMOID_SIGNATURE, min(length, len(body)))
        else:
            decode_request(HEAD + body, SIGMOID_SIGNATURE, len(HEAD))


atheris.Setup(sys.argv, once)
atheris.Fuzz()
