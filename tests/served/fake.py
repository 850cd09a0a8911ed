"""vLLM's and SGLang's interfaces on this machine, with the numbers of a tiny model that transformers itself computes.

Neither the prompts nor the probabilities are this project's: the chat template, the processor and the model are called
as a server calls them.
"""

from __future__ import annotations

import base64
import io
import threading

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from tests.judge.server import Reply, completion, problem

REFUSED_LIMITS = (
    "Per-request mm_processor_kwargs are disabled by default because they can change multimodal preprocessing resource "
    "usage. Start the server with --trust-request-mm-kwargs only when clients are trusted. "
    "(parameter=mm_processor_kwargs)"
)
"""A real vLLM's words, from 0.31 on."""


def pages(version="0.33.0", models=("judge",), parent=None, config=None, program="vllm"):
    """The pages that a server shows: its version, its models, and its settings in development mode."""
    cards = [{"id": name, "object": "model", "parent": parent, "max_model_len": 4096} for name in models]
    info = Reply({"detail": "Not Found"}, status=404) if config is None else Reply({"vllm_config": config})
    if program == "sglang":
        return {
            "/v1/models": Reply({"object": "list", "data": cards}),
            "/server_info": Reply({"version": version}),
            "/model_info": Reply({"model_path": "somewhere", "has_image_understanding": True}),
        }
    return {
        "/v1/models": Reply({"object": "list", "data": cards}),
        "/version": Reply({"version": version}),
        "/server_info?config_format=json": info,
    }


class Model:
    """A folder's model, served under a name; `text` answers questions for text."""

    def __init__(self, folder, text="fine", limits=None):
        self.model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
        self.processor = AutoProcessor.from_pretrained(folder)
        self.text = text
        self.turn = threading.Lock()
        self.keeps = None
        """How many of the likeliest tokens an older vLLM returns in place of those that are asked for."""
        self.limits = limits or {}
        """What the server's image processor was told at its start."""

    # ------------------------------------------------------------------ vLLM

    def chat(self, request):
        """Answer `POST /v1/chat/completions` as vLLM 0.32 was seen to do."""
        body = request.body
        if "mm_processor_kwargs" in body:
            return Reply(problem(REFUSED_LIMITS), status=400)
        if not body.get("logprobs"):
            return Reply(completion(self.text))
        images, messages = [], []
        for message in body["messages"]:
            content = message["content"]
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            images += [_image(part["image_url"]["url"]) for part in parts if part["type"] == "image_url"]
            shown = [{"type": "image"} if part["type"] == "image_url" else part for part in parts]
            messages.append({"role": message["role"], "content": shown})
        prompt = self.processor.apply_chat_template(
            messages,
            tokenize=False,
            add_generation_prompt=body["add_generation_prompt"],
            continue_final_message=body["continue_final_message"],
        )
        length, rows = self.continued(prompt, images, body["max_tokens"])
        if length > 4000:
            return Reply(problem("This model's maximum context length is 4000 tokens."), status=400)
        content = []
        for row in rows:
            best = int(row.argmax())
            asked = body["logprob_token_ids"] if self.keeps is None else row.topk(self.keeps).indices.tolist()
            top = [{"token": f"token_id:{token}", "logprob": float(row[token])} for token in asked]
            content.append({"token": f"token_id:{best}", "logprob": float(row[best]), "top_logprobs": top})
        reply = completion("", finish="length")
        reply["choices"][0]["logprobs"] = {"content": content}
        reply["usage"] = {"prompt_tokens": length, "completion_tokens": len(content)}
        return Reply(reply)

    # ------------------------------------------------------------------ SGLang

    def generate(self, request):
        """Answer `POST /generate` as SGLang 0.5.23 does."""
        body = request.body
        images = [_image(url) for url in body["image_data"]]
        length, rows = self.continued(body["text"], images, body["sampling_params"]["max_new_tokens"])
        chosen = [[float(row.max()), int(row.argmax()), None] for row in rows]
        watched = [[[float(row[token]), token, None] for token in body["token_ids_logprob"]] for row in rows]
        info = {"prompt_tokens": length, "output_token_logprobs": chosen, "output_token_ids_logprobs": watched}
        return Reply({"text": "", "meta_info": info})

    # ------------------------------------------------------------------ the model

    @torch.inference_mode()
    def continued(self, prompt, images, count):
        """The number of tokens of a prompt, and the log-probabilities of each next one, greedily."""
        with self.turn:
            return self._continued(prompt, images, count)

    def _continued(self, prompt, images, count):
        inputs = self.processor(text=[prompt], images=images or None, return_tensors="pt", **self.limits)
        length = inputs["input_ids"].shape[1]
        rows = []
        for _ in range(count):
            row = self.model(**inputs).logits[0, -1].double().log_softmax(-1)
            rows.append(row)
            best = row.index_fill(0, torch.tensor([self.processor.image_token_id]), -torch.inf).argmax()
            for name, fill in (("input_ids", int(best)), ("attention_mask", 1)):  # an image token would need an image
                inputs[name] = torch.cat([inputs[name], torch.full((1, 1), fill)], 1)
            if "mm_token_type_ids" in inputs:
                inputs["mm_token_type_ids"] = torch.cat([inputs["mm_token_type_ids"], torch.zeros(1, 1, dtype=int)], 1)
        return length, rows


def serve(server, model, program="vllm", **shown):
    """Let `server` answer as `program` does, with the numbers of `model`, or of one of several by name."""
    named = model if isinstance(model, dict) else {"judge": model}
    server.pages = pages(program=program, models=tuple(named), **{"version": "0.5.23", **shown} if program == "sglang"
                         else shown)  # fmt: skip

    def answer(request):
        if request.path == "/generate":
            return next(iter(named.values())).generate(request)
        return named[request.body["model"]].chat(request)

    server.answer = answer


def _image(url):
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")
