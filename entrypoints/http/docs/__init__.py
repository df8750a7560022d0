"""The API's documentation: the OpenAPI document, and the same as pages for people.

The pages need no script: docs.js only makes them quicker to use. In development try.js adds forms
that send the calls. What the pages show is made when it is first asked for.
"""

from entrypoints.http.docs.document import Docs
from entrypoints.http.docs.pages import DocsPages

__all__ = ["Docs", "DocsPages"]
