"""Programs in the READMEs of exports."""

import re
import subprocess
import sys


def lines_of_readme_program(path, stdin):
    """The output of the program in a README."""
    text = (path / "README.md").read_text(encoding="utf-8")
    program = re.search(r"```python\n(.*?)```", text, re.S)[1]
    result = subprocess.run(
        [sys.executable, "-c", program],
        input=stdin,
        cwd=path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()
