"""Certificates for tests: an authority, and the certificates that it signs."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from kafka_local.clock import SystemClock

HOST = "127.0.0.1"
_LIFE = timedelta(days=1)


class Authority:
    """A certificate authority that is valid for one day; ``file`` is its own certificate."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        builder = self._builder(self._name, self._key).add_extension(constraints, critical=True)
        certificate = builder.sign(self._key, SHA256())
        self.file = directory / f"{name}.pem"
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def broker(self) -> Path:
        """Return a PEM file with the key and certificate of a broker on the loopback interface."""
        key = ec.generate_private_key(ec.SECP256R1())
        file = self._directory / "broker.pem"
        file.write_bytes(_pem(key, NoEncryption()) + self._sign("broker", key))
        return file

    def client(self, name: str, password: str) -> tuple[Path, Path]:
        """Return PEM files with a client's certificate and its encrypted key."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate_file = self._directory / f"{name}-certificate.pem"
        certificate_file.write_bytes(self._sign(name, key))
        key_file = self._directory / f"{name}-key.pem"
        key_file.write_bytes(_pem(key, BestAvailableEncryption(password.encode())))
        return certificate_file, key_file

    def _sign(self, name: str, key: ec.EllipticCurvePrivateKey) -> bytes:
        addresses = x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))])
        builder = self._builder(_name(name), key).add_extension(addresses, critical=False)
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = datetime.fromtimestamp(SystemClock().now(), UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _LIFE)
            .not_valid_after(now + _LIFE)
        )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(key: ec.EllipticCurvePrivateKey, encryption: KeySerializationEncryption) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
