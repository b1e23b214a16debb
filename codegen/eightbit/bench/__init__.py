# SPDX-License-Identifier: Apache-2.0
"""What a build costs: `emulated` counts instructions on a target, `host` takes the time on this machine.

docs/bench.md says how all of it is counted.
"""
