"""What each code of an error means, and what to do about it."""

from typing import Final

import attrs


@attrs.frozen
class Code:
    """A stable code: what it *means*, and the *remedy* for whoever calls."""

    means: str
    remedy: str


CODES: Final = {
    # 400
    "invalid_input": Code(
        "One or more fields are wrong.",
        "Correct every field that errors names; each has a JSON pointer and a reason.",
    ),
    "unknown_field": Code(
        "The body or the query has a field that this call does not take.",
        "Look for a misspelt name, or leave the field out.",
    ),
    "invalid_json": Code(
        "The body cannot be read as JSON in UTF-8.",
        "Write the body with a JSON library instead of joining strings.",
    ),
    "invalid_idempotency_key": Code(
        "The Idempotency-Key is empty, too long or not printable ASCII.",
        "Send 1 to 256 printable ASCII characters without spaces.",
    ),
    "template_error": Code(
        "The template cannot be read, or a variable that it needs is missing or wrong.",
        "Correct the template or the variables; detail names the line or the variable.",
    ),
    "template_not_found": Code(
        "The template that the email names does not exist, or was never published.",
        "Create and publish the template, or correct its name.",
    ),
    "unsafe_message": Code(
        "The message would not reach the mail server as it was written.",
        "Correct what detail names, such as a control character or a line that is too long.",
    ),
    "cid_unknown": Code(
        "The HTML shows an image by cid: that no attachment has as its content_id.",
        "Attach the image with that content_id, or correct the reference.",
    ),
    "cid_unused": Code(
        "An attachment has a content_id that the HTML does not show.",
        "Refer to it in the HTML by cid:, or leave the content_id out.",
    ),
    "calendar_invalid": Code(
        "The invitation is not a valid iCalendar object.",
        "Correct what detail names, or send the file as an ordinary attachment.",
    ),
    "attachment_unknown": Code(
        "The email names an uploaded file that is not there: it never was, or it has expired.",
        "Upload the file again and send the email with the new id.",
    ),
    "invalid_form": Code(
        "The multipart form cannot be read or has parts that the call does not take.",
        "Send the part email as JSON and each file as a part named file.",
    ),
    "header_reserved": Code(
        "The email may not have this header: the service writes it itself, or it is not allowed.",
        "Use the field of the API for it, or a header of your own that begins with X-.",
    ),
    "from_not_allowed": Code(
        "The SMTP configuration may not send with this From address.",
        "Add the address to the configuration's aliases, or send from its own address.",
    ),
    "no_public_url": Code(
        "An email with a topic needs a link to unsubscribe, and the service has no PUBLIC_URL.",
        "Set PUBLIC_URL to the address at which recipients reach the service, or leave topic out.",
    ),
    "invalid_message": Code(
        "The raw message is no Internet message that can be handed off.",
        "Correct what detail names; a message needs at least a valid From header.",
    ),
    "bad_request": Code(
        "The HTTP request itself cannot be understood.",
        "Use an HTTP library; check the headers and the encoding of the path.",
    ),
    # 401 and 403
    "unauthorized": Code(
        "The API key is absent, unknown, revoked or expired.",
        "Send a valid key as X-API-Key or as a bearer token.",
    ),
    "forbidden": Code(
        "The key lacks the scope, or a request without a key comes from elsewhere.",
        "Use a key with the scope that detail names.",
    ),
    # 404 and 405
    "not_found": Code(
        "It does not exist, or the key may not see it.",
        "Check the id and the path; a key without admin sees only its own emails.",
    ),
    "method_not_allowed": Code(
        "The path exists, but not with this method.",
        "Use one of the methods that the header Allow lists.",
    ),
    # 408
    "request_timeout": Code(
        "The request did not arrive in time.",
        "Send it again, faster; upload large files from a nearby machine.",
    ),
    # 409 and 410
    "conflict": Code(
        "Its state forbids this, or it has changed meanwhile.",
        "Read its current state, then decide again.",
    ),
    "illegal_transition": Code(
        "The email's status does not allow this, such as cancelling what was sent.",
        "Read the email's status; there may be nothing left to do.",
    ),
    "name_taken": Code(
        "Another one has this name already.",
        "Choose another name, or change the one that exists.",
    ),
    "idempotency_mismatch": Code(
        "This Idempotency-Key was used with another body.",
        "Use a new key for a new email; repeat a call with exactly the same body.",
    ),
    "content_purged": Code(
        "The message was removed some time after the email had ended.",
        "Its status and result can still be read. To send it again, submit it anew.",
    ),
    # 413, 415 and 431
    "too_large": Code(
        "The body is larger than this service accepts.",
        "Send less, or upload files one by one and name them in the email.",
    ),
    "message_too_large": Code(
        "The finished message is larger than the mail server takes.",
        "Send smaller files, or a link to them.",
    ),
    "unsupported_media_type": Code(
        "The body is not sent as JSON in UTF-8, or it is compressed.",
        "Send Content-Type: application/json, without Content-Encoding.",
    ),
    "headers_too_large": Code(
        "The headers of the request are larger than this service accepts.",
        "Send fewer or shorter headers; large cookies are a usual cause.",
    ),
    # 429
    "too_many_requests": Code(
        "A rate limit or the key's daily quota of recipients is used up.",
        "Wait for the seconds that Retry-After names, then send the call again.",
    ),
    # 500 and 501
    "internal_error": Code(
        "An error of the service.",
        "Tell whoever runs the service the request_id: the log has the cause under it. Before you"
        " repeat a POST, give it an Idempotency-Key.",
    ),
    "not_implemented": Code(
        "The request uses a transfer coding that the service does not know.",
        "Send it with Content-Length, or with Transfer-Encoding: chunked alone.",
    ),
    # 503
    "not_accepting": Code(
        "No email is taken now: the queue is full, the disk is nearly full or the service stops.",
        "Wait for Retry-After, then send the call again.",
    ),
    "account_queue_full": Code(
        "Too much mail waits for this one SMTP configuration.",
        "Wait for Retry-After, or leave smtp_config_id out so that another one may be chosen.",
    ),
    "store_unavailable": Code(
        "The database cannot be used for the moment.",
        "Wait for Retry-After, then send the call again with the same Idempotency-Key.",
    ),
    "unavailable": Code(
        "What the call needs is not available for the moment.",
        "Wait for Retry-After, then send the call again with the same Idempotency-Key.",
    ),
}
