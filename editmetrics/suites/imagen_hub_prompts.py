"""VIEScore's questions about ImagenHub's tasks, in its authors' words (zero-shot; MIT; see NOTICE).

These texts are the measure: changed words are another metric. Those about edits are VIEScore's own plugin's.
"""

from __future__ import annotations

from ..plugins.vie_score.prompts import CONTEXT, FOLLOWING, PERCEPTUAL_QUALITY, SEMANTIC_CONSISTENCY, TWO_IMAGES

ONE_IMAGE = """\
RULES:

The image is an AI-generated image according to the text prompt.
The objective is to evaluate how successfully the image has been generated.
"""

SUBJECT_EDIT = """\
RULES:

Three images will be provided: \n\
The first image is a input image to be edited.
The second image is a token subject image.
The third image is an AI-edited image from the first image. it should contain a subject that looks alike the subject in second image.
The objective is to evaluate how successfully the image has been edited.
"""  # noqa: E501

SUBJECT = """\
RULES:

Two images will be provided: The first being a token subject image and the second being an AI-generated image using the first image as guidance.
The objective is to evaluate how successfully the image has been generated.
"""  # noqa: E501

SUBJECTS = """\
RULES:

Two images will be provided: \n\
This first image is a concatenation of two sub-images, each sub-image contain one token subject.
The second image being an AI-generated image using the first image as guidance.
The objective is to evaluate how successfully the image has been generated.
"""

CONTROL = """\
RULES:

Two images will be provided: The first being a processed image (e.g. Canny edges, openpose, grayscale etc.) and the second being an AI-generated image using the first image as guidance.
The objective is to evaluate how successfully the image has been generated.
"""  # noqa: E501

FOLLOWING_PROMPT = """\
From scale 0 to 10: \n\
A score from 0 to 10 will be given based on the success in following the prompt. \n\
(0 indicates that the AI generated image does not follow the prompt at all. 10 indicates the AI generated image follows the prompt perfectly.)

Put the score in a list such that output score = [score].

Text Prompt: <prompt>
"""  # noqa: E501

LIKENESS = """\
From scale 0 to 10: \n\
A score from 0 to 10 will rate how well the subject in the generated image resemble to the token subject in the second image. \n\
(0 indicates that the subject in the third image does not look like the token subject at all. 10 indicates the subject in the third image look exactly alike the token subject.)
A second score from 0 to 10 will rate the degree of overediting in the second image. \n\
(0 indicates that the scene in the edited image is completely different from the first image. 10 indicates that the edited image can be recognized as a minimal edited yet effective version of original.)
Put the score in a list such that output score = [score1, score2], where 'score1' evaluates the resemblance and 'score2' evaluates the degree of overediting.

Subject: <subject>"""  # noqa: E501

PROMPT_AND_LIKENESS = """\
From scale 0 to 10: \n\
A score from 0 to 10 will be given based on the success in following the prompt. \n\
(0 indicates that the second image does not follow the prompt at all. 10 indicates the second image follows the prompt perfectly.)
A second score from 0 to 10 will rate how well the subject in the generated image resemble to the token subject in the first image. \n\
(0 indicates that the subject in the second image does not look like the token subject at all. 10 indicates the subject in the second image look exactly alike the token subject.)
Put the score in a list such that output score = [score1, score2], where 'score1' evaluates the prompt and 'score2' evaluates the resemblance.

Text Prompt: <prompt>
"""  # noqa: E501

PROMPT_AND_LIKENESSES = """\
From scale 0 to 10: \n\
A score from 0 to 10 will be given based on the success in following the prompt. \n\
(0 indicates that the second image does not follow the prompt at all. 10 indicates the second image follows the prompt perfectly.)
A second score from 0 to 10 will rate how well the subject in the generated image resemble to the token subject in the first sub-image. \n\
(0 indicates that the subject in the second image does not look like the token subject in the first sub-image at all. 10 indicates the subject in the second image look exactly alike the token subject in the first sub-image.)
A third score from 0 to 10 will rate how well the subject in the generated image resemble to the token subject in the second sub-image. \n\
(0 indicates that the subject in the second image does not look like the token subject in the second sub-image at all. 10 indicates the subject in the second image look exactly alike the token subject in the second sub-image.)
Put the score in a list such that output score = [score1, score2, score3], where 'score1' evaluates the prompt and 'score2' evaluates the resemblance for the first sub-image, and 'score3' evaluates the resemblance for the second sub-image.

Text Prompt: <prompt>
"""  # noqa: E501

PROMPT_AND_CONTROL = """\
From scale 0 to 10: \n\
A score from 0 to 10 will be given based on the success in following the prompt. \n\
(0 indicates that the second image does not follow the prompt at all. 10 indicates the second image follows the prompt perfectly.)
A second score from 0 to 10 will rate how well the generated image is following the guidance image. \n\
(0 indicates that the second image is not following the guidance at all. 10 indicates that second image is following the guidance image.)
Put the score in a list such that output score = [score1, score2], where 'score1' evaluates the prompt and 'score2' evaluates the guidance.

Text Prompt: <prompt>"""  # noqa: E501

QUESTIONS = {
    "t2i": "\n".join([CONTEXT, ONE_IMAGE, FOLLOWING_PROMPT]),
    "mie": "\n".join([CONTEXT, TWO_IMAGES, FOLLOWING[1:]]),
    "tie": SEMANTIC_CONSISTENCY,
    "sdie": "\n".join([CONTEXT, SUBJECT_EDIT, LIKENESS]),
    "sdig": "\n".join([CONTEXT, SUBJECT, PROMPT_AND_LIKENESS]),
    "msdig": "\n".join([CONTEXT, SUBJECTS, PROMPT_AND_LIKENESSES]),
    "cig": "\n".join([CONTEXT, CONTROL, PROMPT_AND_CONTROL]),
}
"""The question about semantic consistency, by task."""

QUALITY = PERCEPTUAL_QUALITY
"""The question about perceptual quality, of all tasks."""
