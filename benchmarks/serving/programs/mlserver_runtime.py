"""A model on MLServer, as its documentation writes a runtime of one's own; rows come as columns."""

import os

import joblib
import numpy as np
import pandas as pd
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, PandasCodec


class Rows(MLModel):
    async def load(self) -> bool:
        self.model = joblib.load(os.environ["MODEL_FILE"])
        return True

    async def predict(self, payload):
        rows = pd.DataFrame(PandasCodec.decode_request(payload))
        answer = np.asarray(self.model.predict_proba(rows)[:, 1])
        from mlserver.types import InferenceResponse

        return InferenceResponse(
            model_name=self.name, outputs=[NumpyCodec.encode_output(name="predictions", payload=answer)]
        )
