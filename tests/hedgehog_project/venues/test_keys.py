"""The three kinds of keys sign what an exchange verifies, and no content of theirs is ever shown."""

import base64
import hashlib
import pickle
from ast import literal_eval
from pathlib import Path
from typing import Any

import pytest
from Crypto.PublicKey import ECC, RSA
from pytest_django import Settings

from hedgehog_project.exec_with_parent import GIVEN, may_have
from hedgehog_project.venues import Venue, endpoints, key_settings
from hedgehog_project.venues.keys import BadKey, Key, KeyKind, hmac_key, private_key
from hedgehog_project.venues.pem import PublicKey
from tests.support.machine.processes import Processes

ED25519, RSA_2048 = ECC.generate(curve="Ed25519"), RSA.generate(2048)
PEMS = {KeyKind.ED25519: ED25519.export_key(format="PEM"), KeyKind.RSA: RSA_2048.export_key(pkcs=8).decode()}
PUBLIC = {
    KeyKind.ED25519: ED25519.public_key().export_key(format="PEM"),
    KeyKind.RSA: RSA_2048.public_key().export_key().decode(),
}
PASSWORD, PROTECTION = "$pass word", "PBKDF2WithHMAC-SHA512AndAES256-CBC"
LOCKED = {
    KeyKind.ED25519: ED25519.export_key(
        format="PEM", passphrase=PASSWORD, protection=PROTECTION, prot_params={"iteration_count": 1000}
    ),
    KeyKind.RSA: RSA_2048.export_key(
        passphrase=PASSWORD, pkcs=8, protection=PROTECTION, prot_params={"iteration_count": 1000}
    ).decode(),
}
KINDS = [KeyKind.RSA, KeyKind.ED25519]
# SHA-256's DigestInfo (RFC 8017, 9.2).
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def test_hmac_signs_as_in_binances_document() -> None:
    key = hmac_key(
        "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
        "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j",
    )
    payload = (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
        "&timestamp=1499827319559"
    )
    assert key.sign(payload) == "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"


def test_ed25519_signs_as_in_its_rfc() -> None:
    """RFC 8032, 7.1, test 1."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    pem = ECC.construct(curve="Ed25519", seed=seed).export_key(format="PEM")
    assert base64.b64decode(private_key("k", pem).sign("")).hex().startswith("e5564300c360ac729086e2cc806e828a")


def test_rsa_signs_the_digest_padded() -> None:
    signature = int.from_bytes(base64.b64decode(private_key("k", PEMS[KeyKind.RSA]).sign("a=1")), "big")
    opened = pow(signature, RSA_2048.e, RSA_2048.n).to_bytes(256, "big")
    assert opened.endswith(b"\xff\x00" + DIGEST_INFO + hashlib.sha256(b"a=1").digest())


@pytest.mark.parametrize("kind", KINDS)
def test_public_key_takes_its_private_keys_signature_only(kind: KeyKind) -> None:
    key, public = private_key("k", PEMS[kind]), PublicKey(PUBLIC[kind])
    assert key.kind == public.kind == kind
    assert public.is_signed("a=1", key.sign("a=1"))
    assert not public.is_signed("a=2", key.sign("a=1"))
    assert not public.is_signed("a=1", "no base64")
    assert not public.is_signed("a=1", hmac_key("k", "s").sign("a=1"))


@pytest.mark.parametrize("kind", KINDS)
def test_encrypted_key_opens_with_its_password(kind: KeyKind) -> None:
    assert private_key("k", LOCKED[kind], PASSWORD).sign("a") == private_key("k", PEMS[kind]).sign("a")


def test_key_on_one_line_is_read_like_its_file() -> None:
    one_line = PEMS[KeyKind.RSA].replace("\n", "\\n")
    assert private_key("k", one_line).sign("a") == private_key("k", PEMS[KeyKind.RSA]).sign("a")


@pytest.mark.parametrize(
    ("pem", "password", "words"),
    [
        ("garbage", "", "is not a PEM"),
        (LOCKED[KeyKind.RSA], "", "is encrypted"),
        (LOCKED[KeyKind.ED25519], "", "is encrypted"),
        (LOCKED[KeyKind.RSA], "wrong", "wrong password or damaged file"),
        (LOCKED[KeyKind.ED25519], "wrong", "wrong password or damaged file"),
        (PUBLIC[KeyKind.RSA], "", "is a public key"),
        (PUBLIC[KeyKind.ED25519], "", "is a public key"),
        (ECC.generate(curve="P-256").export_key(format="PEM"), "", "the curve NIST P-256"),
        (PEMS[KeyKind.RSA][:-300] + "\n-----END PRIVATE KEY-----", "", "or is damaged"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "", "or is damaged"),
    ],
)
def test_key_that_cannot_be_used_says_why_and_not_what(pem: str, password: str, words: str) -> None:
    with pytest.raises(BadKey, match=words) as raised:
        private_key("k", pem, password)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    body = pem.splitlines()[1] if "\n" in pem else pem
    assert body not in str(raised.value)


def test_private_key_is_not_given_to_the_exchange() -> None:
    with pytest.raises(BadKey, match="is a private key"):
        PublicKey(PEMS[KeyKind.ED25519])


@pytest.mark.parametrize("key", [hmac_key("the-key", "the-secret"), private_key("the-key", PEMS[KeyKind.RSA])])
def test_key_shows_nothing_and_stays_in_its_process(key: Key) -> None:
    assert repr(key) == f"<{key.kind} key>"
    with pytest.raises(TypeError, match="stays in its process"):
        pickle.dumps(key)


def test_place_shows_no_key(settings: Settings) -> None:
    settings.TESTNET_API_KEY, settings.TESTNET_API_SECRET = "the-key", "the-secret"
    where = endpoints(Venue.TESTNET)
    assert where.api_key == "the-key"
    assert "the-key" not in repr(where)
    assert "the-secret" not in repr(where)


class TestFromTheShell:
    """A good key and bad ones from files: what commands print, and that no line of it holds a piece of a key."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        contents = {
            "api_key": "the-api-key-itself\n",
            "secret": "$the-secret-itself\n",
            "pem": PEMS[KeyKind.ED25519],
            "locked": LOCKED[KeyKind.ED25519],
            "password": f"{PASSWORD}\n",
            "wrong": "the-wrong-password",
            "no_pem": "the-content-of-no-pem",
        }
        for name, content in contents.items():
            (tmp_path / name).write_text(content)
            (tmp_path / name).chmod(0o600)
        (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
        return tmp_path

    @pytest.mark.parametrize(
        ("files", "line"),
        [
            ({"API_SECRET": "secret"}, ""),
            ({"PRIVATE_KEY": "pem"}, ""),
            ({"PRIVATE_KEY": "locked", "PRIVATE_KEY_PASSWORD": "password"}, ""),
            ({"PRIVATE_KEY": "locked", "PRIVATE_KEY_PASSWORD": "wrong"}, "BINANCE_PRIVATE_KEY cannot be decrypted"),
            ({"PRIVATE_KEY": "locked"}, "BINANCE_PRIVATE_KEY is encrypted"),
            ({"PRIVATE_KEY": "no_pem"}, "BINANCE_PRIVATE_KEY is not a PEM"),
            ({"PRIVATE_KEY": "missing"}, "BINANCE_PRIVATE_KEY_FILE cannot be read: No such file or directory"),
            ({"PRIVATE_KEY": "bytes"}, "BINANCE_PRIVATE_KEY_FILE"),
            ({"API_SECRET": "secret", "PRIVATE_KEY": "pem"}, "are both set"),
        ],
    )
    def test_check_names_the_setting_and_never_the_content(
        self, processes: Processes, folder: Path, files: dict[str, str], line: str
    ) -> None:
        named: dict[str, Any] = {
            f"BINANCE_{name}_FILE": folder / file for name, file in {"API_KEY": "api_key", **files}.items()
        }
        checked = processes.run("check", **named)
        assert (checked.returncode != 0) == bool(line), checked.stderr
        assert line in checked.stderr
        assert "Traceback" not in checked.stderr
        self.shows_nothing(folder, checked.stdout + checked.stderr)

    @pytest.mark.parametrize("command", [["status"], ["diffsettings", "--all"]])
    def test_commands_show_no_key(self, processes: Processes, folder: Path, command: list[str]) -> None:
        named: dict[str, Any] = {
            "BINANCE_API_KEY_FILE": folder / "api_key",
            "BINANCE_API_SECRET_FILE": folder / "secret",
            "TESTNET_API_KEY_FILE": folder / "api_key",
            "TESTNET_PRIVATE_KEY_FILE": folder / "locked",
            "TESTNET_PRIVATE_KEY_PASSWORD_FILE": folder / "password",
            "LOG_LEVEL": "DEBUG",
        }
        ended = processes.run(*command, **named)
        assert ended.stdout + ended.stderr
        self.shows_nothing(folder, ended.stdout + ended.stderr)

    @staticmethod
    def shows_nothing(folder: Path, text: str) -> None:
        for file in folder.iterdir():
            if file.name != "bytes":
                for line in file.read_text().splitlines():
                    assert line.startswith("-----") or line not in text, file.name


class TestWhoIsGivenThem:
    """HEDGEHOG_KEYS, as supervisord.conf sets it for each program."""

    NAMES = [
        f"{prefix}_{part}"
        for prefix in ("BINANCE", "TESTNET", "DEMO", "MOCK")
        for part in ("API_KEY", "API_SECRET", "PRIVATE_KEY", "PRIVATE_KEY_PASSWORD")
    ]
    LOOKS = (
        "import os; from django.conf import settings\n"
        f"print([name for name in {NAMES!r} if getattr(settings, name)])\n"
        "print([name for name, value in os.environ.items() if 'planted' in value])"
    )

    @pytest.fixture
    def planted(self, processes: Processes, tmp_path: Path) -> Processes:
        """Half of the keys stand in the environment, by value or by file, the others in .env."""
        (tmp_path / "file").write_text("planted-in-a-file")
        lines = [f"{name}=planted-in-env-file" for name in self.NAMES[::3]]
        (tmp_path / ".env").write_text("\n".join([*lines, "LOG_LEVEL=ERROR"]))
        processes.environment |= dict.fromkeys(self.NAMES[1::3], "planted")
        processes.environment |= {f"{name}_FILE": str(tmp_path / "file") for name in self.NAMES[2::3]}
        processes.environment["HEDGEHOG_ENV_FILE"] = str(tmp_path / ".env")
        return processes

    @pytest.mark.parametrize(
        ("given", "wanted"),
        [
            ("none", []),
            ("MOCK", [name for name in NAMES if name.startswith("MOCK_")]),
            ("MOCK_API_KEY", ["MOCK_API_KEY"]),
            ("all", NAMES),
            ("TESTNET,MOCK_API_SECRET", [*NAMES[4:8], "MOCK_API_SECRET"]),
        ],
    )
    def test_a_process_has_those_that_it_is_given_wherever_they_stand(
        self, planted: Processes, given: str, wanted: list[str]
    ) -> None:
        looked = planted.run("shell", "--no-imports", "-c", self.LOOKS, HEDGEHOG_KEYS=given)
        has, carries = looked.stdout.splitlines()
        assert has == str(wanted), looked.stderr
        assert set(literal_eval(carries)) <= set(wanted)

    def test_the_command_that_is_tethered_does_not_even_begin_with_others(self, planted: Processes) -> None:
        shows = planted.start("env", name="env", HEDGEHOG_KEYS="MOCK")
        assert shows.wait() == 0
        names = {line.partition("=")[0].removesuffix("_FILE") for line in shows.output.splitlines()}
        # Those of .env are not here yet.
        assert names & set(self.NAMES) == {name for name in self.NAMES[12:] if self.NAMES.index(name) % 3}

    def test_all_keys_that_settings_know_are_meant(self) -> None:
        assert sorted(self.NAMES) == sorted(
            f"{key_settings(venue).prefix}_{part.upper()}"
            for venue in Venue
            for part in ("api_key", "api_secret", "private_key", "private_key_password")
        )
        assert not [name for name in self.NAMES if may_have(name, {GIVEN: "none"})]
        assert may_have("MOCK_PUBLIC_KEY", {GIVEN: "none"})
        assert all(may_have(name, {}) for name in self.NAMES)
