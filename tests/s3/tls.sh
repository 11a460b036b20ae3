#!/bin/sh
# HTTPS with a certificate made on the spot: refused unless its authority is named.
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
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/key.pem" -out "$dir/cert.pem" -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>"$dir/openssl.log" ||
    { cat "$dir/openssl.log"; exit 1; }
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
TLS_URL=https://localhost:$(cat "$dir/port") TLS_CA=$dir/cert.pem "${top_builddir:-.}/tests/s3/test_tls"
