"""Serving over HTTP: requests from a socket to an application, with limits for whoever is slow or sends too much."""

from moderate_cli.serving.listener import RETRY_AFTER, Application, Limits, Listener, Request, Response, line

__all__ = ["RETRY_AFTER", "Application", "Limits", "Listener", "Request", "Response", "line"]
