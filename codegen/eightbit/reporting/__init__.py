# SPDX-License-Identifier: Apache-2.0
"""What is said of a build: figures, accuracy, the page, the layers that lose most and what to do about them."""
