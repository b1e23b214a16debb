# SPDX-License-Identifier: Apache-2.0
"""Which kernel makes each call, when, and where every tensor lies; what memory that needs."""
