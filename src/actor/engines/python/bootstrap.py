import json, os, struct, sys, types

def take(length):
    data = b""
    while len(data) < length:
        more = os.read(0, length - len(data))
        if not more: os._exit(0)
        data += more
    return data

if sys.version_info < (3, 9): sys.exit("Python %d.%d is too old: 3.9 or later is needed" % sys.version_info[:2])
start = json.loads(take(struct.unpack("<I", take(4))[0]))
heroscript = types.ModuleType("heroscript")
sys.modules["heroscript"] = heroscript
exec(compile(start["heroscript"], "<heroscript>", "exec"), heroscript.__dict__)
# Later ones see the earlier ones under their names.
parts = {}
for name, text in start["parts"]:
    part = types.ModuleType("hero_" + name)
    part.__dict__.update(parts)
    exec(compile(text, "<hero>", "exec"), part.__dict__)
    parts[name] = part
parts["server"].main(start["settings"])
