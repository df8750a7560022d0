"""The sandbox's pages: what arrived in the local inbox, rendered so that no message can do harm.

A message is somebody else's text. The inbox has read it and cleaned its HTML. Here it is escaped
everywhere; its HTML is shown only in a frame that can neither run scripts nor reach the page around
it, and that loads nothing unless the reader asks for the images.
"""

from entrypoints.http.sandbox.pages import Sandbox
from entrypoints.http.sandbox.policies import MESSAGE_CSP, PAGE_CSP

__all__ = ["MESSAGE_CSP", "PAGE_CSP", "Sandbox"]
