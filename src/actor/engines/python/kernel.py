# What only the kernel's own names and numbers say.
import os
import signal
import struct
import sys

F_SETPIPE_SZ = 1031
F_GETPIPE_SZ = 1032
PR_SET_PDEATHSIG = 1
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
# What a process may do beyond its user, in the layout of 64 bits.
CAPABILITY_VERSION = 0x20080522
CAPABILITIES = 64
PRCTL = None
CLEARENV = None


def adopt():
    """Makes this process the parent of what jobs leave behind; without ctypes, that is the host."""
    global PRCTL, CLEARENV
    try:
        import ctypes

        libc = ctypes.CDLL(None)
        PRCTL, CLEARENV = libc.prctl, libc.clearenv
        PRCTL(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except Exception:
        PRCTL = None


def clear_environment():
    """Takes every variable away from programs that are started."""
    if CLEARENV is not None:
        CLEARENV()


def end_with_parent():
    """Ends this process when the one that has forked it ends."""
    if PRCTL is not None:
        PRCTL(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def give_up_privileges():
    """Takes the capabilities away from this process and all that it starts: root then reads the files of root, and not
    the environment of every process."""
    try:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
    except Exception as error:
        sys.exit("--sandbox needs a Python with ctypes: %s" % error)
    for number in range(CAPABILITIES):
        # Beyond the last one that the kernel knows, and without the right to give them up, there is nothing to take.
        libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    header, none = struct.pack("Ii", CAPABILITY_VERSION, 0), bytes(24)
    if libc.capset(header, none) != 0:
        sys.exit("cannot give up capabilities: %s" % os.strerror(ctypes.get_errno()))
