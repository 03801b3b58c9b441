"""A second reading of a layer: python's tarfile for the bytes, and the rules of extraction in their plainest form.

Reads paths of archives from standard input, a line each, and answers each with a line that holds one JSON object:
{"refused": RULE} or {"nodes": [...], "deferred": [...]}. All names are bytes, shown as latin1. Links
are bound when they are read, names are kept in dictionaries, nothing is written: it shares no idea with the extractor but
the rules.
"""

import base64
import hashlib
import json
import os
import sys
import tarfile
import urllib.parse

FOLLOWED_AT_MOST = 40


class Refused(Exception):
    pass


class Node:
    def __init__(self, kind, mode=0o755, uid=0, gid=0, mtime=(0, 0), **more):
        self.kind, self.mode, self.uid, self.gid, self.mtime = kind, mode, uid, gid, mtime
        self.children = {}
        self.implied = more.get("implied", False)
        self.marker = more.get("marker", False)
        self.size = more.get("size", 0)
        self.sha256 = more.get("sha256")
        self.target = more.get("target")
        self.device = more.get("device")
        self.xattrs = more.get("xattrs", {})
        self.order = more.get("order", 0)


def clean(name):
    parts = []
    for part in name.split(b"/"):
        if part == b"..":
            del parts[-1:]
        elif part not in (b"", b"."):
            parts.append(part)
    return parts


class Tree:
    def __init__(self):
        self.root = Node("dir", implied=False)
        self.markers = []
        self.aufs = []
        self.forward = {}
        self.entries = {}

    def walk(self, parts, make):
        """The directory that `parts` leads to as in a chroot, and its path; None where nothing is and nothing is made."""
        stack, names, todo, followed = [self.root], [], list(parts), 0
        while todo:
            part = todo.pop(0)
            if part in (b"", b"."):
                continue
            if part == b"..":
                if names:
                    stack.pop()
                    names.pop()
                continue
            found = stack[-1].children.get(part)
            if found is not None and found.kind == "sym":
                followed += 1
                if followed > FOLLOWED_AT_MOST:
                    raise Refused("X4")
                if found.target.startswith(b"/"):
                    stack, names = [self.root], []
                todo = found.target.split(b"/") + todo
                continue
            if found is None or found.kind != "dir":
                if not make:
                    return None, None
                self.forget(tuple(names + [part]))
                found = stack[-1].children[part] = Node("dir", implied=True)
            stack.append(found)
            names.append(part)
        return stack[-1], names

    def forget(self, path):
        """Links that wait at a path or below it go with what is replaced there."""
        for key in [key for key in self.forward if key[: len(path)] == path]:
            del self.forward[key]

    def find(self, parts):
        """The node at a path, its last part not followed, and the path after symlinks."""
        parent, names = self.walk(parts[:-1], False)
        if parent is None:
            return None, tuple(parts)
        return parent.children.get(parts[-1]), tuple(names + parts[-1:])

    def put(self, parts, node):
        parent, names = self.walk(parts[:-1], True)
        there = parent.children.get(parts[-1])
        if node.kind == "dir" and there is not None and there.kind == "dir":
            node.children = there.children
        else:
            self.forget(tuple(names + parts[-1:]))
        parent.children[parts[-1]] = node
        return names + parts[-1:]

    def link(self, parts, target, entry):
        found, path = self.find(target) if target else (self.root, ())
        if found is not None and found.kind == "dir":
            raise Refused("X6")
        parent, names = self.walk(parts[:-1], True)
        there = parent.children.get(parts[-1])
        key = tuple(names + parts[-1:])
        if found is not None:
            if there is not found:
                parent.children[parts[-1]] = found
                self.forget(key)
            found.uid, found.gid, found.mode, found.mtime = entry.uid, entry.gid, entry.mode, entry.mtime
            found.xattrs = {**found.xattrs, **entry.xattrs}
            return
        if key == path:
            raise Refused("X6")
        parent.children.pop(parts[-1], None)
        self.forget(key)
        self.forward[key] = (path, entry)

    def finish(self):
        deferred = self.bind()
        self.fold(deferred)
        return deferred

    def bind(self):
        """Makes the links that waited. What is left, by path: the target that a lower layer has."""
        deferred = {}
        while self.forward:
            chain = [next(iter(self.forward))]
            while True:
                found, path = self.find(list(self.forward[chain[-1]][0]))
                if found is not None or path not in self.forward:
                    break
                if path in chain:
                    raise Refused("X6")
                chain.append(path)
            for key in reversed(chain):
                path, entry = self.forward.pop(key)
                found, path = self.find(list(path))
                parent, _ = self.walk(list(key[:-1]), False)
                if found is not None and found.kind == "dir":
                    raise Refused("X6")
                if key[-1] in parent.children:
                    continue
                if found is not None:
                    parent.children[key[-1]] = found
                else:
                    deferred[key] = deferred.get(path, path)
                    self.entries[key] = entry
        for top in self.aufs:
            self.root.children.pop(top, None)
        return deferred

    def fold(self, deferred):
        for marker in self.markers:
            parent = self.root
            for part in marker[:-1]:
                parent = parent.children.get(part) if parent is not None else None
            if parent is None or marker[-1] == b".wh..wh..opq" or marker[-1] not in parent.children:
                continue
            name = marker[-1][4:]
            hidden = parent.children.get(name)
            if hidden is None or tuple(marker[:-1] + [name]) in deferred:
                continue
            del parent.children[marker[-1]]
            if hidden.kind == "dir":
                hidden.children.setdefault(b".wh..wh..opq", opaque())


def opaque():
    return Node("file", mode=0o644, marker=True, sha256=hashlib.sha256().hexdigest())


def time_of(member):
    text = member.pax_headers.get("mtime")
    if text is None:
        return int(member.mtime), 0
    whole, _, fraction = text.partition(".")
    nanoseconds = int((fraction + "0" * 9)[:9])
    if not whole.startswith("-"):
        return int(whole or 0), nanoseconds
    rest = fraction[9:].strip("0") != ""
    total = -(abs(int(whole)) * 10**9 + nanoseconds + rest)
    return total // 10**9, total % 10**9


def xattrs_of(member):
    found = {}
    for key, value in member.pax_headers.items():
        if key.startswith("LIBARCHIVE.xattr."):
            padded = value + "=" * (-len(value) % 4)
            found[urllib.parse.unquote_to_bytes(key[17:])] = base64.b64decode(padded)
    for key, value in member.pax_headers.items():
        if key.startswith("SCHILY.xattr."):
            found[os.fsencode(key[13:])] = os.fsencode(value)
    return found


def content_of(archive, member):
    digest = hashlib.sha256()
    with archive.extractfile(member) as content:
        while chunk := content.read(1 << 20):
            digest.update(chunk)
    return {"size": member.size, "sha256": digest.hexdigest()}


KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.GNUTYPE_SPARSE: "file",
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "sym",
    tarfile.LNKTYPE: "link",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}


def apply(tree, archive, member):
    parts = clean(os.fsencode(member.name))
    kind = KINDS[member.type]
    common = (member.mode & 0o7777, member.uid, member.gid, time_of(member))
    xattrs = xattrs_of(member)
    if not parts:
        if kind != "dir":
            raise Refused("X1")
        children, tree.root = tree.root.children, Node("dir", *common, xattrs=xattrs)
        tree.root.children = children
        return
    leaf = parts[-1]
    aufs = parts[0].startswith(b".wh..wh.") and parts[0] != b".wh..wh..opq"
    if aufs:
        tree.aufs.append(parts[0])
    elif leaf.startswith(b".wh."):
        if leaf[4:] in (b"", b".", b".."):
            raise Refused("X5")
        marker = Node("file", *common, marker=True, xattrs=xattrs, sha256=hashlib.sha256().hexdigest())
        tree.markers.append(tree.put(parts, marker))
        return
    if kind == "link":
        entry = Node("file", *common, xattrs=xattrs, order=member.offset)
        tree.link(parts, clean(os.fsencode(member.linkname)), entry)
        return
    more = {"xattrs": xattrs}
    if kind == "file":
        more.update(content_of(archive, member))
    elif kind == "sym":
        more["target"] = os.fsencode(member.linkname)
    elif kind in ("char", "block"):
        more["device"] = [member.devmajor, member.devminor]
    tree.put(parts, Node(kind, *common, **more))


def latin1(value):
    return value.decode("latin-1")


def describe(tree, deferred):
    nodes, names = [], {}

    def visit(path, node):
        names.setdefault(id(node), []).append(path)
        nodes.append((path, node))
        for name, child in node.children.items():
            visit(path + b"/" + name if path else name, child)

    visit(b"", tree.root)
    return {
        "nodes": [
            {
                "path": latin1(path),
                "kind": node.kind,
                "mode": node.mode,
                "uid": node.uid,
                "gid": node.gid,
                "seconds": node.mtime[0],
                "nanoseconds": node.mtime[1],
                "size": node.size,
                "sha256": node.sha256,
                "target": None if node.target is None else latin1(node.target),
                "device": node.device,
                "isImplied": node.implied,
                "isMarker": node.marker,
                "names": [latin1(name) for name in sorted(names[id(node)])],
                "xattrs": [[latin1(name), latin1(value)] for name, value in sorted(node.xattrs.items())],
            }
            for path, node in sorted(nodes, key=lambda pair: pair[0])
        ],
        "deferred": [[latin1(b"/".join(path)), latin1(b"/".join(to))] for path, to in sorted(deferred.items())],
    }


def read_tree(path):
    tree = Tree()
    with tarfile.open(path, encoding="utf-8", errors="surrogateescape") as archive:
        for member in archive:
            apply(tree, archive, member)
            archive.members = []
    return tree


def read(path):
    try:
        tree = read_tree(path)
        return describe(tree, tree.finish())
    except Refused as refused:
        return {"refused": str(refused)}


def main():
    for line in sys.stdin:
        print(json.dumps(read(line.rstrip("\n"))), flush=True)


if __name__ == "__main__":
    main()
