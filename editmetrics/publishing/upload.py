"""Send a plan to the Hugging Face hub. The hub's own client reads the token; nothing here sees or writes it."""

from __future__ import annotations

from typing import Any

from ..downloads import UnreachableError, check_online, check_url, is_unreachable
from ..hub import advice, endpoint, hub_progress
from ..sample import UnavailableError
from ..wording import error_in_one_line, first_few
from .plan import HUB_KINDS, PublishingError, UploadFile, UploadPlan

TAG = "editmetrics"
"""The tag in the card of every repository that was pushed."""

MADE_BY_HUB = frozenset({".gitattributes"})


class NoLoginError(PublishingError, UnavailableError):
    """This machine has no token of the hub."""


def is_private(plan: UploadPlan) -> bool | None:
    """Ask the hub whether the repository of `plan` is private; None if it does not exist.

    Raises `NoLoginError` without a token, `UnreachableError` if the hub cannot be reached, and `PublishingError` if it
    refuses to tell.
    """
    api = _client()
    try:
        existing = _existing(api, plan.repository, HUB_KINDS[plan.kind])
    except Exception as error:  # the hub client's errors and those of its HTTP library share no ancestor
        raise _failure(plan, error) from error
    return None if existing is None else bool(existing.private)


def upload(plan: UploadPlan, *, overwrite: bool = False, progress: bool = False) -> str:
    """Create the repository of `plan` if it does not exist, send all files in one commit, and return its address.

    A file that changed since the plan was made stops the upload before anything is created.
    A repository that exists is updated if it is empty or holds an earlier upload; else only with `overwrite`, and its
    other files stay. It stays private where the plan is public. Raises `PublishingError` for one with other content, or
    that is public where the plan is private, or without permission; `NoLoginError` without a token, and
    `UnreachableError` if the hub cannot be reached.
    """
    api, kind = _client(), HUB_KINDS[plan.kind]
    operations = [_operation(file) for file in plan.files]
    try:
        existing = _existing(api, plan.repository, kind)
        if existing is not None:
            _check_existing(existing, plan, overwrite)
        else:
            sdk = "gradio" if kind == "space" else None
            api.create_repo(plan.repository, repo_type=kind, private=plan.private, space_sdk=sdk)
        with hub_progress(progress):
            api.create_commit(
                plan.repository,
                operations,
                commit_message=f"Upload a {plan.kind} with editmetrics",
                repo_type=kind,
                parent_commit=getattr(existing, "sha", None),
            )
    except PublishingError:
        raise
    except Exception as error:  # the hub client's errors and those of its HTTP library share no ancestor
        raise _failure(plan, error) from error
    return plan.address


def _client() -> Any:
    """Return the hub's client. Raises `NoLoginError` without a token, and `UnreachableError` offline."""
    from huggingface_hub import HfApi, get_token

    check_online()
    check_url(endpoint())
    if get_token() is None:
        raise NoLoginError(
            f"no login of {endpoint()} on this machine; run 'hf auth login', or set HF_TOKEN to a token that may write"
        )
    return HfApi(endpoint=endpoint())


def _operation(file: UploadFile) -> Any:
    """One file for the hub's client. Raises `PublishingError` if it changed since the plan was made, or is gone."""
    from huggingface_hub import CommitOperationAdd

    if isinstance(file.content, bytes):
        return CommitOperationAdd(file.path, file.content)
    try:
        operation = CommitOperationAdd(file.path, str(file.content))  # which reads it, and looks again while it sends
    except (OSError, ValueError) as error:
        raise PublishingError(f"{file.content} cannot be read: {error_in_one_line(error)}; run again") from error
    if file.sha256 and operation.upload_info.sha256.hex() != file.sha256:
        raise PublishingError(f"{file.content} changed since the files were listed, and nothing was sent; run again")
    return operation


def _existing(api: Any, repository: str, kind: str) -> Any:
    """The facts that the hub states on a repository; None if it does not exist."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return api.repo_info(repository, repo_type=kind)
    except RepositoryNotFoundError:
        return None


def _check_existing(info: Any, plan: UploadPlan, overwrite: bool) -> None:
    """Raise `PublishingError` for a repository that holds anything else, or is public where the plan is private."""
    if plan.private and not info.private:
        raise PublishingError(
            f"{plan.address} exists and is public, and this upload is private; give --public, or another --repo"
        )
    present = {one.rfilename for one in info.siblings or ()} - MADE_BY_HUB
    others = sorted(present - {file.path for file in plan.files})
    card = info.card_data.to_dict() if info.card_data else {}
    own = TAG in (card.get("tags") or ())
    if present and not overwrite and (others or not own):
        kept = first_few(others or sorted(present))
        raise PublishingError(
            f"{plan.address} exists and holds other files: {kept}; choose another --repo, or give --overwrite, which "
            "replaces files of the same name and keeps the others"
        )


def _failure(plan: UploadPlan, error: Exception) -> PublishingError | UnreachableError:
    """The error of a request to the hub, with the address and what to do."""
    while isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception):  # of an upload in a thread
        error = error.__cause__
    status = getattr(getattr(error, "response", None), "status_code", None)
    answer = f"({endpoint()} answered {error_in_one_line(error)})"
    if is_unreachable(error):
        return UnreachableError(f"{plan.address}: {advice(plan.repository, 'main', None, error)} {answer}")
    if status == 401:
        cause = advice(plan.repository, "main", None, error)
    elif status in (403, 404):
        owner = plan.repository.partition("/")[0]
        cause = f"the token may not write there; take one with write access to {owner}, or another --repo"
    elif status in (409, 412):
        cause = "it exists and this token cannot see it, or it changed meanwhile; run again, or choose another --repo"
    elif status == 402:
        cause = "the hub asks for a subscription or payment to run this Space"
    else:
        cause = "the hub refused the upload"
    return PublishingError(f"{plan.address}: {cause} {answer}")
