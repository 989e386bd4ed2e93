"""SMTP and HTTPS with certificates of a CA of their own, for the tests.

    servers.py smtp  --folder DIR [--mode plain|starttls|tls] [--user U --password P] [--refuse CODE]
    servers.py https --folder DIR [--cert good|wrong-name|expired]

Writes DIR/ca.pem, prints the port, appends what comes to DIR/received.jsonl, and ends when stdin does.
"""

import argparse
import asyncio
import datetime
import http.server
import json
import logging
import pathlib
import ssl
import sys
import threading
import warnings

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


def certificate(folder, kind):
    """A context for a server whose certificate is good, for another name, or of the past."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    names = ["elsewhere.example"] if kind == "wrong-name" else ["127.0.0.1", "localhost"]
    until = datetime.datetime(2001, 1, 1) if kind == "expired" else None
    issued = ca.issue_cert(*names, not_after=until)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    return context


class Record:
    """One JSON line for each thing that came."""

    def __init__(self, folder):
        self.path = folder / "received.jsonl"
        self.path.touch()
        self.lock = threading.Lock()

    def add(self, thing):
        with self.lock, self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(thing) + "\n")


class Mailbox:
    """What aiosmtpd asks."""

    def __init__(self, record, mode, refuse):
        self.record = record
        self.mode = mode
        self.refuse = refuse

    async def handle_DATA(self, server, session, envelope):
        if self.refuse:
            code, self.refuse = self.refuse, None
            return f"{code} try another time"
        user = session.auth_data.login.decode() if session.authenticated else None
        self.record.add(
            {
                "mail_from": envelope.mail_from,
                "rcpt_tos": envelope.rcpt_tos,
                "tls": self.mode == "tls" or session.ssl is not None,
                "user": user,
                # Bytes that are no UTF-8 stay visible as escapes.
                "message": envelope.original_content.decode("utf-8", "backslashreplace"),
            }
        )
        return "250 OK"


async def serve_smtp(options, record):
    context = None if options.mode == "plain" else certificate(options.folder, "good")
    mailbox = Mailbox(record, options.mode, options.refuse)

    def authenticate(server, session, envelope, mechanism, data):
        known = isinstance(data, LoginPassword) and data == LoginPassword(
            options.user.encode(), options.password.encode()
        )
        return AuthResult(success=known, handled=False, auth_data=data)

    def protocol():
        return SMTP(
            mailbox,
            hostname="localhost",
            enable_SMTPUTF8=True,
            tls_context=context if options.mode == "starttls" else None,
            require_starttls=options.mode == "starttls",
            authenticator=authenticate if options.user else None,
            auth_required=bool(options.user),
            auth_exclude_mechanism=None if options.user else ["LOGIN", "PLAIN"],
            # The protocol does not see TLS that was there from the start.
            auth_require_tls=options.mode == "starttls" or not options.user,
        )

    loop = asyncio.get_running_loop()
    outer = context if options.mode == "tls" else None
    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=outer)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def serve_https(options, record):
    context = certificate(options.folder, options.cert)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self):
            # The handshake belongs to the thread of the connection.
            self.request.settimeout(30)
            self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

        def body(self):
            if self.headers.get("transfer-encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("content-length", 0)))
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return body

        def answer(self):
            body = self.body().decode("utf-8", "backslashreplace")
            headers = {name.lower(): value for name, value in self.headers.items()}
            record.add({"method": self.command, "path": self.path, "headers": headers, "body": body})
            # Slack and others answer so, and a plain 200 suits everyone.
            self.send_response(200)
            self.send_header("content-type", "text/plain")
            self.send_header("content-length", "2")
            self.send_header("connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(b"ok")
            self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, format, *values):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, address):
            # Who does not trust the certificate hangs up.
            pass

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    smtp = kinds.add_parser("smtp")
    smtp.add_argument("--mode", choices=["plain", "starttls", "tls"], default="plain")
    smtp.add_argument("--user")
    smtp.add_argument("--password")
    smtp.add_argument("--refuse", type=int, help="answers DATA with this code once")
    https = kinds.add_parser("https")
    https.add_argument("--cert", choices=["good", "wrong-name", "expired"], default="good")
    for kind in [smtp, https]:
        kind.add_argument("--folder", type=pathlib.Path, required=True)
    options = parser.parse_args()
    if options.kind == "smtp" and (options.user is None) != (options.password is None):
        parser.error("--user and --password come together")
    options.folder.mkdir(parents=True, exist_ok=True)
    record = Record(options.folder)
    # aiosmtpd warns of passwords without TLS, which some tests want.
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    if options.kind == "smtp":
        asyncio.run(serve_smtp(options, record))
    else:
        serve_https(options, record)


if __name__ == "__main__":
    main()
