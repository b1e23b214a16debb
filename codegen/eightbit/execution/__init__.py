# SPDX-License-Identifier: Apache-2.0
"""The C at work: compiled and run on this machine, in emulators and on boards, and compared with the simulator."""
