# SPDX-License-Identifier: Apache-2.0
"""The float half: an ONNX file becomes a frozen Graph, or every obstacle is named; samples, and ONNX Runtime."""
