"""The examples of the book run, in their order."""

import contextlib
import io
import os
import pathlib
import re
import tempfile
import unittest

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "embedding-python.md"


class Documentation(unittest.TestCase):
    def test_the_examples_of_the_book_run(self):
        examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
        self.assertGreater(len(examples), 4)
        self.assertLessEqual(len(examples[0].splitlines()), 30, "the first one is short")
        names = {"__name__": "example"}
        with tempfile.TemporaryDirectory() as scratch:
            before = os.getcwd()
            os.chdir(scratch)
            try:
                for example in examples:
                    output = io.StringIO()
                    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                        exec(compile(example, str(PAGE), "exec"), names)
                    for expected in re.findall(r"print\(.*\)\s+# (.*)", example):
                        self.assertIn(expected, output.getvalue())
                names["cache"].close()
            finally:
                os.chdir(before)


if __name__ == "__main__":
    unittest.main()
