"""A process that gives up the network: the kernel then refuses it every new connection, whatever code asks.

A filter of system calls (seccomp-BPF, Linux 3.17) that a process sets on itself, without privileges and for good; its
threads and children have it too. Sockets that are open already go on.

Sources: seccomp(2); Linux, Documentation/userspace-api/seccomp_filter.rst, and the tables of system calls of each
architecture (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h).
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import struct
import sys
from dataclasses import dataclass
from typing import Final

_LOG = logging.getLogger(__name__)

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_ALLOW: Final = 0x7FFF0000
_REFUSE: Final = 0x00050000 | errno.EACCES
# What the filter is given: struct seccomp_data, of 32-bit words here, low half first.
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_AF_UNIX: Final = 1
# System calls of the x32 ABI have this bit, and come with the architecture of x86_64.
_X32: Final = 0x40000000

_Instruction = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Architecture:
    """The kernel's number of an architecture, and those of the calls that lead to the network."""

    audit: int
    socket: int
    connect: int
    io_uring_setup: int


_ARCHITECTURES: Final = {
    "x86_64": _Architecture(0xC000003E, 41, 42, 425),
    "aarch64": _Architecture(0xC00000B7, 198, 203, 425),
}


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def give_up_network() -> bool:
    """Whether this process, which has one thread, can open no connection from now on.

    Refused (EACCES) are sockets of any family but AF_UNIX, `connect` of any, `io_uring_setup`, by which both could be
    had unseen, and every system call of another ABI than the process's own. False, with nothing changed that matters,
    where the platform has no such filter.
    """
    architecture = _ARCHITECTURES.get(os.uname().machine) if sys.platform == "linux" else None
    if architecture is None or sys.byteorder != "little" or struct.calcsize("P") != 8:
        _LOG.debug("no filter of system calls for this platform")
        return False
    code = b"".join(struct.pack("<HBBI", *instruction) for instruction in _filter(architecture))
    program = _Program(len(code) // 8, code)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    # Variadic in C, where five longs are read.
    prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
    # Without the right to gain privileges no privilege is needed to set a filter.
    if prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or (
        prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program), 0, 0) != 0
    ):
        _LOG.debug("the kernel takes no filter of system calls: %s", os.strerror(ctypes.get_errno()))
        return False
    return True


def _filter(architecture: _Architecture) -> tuple[_Instruction, ...]:
    """The filter, one instruction a row: what it does, how many to skip if it is so and if not, with what value."""
    return (
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_IF_EQUAL, 0, 8, architecture.audit),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_IF_AT_LEAST, 6, 0, _X32),
        (_IF_EQUAL, 5, 0, architecture.connect),
        (_IF_EQUAL, 4, 0, architecture.io_uring_setup),
        (_IF_EQUAL, 0, 2, architecture.socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_IF_EQUAL, 0, 1, _AF_UNIX),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    )
