"""Requests to SGLang, and its replies, as of version 0.5.23 (read on 2026-11-30; nothing here was run against one).

Questions for text are chat completions. Tokens are read at the native `/generate` (sglang/srt/managers/io_struct.py),
as chat completions return the likeliest tokens alone, by their texts: `text` is the prompt with one image token for
each image, `image_data` the images, `token_ids_logprob` the tokens by number, and the reply's `meta_info` has
`output_token_ids_logprobs` and `prompt_tokens`. A request cannot set the image processor's limits; the server's own
are set by --mm-process-config.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..judge.replies import RequestFailure
from .questions import TokenQuestion
from .server import NEUTRAL, ReadToken, Server


class SGLang(Server):
    """A model that SGLang serves; see `Server`."""

    program = "sglang"
    oldest = (0, 5)

    def find_version(self) -> str:
        return self.version_on("/server_info", "SGLang")

    def check_traps(self, version: tuple[int, ...]) -> None:
        """See `Server`. Adapters are put on the language model alone (sglang#28784): one that is named is refused."""
        page = self.fetch(f"{self.root}/model_info")
        if not isinstance(page, RequestFailure) and page.get("has_image_understanding") is False:
            raise self.unavailable(f"it serves {self._model()} for text alone; expected a model that sees images")

    def read_request(self, question: TokenQuestion, written: str, count: int) -> tuple[str, dict[str, Any]]:
        return f"{self.root}/generate", {
            "text": question.written + written,
            "image_data": [self._shown(image)["image_url"]["url"] for image in question.images()],
            "sampling_params": {**NEUTRAL, "temperature": 0, "max_new_tokens": count},
            "return_logprob": True,
            "logprob_start_len": -1,
            "token_ids_logprob": question.tokens(),
        }

    def read_reply(self, reply: Mapping[str, Any]) -> tuple[list[ReadToken], int]:
        info = reply["meta_info"]
        read = zip(info["output_token_logprobs"], info["output_token_ids_logprobs"], strict=True)
        tokens = [
            ReadToken(int(chosen[1]), {int(one[1]): float(one[0]) for one in [*watched, chosen]})
            for chosen, watched in read
        ]
        return tokens, int(info["prompt_tokens"])
