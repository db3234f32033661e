"""An agent that is a Python function: `SMS_AGENT=package.module:function`.

The function gets a `Question` and returns markdown, a `Reply` when files go with it, or None for no reply; it raises
`AnswersLater` when it answers later, through the API. Files that came with the text lie on this machine's disk while
the function runs, and no longer. It runs in worker threads, possibly in several at once. Async functions are refused
rather than run in a loop nobody asked for.
"""

import importlib
import inspect
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from openclaw_sms.agents.base import AgentError, AgentErrorCode, AnswersLater, Attachment, Question, Reply
from openclaw_sms.text.media_types import EXTENSIONS

# More than can be sent: such a file is not read, and refused later by its size.
LARGEST_FILE = 16 * 1024 * 1024
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

    def answer(self, question: Question) -> str | Reply:
        """The function's reply; "" when it returned None."""
        try:
            with _on_disk(question) as complete:
                reply = _loaded(self._function(complete))
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

    def _checked(self, reply: object) -> str | Reply:
        if reply is None:
            return ""
        if isinstance(reply, str) or (isinstance(reply, Reply) and _is_sound(reply)):
            return reply
        if inspect.iscoroutine(reply):
            reply.close()
        raise AgentError(
            AgentErrorCode.MISBEHAVED,
            f"The function {self._spec} of SMS_AGENT returned {type(reply).__name__}: "
            "make it return a string, a Reply with a string and a tuple of addresses, paths or bytes, "
            "or None for no reply.",
        )


@contextmanager
def _on_disk(question: Question) -> Iterator[Question]:
    """The question with its attachments in files that only this user can read, gone when the block ends."""
    if not question.attachments:
        yield question
        return
    with tempfile.TemporaryDirectory(prefix="openclaw-sms-") as folder:
        saved = [_saved(Path(folder), *numbered) for numbered in enumerate(question.attachments, start=1)]
        yield replace(question, attachments=tuple(saved))


def _saved(folder: Path, number: int, attachment: Attachment) -> Attachment:
    path = folder / f"{number}.{EXTENSIONS.get(attachment.content_type, 'bin')}"
    path.touch(mode=0o600)
    path.write_bytes(attachment.data)
    return replace(attachment, path=path)


def _is_sound(reply: Reply) -> bool:
    """Whether the parts of a reply are what the type says; nobody checked that before."""
    return isinstance(reply.text, str) and all(isinstance(each, str | Path | bytes) for each in reply.media)


def _loaded(reply: object) -> object:
    """The reply with the files it names read, while those of the question are still there.

    A function may name a file as a str: what is neither an address nor a `data:` URL is a path. One that cannot be
    read is left as it is; what becomes of it is decided, and told, where media are sent.
    """
    if not isinstance(reply, Reply):
        return reply
    named = (Path(each) if isinstance(each, str) and not _is_address(each) else each for each in reply.media)
    return replace(reply, media=tuple(_content(each) for each in named))


def _is_address(word: str) -> bool:
    return word.lower().startswith(("https:", "http:", "data:"))


def _content(media: str | Path | bytes) -> str | Path | bytes:
    if not isinstance(media, Path):
        return media
    try:
        if media.stat().st_size > LARGEST_FILE:
            return media
        return media.read_bytes()
    except OSError:
        return media


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
