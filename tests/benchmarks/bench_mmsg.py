"""sendmmsg(2) and recvmmsg(2) by ctypes: many packets a system call, so that the generator is not what is measured."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct

import numpy as np
import numpy.typing as npt

SO_TIMESTAMPNS = 35
_STAMP_SPACE = 32  # cmsg header (16) and a timespec (16)
_libc = ctypes.CDLL(None, use_errno=True)


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Msghdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("namelen", ctypes.c_uint32),
        ("iov", ctypes.POINTER(_Iovec)),
        ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Mmsghdr(ctypes.Structure):
    _fields_ = (("header", _Msghdr), ("length", ctypes.c_uint))


def _address(host: str, port: int) -> bytes:
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(host) + bytes(8)


class Sender:
    """Sends the rows of one matrix to one address each."""

    def __init__(self, sock: socket.socket, rows: npt.NDArray[np.void], to: list[tuple[str, int]]) -> None:
        count, size = len(rows), rows.dtype.itemsize
        self._fd = sock.fileno()
        self._rows = rows
        self._names = ctypes.create_string_buffer(b"".join(_address(*each) for each in to), 16 * count)
        self._iovecs = (_Iovec * count)(*[_Iovec(rows.ctypes.data + size * row, size) for row in range(count)])
        self._messages = (_Mmsghdr * count)()
        for row in range(count):
            header = self._messages[row].header
            header.name = ctypes.addressof(self._names) + 16 * row
            header.namelen = 16
            header.iov = ctypes.pointer(self._iovecs[row])
            header.iovlen = 1
        self._count = count

    def send(self) -> int:
        """Send every row; how many the kernel took."""
        done = 0
        while done < self._count:
            start = ctypes.addressof(self._messages) + done * ctypes.sizeof(_Mmsghdr)
            sent = _libc.sendmmsg(self._fd, ctypes.c_void_p(start), self._count - done, 0)
            if sent < 0:
                number = ctypes.get_errno()
                if number in (errno.EINTR, errno.ECONNREFUSED):
                    continue
                if number in (errno.EAGAIN, errno.ENOBUFS):
                    break
                raise OSError(number, os.strerror(number))
            done += sent
        return done


class Receiver:
    """Receives into rows, with the time at which the kernel got each packet (ns, realtime clock)."""

    def __init__(self, dtype: np.dtype[np.void], count: int = 256) -> None:
        self.rows = np.zeros(count, dtype)
        self._count = count
        self._control = np.zeros((count, _STAMP_SPACE // 8), np.int64)
        size = dtype.itemsize
        self._iovecs = (_Iovec * count)(*[_Iovec(self.rows.ctypes.data + size * row, size) for row in range(count)])
        self._messages = (_Mmsghdr * count)()
        for row in range(count):
            header = self._messages[row].header
            header.iov = ctypes.pointer(self._iovecs[row])
            header.iovlen = 1
            header.control = self._control.ctypes.data + row * _STAMP_SPACE
        self._lengths = np.frombuffer(memoryview(self._messages), np.uint8).reshape(count, ctypes.sizeof(_Mmsghdr))
        self._control_length = self._lengths[:, _Msghdr.controllen.offset :][:, :8]
        self._wanted = np.frombuffer(np.uint64(_STAMP_SPACE).tobytes(), np.uint8)

    def receive(self, sock: socket.socket) -> tuple[npt.NDArray[np.void], npt.NDArray[np.int64]]:
        """What is there now, at most `count`: rows and their times."""
        self._control_length[:] = self._wanted
        got = _libc.recvmmsg(sock.fileno(), self._messages, self._count, socket.MSG_DONTWAIT, None)
        if got < 0:
            number = ctypes.get_errno()
            if number in (errno.EAGAIN, errno.EINTR, errno.ECONNREFUSED):
                got = 0
            else:
                raise OSError(number, os.strerror(number))
        return self.rows[:got], self._control[:got, 2] * 1_000_000_000 + self._control[:got, 3]
