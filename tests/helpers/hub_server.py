"""A server that speaks as much of the Hugging Face hub's API as a preset needs."""

import base64
import hashlib
import json
import re

from file_server import reply

TOKEN = "hf_of_a_test"
_MODEL = r"/api/models/(?P<name>[\w.-]+/[\w.-]+)"
_ROUTES = [
    ("POST", r"/api/repos/create", "create"),
    ("POST", r"/api/validate-yaml", "validate"),
    ("POST", _MODEL + r"/preupload/(?P<revision>[^/]+)", "preupload"),
    ("POST", _MODEL + r"/commit/(?P<revision>[^/]+)", "commit"),
    ("GET", _MODEL + r"(/revision/(?P<revision>[^/]+))?", "info"),
    ("GET", _MODEL + r"/tree/(?P<revision>[^/]+)", "tree"),
    ("GET", r"/(?P<name>[\w.-]+/[\w.-]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)",
     "resolve"),
]  # fmt: skip


class HubServer:
    """Models by `USER/NAME`: their commits, dicts of files, and branches.

    `cut` has after how many bytes of a file the connection is lost, and `status` that
    of each response, if the hub is down.
    """

    def __init__(self):
        self.models, self.cut, self.status, self.private = {}, {}, None, {}
        self.requests = []
        self.url = ""

    def add(self, name, files, branch="main"):
        model = self.models.setdefault(name, {"commits": {}, "branches": {}})
        content = repr(sorted(files.items())).encode()
        commit = hashlib.sha1(content).hexdigest()
        model["commits"][commit] = files
        model["branches"][branch] = commit
        return commit

    def answer(self, handler):
        path = handler.path.partition("?")[0]
        self.requests.append((handler.command, path))
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        command = "GET" if handler.command == "HEAD" else handler.command
        if self.status is not None:
            reply(handler, b"down", self.status)
            return
        if command == "POST" and handler.headers["Authorization"] != f"Bearer {TOKEN}":
            reply(handler, b'{"error": "Invalid username or password."}', 401)
            return
        for method, pattern, name in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == command:
                getattr(self, name)(handler, body, **match.groupdict())
                return
        reply(handler, b"", 404)

    def found(self, handler, name, revision):
        """The commit and files of a revision; answers itself if there is none."""
        if name not in self.models:
            reply(handler, b"", 404, X_Error_Code="RepoNotFound")
            return None
        model = self.models[name]
        commit = model["branches"].get(revision or "main", revision)
        if commit not in model["commits"]:
            reply(handler, b"", 404, X_Error_Code="RevisionNotFound")
            return None
        return commit, model["commits"][commit]

    def info(self, handler, body, name, revision):
        if actual := self.found(handler, name, revision):
            files = [{"rfilename": x, "size": len(y)} for x, y in actual[1].items()]
            answer = {"id": name, "sha": actual[0], "siblings": files}
            reply(handler, json.dumps(answer).encode())

    def tree(self, handler, body, name, revision):
        if actual := self.found(handler, name, revision):
            files = [
                {"type": "file", "path": x, "size": len(y), "oid": digest(y)}
                for x, y in actual[1].items()
            ]
            reply(handler, json.dumps(files).encode())

    def resolve(self, handler, body, name, revision, file):
        if actual := self.found(handler, name, revision):
            commit, files = actual
            content = files[file]
            reply(
                handler,
                content[: self.cut.get(file)],
                size=len(content),
                ETag=f'"{digest(content)}"',
                X_Repo_Commit=commit,
            )
            handler.close_connection = file in self.cut

    def create(self, handler, body):
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        status = 409 if name in self.models else 200
        self.models.setdefault(name, {"commits": {}, "branches": {}})
        self.private.setdefault(name, asked.get("visibility") or asked.get("private"))
        url = f"{self.url}/{name}"
        reply(handler, json.dumps({"url": url, "id": name}).encode(), status)

    def validate(self, handler, body):
        reply(handler, b'{"errors": [], "warnings": []}')

    def preupload(self, handler, body, name, revision):
        files = [
            {"path": x["path"], "uploadMode": "regular", "shouldIgnore": False}
            for x in json.loads(body)["files"]
        ]
        reply(handler, json.dumps({"files": files}).encode())

    def commit(self, handler, body, name, revision):
        model = self.models[name]
        files = dict(model["commits"].get(model["branches"].get(revision), {}))
        for line in body.splitlines():
            operation = json.loads(line)
            if operation["key"] == "file":
                value = operation["value"]
                files[value["path"]] = base64.b64decode(value["content"])
        commit = self.add(name, files, revision)
        url = f"{self.url}/{name}/commit/{commit}"
        answer = {"commitUrl": url, "commitOid": commit, "hookOutput": ""}
        reply(handler, json.dumps(answer).encode())


def digest(content):
    return hashlib.sha1(content).hexdigest()
