"""Composes layers as the rules say in their plainest form (W8, W9, H6, P5, P6, E21), on the trees of read-layer.py.

Reads lines from standard input, each the paths of archives, bottom to top, with tabs between, and answers each with a
line that holds one JSON object, as read-layer.py does. A whiteout is what the archive says, not what became of it in the layer's
directory (W4), so that folding is checked too.
"""

import copy
import importlib.util
import json
import os
import sys

spec = importlib.util.spec_from_file_location("layers", os.path.join(os.path.dirname(__file__), "read-layer.py"))
layers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(layers)

OPAQUE = b".wh..wh..opq"


def is_marker(name, node):
    return node.marker and name.startswith(b".wh.")


def is_opaque(directory):
    return OPAQUE in directory.children and directory.children[OPAQUE].marker


def at(tree, path):
    node = tree.root
    for part in path:
        node = node.children[part]
    return node


def below(lower, layer, path):
    """The directory of the layers below that a directory of this layer is laid over, None where there is none."""
    for length in range(1, len(path) + 1):
        node, _ = lower.find(path[:length])
        here = at(layer, path[:length])
        if here.renewed or (node is not None and node.kind != "dir" and (not here.implied or is_opaque(here))):
            return None
    found, _ = lower.walk(path, False)
    return found


def hide(lower, layer):
    """All markers are looked up before one takes anything away."""
    taken = []
    for path, directory in directories(layer):
        parent = below(lower, layer, path)
        if is_opaque(directory):
            if parent is not None:
                taken += [(parent, name, parent.children[name]) for name in parent.children]
            elif directory.implied and not directory.renewed and below(lower, layer, path[:-1]) is not None:
                replace(lower, layer, path, taken)
        if parent is None:
            continue
        for name, child in directory.children.items():
            hidden = parent.children.get(name[4:]) if is_marker(name, child) and name != OPAQUE else None
            if hidden is not None:
                taken.append((parent, name[4:], hidden))
    for parent, name, node in taken:
        if parent.children.get(name) is node:
            del parent.children[name]


def replace(lower, layer, path, taken):
    """An opaque directory takes the place of a symlink or file (E21), though no entry gave it."""
    parent = below(lower, layer, path[:-1])
    there = parent.children.get(path[-1])
    if there is not None and there.kind != "dir":
        taken.append((parent, path[-1], there))
        layer.made.append(path)


def directories(tree):
    todo = [([], tree.root)]
    while todo:
        path, node = todo.pop()
        yield path, node
        todo += [(path + [name], child) for name, child in node.children.items() if child.kind == "dir"]


def flatten(tree):
    todo, found = [((), tree.root)], []
    while todo:
        path, node = todo.pop()
        found.append((path, node))
        todo += [(path + (name,), child) for name, child in node.children.items()]
    return found


def fresh(node):
    made = copy.copy(node)
    made.children = {}
    return made


def lay_over(root, layer, deferred, held, is_bottom):
    inodes = {}
    entries = flatten(layer) + [(path, None) for path in deferred]
    for path, node in sorted(entries, key=lambda pair: b"/".join(pair[0])):
        if node is None:
            link(root, path, held[path], layer.entries[path])
        elif path and is_marker(path[-1], node):
            continue
        elif not path:
            if is_bottom or not is_default_root(node):
                made = fresh(node)
                made.children, root.root = root.root.children, made
        elif node.kind == "dir":
            if not node.implied:
                root.put(list(path), fresh(node))
        else:
            made = inodes.setdefault(id(node), fresh(node))
            made.marker = False
            put_inode(root, path, made)


def put_inode(root, path, node):
    there, _ = root.find(list(path))
    if there is not node:
        root.put(list(path), node)


def link(root, path, node, entry):
    put_inode(root, path, node)
    if entry.order >= node.order:
        node.order = entry.order
        node.uid, node.gid, node.mode, node.mtime = entry.uid, entry.gid, entry.mode, entry.mtime


def is_default_root(node):
    return (node.mode, node.uid, node.gid, node.mtime, node.xattrs) == (0o755, 0, 0, (0, 0), {})


def hold(root, deferred):
    copies, held = {}, {}
    for path, target in sorted(deferred.items()):
        found, _ = root.find(list(target)) if target else (root.root, ())
        if found is None:
            raise layers.Refused("H6")
        if found.kind == "dir":
            raise layers.Refused("H8")
        if id(found) not in copies:
            copies[id(found)] = copy.copy(found)
            copies[id(found)].order = -1
        held[path] = copies[id(found)]
    return held


def mark_renewed(layer):
    """Directories that stand beside a whiteout of their name: what was below them is gone (W4)."""
    for _, directory in directories(layer):
        directory.renewed = False
    for _, directory in directories(layer):
        for name, child in directory.children.items():
            if child.kind == "dir":
                marker = directory.children.get(b".wh." + name)
                child.renewed = marker is not None and marker.marker


def compose(paths):
    root = layers.Tree()
    for index, path in enumerate(paths):
        layer = layers.read_tree(path)
        deferred = layer.bind()
        layer.made = []
        mark_renewed(layer)
        held = hold(root, deferred)
        if index > 0:
            hide(root, layer)
            for made in sorted(layer.made):
                root.walk(list(made), True)
        lay_over(root, layer, deferred, held, index == 0)
    return layers.describe(root, {})


def main():
    for line in sys.stdin:
        try:
            answer = compose(line.rstrip("\n").split("\t"))
        except layers.Refused as refused:
            answer = {"refused": str(refused)}
        print(json.dumps(answer), flush=True)


main()
