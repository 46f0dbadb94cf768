"""What a compiled loop gives must not depend on what else was compiled or loaded in the process."""

import ast
import subprocess
import sys

from lib.paths import ROOT


ENCODE = """
import hashlib, sys
import torch
from lib.models import EncoderConfig, random_encoder

torch.set_num_threads(1)
encoder = random_encoder(EncoderConfig("visnet", layers=2, hidden=16, rbf=16, cutoff=4.0, heads=8), 0)
generator = torch.Generator().manual_seed(0)
z, pos, frame = torch.full((60,), 6), 3 * torch.randn(60, 3, generator=generator), torch.arange(60) // 12
if "train" in sys.argv:
    sum(x.square().sum() for x in encoder(z, pos, frame)).backward()
with torch.no_grad():
    print(hashlib.md5(b"".join(x.numpy().tobytes() for x in encoder(z, pos, frame))).hexdigest())
"""


def compiled_functions():
    """(file, name, whether it is inlined, names that it calls) of every function that numba compiles in lib/models."""
    for path in sorted((ROOT / "lib" / "models").glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            for mark in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "numba.njit":
                    inlined = any(keyword.arg in ("inline", "forceinline") for keyword in mark.keywords)
                    calls = {ast.unparse(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
                    yield path.name, node.name, inlined, calls - {ast.unparse(mark.func)}


def test_a_compiled_function_that_another_calls_is_inlined():
    """A shared copy would be that of whichever caller was loaded first, each with its own order of the operations."""
    found = list(compiled_functions())
    assert len(found) > 30
    called = set().union(*(calls for *_, calls in found))
    assert not {(file, name) for file, name, inlined, _ in found if name in called and not inlined}


def test_an_encoder_gives_the_same_bits_whether_or_not_the_process_trained_before():
    def bits(*arguments):
        run = [sys.executable, "-c", ENCODE, *arguments]
        return subprocess.run(run, cwd=ROOT, capture_output=True, check=True, text=True).stdout

    bits("train")  # compiles, the next two load what it kept
    assert bits() == bits("train") != ""
