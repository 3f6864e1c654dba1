#!/bin/sh
# Make the certificates of this folder again.  Needs OpenSSL 3; keys and serials come out new, all
# else as before.  Run here: ./make.sh
#
# Keys of the authorities are thrown away.  Leaves share leaf-p256.key unless their name says so.
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
rm -f -- *.pem *.key *.der

FROM=20240101000000Z
TO=20491231235959Z

cat > "$tmp/ca.cnf" <<CNF
oid_section = oids
[oids]
testAttribute = 1.2.3.4.5
[req]
distinguished_name = dn
string_mask = utf8only
utf8 = yes
prompt = no
[dn]
[ca]
default_ca = c
[c]
dir = $tmp
new_certs_dir = $tmp/new
database = $tmp/db
serial = $tmp/serial
default_md = sha256
policy = p
unique_subject = no
email_in_dn = yes
copy_extensions = none
[p]
commonName = optional
CNF
mkdir "$tmp/new"
: > "$tmp/db"

key() { # key FILE ALGORITHM [OPTION]
    f=$1
    alg=$2
    shift 2
    openssl genpkey -quiet -algorithm "$alg" "$@" -out "$f" 2>/dev/null ||
        openssl genpkey -algorithm "$alg" "$@" -out "$f" 2>/dev/null
}

p256() { key "$1" EC -pkeyopt ec_paramgen_curve:P-256; }

# cert OUT KEY SUBJECT ISSUER EXTENSIONS [FROM TO]; ISSUER is the base name of .pem, "-" = itself.
cert() {
    printf '%s\n' "$5" > "$tmp/ext"
    openssl req -new -config "$tmp/ca.cnf" -utf8 -key "$2" -subj "$3" -out "$tmp/csr"
    if [ "$4" = - ]; then
        set -- "$1" "$2" "$3" "$4" "$5" "${6:-$FROM}" "${7:-$TO}" -selfsign -keyfile "$2"
    else
        set -- "$1" "$2" "$3" "$4" "$5" "${6:-$FROM}" "${7:-$TO}" \
            -cert "$4.pem" -keyfile "$tmp/$4.key"
    fi
    out=$1
    from=$6
    to=$7
    shift 7
    openssl ca -config "$tmp/ca.cnf" -batch -notext -preserveDN -utf8 -rand_serial \
        -startdate "$from" -enddate "$to" -extfile "$tmp/ext" -in "$tmp/csr" -out "$out.pem" \
        "$@" 2> "$tmp/err" || { cat "$tmp/err" >&2; exit 1; }
}

CA='basicConstraints=critical,CA:true
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash'
NOCA='basicConstraints=critical,CA:false
keyUsage=critical,digitalSignature,keyEncipherment
subjectKeyIdentifier=hash'
BOTH='extendedKeyUsage=serverAuth,clientAuth'
DNS='subjectAltName=DNS:server.test'

leaf() { # leaf NAME ISSUER EXTENSIONS [FROM TO]: the common P-256 leaf
    name=$1
    issuer=$2
    ext=$3
    shift 3
    cert "leaf-$name" leaf-p256.key "/O=Natterjack/CN=$name.test" "$issuer" "$NOCA
$ext" "$@"
}

# ---- authorities ----------------------------------------------------------------------------
for ca in root other expired-root inter inter-eku-client inter-expired nonca p384-root fake-root \
    fake-inter; do
    p256 "$tmp/$ca.key"
done
key "$tmp/p384-root.key" EC -pkeyopt ec_paramgen_curve:P-384
cert root "$tmp/root.key" '/O=Natterjack/CN=Test Root' - "$CA"
cert other "$tmp/other.key" '/O=Natterjack/CN=Other Root' - "$CA"
cert expired-root "$tmp/expired-root.key" '/O=Natterjack/CN=Expired Root' - "$CA" \
    20200101000000Z 20210101000000Z
cert p384-root "$tmp/p384-root.key" '/O=Natterjack/CN=P-384 Root' - "$CA"
cert inter "$tmp/inter.key" '/O=Natterjack/CN=Test Intermediate' root "$CA"
cert inter-eku-client "$tmp/inter-eku-client.key" '/O=Natterjack/CN=Client Intermediate' root "$CA
extendedKeyUsage=clientAuth"
cert inter-expired "$tmp/inter-expired.key" '/O=Natterjack/CN=Expired Intermediate' root "$CA" \
    20200101000000Z 20210101000000Z
cert nonca "$tmp/nonca.key" '/O=Natterjack/CN=Not An Authority' root "$NOCA
$BOTH"
# The names of root and inter-eku-client, and keys that are not theirs.
cert fake-root "$tmp/fake-root.key" '/O=Natterjack/CN=Test Root' - "$CA"
cert fake-inter "$tmp/fake-inter.key" '/O=Natterjack/CN=Client Intermediate' fake-root "$CA"

# ---- leaves ----------------------------------------------------------------------------------
p256 leaf-p256.key
leaf dns root "$BOTH
$DNS"
leaf ip root "$BOTH
subjectAltName=IP:127.0.0.1,IP:::1"
leaf ip-as-dns root "$BOTH
subjectAltName=DNS:127.0.0.1"
leaf wildcard root "$BOTH
subjectAltName=DNS:*.wild.test"
leaf wildcard2 root "$BOTH
subjectAltName=DNS:*.*.wild.test"
leaf cn-email root "$BOTH
subjectAltName=email:ops@server.test"
cert leaf-cn-only leaf-p256.key '/O=Natterjack/CN=server.test' root "$NOCA
$BOTH"
leaf expired root "$BOTH
$DNS" 20200101000000Z 20210101000000Z
leaf not-yet root "$BOTH
$DNS" 20480101000000Z 20491231235959Z
leaf far root "$BOTH
$DNS" 20240101000000Z 20991231235959Z
leaf eku-client root "extendedKeyUsage=clientAuth
$DNS"
leaf eku-server root "extendedKeyUsage=serverAuth
$DNS"
leaf eku-none root "$DNS"
leaf eku-any root "extendedKeyUsage=anyExtendedKeyUsage
$DNS"
leaf eku-unknown root "extendedKeyUsage=1.2.3.4.5
$DNS"
leaf inter inter "$BOTH
$DNS"
leaf inter-eku-client inter-eku-client "$BOTH
$DNS"
leaf inter-expired inter-expired "$BOTH
$DNS"
leaf expired-root expired-root "$BOTH
$DNS"
leaf nonca nonca "$BOTH
$DNS"
leaf forged fake-root "$BOTH
$DNS"
cert leaf-self-signed leaf-p256.key '/O=Natterjack/CN=self.test' - "$NOCA
$BOTH
$DNS"
i=0
sans=
while [ $i -lt 1000 ]; do
    sans="$sans${sans:+,}DNS:n$i.many.test"
    i=$((i + 1))
done
leaf sans-1000 root "$BOTH
subjectAltName=$sans"
key leaf-rsa2048.key RSA -pkeyopt rsa_keygen_bits:2048
key leaf-p384.key EC -pkeyopt ec_paramgen_curve:P-384
key leaf-ed25519.key ED25519
for k in rsa2048 p384 ed25519; do
    ca=root
    [ $k = p384 ] && ca=p384-root
    cert leaf-$k leaf-$k.key "/O=Natterjack/CN=$k.test" $ca "$NOCA
$BOTH
$DNS"
done

# ---- odd ones ----------------------------------------------------------------------------------
# SAN: DNS "good.test\0.evil.test", then DNS "server.test"
leaf odd-nul-san root "$BOTH
subjectAltName=DER:30:23:82:14:67:6f:6f:64:2e:74:65:73:74:00:2e:65:76:69:6c:2e:74:65:73:74:82:0b:73:65:72:76:65:72:2e:74:65:73:74"
odd() { # odd NAME SUBJECT
    cert "leaf-odd-$1" leaf-p256.key "$2" root "$NOCA
$BOTH
${3:-$DNS}"
}
odd multi-rdn '/O=Acme/CN=multi+OU=u1'
odd unknown-attr '/O=Acme/testAttribute=zz/UID=bob/CN=odd/emailAddress=a@b.test'
odd empty-subject / 'subjectAltName=critical,DNS:server.test'
odd dc '/DC=com/DC=example/OU=Users/CN=www.example.com'
odd repeated '/C=US/O=B/O=A/OU=x, y/CN=dup'
odd escapes '/O= lead#/OU=#hash/L=a"b<c>d;e\\f/ST=trail /CN=Žába, s.r.o.'
odd all-sans '/O=Example/OU=Eng/CN=bob' \
    'subjectAltName=email:bob@example.com,DNS:host.example.com,URI:spiffe://ex/bob,IP:192.0.2.7,DNS:second.example.com,RID:1.2.3,IP:2001:db8::1'
odd full '/serialNumber=7/C=CZ/ST=Morava/L=Brno/street=Hlavni 1/postalCode=60200/O=Acme/OU=Ops/CN=first/CN=last'

# ---- what is sent and what is trusted, where that is more than one file -------------------------
for n in inter inter-eku-client inter-expired nonca; do
    cat leaf-$n.pem $n.pem > chain-$n.pem
done
cat leaf-inter.pem inter.pem root.pem > chain-inter-root.pem
cat leaf-dns.pem other.pem > chain-dns-unrelated.pem
cat leaf-inter-eku-client.pem fake-inter.pem inter-eku-client.pem > chain-lookalike.pem
cat root.pem other.pem > anchors-two.pem
{ echo 'a bundle'; cat leaf-p256.key root.pem root.pem expired-root.pem
  printf '%s\n' '-----BEGIN CERTIFICATE-----' AAAA '-----END CERTIFICATE-----'
  cat other.pem; } > anchors-mixed.pem

# ---- keys in their other forms -------------------------------------------------------------------
openssl rsa -in leaf-rsa2048.key -traditional -out form-pkcs1.key 2>/dev/null
openssl ec -in leaf-p256.key -out form-sec1.key 2>/dev/null
{ openssl ecparam -name prime256v1; cat form-sec1.key; } > form-ecparam.key
sed 's/$/\r/' leaf-p256.key > form-crlf.key
{ echo 'Bag Attributes: none'; cat leaf-p256.key; echo; echo 'text between'; cat leaf-dns.pem
  echo 'and after'; } > form-text-around.key
openssl pkcs8 -topk8 -in leaf-p256.key -passout pass:secret -out form-encrypted-pkcs8.key
openssl rsa -in leaf-rsa2048.key -traditional -aes128 -passout pass:secret \
    -out form-encrypted-pkcs1.key 2>/dev/null
openssl x509 -in leaf-dns.pem -outform DER -out leaf-dns.der
chmod 644 -- *.key
