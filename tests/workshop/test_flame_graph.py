"""The flame graph: widths are shares of samples, steps of the interpreter's own are one, and the kernel has its colour."""

from __future__ import annotations

from xml.etree import ElementTree

from tools.flame_graph import COMPILED, KERNEL, PYTHON, drawn, stacks, tree_of

RECORDED = """
\tffffffff81e31462 __sys_sendto
\tffffffff81000130 entry_SYSCALL_64_after_hwframe
\t          10aba4 __send
\t           e80b5 CPyDef_socket_transport___SocketTransport___flush
\t           c66b4 CPyPy_readiness___EpollReadiness___call_ready
\t            1080 _start

\t           e80b5 CPyDef_socket_transport___SocketTransport___flush
\t           c66b4 CPyPy_readiness___EpollReadiness___call_ready
\t            1080 _start

\t           aaaaa dict_lookup
\t           fe107 _PyEval_EvalFrameDefault
\t          250a3f _PyEval_Vector
\t           fe107 _PyEval_EvalFrameDefault
\t          269da6 context_run
""".splitlines()


def test_stacks_begin_at_the_outermost_function() -> None:
    assert [(stack[0], stack[-1]) for stack in stacks(RECORDED)] == [
        ("_start", "__sys_sendto"),
        ("_start", "CPyDef_socket_transport___SocketTransport___flush"),
        ("context_run", "dict_lookup"),
    ]


def test_samples_of_one_function_are_one_frame() -> None:
    root = tree_of(RECORDED)
    flush = root.callees["socket_transport.SocketTransport.flush"]
    assert (root.samples_count, flush.samples_count, flush.callees["__send"].samples_count) == (3, 2, 1)
    interpreter = root.callees["interpreter"]
    assert list(interpreter.callees) == ["dict_lookup"]


def test_picture_is_well_formed_and_colours_say_whose_code_it_is() -> None:
    picture = ElementTree.fromstring(drawn(tree_of(RECORDED), "a < b"))
    space = {"svg": "http://www.w3.org/2000/svg"}
    colour_by_name = {
        (group.findtext("svg:title", namespaces=space) or "").rsplit(" ", 2)[0]: group.find("svg:rect", space)
        for group in picture.findall("svg:g", space)
    }
    colours = {name: rectangle.get("fill") for name, rectangle in colour_by_name.items() if rectangle is not None}
    assert colours["socket_transport.SocketTransport.flush"] == COMPILED
    assert colours["__sys_sendto"] == KERNEL
    assert colours["interpreter"] == PYTHON
