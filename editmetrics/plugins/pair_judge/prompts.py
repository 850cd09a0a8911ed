"""Questions about two edits: this project's own, and UnifiedReward-Edit's in its authors' words (MIT; see NOTICE).

These texts are the measure: changed words are another metric.
"""

from __future__ import annotations

SHOWN = """\
The first image is the source. The second image is edit A, the third is edit B: two edits of the source by one instruction:
<instruction>

"""  # noqa: E501

OVERALL_QUESTION = """\
Which edit is better? Judge whether the instruction is followed completely and correctly, whether everything that it does not
mention is kept as it was, and whether the image looks natural and is free from artifacts. The order of the edits means nothing.
"""  # noqa: E501

ASPECTS = {
    "instruction": """\
Which edit follows the instruction more completely and correctly? Judge nothing else. The order of the edits means
nothing.
""",
    "preservation": """\
Which edit keeps better what the instruction does not mention: objects, people, background, style, framing? Judge
nothing else. The order of the edits means nothing.
""",
    "quality": """\
Which edit looks more natural and is freer from artifacts, whatever the instruction asked for? Judge nothing else. The
order of the edits means nothing.
""",
}

FORCED = """\
Choose one of them, also where they are close. Answer with JSON and nothing else:
{"why": "one or two sentences", "winner": "A" or "B"}
"""

WITH_TIES = """\
Answer "tie" where neither is better. Answer with JSON and nothing else:
{"why": "one or two sentences", "winner": "A", "B" or "tie"}
"""

UNIFIED_REWARD = """\
You are tasked with comparing two edited images and determining which one is better based on the given criteria.

The evaluation will consider how well each model executed the instructions and the overall quality of the edit, including its visual appeal.

**Inputs Provided:**
- Source Image (before editing)
- Edited Image 1 (after applying the instruction)
- Edited Image 2 (after applying the instruction)
- Text Instruction

### Evaluation Criteria for Each Image:

1. **Instruction Fidelity** \x20
Assess how accurately the edits align with the given instruction. The following aspects should be considered:
- **Semantic Accuracy:** Does the edited image reflect the correct objects and changes as described in the instruction? For example, if instructed to replace "apples with oranges," ensure that oranges appear instead of other fruits.
- **Completeness of Changes:** Ensure all parts of the instruction are fully addressed. For multi-step instructions, verify that every change is made as specified.
- **Exclusivity of Changes:** Confirm that only the specified changes were made. Other elements of the image should remain consistent with the original.

2. **Visual Integrity & Realism** \x20
Evaluate the visual quality of the edited image, taking into account technical accuracy and aesthetic appeal:
- **Realism & Physical Consistency:** Does the edit respect the laws of physics and scene consistency, including lighting, shadows, and perspective?
- **Artifact-Free Quality:** Look for any technical flaws such as blurring, pixel misalignment, unnatural textures, or visible seams. The image should be clean and free from distractions.
- **Aesthetic Harmony:** The image should maintain a pleasing visual balance, with careful attention to composition, color harmony, and overall appeal. The changes should enhance the image rather than detract from it.

### Final Output:
Based on the above evaluation, determine which edited image is better.

Text instruction - <instruction>
"""  # noqa: E501
