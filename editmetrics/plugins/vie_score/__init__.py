"""VIEScore (Ku et al., ACL 2024): a chat model rates an edit and gives its reasons."""
