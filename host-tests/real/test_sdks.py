"""OpenAI's, Anthropic's and LiteLLM's SDKs: answers, streams, the server's errors and the filter's refusals."""

import anthropic
import litellm
import openai
import pytest

from calls import MESSAGES, TEXT

TOKENS = 8
BAD_OBJECTIVE = {"x-slo-ttft-ms": "fast"}
# The server refuses it; SDKs and the filter leave it to the server.
BAD_TEMPERATURE = "hot"


@pytest.fixture(params=[False, True], ids=["plain", "streamed"])
def stream(request):
    return request.param


class TestOpenAI:
    @pytest.fixture
    def client(self, gateway):
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as it:
            yield it

    def test_chat(self, client, stream):
        options = {"stream_options": {"include_usage": True}} if stream else {}
        answer = client.chat.completions.create(
            model="smollm2", messages=MESSAGES, max_tokens=TOKENS, stream=stream, **options
        )
        if stream:
            chunks = list(answer)
            assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
            assert chunks[-1].usage.completion_tokens == TOKENS
        else:
            assert answer.choices[0].message.content
            assert answer.usage.completion_tokens == TOKENS

    def test_completions(self, client, stream):
        answer = client.completions.create(model="smollm2", prompt=TEXT, max_tokens=TOKENS, stream=stream)
        chunks = list(answer) if stream else [answer]
        assert "".join(choice.text for chunk in chunks for choice in chunk.choices)
        assert chunks[-1].choices[0].finish_reason in ("length", "stop")

    def test_responses(self, client, stream):
        answer = client.responses.create(model="smollm2", input=TEXT, max_output_tokens=TOKENS, stream=stream)
        if stream:
            *_, last = answer
            assert last.type == "response.completed"
            answer = last.response
        assert answer.status == "completed"
        assert answer.usage.output_tokens == TOKENS

    def test_embeddings(self, client):
        answer = client.embeddings.create(model="embed", input=["one", "two"])
        assert [len(it.embedding) for it in answer.data] == [576, 576]

    def test_errors(self, client, stream):
        def ask(**more):
            return client.chat.completions.create(messages=MESSAGES, stream=stream, **more)

        with pytest.raises(openai.BadRequestError, match="temperature"):
            ask(model="smollm2", temperature=BAD_TEMPERATURE)
        with pytest.raises(openai.BadRequestError) as refused:
            ask(model="smollm2", extra_headers=BAD_OBJECTIVE)
        assert refused.value.code == "slo_header_malformed"
        with pytest.raises(openai.NotFoundError) as unknown:
            ask(model="another")
        assert unknown.value.code == "model_not_found"

    def test_models(self, client):
        assert next(iter(client.models.list())).id in ("smollm2", "embed", "rank")


class TestAnthropic:
    @pytest.fixture
    def client(self, gateway):
        with anthropic.Anthropic(base_url=gateway.url, api_key="none", max_retries=0) as it:
            yield it

    def test_messages(self, client):
        answer = client.messages.create(model="smollm2", messages=MESSAGES, max_tokens=TOKENS)
        assert answer.content[0].text
        assert (answer.stop_reason, answer.usage.output_tokens) == ("max_tokens", TOKENS)

    def test_a_stream(self, client):
        with client.messages.stream(model="smollm2", messages=MESSAGES, max_tokens=TOKENS) as stream:
            text = "".join(stream.text_stream)
            answer = stream.get_final_message()
        assert text == answer.content[0].text != ""
        assert answer.usage.output_tokens == TOKENS

    def test_errors(self, client, stream):
        def ask(**more):
            return client.messages.create(messages=MESSAGES, max_tokens=TOKENS, stream=stream, **more)

        with pytest.raises(anthropic.BadRequestError, match="temperature"):
            ask(model="smollm2", extra_body={"temperature": BAD_TEMPERATURE})
        with pytest.raises(anthropic.BadRequestError) as refused:
            ask(model="smollm2", extra_headers=BAD_OBJECTIVE)
        assert refused.value.body["error"]["type"] == "invalid_request_error"
        assert refused.value.response.headers["x-slo-router-reason"] == "slo_header_malformed"
        with pytest.raises(anthropic.NotFoundError):
            ask(model="another")

    def test_counting(self, client):
        assert client.messages.count_tokens(model="smollm2", messages=MESSAGES).input_tokens > 0


class TestLiteLLM:
    @pytest.fixture
    def settings(self, gateway):
        return {"api_base": f"{gateway.url}/v1", "api_key": "none", "num_retries": 0, "max_retries": 0}

    def test_chat(self, settings, stream):
        answer = litellm.completion("openai/smollm2", MESSAGES, max_tokens=TOKENS, stream=stream, **settings)
        if stream:
            assert "".join(chunk.choices[0].delta.content or "" for chunk in answer)
        else:
            assert answer.choices[0].message.content
            assert answer.usage.completion_tokens == TOKENS

    def test_messages(self, settings, gateway, stream):
        settings |= {"api_base": gateway.url}
        answer = litellm.completion("anthropic/smollm2", MESSAGES, max_tokens=TOKENS, stream=stream, **settings)
        if stream:
            assert "".join(chunk.choices[0].delta.content or "" for chunk in answer)
        else:
            assert answer.usage.completion_tokens == TOKENS

    def test_completions(self, settings, stream):
        answer = litellm.text_completion(
            TEXT, "text-completion-openai/smollm2", max_tokens=TOKENS, stream=stream, **settings
        )
        chunks = list(answer) if stream else [answer]
        assert "".join(chunk.choices[0].text or "" for chunk in chunks)

    def test_embeddings(self, settings):
        answer = litellm.embedding("openai/embed", input=["one", "two"], **settings)
        assert len(answer.data) == 2

    def test_errors(self, settings, stream):
        def ask(model="openai/smollm2", **more):
            return litellm.completion(model, MESSAGES, stream=stream, **settings, **more)

        with pytest.raises(litellm.BadRequestError, match="temperature"):
            ask(extra_body={"temperature": BAD_TEMPERATURE})
        with pytest.raises(litellm.BadRequestError, match="x-slo-ttft-ms"):
            ask(extra_headers=BAD_OBJECTIVE)
        with pytest.raises(litellm.NotFoundError):
            ask("openai/another")


def test_nothing_failed(gateway):
    metrics = gateway.metrics()
    assert metrics.sum("requests_total", outcome="failed") == metrics.sum("pods_failing") == 0
