"""The part of the fake hub that takes uploads: repositories are created, files staged in the storage, and committed."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

KINDS = {"model": "", "dataset": "datasets/", "space": "spaces/"}


class Uploads:
    """Mixed into the handler of requests; it answers POST and PUT as the hub's client of 2026 expects."""

    def do_POST(self) -> None:
        hub, path, token, body = self.received()
        if hub.status and self.faulty(path):
            return None
        if path == "/api/validate-yaml":
            return self.json({"errors": [], "warnings": []})
        if token is None or token not in hub.tokens:
            return self.fail(401, X_Error_Message="Invalid username or password.")
        if path == "/api/repos/create":
            return self.created(json.loads(body), token)
        match = re.fullmatch(r"/api/(model|dataset|space)s/([^/]+/[^/]+)/(preupload|commit)/main", path)
        batch = re.fullmatch(r"/(datasets/|spaces/|)([^/]+/[^/]+)\.git/info/lfs/objects/batch", path)
        name = f"{KINDS[match[1]]}{match[2]}" if match else f"{batch[1]}{batch[2]}" if batch else ""
        repository = hub.repositories.get(name)
        if repository is None or token not in repository.members:
            return self.fail(403, X_Error_Message="You don't have the rights")
        if batch:
            return self.json(
                {"transfer": "basic", "objects": [self.staged(one) for one in json.loads(body)["objects"]]}
            )
        return self.asked(json.loads(body)) if match[3] == "preupload" else self.committed(name, repository, body)

    def do_PUT(self) -> None:
        hub, path, token, body = self.received()
        hub.leaks += [token] if token else []  # the storage is another origin
        if self.faulty(path):
            return None
        hub.stored[path.rpartition("/")[2]] = body
        return self.json({})

    def created(self, asked: dict[str, Any], token: str) -> None:
        from .server import Repository

        hub = self.server.hub
        name = f"{KINDS[asked.get('type', 'model')]}{asked['organization']}/{asked['name']}"
        if asked["organization"] not in hub.owners:
            return self.fail(403, X_Error_Message="You don't have the rights to create a model under the namespace")
        private = asked.get("visibility", "private" if asked.get("private") else "public") == "private"
        files = {".gitattributes": b"*.safetensors filter=lfs\n"}
        hub.repositories[name] = Repository(files, private=private, members={token})
        hub.created.append(asked)
        return self.json({"url": f"{hub.url}/{name}"})

    def asked(self, asked: dict[str, Any]) -> None:
        from .server import LARGE

        modes = [(one["path"], "lfs" if one["path"].endswith(LARGE) else "regular") for one in asked["files"]]
        self.json({"files": [{"path": path, "uploadMode": mode, "shouldIgnore": False} for path, mode in modes]})

    def staged(self, wanted: dict[str, Any]) -> dict[str, Any]:
        href = f"http://127.0.0.1:{self.server.hub.storage.server_port}/staging/{wanted['oid']}"
        return {**wanted, "actions": {"upload": {"href": href, "header": {}}}}

    def committed(self, name: str, repository: Any, body: bytes) -> None:
        from .server import sha256

        hub = self.server.hub
        files = dict(repository.files)
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header" and value.get("parentCommit", repository.commit) != repository.commit:
                return self.fail(412)
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                content = hub.stored[value["oid"]]
                if (sha256(content), len(content)) != (value["oid"], value["size"]):
                    return self.fail(400)
                files[value["path"]] = content
        repository.files = files
        repository.commit = sha256(body)[:40]
        head = re.match(rb"---\n(.*?\n)---\n", files.get("README.md", b""), re.DOTALL)
        tags = re.findall(r"^- (\S+)$", head[1].decode(), re.MULTILINE) if head else []
        repository.card = {"tags": tags} if head else {}
        url = f"{hub.url}/{name}/commit/{repository.commit}"
        return self.json({"success": True, "commitOid": repository.commit, "commitUrl": url})
