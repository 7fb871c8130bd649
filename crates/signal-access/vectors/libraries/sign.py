"""Signs a token with PyJWT, for make.mjs."""
import json
import sys

import jwt

asked = json.load(sys.stdin)
print(jwt.encode(asked["claims"], asked["key"], algorithm=asked["alg"], headers=asked["header"]))
