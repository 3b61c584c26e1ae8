"""The names of threads, against those that the package gives its threads."""

import ast
from pathlib import Path

import pytest

import streamer
from streamer.core.records import place_of, stream_of

TREES = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for path in Path(streamer.__file__).parent.rglob("*.py")
}


def text(node):
    """The string that *node* is, with 1 for what it fills in; None: it is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            part.value if isinstance(part, ast.Constant) else "1" for part in node.values
        )
    return None


def assigned(tree, name):
    """The strings that classes of *tree* give their attribute *name*."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            own = [each for each in node.body if isinstance(each, ast.Assign)]
            inside = [each for each in ast.walk(node) if isinstance(each, ast.Assign)]
            for each in inside:
                target = ast.unparse(each.targets[0])
                if target == f"self.{name}" or (each in own and target == name):
                    yield text(each.value)


def texts(tree, node):
    """The strings that *node* may be: one, or those of the attribute that it is."""
    if text(node) is not None:
        return {text(node)}
    assert isinstance(node, ast.Attribute), f"{ast.unparse(node)} is no string to be found here"
    here = set(assigned(tree, node.attr))
    found = here or {one for other in TREES.values() for one in assigned(other, node.attr)}
    found.discard(None)
    assert found, f"nothing gives {ast.unparse(node)} a string"
    return found


def called(call):
    """The last part of the name that is called: `Work` of `change.Work[int]()`."""
    function = call.func.value if isinstance(call.func, ast.Subscript) else call.func
    return ast.unparse(function).rpartition(".")[2]


def argument(call, number, name):
    """The argument *name* of *call*, which is its *number*th; None: it has none."""
    if len(call.args) > number:
        return call.args[number]
    return next((each.value for each in call.keywords if each.arg == name), None)


def calls(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def stages():
    """The stages that threads are named after."""
    for tree in TREES.values():
        works = [
            call
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            and any(ast.unparse(base).startswith("Work[") for base in node.bases)
            for call in calls(node)
            if ast.unparse(call.func) == "super().__init__"
        ]
        for call in calls(tree):
            name = called(call)
            if name in ("spawn", "_spawn", "name_beside"):
                yield from texts(tree, argument(call, 0, "stage"))
            elif name == "Work" and argument(call, 2, "stage") is not None:
                works.append(call)
            elif name == "ThreadPoolExecutor" and argument(call, 1, "thread_name_prefix"):
                prefix = text(argument(call, 1, "thread_name_prefix"))
                yield prefix.removeprefix("streamer-") + "_0"
        for call in works:
            yield from texts(tree, argument(call, 2, "stage"))


STAGES = sorted(set(stages()))


def test_the_stages_of_the_package_are_found():
    for some in ("capture", "capture-1", "matting", "changing", "starting", "switching", "model"):
        assert some in STAGES
    assert any(stage.startswith("sinks[1] ") for stage in STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_of_the_package_is_told_by_its_thread(stage):
    assert place_of(f"streamer-front-door-{stage}") == ("front-door", stage)


def test_threads_of_the_whole_process_are_no_streams():
    names = [
        text(argument(call, 1, "name"))
        for tree in TREES.values()
        for call in calls(tree)
        if called(call) == "Thread"
    ]
    ours = [name for name in names if name]
    assert "streamer-metrics" in ours
    assert [name for name in ours if stream_of(name) is not None] == []
