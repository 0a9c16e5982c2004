"""The key under which a browser keeps what a person has typed and not saved.

The browser encrypts it (``static/draft.js``), so that at a shared workstation nobody else can read
what a session that ended has left behind. The key is in the page of this person and opening alone,
and is the same again after a new sign-in.
"""

from __future__ import annotations

import hashlib
import hmac
import json


def draft_key(secret: str, account: str, study_key: str, mode: str, images: str) -> str:
    """Key of AES-256 as 64 hexadecimal digits: HMAC-SHA-256 under a secret of the service.

    Parameters
    ----------
    secret : str
    account : str
        Who types.
    study_key, images : str
        The exam, and the digest of the images that the page shows.
    mode : str
        What the form is for.
    """
    opening = json.dumps(["reading draft", account, study_key, mode, images])
    return hmac.new(secret.encode(), opening.encode(), hashlib.sha256).hexdigest()
