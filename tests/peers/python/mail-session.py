"""A whole session with Python's own imaplib or smtplib. Reads a JSON object from standard input; prints `done`."""

import imaplib
import json
import smtplib
import ssl
import sys

request = json.load(sys.stdin)
host, port, user, password = (request[key] for key in ("host", "port", "user", "password"))
context = ssl.create_default_context(cafile=request["ca"])
implicit = request["channel"] == "implicit"


def imap():
    if implicit:
        connection = imaplib.IMAP4_SSL(host, port, ssl_context=context, timeout=10)
    else:
        connection = imaplib.IMAP4(host, port, timeout=10)
        connection.starttls(context)
    assert f"AUTH={request['mechanism']}" in connection.capabilities, connection.capabilities
    if request["mechanism"] == "CRAM-MD5":
        connection.login_cram_md5(user, password)
    else:
        connection.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
    assert connection.list()[0] == "OK"
    status, [count] = connection.select("INBOX")
    assert status == "OK" and count.isdigit()
    assert connection.search(None, "ALL")[0] == "OK"
    assert connection.noop()[0] == "OK"
    assert connection.logout()[0] == "BYE"


def smtp():
    if implicit:
        connection = smtplib.SMTP_SSL(host, port, context=context, timeout=10)
    else:
        connection = smtplib.SMTP(host, port, timeout=10)
        connection.starttls(context=context)
    connection.ehlo("client.localhost")
    connection.user, connection.password = user, password
    authenticate = getattr(connection, "auth_" + request["mechanism"].lower().replace("-", "_"))
    assert connection.auth(request["mechanism"], authenticate)[0] == 235
    mail = "From: a@localhost\r\nTo: b@localhost\r\nSubject: dots\r\n\r\n.\r\n..\r\n.a\r\n"
    assert connection.sendmail("a@localhost", ["b@localhost", "c@localhost"], mail) == {}
    connection.noop()
    assert connection.sendmail("a@localhost", ["b@localhost"], mail) == {}
    assert connection.quit()[0] == 221


{"imap": imap, "smtp": smtp}[request["protocol"]]()
print("done")
