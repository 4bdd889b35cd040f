"""One SECURID exchange of the GNU SASL library, whose command judges no passcodes and has no PIN.

The first line on standard input is a JSON object. "role": "client" with "username", "passcodes" (one for each message) and
"pin", or "server" with "verdicts" (one for each message: "accepted", "refused", "passcode", "pin") and "suggestion". Every
further line is the peer's message in base64, or "-" for none. Each is answered with a line: {"code": 0 (done), 1 (needs
more) or an error's, "message": base64 or null, "seen": the user name, passcode and PIN that were to be judged, or null}.
"""

import ctypes
import ctypes.util
import json
import sys

OK, NEEDS_MORE = 0, 1
AUTHID, PASSCODE, SUGGESTED_PIN, PIN, VALIDATE_SECURID = 1, 8, 9, 10, 504
VERDICTS = {"accepted": OK, "refused": 31, "passcode": 48, "pin": 49}
NO_CALLBACK = 51

lib = ctypes.CDLL(ctypes.util.find_library("gsasl") or "libgsasl.so.18")
pointer = ctypes.c_void_p
lib.gsasl_property_fast.restype = ctypes.c_char_p
lib.gsasl_property_fast.argtypes = [pointer, ctypes.c_int]
lib.gsasl_property_set.argtypes = [pointer, ctypes.c_int, ctypes.c_char_p]
lib.gsasl_step64.argtypes = [pointer, ctypes.c_char_p, ctypes.POINTER(ctypes.c_char_p)]
for start in (lib.gsasl_client_start, lib.gsasl_server_start):
    start.argtypes = [pointer, ctypes.c_char_p, ctypes.POINTER(pointer)]
callback_type = ctypes.CFUNCTYPE(ctypes.c_int, pointer, pointer, ctypes.c_int)
lib.gsasl_callback_set.argtypes = [pointer, callback_type]

config = json.loads(sys.stdin.readline())
is_client = config["role"] == "client"
seen = None


def property_of(session, name):
    value = lib.gsasl_property_fast(session, name)
    return None if value is None else value.decode()


@callback_type
def callback(_, session, name):
    global seen
    if is_client and name == PIN and config.get("pin") is not None:
        lib.gsasl_property_set(session, PIN, config["pin"].encode())
        return OK
    if name != VALIDATE_SECURID or is_client:
        return NO_CALLBACK
    seen = [property_of(session, each) for each in (AUTHID, PASSCODE, PIN)]
    verdict = config["verdicts"].pop(0)
    if verdict == "pin" and config.get("suggestion") is not None:
        lib.gsasl_property_set(session, SUGGESTED_PIN, config["suggestion"].encode())
    return VERDICTS[verdict]


context, session = pointer(), pointer()
lib.gsasl_init(ctypes.byref(context))
lib.gsasl_callback_set(context, callback)
start = lib.gsasl_client_start if is_client else lib.gsasl_server_start
if start(context, b"SECURID", ctypes.byref(session)) != OK:
    sys.exit("gsasl does not have SECURID")
if is_client:
    lib.gsasl_property_set(session, AUTHID, config["username"].encode())

for line in sys.stdin:
    if is_client and config["passcodes"]:  # it would take the first one for every message
        lib.gsasl_property_set(session, PASSCODE, config["passcodes"].pop(0).encode())
    given = None if line.strip() == "-" else line.strip().encode()
    output = ctypes.c_char_p()
    seen = None
    code = lib.gsasl_step64(session, given, ctypes.byref(output))
    message = output.value.decode() if code in (OK, NEEDS_MORE) and output.value is not None else None
    print(json.dumps({"code": code, "message": message, "seen": seen}), flush=True)
