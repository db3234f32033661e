"""An agent that is a Python function: `SMS_AGENT=package.module:function`.

The function gets a `Question` and returns markdown, or None for no reply; it raises `AnswersLater` when it
answers later, through the API. It runs in worker threads, possibly in several at once. Async functions are
refused rather than run in a loop nobody asked for.
"""

import importlib
import inspect
import re
from collections.abc import Callable
from types import ModuleType

from openclaw_sms.agents.base import AgentError, AgentErrorCode, AnswersLater, Question

_SPEC = re.compile(r"(?P<module>[^\W\d]\w*(?:\.[^\W\d]\w*)*):(?P<function>[^\W\d]\w*(?:\.[^\W\d]\w*)*)")


class PythonCallable:
    """Asks the function that `spec` names; the function is imported here, once.

    What the function raises becomes `agent_failed` with only the type in the sentence, since its message may
    quote the text. It is not retried: the function may have acted. To say otherwise, it raises `AgentError`.
    """

    name = "python_callable"

    def __init__(self, spec: str, *, history_turns: int = 0) -> None:
        self.history_turns = history_turns
        self._spec = spec
        self._function = _load(spec)

    def answer(self, question: Question) -> str:
        """The function's reply; "" when it returned None."""
        try:
            reply = self._function(question)
        except (AgentError, AnswersLater):
            raise
        except (Exception, SystemExit) as error:  # sys.exit() would end the worker's thread, not the process
            failure = type(error).__name__
        else:
            return self._checked(reply)
        # Raised out here so that the original, whose message may quote the text, is not chained to it.
        raise AgentError(
            AgentErrorCode.FAILED,
            f"The function {self._spec} of SMS_AGENT raised {failure}: correct it, then choose Answer now.",
        )

    def close(self) -> None:
        """Nothing is held; the function looks after its own."""

    def _checked(self, reply: object) -> str:
        if reply is None:
            return ""
        if isinstance(reply, str):
            return reply
        if inspect.iscoroutine(reply):
            reply.close()
        raise AgentError(
            AgentErrorCode.MISBEHAVED,
            f"The function {self._spec} of SMS_AGENT returned {type(reply).__name__}: "
            "make it return a string, or None for no reply.",
        )


def _load(spec: str) -> Callable[[Question], object]:
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise _not_configured("SMS_AGENT is not of the form package.module:function", "correct it")
    module = _import(match["module"])
    function: object = module
    for name in match["function"].split("."):
        function = getattr(function, name, None)
    if function is None:
        raise _not_configured(
            f"SMS_AGENT names {spec}, but that module has no {match['function']}",
            "add the function or correct the name",
        )
    if not callable(function):
        raise _not_configured(f"SMS_AGENT names {spec}, which is not a function", "name one that is")
    if _is_async(function):
        raise _not_configured(
            f"SMS_AGENT names {spec}, which is an async function", "name a plain one that returns the reply"
        )
    return function


def _import(name: str) -> ModuleType:
    """The module; if there is none, `agent_not_configured` tells a missing module from a broken one."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or "something"
    except (Exception, SystemExit) as error:
        raise _not_configured(
            f"The module {name} of SMS_AGENT cannot be imported ({type(error).__name__})",
            f"run python -c 'import {name}' and correct what it reports",
        ) from None
    if name == missing or name.startswith(f"{missing}."):
        raise _not_configured(
            f"SMS_AGENT names the module {name}, but there is none", "install it or correct the name"
        )
    raise _not_configured(
        f"The module {name} of SMS_AGENT imports {missing}, which is missing", "install that as well"
    )


def _is_async(function: object) -> bool:
    call = getattr(function, "__call__", None)  # noqa: B004  an object whose __call__ is async counts too
    return any(
        inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(candidate)
        for candidate in (function, call)
    )


def _not_configured(problem: str, fix: str) -> AgentError:
    return AgentError(AgentErrorCode.NOT_CONFIGURED, f"{problem}: {fix}.")
