import os

if os.environ.get("ODRADEK_PURE") == "1":
    __import__("odradek.base.interpreted", fromlist=["prefer_source"]).prefer_source()
