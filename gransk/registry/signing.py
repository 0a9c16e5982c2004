"""Detached signatures of cards: Ed25519 (RFC 8032), as OpenSSL makes them.

The card names the SHA-256 of every other file, so its signature is the whole model's::

    openssl genpkey -algorithm ed25519 -out maker.pem
    openssl pkey -in maker.pem -pubout -out maker.pub.pem
    openssl pkeyutl -sign -rawin -inkey maker.pem -in card.yaml -out card.yaml.sig
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from gransk.core.errors import ConfigurationError

SIGNATURE = "card.yaml.sig"
"""64 bytes beside the card."""
LENGTH = 64


def signer_of(card: bytes, signature: bytes, signers: Iterable[Path]) -> str | None:
    """Whose signature it is.

    Parameters
    ----------
    card : bytes
        Of ``card.yaml``.
    signature : bytes
    signers : iterable of Path
        Public keys that are trusted, PEM.

    Returns
    -------
    str or None
        SHA-256 of the public key (as `fingerprint` says), None where it is nobody's.

    Raises
    ------
    ConfigurationError
        Where a key cannot be read.
    """
    for path in signers:
        key = read_key(path)
        try:
            key.verify(signature, card)
        except InvalidSignature:
            continue
        return fingerprint(key)
    return None


def read_key(path: Path) -> Ed25519PublicKey:
    """A signer's public key.

    Raises
    ------
    ConfigurationError
    """
    wants = "wants an Ed25519 public key in PEM"
    try:
        key = load_pem_public_key(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"models.signers: {path} cannot be read ({error.strerror}); {wants}"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"models.signers: {path} holds no public key; {wants}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(f"models.signers: {path} holds another kind of key; {wants}")
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 of a key as ``openssl pkey -pubin -outform DER`` writes it, in hexadecimal."""
    written = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(written).hexdigest()
