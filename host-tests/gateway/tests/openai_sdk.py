"""Asks a gateway by OpenAI's SDK and prints what it understood, as JSON.

openai_sdk.py BASE_URL plain|stream|refusals
"""

import json
import sys

import openai

base_url, what = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key="none", max_retries=0, timeout=10)
messages = [{"role": "user", "content": "Say hello."}]


def plain():
    answer = client.chat.completions.create(model="m", messages=messages)
    return {"content": answer.choices[0].message.content, "total_tokens": answer.usage.total_tokens}


def stream():
    content, usage = "", None
    options = {"include_usage": True}
    for chunk in client.chat.completions.create(model="m", messages=messages, stream=True, stream_options=options):
        content += "".join(choice.delta.content or "" for choice in chunk.choices)
        usage = chunk.usage or usage
    return {"content": content, "total_tokens": usage.total_tokens}


def refusals():
    return [refused(model="unknown"), refused(model="m", extra_headers={"x-slo-ttft-ms": "fast"})]


def refused(**arguments):
    try:
        client.chat.completions.create(messages=messages, **arguments)
    except openai.APIStatusError as error:
        return {"exception": type(error).__name__, "code": error.code}


print(json.dumps({"plain": plain, "stream": stream, "refusals": refusals}[what]()))
