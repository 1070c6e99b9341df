"""Reports exceptions in the operator's log.

CPython prints an exception by WASI, for which the driver has no grant. The interface `log` needs none.
"""

from functools import wraps

from componentize_py_types import Err
from wit_world.imports.log import Level, log

# Functions of a traceback in one message. The host truncates a message of more than 4 KiB.
FUNCTIONS = 12

# Characters of the text of an exception.
TEXT = 1000


def reported(driver):
    """A class whose functions report an exception before the call traps."""
    for name, function in list(vars(driver).items()):
        if callable(function) and not name.startswith("_"):
            setattr(driver, name, reporting(function))
    return driver


def reporting(function):
    @wraps(function)
    def call(*arguments):
        try:
            return function(*arguments)
        except Err:
            # An error of the interface is a result.
            raise
        except Exception as error:
            log(Level.ERROR, words(error))
            raise

    return call


def words(error):
    """The exception and the functions that it left, innermost first, without the text of the lines: there are no files."""
    functions, place = [], error.__traceback__
    while place is not None:
        code = place.tb_frame.f_code
        file = code.co_filename.rsplit("/", 1)[-1]
        functions.append(f"{code.co_qualname} ({file}:{place.tb_lineno})")
        place = place.tb_next
    # The first one is `call`.
    shown = " < ".join(functions[:0:-1][:FUNCTIONS])
    return f"{type(error).__name__}: {str(error)[:TEXT]}; in {shown}"
