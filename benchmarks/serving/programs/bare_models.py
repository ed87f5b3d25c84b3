"""The same model so many times in a process that has nothing else: `bare_models.py FOLDER LOADED`."""

import os
import sys
from pathlib import Path

import onnxruntime


def session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def main(folder: Path, loaded: int) -> None:
    model = (folder / "a.onnx").read_bytes()
    sessions = [session(model)]
    print("up", os.getpid(), flush=True)
    for _ in sys.stdin:
        sessions += [session(model) for _ in range(loaded - 1)]
        print(len(sessions), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
