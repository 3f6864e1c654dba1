#!/bin/sh
# make.sh: makes the OCSP requests and answers of the tests anew, in DER, next to this script.
#
#   ca, other-ca                 roots
#   leaf, second                 servers of ca; leaf must staple and names two responders
#   signer, signer-rsa           of ca, with OCSPSigning; stranger: of other-ca, with it
#   request                      what must be asked about leaf
#   good, revoked, unknown       answers about leaf, signed by ca; all of 2026 without an end
#   dated                        good, with nextUpdate
#   delegated, delegated-rsa     good, signed by signer, signer-rsa
#   no-usage, foreign            good, signed by second (no OCSPSigning), by stranger
#   both                         about second and leaf
#   sha256                       good; the issuer is named by SHA-256
#   nonce                        good, with an extension that nobody asked for
set -eu
cd "$(dirname "$0")"
out=$(pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

root() { # name
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" \
        -out "$1.pem" -subj "/CN=natterjack ocsp $1" -days 26000 \
        -addext keyUsage=critical,keyCertSign,cRLSign 2> /dev/null
}

leaf() { # name issuer serial key extensions...
    name=$1 issuer=$2 serial=$3 key=$4
    shift 4
    # shellcheck disable=SC2086
    openssl req -newkey $key -nodes -keyout "$name.key" -out "$name.csr" \
        -subj "/CN=natterjack ocsp $name" 2> /dev/null
    printf 'basicConstraints=critical,CA:FALSE\n' > "$name.ext"
    for line in "$@"; do
        echo "$line" >> "$name.ext"
    done
    openssl x509 -req -in "$name.csr" -CA "$issuer.pem" -CAkey "$issuer.key" -set_serial "$serial" \
        -days 25000 -extfile "$name.ext" -out "$name.pem" 2> /dev/null
}

answer() { # name signer status request options...
    name=$1 signer=$2 status=$3 request=$4
    shift 4
    : > index
    case $status in
    V) printf 'V\t491231235959Z\t\t1001\tunknown\t/CN=x\n' > index ;;
    R) printf 'R\t491231235959Z\t261101000000Z\t1001\tunknown\t/CN=x\n' > index ;;
    esac
    printf 'V\t491231235959Z\t\t1002\tunknown\t/CN=x\n' >> index
    openssl ocsp -index index -CA ca.pem -rsigner "$signer.pem" -rkey "$signer.key" \
        -reqin "$request" -respout "$out/$name.der" "$@" > /dev/null 2>&1
}

ask() { # file options...
    file=$1
    shift
    openssl ocsp -issuer ca.pem "$@" -reqout "$file" > /dev/null 2>&1
}

echo "unique_subject = no" > index.attr
p256="ec -pkeyopt ec_paramgen_curve:P-256"
root ca
root other-ca
leaf leaf ca 0x1001 "$p256" tlsfeature=status_request \
    "authorityInfoAccess=OCSP;URI:http://a.example/ocsp,caIssuers;URI:http://c.example/,OCSP;URI:http://b.example:81"
leaf second ca 0x1002 "$p256" extendedKeyUsage=serverAuth
leaf signer ca 0x1003 "$p256" extendedKeyUsage=OCSPSigning
leaf signer-rsa ca 0x1004 rsa:2048 extendedKeyUsage=serverAuth,OCSPSigning
leaf stranger other-ca 0x1005 "$p256" extendedKeyUsage=OCSPSigning
for name in ca other-ca leaf second signer; do
    openssl x509 -in "$name.pem" -outform DER -out "$out/$name.crt"
done
ask request -cert leaf.pem -no_nonce
cp request "$out/request.der"
ask both -cert second.pem -cert leaf.pem -no_nonce
ask sha256 -sha256 -cert leaf.pem -no_nonce
ask nonce -cert leaf.pem -nonce
answer good ca V request -resp_no_certs
answer revoked ca R request
answer unknown ca - request
answer dated ca V request -ndays 2
answer delegated signer V request
answer delegated-rsa signer-rsa V request
answer no-usage second V request
answer foreign stranger V request
answer both ca V both
answer sha256 ca V sha256
answer nonce ca V nonce
