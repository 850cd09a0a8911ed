"""Every built-in metric: one file for a small one, one folder for a paper's. `editmetrics.registry` names them."""
