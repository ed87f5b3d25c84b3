"""A model on FastAPI as users write it: `uvicorn fastapi_server:app`, MODEL_FILE names the model."""

import os

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = joblib.load(os.environ["MODEL_FILE"])


class Rows(BaseModel):
    rows: list[dict[str, float | str]]


@app.get("/health")
def health() -> str:
    return "ok"


@app.post("/predict")
def predict(asked: Rows) -> dict[str, list[float]]:
    return {"predictions": model.predict_proba(pd.DataFrame(asked.rows))[:, 1].tolist()}
