"""Requests to vLLM, and its replies: written from the source of 0.33.0, and run against 0.32.0 (docs/vllm.md says how).

Chat completions with more parameters than OpenAI's (vllm/entrypoints/openai/chat_completion/protocol.py):
`continue_final_message` and `add_generation_prompt` continue the beginning of an answer; `logprob_token_ids` returns
the log-probabilities of tokens by number, whatever their rank (vllm#43463), and versions without it ignore it and
return the `top_logprobs` likeliest; `return_tokens_as_token_ids` writes tokens as "token_id:123".

Limits of image sizes are told to a server at its start: since 0.31 a request with `mm_processor_kwargs` is refused,
unless the server trusts all of its clients.

Structured outputs are not used on purpose: their mask is put on the logits before log-probabilities are taken
(vllm/v1/worker/gpu_model_runner.py), so that what the model was not about to write would look certain.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..judge.replies import RequestFailure
from .questions import TokenQuestion
from .server import NEUTRAL, ReadToken, Server

TOP = 20
"""How many of the likeliest tokens are asked for besides: the most that a server without --max-logprobs returns."""

NAMED = "token_id:"


class VLLM(Server):
    """A model that vLLM serves; see `Server`."""

    program = "vllm"
    oldest = (0, 14)
    """Before it, adapters of a vision tower were left out with no more than a line in the server's log (vllm#23796)."""

    def find_version(self) -> str:
        return self.version_on("/version", "vLLM")

    def check_traps(self, version: tuple[int, ...]) -> None:
        """See `Server`. In its development mode alone a server shows its settings, and is put to sleep over HTTP."""
        asleep = self.fetch(f"{self.root}/is_sleeping")
        if not isinstance(asleep, RequestFailure) and asleep.get("is_sleeping"):
            raise self.unavailable("it sleeps, and its weights are not on the GPU; wake it with POST /wake_up")
        page = self.fetch(f"{self.root}/server_info?config_format=json")
        if isinstance(page, RequestFailure):
            return
        config = page.get("vllm_config")
        model = config.get("model_config") if isinstance(config, dict) else None
        if not isinstance(model, dict):
            return
        images = model.get("multimodal_config")
        cache = images.get("mm_processor_cache_gb") if isinstance(images, dict) else None
        if model.get("enable_sleep_mode") and cache:
            raise self.unavailable(
                f"it may be put to sleep and keeps {cache:g} GB of processed images, which can come back as the wrong "
                "ones after it wakes; start it with --mm-processor-cache-gb 0, or without --enable-sleep-mode"
            )
        if (mode := model.get("logprobs_mode")) not in (None, "raw_logprobs"):
            raise self.unavailable(f"it returns {mode} in place of raw_logprobs; start it without --logprobs-mode")

    def read_request(self, question: TokenQuestion, written: str, count: int) -> tuple[str, dict[str, Any]]:
        body = self._body(question)
        for name in ("seed", "response_format", self._limit):
            body.pop(name, None)
        if begun := question.answer + written:
            body["messages"].append({"role": "assistant", "content": begun})
        return f"{self.url}/chat/completions", {
            **body,
            **NEUTRAL,
            "add_generation_prompt": not begun,
            "continue_final_message": bool(begun),
            "temperature": 0,
            "max_tokens": count,
            "logprobs": True,
            "top_logprobs": TOP,
            "logprob_token_ids": question.tokens(),
            "return_tokens_as_token_ids": True,
        }

    def read_reply(self, reply: Mapping[str, Any]) -> tuple[list[ReadToken], int]:
        tokens = [
            ReadToken(
                _number(entry["token"]),
                {_number(one["token"]): float(one["logprob"]) for one in [*entry["top_logprobs"], entry]},
            )
            for entry in reply["choices"][0]["logprobs"]["content"]
        ]
        return tokens, int(reply["usage"]["prompt_tokens"])


def _number(token: str) -> int:
    if not token.startswith(NAMED):
        raise ValueError(f"{token!r} does not begin with {NAMED}")
    return int(token.removeprefix(NAMED))
