"""Sealing: tokens at rest, readable only with a key (Fernet: AES-128-CBC with HMAC-SHA256).

What is sealed are the access token and the refresh token, or the OAuth 1.0a token and its secret.
User ids, names, scopes, times, positions and the fingerprints of tokens are not. The first key
seals, all of them open. A store keeps one sealed word, the canary: it tells a wrong key before
any row is touched, and which key the rows are sealed with.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidRequest
from .base import StoreFailed

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

KEYRING = "keyring:"
SERVICE = "xdm_async"
"""Under this service the system keyring keeps the key of each store, by the store's own id."""
_WORD = b"xdm_async"
_MAKE_ONE = (
    'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)


def check_keys(keys: Sequence[str]) -> tuple[str, ...]:
    """Give the keys as they are, or refuse what is none.

    Raises:
        InvalidRequest: one is neither a Fernet key nor ``keyring:``, or cryptography is missing.
    """
    if not isinstance(keys, Sequence) or isinstance(keys, str | bytes):
        raise InvalidRequest("vault_key is one key, or a list of them", argument="vault_key")
    for key in keys:
        if key != KEYRING and not _is_key(key):
            raise InvalidRequest(
                "vault_key is a Fernet key (32 bytes in URL-safe base64), a list of them, or "
                f"'{KEYRING}' for one in the system keyring; make one with {_MAKE_ONE}",
                argument="vault_key",
            )
    if keys:
        try:
            import cryptography.fernet  # noqa: F401
        except ImportError:
            raise _missing("cryptography") from None
    if KEYRING in keys:
        try:
            import keyring  # noqa: F401
        except ImportError:
            raise _missing("keyring") from None
    return tuple(keys)


class Seal:
    """The keys of a store that is open, and the one that its rows are sealed with.

    Without keys, text stays as it is. It is asked in the store's own thread only.
    """

    def __init__(self, path: Path, keys: Sequence[str] = ()) -> None:
        self._path = path
        self._keys = check_keys(keys)
        self._fernets: list[Fernet] = []
        self._sealing: Fernet | None = None
        self._canary: bytes | None = None

    def __repr__(self) -> str:
        return f"<Seal: {len(self._keys)} keys>"

    def prepare(self, store_id: str, canary: bytes | None) -> bytes | None:
        """Get the keys ready, and give the canary of the first where the rows must be sealed anew.

        None where they are as they should be. `met` says later that it was done.

        Raises:
            StoreFailed: a wrong key, a missing one, or a keyring that does not answer.
        """
        self._sealing = self._canary = None
        if not self._keys:
            self.meet(canary)
            return None
        from cryptography.fernet import Fernet

        given = [None if key == KEYRING else Fernet(key) for key in self._keys]
        others = [fernet for fernet in given if fernet is not None]
        may_make = canary is None or _opener(others, canary) is not None
        self._fernets = []
        for place, fernet in enumerate(given):
            if fernet is None:
                fernet = self._from_keyring(store_id, make=may_make and place == 0)
            if fernet is not None:
                self._fernets.append(fernet)
        if canary is not None:
            self.meet(canary)
        if canary is not None and self._sealing is self._fernets[0]:
            return None
        return self._fernets[0].encrypt(_WORD)

    def meet(self, canary: bytes | None) -> None:
        """Seal from now on as the store says, which another process may have sealed meanwhile.

        Raises:
            StoreFailed: it is sealed, and none of the keys opens it.
        """
        if canary == self._canary:
            return
        if canary is None:
            raise StoreFailed(
                f"the store {self._path} was replaced by one that is not sealed: close and open it "
                "again"
            )
        if not self._keys:
            raise StoreFailed(
                f"the store {self._path} is sealed: give the key it was sealed with as vault_key "
                "(or XDM_VAULT_KEY)"
            )
        opener = _opener(self._fernets, canary)
        if opener is None:
            raise self._wrong_key()
        self._sealing, self._canary = opener, canary

    def seal(self, text: str | None) -> str | bytes | None:
        """What is written in place of a text."""
        if text is None or self._sealing is None:
            return text
        return self._sealing.encrypt(text.encode())

    def open(self, value: str | bytes | None) -> str | None:
        """The text that was written.

        Raises:
            StoreFailed: none of the keys opens it.
        """
        if value is None or isinstance(value, str):
            return value
        if not self._keys:
            self.meet(value)
        from cryptography.fernet import InvalidToken, MultiFernet

        try:
            return MultiFernet(self._fernets).decrypt(value).decode()
        except (InvalidToken, UnicodeDecodeError):
            raise self._wrong_key() from None

    def _wrong_key(self) -> StoreFailed:
        return StoreFailed(
            f"no vault_key opens the store {self._path}: give the key it was sealed with, after "
            "the new one where it is to be changed"
        )

    def _from_keyring(self, store_id: str, *, make: bool) -> Fernet | None:
        import keyring
        from cryptography.fernet import Fernet

        try:
            key = keyring.get_password(SERVICE, store_id)
            if key is None and make:
                keyring.set_password(SERVICE, store_id, Fernet.generate_key().decode())
                key = keyring.get_password(SERVICE, store_id)
        except Exception as exc:  # a keyring's backend raises what it likes
            raise StoreFailed(
                f"the system keyring did not answer ({type(exc).__name__}): unlock it, or give "
                "vault_key a Fernet key"
            ) from None
        if key is None and len(self._keys) > 1 and not make:
            return None  # the others may do
        if key is None or not _is_key(key):
            raise StoreFailed(
                f"the system keyring has no key for the store {self._path} (service {SERVICE}, "
                f"name {store_id}): bring back the keyring, or give vault_key the key"
            )
        return Fernet(key)


def _opener(fernets: Sequence[Fernet], canary: bytes) -> Fernet | None:
    from cryptography.fernet import InvalidToken

    for fernet in fernets:
        try:
            if fernet.decrypt(canary) == _WORD:
                return fernet
        except InvalidToken:
            continue
    return None


def _is_key(key: object) -> bool:
    try:
        return isinstance(key, str) and len(base64.b64decode(key, b"-_", validate=True)) == 32
    except (binascii.Error, ValueError):
        return False


def _missing(package: str) -> InvalidRequest:
    return InvalidRequest(
        f"vault_key needs {package}: pip install 'xdm_async[vault]'", argument="vault_key"
    )
