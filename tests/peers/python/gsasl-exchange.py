"""One exchange of the GNU SASL library, step by step, for what its command has no option for.

The first line on standard input is a JSON object: "role" ("client" or "server"), "mechanism", "properties" (by number,
as <gsasl.h> numbers them), "valid" (what its validation callbacks say). Every further line is the peer's message in
base64, or "-" for none. Each is answered with a line: {"code": 0 (done), 1 (needs more) or an error's, "message": base64 or
null, "asked": numbers of the properties its callback was asked for, "url": the redirect it was given}.
"""

import ctypes
import ctypes.util
import json
import sys

OK, NEEDS_MORE, NO_CALLBACK, AUTHENTICATION_ERROR = 0, 1, 51, 31
REDIRECTS = {250: 20, 251: 21}  # *_AUTHENTICATE_IN_BROWSER: *_REDIRECT_URL
FIRST_VALIDATION = 500

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
properties = {int(name): value for name, value in config.get("properties", {}).items()}
asked, urls = [], []


@callback_type
def callback(_, session, prop):
    asked.append(prop)
    if prop in REDIRECTS:
        urls.append((lib.gsasl_property_fast(session, REDIRECTS[prop]) or b"").decode())
        return OK
    if prop >= FIRST_VALIDATION:
        return OK if config.get("valid", True) else AUTHENTICATION_ERROR
    if prop not in properties:
        return NO_CALLBACK
    lib.gsasl_property_set(session, prop, properties[prop].encode())
    return OK


context, session = pointer(), pointer()
lib.gsasl_init(ctypes.byref(context))
lib.gsasl_callback_set(context, callback)
start = lib.gsasl_client_start if config["role"] == "client" else lib.gsasl_server_start
if start(context, config["mechanism"].encode(), ctypes.byref(session)) != OK:
    sys.exit("gsasl does not have this mechanism")

for line in sys.stdin:
    given = None if line.strip() == "-" else line.strip().encode()
    output = ctypes.c_char_p()
    code = lib.gsasl_step64(session, given, ctypes.byref(output))
    message = output.value.decode() if code in (OK, NEEDS_MORE) and output.value is not None else None
    print(json.dumps({"code": code, "message": message, "asked": asked, "url": urls[-1] if urls else None}), flush=True)
    asked.clear()
