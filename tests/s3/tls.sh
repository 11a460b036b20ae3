#!/bin/sh
# HTTPS with a certificate made on the spot: refused unless its authority is named, also where the system trusts it and
# another is named.
set -eu
for program in openssl python3; do
    command -v "$program" >/dev/null 2>&1 || { echo "skipped: no $program"; exit 77; }
done
dir=$(mktemp -d)
server=
# shellcheck disable=SC2317 # reached by the trap
cleanup() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT
certificate() { # KEY CERTIFICATE NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$dir/$1" -out "$dir/$2" -days 2 \
        -subj "/CN=$3" -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>"$dir/openssl.log" ||
        { cat "$dir/openssl.log"; exit 1; }
}
certificate key.pem cert.pem localhost
certificate other-key.pem other.pem other
cat >"$dir/server.py" <<'PYTHON'
import http.server, os, ssl, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("ETag", '"e"')
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"body")
    def log_message(self, *args):
        pass

folder = sys.argv[1]
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
with open(folder + "/port.new", "w") as file:
    file.write(str(server.server_address[1]))
os.rename(folder + "/port.new", folder + "/port")
server.serve_forever()
PYTHON
python3 "$dir/server.py" "$dir" &
server=$!
tries=0
while [ ! -s "$dir/port" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || { echo "the test's server did not start"; exit 1; }
    sleep 0.05
done
unset http_proxy https_proxy HTTPS_PROXY ALL_PROXY all_proxy AWS_PROFILE AWS_SESSION_TOKEN
export AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY=secret no_proxy='*'
TLS_URL=https://localhost:$(cat "$dir/port")
export TLS_URL TLS_CA="$dir/cert.pem" TLS_OTHER_CA="$dir/other.pem"
"${top_builddir:-.}/tests/s3/test_tls"

# The system's folder of authorities holds the server's certificate, in a namespace of ours: whoever names another file
# does not trust it.
mkdir "$dir/system"
cp "$dir/cert.pem" "$dir/system/$(openssl x509 -in "$dir/cert.pem" -noout -hash).0"
if unshare -rm mount --bind "$dir/system" /etc/ssl/certs 2>/dev/null; then
    # shellcheck disable=SC2016 # for the inner shell
    unshare -rm sh -c 'mount --bind "$1" /etc/ssl/certs && exec "$2"' - "$dir/system" \
        "${top_builddir:-.}/tests/s3/test_tls"
else
    echo "no namespace to change the system's authorities in: not tried"
fi
