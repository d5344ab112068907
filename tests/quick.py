"""What no test is about is done once a run instead of once a test: compiling templates, and what builds addresses.

Applications come and go with tests, and each would compile both anew, which takes longer than what the test does.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable
from types import CodeType
from typing import Any

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule

from core import db

PRAGMAS = db.PRAGMAS  # as they are where a power cut may come
Builder = Callable[..., tuple[str, str]]


class Compiled(BytecodeCache):
    """Templates as they were compiled for an earlier application of this process."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take what is known of a template with this source."""
        bucket.code = self._known.get(_mark(bucket))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Know a template."""
        assert bucket.code is not None
        self._known[_mark(bucket)] = bucket.code


def _mark(bucket: Bucket) -> tuple[str, ...]:
    return bucket.key, bucket.checksum, *bucket.environment.extensions


def late(compile_: Callable[[Rule, bool], Builder]) -> Callable[..., Builder]:
    """Make what builds the addresses of a rule when the first one is built: few rules of a test ever build one."""

    def compile_late(rule: Rule, append_unknown: bool = True) -> Builder:
        @functools.cache
        def compiled() -> Builder:
            return compile_(rule, append_unknown)

        def build(*args: Any, **values: Any) -> tuple[str, str]:
            return compiled()(*args, **values)

        return build

    return compile_late


def begin() -> None:
    """Make every application of this process quick."""
    Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": Compiled()}
    Rule._compile_builder = late(Rule._compile_builder)  # type: ignore[method-assign]
    # No file of a test is needed after a power cut; PostgreSQL is told the same.
    db.PRAGMAS = tuple(each.replace("synchronous=FULL", "synchronous=OFF") for each in PRAGMAS)  # type: ignore[assignment]


def settle() -> None:
    """Spare the collector of garbage what stays to the end: a look at all of it takes longer than many a test."""
    gc.collect()
    gc.freeze()
