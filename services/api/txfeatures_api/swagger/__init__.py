"""Swagger UI at ``/docs``, served without internet and without an inline script."""
