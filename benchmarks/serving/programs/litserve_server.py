"""A model on LitServe: `litserve_server.py PORT`, MODEL_FILE names the model."""

import os
import sys

import joblib
import litserve
import pandas as pd


class Rows(litserve.LitAPI):
    def setup(self, device) -> None:
        self.model = joblib.load(os.environ["MODEL_FILE"])

    def decode_request(self, request):
        return pd.DataFrame(request["rows"])

    def predict(self, rows):
        return self.model.predict_proba(rows)[:, 1]

    def encode_response(self, output):
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Rows(), accelerator="cpu", workers_per_device=1)
    server.run(port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False, log_level="error")
