"""Secrets from a program: run without a shell, asked in JSON on its stdin, bounded in time and in output.

Protocol version 1: `{"protocolVersion": 1, "provider": …, "ids": […]}` in, `{"protocolVersion": 1, "values": {…},
"errors": {…}}` out. What a program says beyond that, and all of its stderr, is dropped unread: it may hold a secret.
Source: OpenClaw's documentation, "Secrets management", exec provider.
"""

import contextlib
import json
import os
import selectors
import signal
import stat
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.views.decorators.debug import sensitive_variables

from openclaw_sms.config.secrets.definition import INSECURE, Definition
from openclaw_sms.config.secrets.environment import passed_on
from openclaw_sms.config.secrets.failure import SecretUnavailable
from openclaw_sms.config.secrets.reference import SecretRef

PROTOCOL = 1
USUAL_TIMEOUT_MS = 5_000
LONGEST_TIMEOUT_MS = 120_000
USUAL_OUTPUT = 1024 * 1024
LARGEST_OUTPUT = 20 * 1024 * 1024
PIECE = 65_536
# The codes of the protocol that are safe to repeat; anything else a program says may hold a secret.
KNOWN_CODES = frozenset({"NOT_FOUND", "AMBIGUOUS_DUPLICATE_KEY"})
KEYS = {
    "command",
    "args",
    "timeoutMs",
    "noOutputTimeoutMs",
    "maxOutputBytes",
    "jsonOnly",
    "env",
    "passEnv",
    "trustedDirs",
    INSECURE,
    "allowSymlinkCommand",
}


class _Ended(Exception):
    """The program was stopped, or ended badly: `args[0]` is the rest of the sentence."""


@dataclass(frozen=True, slots=True)
class ExecProvider:
    name: str
    command: str
    args: tuple[str, ...] = ()
    timeout: timedelta = timedelta(milliseconds=USUAL_TIMEOUT_MS)
    silence: timedelta = timedelta(milliseconds=USUAL_TIMEOUT_MS)
    max_output: int = USUAL_OUTPUT
    json_only: bool = True
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    pass_env: tuple[str, ...] = ()
    trusted_dirs: tuple[str, ...] = ()
    allow_symlink: bool = False
    fresh_for = timedelta(seconds=30)

    @classmethod
    def defined(cls, definition: Definition) -> "ExecProvider":
        definition.refuse_unknown(KEYS)
        definition.refuse_insecure()
        command = os.path.expanduser(definition.text("command"))
        if not os.path.isabs(command):
            raise definition.refusal("command", "must be an absolute path")
        timeout = definition.whole_number("timeoutMs", USUAL_TIMEOUT_MS, most=LONGEST_TIMEOUT_MS)
        silence = definition.whole_number("noOutputTimeoutMs", timeout, most=LONGEST_TIMEOUT_MS)
        return cls(
            definition.name,
            command,
            args=definition.texts("args"),
            timeout=timedelta(milliseconds=timeout),
            silence=timedelta(milliseconds=silence),
            max_output=definition.whole_number("maxOutputBytes", USUAL_OUTPUT, most=LARGEST_OUTPUT),
            json_only=definition.flag("jsonOnly", True),
            env=definition.pairs("env"),
            pass_env=definition.texts("passEnv"),
            trusted_dirs=tuple(os.path.expanduser(one) for one in definition.texts("trustedDirs")),
            allow_symlink=definition.flag("allowSymlinkCommand", False),
        )

    @sensitive_variables()
    def look_up(self, ref: SecretRef) -> str:
        program = self._trusted_program(ref)
        question = json.dumps({"protocolVersion": PROTOCOL, "provider": self.name, "ids": [ref.id]})
        try:
            answer = self._ask(program, question.encode())
        except _Ended as end:
            raise SecretUnavailable(ref, f"cannot be had: its program {end}.", passing=True) from None
        except OSError as error:
            raise SecretUnavailable(ref, f"cannot be had: its program {error.strerror}.", passing=True) from None
        value = self._value_in(answer, ref)
        if not (isinstance(value, str) and value.strip()):
            raise SecretUnavailable(ref, "is empty, or no text, in its program's answer.")
        return value

    def _trusted_program(self, ref: SecretRef) -> Path:
        """The file to run. Raises `SecretUnavailable` for one that somebody else could have put there."""
        where = f"secrets.providers.{self.name}.command"
        path = Path(self.command)
        try:
            if path.is_symlink() and not self.allow_symlink:
                raise SecretUnavailable(ref, f"is refused: {where} is a symbolic link; name the program itself.")
            path = path.resolve(strict=True)
            found = path.stat()
        except OSError as error:
            raise SecretUnavailable(ref, f"cannot be had: {where}: {error.strerror}.", passing=True) from None
        if self.trusted_dirs and not any(path.is_relative_to(Path(one).resolve()) for one in self.trusted_dirs):
            raise SecretUnavailable(ref, f"is refused: {where} is outside of its trustedDirs.")
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in (os.geteuid(), 0):
            raise SecretUnavailable(ref, f"is refused: {where} must be a file of the gateway's user or of root.")
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise SecretUnavailable(ref, f"is refused: others may write to {where}; chmod it to 755.")
        return path

    @sensitive_variables()
    def _ask(self, program: Path, question: bytes) -> bytes:
        """The program's stdout. Raises `_Ended` or `OSError`; no process of its group is left behind."""
        process = subprocess.Popen(  # noqa: S603  (an absolute path that was checked, and no shell)
            [str(program), *self.args],
            cwd=program.parent,
            env={**passed_on(self.pass_env), **self.env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return self._converse(process, question)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for pipe in filter(None, (process.stdin, process.stdout)):
                with contextlib.suppress(OSError):
                    pipe.close()

    @sensitive_variables()
    def _converse(self, process: "subprocess.Popen[bytes]", question: bytes) -> bytes:
        if process.stdin is None or process.stdout is None:
            raise _Ended("has no pipes")
        with contextlib.suppress(BrokenPipeError):  # some programs do not care what they are asked
            process.stdin.write(question)
            process.stdin.close()
        deadline = time.monotonic() + self.timeout.total_seconds()
        answer = bytearray()
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            while True:
                left = min(deadline - time.monotonic(), self.silence.total_seconds())
                if left <= 0 or not ready.select(left):
                    raise _Ended("did not answer in time")
                piece = os.read(process.stdout.fileno(), PIECE)
                if not piece:
                    break
                answer += piece
                if len(answer) > self.max_output:
                    raise _Ended(f"said more than {self.max_output} bytes")
        self._refuse_failure(process, deadline)
        return bytes(answer)

    def _refuse_failure(self, process: "subprocess.Popen[bytes]", deadline: float) -> None:
        try:
            status = process.wait(max(deadline - time.monotonic(), 0.05))
        except subprocess.TimeoutExpired:
            raise _Ended("did not end in time") from None
        if status:
            raise _Ended(f"ended with status {status}")

    @sensitive_variables()
    def _value_in(self, answer: bytes, ref: SecretRef) -> Any:
        text = answer.decode("utf-8", "replace").strip()
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            said = None
            if not self.json_only:
                return text
        if isinstance(said, str) and not self.json_only:
            return said
        if not (isinstance(said, dict) and said.get("protocolVersion") == PROTOCOL):
            raise SecretUnavailable(
                ref, f"cannot be had: its program does not answer in protocol version {PROTOCOL}."
            )
        errors, values = said.get("errors"), said.get("values")
        if isinstance(errors, dict) and ref.id in errors:
            raise SecretUnavailable(ref, f"cannot be had: its program refused it{_code_in(errors[ref.id])}.")
        if not (isinstance(values, dict) and ref.id in values):
            raise SecretUnavailable(ref, "is not in its program's answer.")
        return values[ref.id]


def _code_in(error: Any) -> str:
    code = error.get("code") if isinstance(error, dict) else None
    return f" ({code})" if isinstance(code, str) and code in KNOWN_CODES else ""
