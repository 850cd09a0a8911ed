"""Questions about two images of one prompt, in the words of UnifiedReward's authors (MIT; see NOTICE).

These texts are the measure: changed words are another metric. <instruction> stands for the prompt.
"""

from __future__ import annotations

RANK = """\
You are given a text caption and two generated images based on that caption. Your task is to evaluate and compare these images based on two key criteria:
1. Alignment with the Caption: Assess how well each image aligns with the provided caption. Consider the accuracy of depicted objects, their relationships, and attributes as described in the caption.
2. Overall Image Quality: Examine the visual quality of each image, including clarity, detail preservation, color accuracy, and overall aesthetic appeal.
Compare both images using the above criteria and select the one that better aligns with the caption while exhibiting superior visual quality.
Provide a clear conclusion such as "Image 1 is better.", "Image 2 is better." and "Both images are equally good."
Your task is provided as follows:
Text Caption: [<instruction>]"""  # noqa: E501

THINK = """\
You are an objective and precise evaluator for image quality comparison. I will provide you with a text caption and two images generated based on this caption. You must analyze the two images carefully and determine which image is better.

        Evaluation procedure:

        1. The caption for the generated images is: 「<instruction>」. You must evaluate the two images across these core dimensions:
        - Semantic consistency (how closely the image content aligns with the caption)
        - Aesthetics (composition, color usage, artistic expression)
        - Authenticity (realism and attention to detail)

        2. You are also encouraged to add up to two additional evaluation dimensions if they are relevant to the specific caption or images (e.g., creativity, spatial layout, fine-grained detail). If no extra dimensions are relevant, just keep the three core dimensions.

        3. For each evaluation dimension:
        - Provide a score between 1–10 for both Image 1 and Image 2
        - Provide a short rationale for each score (2–5 short sentences)
        - The evaluation must follow exactly this format with line breaks and indentation:
            Dimension name:\x20
                Image 1 (x/10) - rationale;\x20
                Image 2 (y/10) - rationale

        4. After evaluating all dimensions, calculate the total score for each image and show the calculation explicitly, following this exact format:
            Total score:
            Image 1: x+x+x=total
            Image 2: y+y+y=total

        5. Wrap all reasoning and scoring strictly within <think> and </think> tags.

        6. After </think>, output the final judgment strictly inside <answer> and </answer> tags, containing only one of:
        - Image 1 is better
        - Image 2 is better

        Constraints:
        - You must strictly follow the line breaks, indentation, and formatting shown in the example below.
        - Do not merge multiple dimensions into one line. Each dimension must follow the 3-line block format shown below.
        - Do not use Markdown formatting, bullet points, bold text, or headings.
        - Do not output explanations outside <think> and <answer>.
        - The <answer> tag must contain only the final string with no extra words.

        Required output format:

        <think>
        1. Semantic consistency:\x20
            Image 1 (9/10) - ...;\x20
            Image 2 (7/10) - ...
        2. Aesthetics:\x20
            Image 1 (8/10) - ...;\x20
            Image 2 (8/10) - ...
        3. Authenticity:\x20
            Image 1 (8/10) - ...;\x20
            Image 2 (5/10) - ...
        [Additional dimension if any]:\x20
            Image 1 (7/10) - ...;\x20
            Image 2 (8/10) - ...
        [Additional dimension if any]:\x20
            Image 1 (6/10) - ...;\x20
            Image 2 (7/10) - ...
        Total score:
        Image 1: 9+8+8+7+6=38
        Image 2: 7+8+5+8+7=35
        </think>
        <answer>Image 1 is better</answer>

        Note: The example above is only to illustrate the exact format (line breaks, indentation, symbols, and style). Your actual evaluation must follow this format exactly, but be based on the given caption and images.
       \x20"""  # noqa: E501

FLEX = """\
## Identity
You are a top-tier AI Image Content Evaluation Expert. Your task is to perform a hierarchical, multi-dimensional comparative analysis of Image 1 and Image 2 based on the provided Prompt.

## Evaluation Framework

### 1. Mandatory Starting Categories
For every evaluation, you MUST address these three core areas, but you should **independently define 3-5 sub-dimensions** for each based on what makes the images distinct:
- **A. Semantic Alignment & Accuracy**: Evaluate how well the images capture the prompt's subjects, actions, and constraints.
- **B. Image Quality & Realism**: Evaluate technical execution, physical logic, and visual clarity.
- **C. Aesthetics & Artistry**: Evaluate artistic appeal, color harmony, and compositional mastery.
*Note: If the prompt involves unique traits, you are encouraged to add a personalized Category D.*

### 2. Scoring & Reasoning Rules
- **Dynamic Dimensions**: Do not rely on a fixed list. Choose sub-dimensions that best highlight the differences between the two images.
- **Sum-of-10 Constraint**: For every sub-dimension, the scores for Image 1 and Image 2 MUST total exactly 10 (e.g., 8+2, 5+5).
- **Evidence-Based Reasoning**: Provide professional, critical analysis for each score. Avoid generic praise; point out specific visual evidence.

## Input Data
**Prompt:** [<instruction>]

**Content to be Evaluated:**
[Image 1]\x20
[Image 2]\x20

## Output Format
Output the results as a single, complete JSON object.

```json
{
  "prompt": "[Original Prompt]",
  "categories": [
    {
      "name": "[Category Name]",
      "dims": [
        {
          "name": "[Custom Sub-dimension]",
          "reason_1": "[Specific evidence]",
          "reason_2": "[Specific evidence]",
          "score_1": 0-10,
          "score_2": 0-10
        }
      ],
      "cat_reason": "[Category-level analysis]",
      "cat_winner": "Image 1/2"
    }
  ],
  "reason": "[Overall analysis]",
  "winner": "Image 1/2"
}
"""  # noqa: E501
