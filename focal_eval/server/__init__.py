"""Plays an agent behind Focal's HTTP and SSE contract, so that its clients can be tried offline.

`app.make_app` builds the application, `listen` puts it on a socket. Both need the extra `serve`.
"""
