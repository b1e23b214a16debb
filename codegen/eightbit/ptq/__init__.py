# SPDX-License-Identifier: Apache-2.0
"""Post-training quantisation: a Graph and samples become a Calibration, and with it a Program."""
