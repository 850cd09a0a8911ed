"""A model behind the test server that sees the images it is sent, knows the questions, and answers as it is told."""

from __future__ import annotations

import base64
import hashlib
import re
from io import BytesIO

import numpy as np
from PIL import Image

from editmetrics.benchmarks.qbench.questions import LETTERS
from editmetrics.images import read_image
from tests.judge.server import Reply, completion


def digest(pixels):
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


class Oracle:
    """`answer` of a `Server`: finds the item by the pixels of the image, and replies with `say(item, shown options)`.

    `judge(question, response, answer)` gives the judge's words. `asked` counts how often each was asked.
    """

    def __init__(self, items, say=None, judge=None):
        self.items = {digest(read_image(item.image)): item for item in items}
        self.say, self.judge = say or right, judge or (lambda *_: "Score: 2")
        self.asked = []
        self.judged = []

    def __call__(self, request):
        last = request.body["messages"][-1]["content"]
        if isinstance(last, str):
            found = re.fullmatch(
                r"Given the question \[(.*?)\], evaluate whether the response \[(.*)\] completely matches the correct "
                r"answer \[(.*?)\]\. \n.*",
                last,
                re.DOTALL,
            )
            self.judged.append(found.groups())
            return self.reply(self.judge(*found.groups()))
        (image,) = [part["image_url"]["url"] for part in last if part["type"] == "image_url"]
        item = self.items[digest(np.array(Image.open(BytesIO(base64.b64decode(image.partition(",")[2])))))]
        text = last[-1]["text"]
        self.asked.append((item.id, text))
        shown = [line.partition(" ")[2] for line in text.split("\n") if re.match(r"[A-Z][.)] ", line)]
        return self.reply(self.say(item, shown))

    def reply(self, said):
        return said if isinstance(said, Reply) else Reply(completion(said))


def right(item, shown):
    """What is right, in letters of the options as they are shown."""
    if item.type in ("SC", "MC"):
        places = sorted(shown.index(item.options[place]) for place in item.answer)
        return ", ".join(LETTERS[place] for place in places)
    return str(item.answer)
