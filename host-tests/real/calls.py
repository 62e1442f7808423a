"""llama.cpp's APIs, one request each."""

TEXT = "Name three colours."
MESSAGES = [{"role": "user", "content": TEXT}]
STEADY = {"temperature": 0, "seed": 1}

# Path and body of what generates, the body's field that bounds it, and what the stream's first output has in it.
GENERATING = {
    "chat": ("/v1/chat/completions", {"messages": MESSAGES}, "max_tokens", b'"delta":{"content":"'),
    "completions": ("/v1/completions", {"prompt": TEXT}, "max_tokens", b'"text":"'),
    "responses": ("/v1/responses", {"input": TEXT}, "max_output_tokens", b"output_text.delta"),
    "messages": ("/v1/messages", {"messages": MESSAGES}, "max_tokens", b"text_delta"),
    "own completion": ("/completion", {"prompt": TEXT}, "n_predict", b'"content":"'),
    "own completions": ("/completions", {"prompt": TEXT}, "n_predict", b'"content":"'),
    "own chat": ("/chat/completions", {"messages": MESSAGES}, "max_tokens", b'"delta":{"content":"'),
}
TOOL = {"type": "function", "function": {"name": "paint", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}
# What changes the form of answers: the API, more fields, and whether the parts of the stream have an order.
FORMS = {
    "progress": ("chat", {"return_progress": True}, True),
    "likelihoods": ("chat", {"logprobs": True, "top_logprobs": 2, "timings_per_token": True}, True),
    "tools": ("chat", {"tools": [TOOL]}, True),
    "a schema": ("chat", {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}}, True),
    "two choices": ("chat", {"n": 2}, False),
    "own likelihoods": ("own completion", {"n_probs": 2, "return_tokens": True}, True),
    "two prompts": ("completions", {"prompt": ["one", "two"]}, False),
    "own two prompts": ("own completion", {"prompt": ["one", "two"]}, False),
}
# Path and body of what has no output.
JUDGING = {
    "embeddings": ("/v1/embeddings", {"model": "embed", "input": ["one", "two words"]}),
    "own embedding": ("/embedding", {"model": "embed", "content": TEXT}),
    "rerank": ("/v1/rerank", {"model": "rank", "query": "red", "documents": ["a colour", "a house"]}),
}
# What is no generation, and is passed.
PASSED = {
    "tokenize": ("/tokenize", {"content": TEXT}),
    "detokenize": ("/detokenize", {"tokens": [28120, 905]}),
    "template": ("/apply-template", {"messages": MESSAGES}),
    "count": ("/v1/messages/count_tokens", {"model": "smollm2", "messages": MESSAGES}),
}


def generating(name, tokens=12, model="smollm2", **more):
    path, body, limit, _ = GENERATING[name]
    return path, {"model": model, **body, limit: tokens, **STEADY, **more}
