#!/bin/sh
# Makes every certificate of this folder anew: self-signed, for localhost, good for 100 years. Needs OpenSSL 3.0 or later.
# The tests hold no value that depends on the bytes made here, so running this again breaks nothing.
set -eu
cd "$(dirname "$0")"

key() { # file, then options of genpkey
  file=$1; shift
  openssl genpkey "$@" -out "$file.key.pem"
}

certificate() { # file, key, then options of req
  file=$1; key=$2; shift 2
  openssl req -x509 -new -key "$key.key.pem" -out "$file.cert.pem" -days 36500 -subj "/CN=sasl test $file" \
    -addext subjectAltName=DNS:localhost "$@"
}

key rsa -algorithm RSA -pkeyopt rsa_keygen_bits:2048
key ec-p256 -algorithm EC -pkeyopt ec_paramgen_curve:P-256
key ec-p384 -algorithm EC -pkeyopt ec_paramgen_curve:P-384
key ed25519 -algorithm ED25519
key ed448 -algorithm ED448

for hash in md5 sha1 sha224 sha256 sha384 sha512 sha3-256; do certificate "rsa-$hash" rsa "-$hash"; done
for hash in sha1 sha256 sha3-384; do certificate "ecdsa-$hash" ec-p256 "-$hash"; done
certificate ecdsa-sha384 ec-p384 -sha384
for hash in sha1 sha256 sha512; do certificate "rsa-pss-$hash" rsa "-$hash" -sigopt rsa_padding_mode:pss; done
# The mask is made with another hash than the message: two hash functions, so RFC 5929 §4.1 defines no binding.
certificate rsa-pss-two-hashes rsa -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_mgf1_md:sha512
certificate ed25519 ed25519
certificate ed448 ed448

rm ed448.key.pem # no test speaks TLS with it
