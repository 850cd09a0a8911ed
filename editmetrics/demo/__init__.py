"""A page that scores one edit: two images in, all scores and explanations out. `page` builds it with Gradio."""
